"""What a trained model is given, as Python has it: a path, the bytes of a file or an array."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmgen.generate.image_to_sound import VIDEO_WINDOWS_PER_SECOND, Shown
from cmgen.media import images, video
from cmgen.media.limits import LIMITS, MediaLimits
from cmgen.media.sound import decode_sound_file, finish_sound
from cmgen.utils.errors import UserError

# The path or the bytes of a file, a picture, or sound or pictures with their rate.
Source = Path | str | bytes | np.ndarray | tuple[np.ndarray, float]


def read_sound(
    source: Source, sample_rate: int, limits: MediaLimits = LIMITS
) -> NDArray[np.float32]:
    """The sound of a source of `generate`: float32 [n], mono at `sample_rate` Hz."""
    if isinstance(source, tuple):
        samples, rate = np.asarray(source[0], np.float32), source[1]
        columns = samples[:, None] if samples.ndim == 1 else samples
        if columns.ndim != 2 or not rate > 0:
            raise UserError(
                f"an array of shape {samples.shape} at {rate} Hz: is no sound; give float [n] or "
                "[n, channels], and a positive rate"
            )
        return finish_sound("the array", columns, round(rate), sample_rate)
    with _as_file(source, "(samples, rate)") as path:
        if images.is_picture(path):
            raise UserError(
                f"{path}: is a picture, and this model makes pictures of sounds; give a sound or "
                "video file, or a --model of --task=i2s"
            )
        return decode_sound_file(path, sample_rate, limits)


def read_pictures(source: Source, size: int, limits: MediaLimits = LIMITS) -> Shown:
    """The picture or the video of a source of `generate`, `size` pixels high and wide."""
    if isinstance(source, tuple):
        frames, rate = np.asarray(source[0]), source[1]
        if frames.ndim != 4 or not len(frames) or not rate > 0:
            raise UserError(
                f"an array of shape {frames.shape} at {rate} pictures a second: is no video; give "
                "uint8 [n, height, width, 3], and a positive rate"
            )
        times = np.arange(len(frames)) / rate
        pixels = np.stack([_checked_square(frame, size) for frame in frames])
        return Shown(pixels, times, len(frames) / rate, "the array")
    if isinstance(source, np.ndarray):
        return Shown(_checked_square(source, size)[None])
    with _as_file(source, "pictures, or (pictures, rate)") as path:
        if images.is_picture(path):
            picture = images.square(images.read_image(path, size, limits), size)
            return Shown(picture[None])
        film, times, seconds = video.read_pictures(path, size, VIDEO_WINDOWS_PER_SECOND, limits)
        return Shown(np.stack(film), times, seconds, str(path))


@contextlib.contextmanager
def _as_file(source: Source, array: str) -> Iterator[Path]:
    """A path as it is; bytes as a file that is removed again. Messages name what an `array` would be."""
    if isinstance(source, str | Path):
        yield Path(source)
    elif isinstance(source, bytes):
        with tempfile.TemporaryDirectory(prefix="cmgen-") as folder:
            path = Path(folder) / "input"
            path.write_bytes(source)
            yield path
    else:
        raise UserError(f"a {type(source).__name__}: is no source; give a path, bytes or {array}")


def _checked_square(picture: np.ndarray, size: int) -> NDArray[np.uint8]:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise UserError(
            f"an array of {picture.dtype} {picture.shape}: is no picture; give uint8 [height, width, 3]"
        )
    return images.square(picture, size)
