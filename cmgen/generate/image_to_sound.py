"""A photo or a video -> what may be heard in it: a sound file, or the video dubbed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmgen.config import SoundConfig
from cmgen.media import images, video
from cmgen.media.limits import LIMITS, MediaLimits
from cmgen.media.lms import FADE_SECONDS, join_lms, sound_of_lms
from cmgen.media.sound import SOUNDS, write_sound
from cmgen.utils import provenance
from cmgen.utils.errors import UserError

BATCH = 64
OUTPUTS = (*SOUNDS, ".png", ".mp4")
PHOTO_SECONDS = 5.0
MAX_SECONDS = 300.0  # phases are found for the whole sound at once: about 10 MB a second
VIDEO_WINDOWS_PER_SECOND = 10.0


@dataclass(frozen=True)
class SoundModel:
    """A picture-to-sound function from a run.

    Attributes:
      generate: (image float32 [batch, size, size, 3] in [-1, 1], noise float32 [batch,
        noise_size]) -> LMS float32 [batch, n_mels, frames] in [-1, 1].
      image_size: side of a picture.
      noise_size: length of the noise.
      sound: the window and its LMS.
      facts: of `origin.FACTS`, for the files that it makes.
    """

    generate: Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
    image_size: int
    noise_size: int
    sound: SoundConfig
    facts: Mapping[str, str | int] = field(default_factory=dict)


def generate_file(
    model: SoundModel,
    source: Path,
    output: Path,
    seed: int = 0,
    seconds: float | None = None,
    scale: int = 1,
    limits: MediaLimits = LIMITS,
) -> None:
    """Writes what `model` hears in a photo or in a video.

    Args:
      model: of `generation.load_model`.
      source: a picture or video file of any format.
      output: .wav, .flac or .mp3; .png for the LMS; .mp4 for the video with the sound, its pictures
        copied as they are.
      seed: of the noise: of all half seconds alike for a video, where what is seen shall change the
        sound; of each half second anew for a photo, where a single noise would be a loop.
      seconds: of sound from a photo, PHOTO_SECONDS if None; a video's sound is as long as it.
      scale: an LMS is drawn so many times larger.
      limits: of the source.
    """
    check_output(output)
    if images.is_picture(source):
        if output.suffix.lower() == ".mp4":
            raise UserError(
                f"--output={output}: {source} is a photo; end in {', '.join(OUTPUTS[:-1])}, or give "
                "a video to dub"
            )
        lms, samples = lms_of_photo(model, source, seed, seconds or PHOTO_SECONDS, limits)
    elif seconds is not None:
        raise UserError(f"--seconds={seconds:g}: the sound is as long as the video; leave it out")
    else:
        lms, samples = lms_of_video(model, source, seed, limits)
    comment = provenance.comment(model.facts, [seed])
    if output.suffix.lower() == ".png":
        drawn = images.draw_lms(lms).repeat(scale, axis=0).repeat(scale, axis=1)
        images.write_png(output, drawn, comment)
        return
    sound = audible(lms, samples, model.sound)
    if output.suffix.lower() == ".mp4":
        video.dub_video(source, output, sound, model.sound.sample_rate, comment)
    else:
        write_sound(output, sound, model.sound.sample_rate, comment)


def check_output(output: Path) -> None:
    """Raises a UserError if the suffix isn't one that `generate_file` writes."""
    if output.suffix.lower() not in OUTPUTS:
        raise UserError(
            f"--output={output}: must end in {', '.join(OUTPUTS[:-1])} or {OUTPUTS[-1]}, for the "
            "model makes sounds"
        )


def lms_of_photo(
    model: SoundModel, photo: Path, seed: int, seconds: float, limits: MediaLimits = LIMITS
) -> tuple[NDArray[np.float32], int]:
    """The joined LMS float32 [n_mels, frames] of a photo, and how many samples it stands for."""
    pixels = images.square(images.read_image(photo, model.image_size, limits), model.image_size)

    def generate(noise: NDArray[np.float64]) -> NDArray[np.float32]:
        return _generate(model, np.repeat(pixels[None], len(noise), axis=0), noise)

    return lms_of_one(generate, model.sound, model.noise_size, seed, seconds)


def photo_hop(config: SoundConfig) -> int:
    """Frames from one window to the next: those that `mel.join_lms` uses overlap by 4 (36 of 44)."""
    return max(1, config.frames - 8)


def lms_of_one(
    generate: Callable[[NDArray[np.float64]], NDArray[np.float32]],
    config: SoundConfig,
    noise_size: int,
    seed: int,
    seconds: float,
) -> tuple[NDArray[np.float32], int]:
    """The same for one picture that `generate` knows already: noise [n, noise_size] -> n LMS."""
    samples = round(seconds * config.sample_rate)
    frames = _frames(samples, config)
    hop = photo_hop(config)
    count = 1 + max(0, -(-(frames - config.frames) // hop))
    middles = (config.frames - 1) / 2 + hop * np.arange(count)
    noise = np.random.default_rng(seed).standard_normal((count, noise_size))
    return join_lms(generate(noise), middles, frames, config), samples


def lms_of_video(
    model: SoundModel, source: Path, seed: int, limits: MediaLimits = LIMITS
) -> tuple[NDArray[np.float32], int]:
    """The same of a video: ten windows a second, each of the picture shown in its middle."""
    pictures, shown, seconds = video.read_pictures(
        source, model.image_size, VIDEO_WINDOWS_PER_SECOND, limits
    )
    if seconds > MAX_SECONDS:
        raise UserError(
            f"{source}: lasts {seconds:.0f} s; cut it into pieces of at most {MAX_SECONDS:.0f} s"
        )
    samples = round(seconds * model.sound.sample_rate)
    times = np.arange(np.ceil(seconds * VIDEO_WINDOWS_PER_SECOND)) / VIDEO_WINDOWS_PER_SECOND
    # A thousandth of a second for times that are no round numbers in the file.
    which = np.searchsorted(shown, times + 1e-3, side="right") - 1
    noise = np.random.default_rng(seed).standard_normal(model.noise_size)
    windows = _generate(
        model, np.stack(pictures)[which], np.repeat(noise[None], len(times), axis=0)
    )
    middles = times * model.sound.sample_rate / model.sound.hop_length
    return join_lms(windows, middles, _frames(samples, model.sound), model.sound), samples


def audible(lms: NDArray[np.float32], samples: int, config: SoundConfig) -> NDArray[np.float32]:
    """A waveform that has an LMS, its phases found for the whole at once, so that nothing clicks.

    Args:
      lms: float32 [n_mels, frames] in [-1, 1].
      samples: to give, at most (frames - 1) * hop_length.
      config: the settings that made the LMS.

    Returns:
      float32 [samples] in [-1, 1], faded in and out within 10 ms.
    """
    sound = sound_of_lms(lms, config)[:samples]
    fade = np.linspace(0.0, 1.0, round(FADE_SECONDS * config.sample_rate), dtype=np.float32)
    fade = fade[: samples // 2]
    sound[: len(fade)] *= fade
    sound[len(sound) - len(fade) :] *= fade[::-1]
    # The level is the LMS's own, unless its phases pile up beyond what a file can hold.
    return sound / max(1.0, float(np.abs(sound).max()))


def _frames(samples: int, config: SoundConfig) -> int:
    """Enough frames for `audible` to give so many samples."""
    return 2 + samples // config.hop_length


def _generate(
    model: SoundModel, pixels: NDArray[np.uint8], noise: NDArray[np.float64]
) -> NDArray[np.float32]:
    """uint8 [n, size, size, 3] and noise [n, noise_size] -> LMS float32 [n, n_mels, frames]."""
    made = []
    for start in range(0, len(pixels), BATCH):
        some = slice(start, start + BATCH)
        condition = images.scale(pixels[some].astype(np.float32))
        made.append(model.generate(condition, noise[some].astype(np.float32)))
    return np.concatenate(made)
