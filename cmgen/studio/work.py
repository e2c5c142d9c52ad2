"""What the studio makes: pictures of a sound over time, the video of them, and a picture's sound."""

import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmgen.config import SAMPLE_RATE, SoundConfig
from cmgen.generate import grids, image_to_sound, sound_to_image
from cmgen.generate.model import Model
from cmgen.media import images, video
from cmgen.media.lms import lms_of_sound
from cmgen.media.sound import resample
from cmgen.utils import provenance

PICTURES_PER_SECOND = 10
VIDEO_SCALE = 4
SHEET_COLUMNS = 20

Array = NDArray[np.float32]
# Called between two pieces of work; an error that it raises ends the work.
Check = Callable[[], None]


def always() -> None:
    """A Check that lets all work be done."""


@dataclass(frozen=True)
class Noise:
    """Whose noise: the way from performer `seed` to performer `towards`, of which `share` is gone."""

    seed: int
    towards: int
    share: float

    def values(self, size: int) -> Array:
        """Float32 [size], standard normal everywhere on the way."""
        first, last = sound_to_image.seed_noise([self.seed, self.towards], size)
        angle = self.share * np.pi / 2
        return (np.cos(angle) * first + np.sin(angle) * last).astype(np.float32)


@dataclass
class _Encoded:
    """One model's encodings of the windows of a sound; rows count where `done`."""

    encodings: Array
    probabilities: Array
    done: NDArray[np.bool_]


@dataclass
class SoundInput:
    """A sound, float32 [n] at 44.1 kHz, and its windows' encodings so far."""

    samples: Array
    _encoded: dict[str, _Encoded] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE

    def times(self) -> NDArray[np.float64]:
        """Middles of the windows, in seconds."""
        return np.arange(max(1, round(self.seconds * PICTURES_PER_SECOND))) / PICTURES_PER_SECOND

    def encode(
        self, name: str, model: Model, which: NDArray[np.intp], check: Check
    ) -> tuple[Array, Array]:
        """(encodings, probabilities) of the windows `which`; each is encoded once."""
        with self._lock:
            encoded = self._encoded.get(name)
            missing = which if encoded is None else which[~encoded.done[which]]
            if len(missing):
                metadata = model.metadata
                samples = resample(self.samples, SAMPLE_RATE, metadata.sample_rate)
            for rows in _batches(missing, check):
                windows = sound_to_image.cut_windows(
                    samples, self.times()[rows], metadata.window_samples, metadata.sample_rate
                )
                encodings, probabilities = model.encode(windows)
                if encoded is None:
                    encoded = self._encoded[name] = self._nothing(encodings, probabilities)
                encoded.encodings[rows], encoded.probabilities[rows] = encodings, probabilities
                encoded.done[rows] = True
            assert encoded is not None
            return encoded.encodings[which], encoded.probabilities[which]

    def _nothing(self, encodings: Array, probabilities: Array) -> _Encoded:
        count = len(self.times())
        return _Encoded(
            np.zeros((count, encodings.shape[1]), np.float32),
            np.zeros((count, probabilities.shape[1]), np.float32),
            np.zeros(count, bool),
        )


@dataclass(frozen=True)
class PictureInput:
    """A picture by side, uint8 [side, side, 3]; of a demo's, its sound and instant too."""

    pixels: Mapping[int, NDArray[np.uint8]]
    real_sound: Array | None = None
    time: float = 0.0


def perform(
    name: str, model: Model, sound: SoundInput, noise: Noise, every: int, check: Check = always
) -> tuple[NDArray[np.uint8], Array]:
    """Pictures of each `every`th window: uint8 [n, size, size, 3]; and probabilities [n, classes]."""
    which = np.arange(0, len(sound.times()), every)
    encodings, probabilities = sound.encode(name, model, which, check)
    held = noise.values(model.metadata.noise_size)[None]
    parts = [
        images.unscale(model.from_encoding(encodings[rows], np.repeat(held, len(rows), axis=0)))
        for rows in _batches(np.arange(len(which)), check)
    ]
    return np.concatenate(parts), probabilities


def _batches(rows: NDArray[np.intp], check: Check) -> Iterator[NDArray[np.intp]]:
    for start in range(0, len(rows), sound_to_image.BATCH):
        check()
        yield rows[start : start + sound_to_image.BATCH]


def sheet(pictures: NDArray[np.uint8], comment: str = "") -> bytes:
    """Pictures in rows of SHEET_COLUMNS as one PNG file."""
    whole = images.grid(pictures, min(len(pictures), SHEET_COLUMNS), gap=0)
    return images.encode_png(whole, comment)


def comment(models: Iterable[Model], **noise: float) -> str:
    """The comment in a result: its models, noise and versions."""
    metadata = [dict(model.metadata.provenance) for model in models]
    return provenance.made_by("cmgen.studio", models=metadata, noise=noise)


def film(
    performances: Sequence[NDArray[np.uint8]],
    samples: Array,
    comment: str = "",
    check: Check = always,
) -> bytes:
    """An MP4 file with the sound; of several performances side by side."""
    size = max(pictures.shape[1] for pictures in performances) * VIDEO_SCALE
    large = [grids.enlarge(p, size // p.shape[1]) for p in performances]
    frames = np.concatenate(large, axis=2)
    with tempfile.TemporaryDirectory(prefix="cmgen-studio-") as folder:
        path = Path(folder) / "film.mp4"
        video.write_video(
            path, _checked(frames, check), PICTURES_PER_SECOND, samples, SAMPLE_RATE, comment
        )
        return path.read_bytes()


def _checked(frames: NDArray[np.uint8], check: Check) -> Iterator[NDArray[np.uint8]]:
    for frame in frames:
        check()
        yield frame


def imagine_sound(
    model: Model, picture: PictureInput, seed: int, seconds: float, check: Check = always
) -> tuple[Array, Array, Array]:
    """Makes a sound of a picture.

    Returns:
      lms: float32 [n_mels, frames] in [-1, 1].
      sound: float32 [samples] at the model's sample rate.
      probabilities: float32 [classes], of the picture's encoding.
    """
    metadata = model.metadata
    pixels = images.scale(picture.pixels[metadata.image_size].astype(np.float32))
    encodings, probabilities = model.encode(pixels[None])

    def generate(noise: NDArray[np.float64]) -> Array:
        return model.from_encoding(
            np.repeat(encodings, len(noise), axis=0), noise.astype(np.float32)
        )

    lms, samples = image_to_sound.lms_of_one(
        generate, metadata.sound, metadata.noise_size, seed, seconds
    )
    check()
    return lms, image_to_sound.audible(lms, samples, metadata.sound), probabilities[0]


def real_part(picture: PictureInput, seconds: float) -> Array | None:
    """`seconds` of a demo's real sound around its picture's instant."""
    if picture.real_sound is None:
        return None
    length = min(round(seconds * SAMPLE_RATE), len(picture.real_sound))
    start = round(picture.time * SAMPLE_RATE) - length // 2
    start = min(max(start, 0), len(picture.real_sound) - length)
    return picture.real_sound[start : start + length]


def lms_png(samples: Array, config: SoundConfig) -> bytes:
    """The spectrogram of a sound at 44.1 kHz, as a model with these settings sees it."""
    resampled = resample(samples, SAMPLE_RATE, config.sample_rate)
    return draw(lms_of_sound(resampled, config))


def draw(lms: Array, comment: str = "") -> bytes:
    """float32 [n_mels, frames] in [-1, 1] -> a PNG file of twice as many pixels."""
    return images.encode_png(images.draw_lms(lms).repeat(2, axis=0).repeat(2, axis=1), comment)
