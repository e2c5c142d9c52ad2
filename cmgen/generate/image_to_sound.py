"""A photo or a video -> a sound that fits it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmgen.config import SoundConfig
from cmgen.export.metadata import Metadata
from cmgen.media import images
from cmgen.media.lms import FADE_SECONDS, join_lms, sound_of_lms
from cmgen.utils.errors import UserError

PHOTO_SECONDS = 5.0
MAX_SECONDS = 300.0  # phases are estimated for the whole sound at once: about 10 MB a second
VIDEO_WINDOWS_PER_SECOND = 10.0


@dataclass(frozen=True)
class Shown:
    """What a model of sounds looks at: one picture, or those of a video.

    Attributes:
      pixels: uint8 [n, size, size, 3].
      times: of a video: seconds since its first picture, float64 [n], increasing; of a photo: None.
      seconds: length of the video.
      name: of the video, for messages.
    """

    pixels: NDArray[np.uint8]
    times: NDArray[np.float64] | None = None
    seconds: float = 0.0
    name: str = ""


def spectrogram(
    generate: Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]],
    metadata: Metadata,
    shown: Shown,
    seed: int,
    seconds: float | None = None,
) -> tuple[NDArray[np.float32], int]:
    """The joined LMS float32 [n_mels, frames] of what is shown, and how many samples it stands for.

    Args:
      generate: pictures and noise -> LMS, as a `Model` of task i2s is called.
      metadata: of the model.
      shown: of `sources.read_pictures`.
      seed: of the noise: the same for every half second of a video, new for each of a photo.
      seconds: of sound from a photo, PHOTO_SECONDS if None.
    """
    pixels = images.scale(shown.pixels.astype(np.float32))
    config, size = metadata.sound, metadata.noise_size
    if shown.times is None:

        def of_noise(noise: NDArray[np.float64]) -> NDArray[np.float32]:
            return generate(np.repeat(pixels, len(noise), axis=0), noise.astype(np.float32))

        return lms_of_one(of_noise, config, size, seed, seconds or PHOTO_SECONDS)
    if seconds is not None:
        raise UserError(f"--seconds={seconds:g}: the sound is as long as the video; leave it out")
    if shown.seconds > MAX_SECONDS:
        raise UserError(
            f"{shown.name}: lasts {shown.seconds:.0f} s; cut it into pieces of at most "
            f"{MAX_SECONDS:.0f} s"
        )
    # Ten windows a second, each of the picture shown in its middle.
    count = np.ceil(shown.seconds * VIDEO_WINDOWS_PER_SECOND)
    times = np.arange(count) / VIDEO_WINDOWS_PER_SECOND
    # A thousandth of a second for times that are no round numbers in the file.
    which = np.searchsorted(shown.times, times + 1e-3, side="right") - 1
    noise = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
    windows = generate(pixels[which], np.repeat(noise[None], len(times), axis=0))
    samples = round(shown.seconds * config.sample_rate)
    middles = times * config.sample_rate / config.hop_length
    return join_lms(windows, middles, _frames(samples, config), config), samples


def photo_hop(config: SoundConfig) -> int:
    """Frames from one window to the next: those that `join_lms` uses overlap by 4 (36 of 44)."""
    return max(1, config.frames - 8)


def lms_of_one(
    generate: Callable[[NDArray[np.float64]], NDArray[np.float32]],
    config: SoundConfig,
    noise_size: int,
    seed: int,
    seconds: float,
) -> tuple[NDArray[np.float32], int]:
    """The same for one picture, of which `generate` makes LMS: noise [n, noise_size] -> [n, ...]."""
    samples = round(seconds * config.sample_rate)
    frames = _frames(samples, config)
    hop = photo_hop(config)
    count = 1 + max(0, -(-(frames - config.frames) // hop))
    middles = (config.frames - 1) / 2 + hop * np.arange(count)
    noise = np.random.default_rng(seed).standard_normal((count, noise_size))
    return join_lms(generate(noise), middles, frames, config), samples


def audible(lms: NDArray[np.float32], samples: int, config: SoundConfig) -> NDArray[np.float32]:
    """A waveform that has an LMS, its phases estimated for the whole at once, so that nothing clicks.

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
