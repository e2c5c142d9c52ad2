"""A sound -> pictures of who may be playing, over time."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cmgen.export.metadata import Metadata
from cmgen.media import images
from cmgen.utils.errors import UserError

# Conditions and noise -> targets, as `Model` is called.
Generate = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
BATCH = 64
_LABEL_HEIGHT = 18
_GAP = 4


def parse_seeds(text: str) -> list[int]:
    """Whole numbers and ranges with both ends: "0-2,7" -> [0, 1, 2, 7]."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UserError(f"--seeds={text}: {part!r} is no number or range; write e.g. 0-3,7")
        span = range(int(first), int(last if dash else first) + 1)
        if not span:
            raise UserError(f"--seeds={text}: {part!r} is empty; write the smaller number first")
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


def grid_times(duration: float, columns: int) -> NDArray[np.float64]:
    """`columns` instants in seconds, each in the middle of its share of the duration."""
    return (np.arange(columns) + 0.5) * duration / columns


def side_by_side(batch: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[times, seeds, s, s, 3] -> [times, s, seeds * s, 3]."""
    times, seeds, height, width, channels = batch.shape
    return batch.transpose(0, 2, 1, 3, 4).reshape(times, height, seeds * width, channels)


def enlarge(pixels: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """uint8 [..., height, width, 3] with both sides `scale` times as long, smoothly."""
    if scale == 1:
        return pixels
    *outer, height, width, channels = pixels.shape
    size = (width * scale, height * scale)
    enlarged = [
        np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BICUBIC))
        for one in pixels.reshape(-1, height, width, channels)
    ]
    return np.stack(enlarged).reshape(*outer, size[1], size[0], channels)


def labelled_grid(
    rows: NDArray[np.uint8], times: NDArray[np.float64], seeds: Sequence[int]
) -> NDArray[np.uint8]:
    """A row for each seed with its number, a column for each time with its seconds.

    Args:
      rows: uint8 [times, seeds, height, width, 3].
      times: in seconds.
      seeds: the numbers.

    Returns:
      uint8 [grid height, grid width, 3].
    """
    height, width = rows.shape[2:4]
    font = ImageFont.load_default(size=12)
    left = round(max(font.getlength(f"seed {seed}") for seed in seeds)) + 2 * _GAP
    size = (left + len(times) * (width + _GAP), _LABEL_HEIGHT + len(seeds) * (height + _GAP))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for column, time in enumerate(times):
        x = left + column * (width + _GAP)
        draw.text((x + width / 2, _LABEL_HEIGHT / 2), f"{time:.1f} s", "black", font, anchor="mm")
        for row, seed in enumerate(seeds):
            y = _LABEL_HEIGHT + row * (height + _GAP)
            sheet.paste(Image.fromarray(rows[column, row]), (x, y))
            if column == 0:
                draw.text((left - _GAP, y + height / 2), f"seed {seed}", "black", font, anchor="rm")
    return np.asarray(sheet)
