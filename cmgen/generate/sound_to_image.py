"""A sound -> pictures of who may be playing, over time."""

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cmgen.export.metadata import Metadata
from cmgen.media import images
from cmgen.utils.errors import UserError
from cmgen.utils.values import MAX_SEED

# Conditions and noise -> targets, as `Model` is called.
Generate = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
BATCH = 64
MAX_SEEDS = 1000  # players at once


def parse_seeds(text: str) -> list[int]:
    """Whole numbers up to MAX_SEED and ranges with both ends: "0-2,7" -> [0, 1, 2, 7]."""
    seeds: list[int] = []
    for part in text.split(","):
        numbers = re.fullmatch(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", part.strip())
        if not numbers or max(int(n or 0) for n in numbers.groups()) > MAX_SEED:
            raise UserError(
                f"--seeds={text}: {part!r} is no number or range up to {MAX_SEED}; write e.g. 0-3,7"
            )
        span = range(int(numbers[1]), int(numbers[2] or numbers[1]) + 1)
        if not span:
            raise UserError(f"--seeds={text}: {part!r} is empty; write the smaller number first")
        if len(seeds) + len(span) > MAX_SEEDS:
            raise UserError(f"--seeds={text}: more than {MAX_SEEDS} players; name fewer")
        seeds += span
    return seeds


def seed_noise(seeds: Sequence[int], size: int) -> NDArray[np.float32]:
    """Standard normal noise that depends on each seed alone: float32 [seeds, size]."""
    rows = [np.random.default_rng(seed).standard_normal(size) for seed in seeds]
    return np.array(rows, np.float32)


def cut_windows(
    sound: NDArray[np.float32], times: NDArray[np.float64], length: int, sample_rate: int
) -> NDArray[np.float32]:
    """Windows of `length` samples around the times.

    At both ends the window stays inside the sound instead of being padded with silence, which
    would look like a rest.

    Args:
      sound: float32 [samples >= length].
      times: middles of the windows in seconds [windows].
      length: samples in a window.
      sample_rate: in Hz.

    Returns:
      float32 [windows, length].
    """
    starts = np.rint(times * sample_rate).astype(np.int64) - length // 2
    starts = np.clip(starts, 0, len(sound) - length)
    return sound[starts[:, None] + np.arange(length)]


def pictures(
    generate: Generate,
    metadata: Metadata,
    sound: NDArray[np.float32],
    times: NDArray[np.float64],
    seeds: Sequence[int],
) -> Iterator[NDArray[np.uint8]]:
    """Pictures at each time for each seed, a few times at once: uint8 [times, seeds, s, s, 3]."""
    noise = seed_noise(seeds, metadata.noise_size)
    step = max(1, BATCH // len(seeds))
    for start in range(0, len(times), step):
        batch = times[start : start + step]
        windows = cut_windows(sound, batch, metadata.window_samples, metadata.sample_rate)
        targets = generate(np.repeat(windows, len(seeds), axis=0), np.tile(noise, (len(batch), 1)))
        yield images.unscale(targets).reshape(len(batch), len(seeds), *targets.shape[1:])


def frame_times(duration: float, fps: float) -> NDArray[np.float64]:
    """Instants of a video's pictures in seconds, at least one."""
    return np.arange(max(1, round(duration * fps))) / fps
