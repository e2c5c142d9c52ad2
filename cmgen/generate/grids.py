"""Pictures side by side: grids of players over time, and the strips that videos are made of."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_LABEL_HEIGHT = 18
_GAP = 4


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
