"""The votes as a bar chart, in the layout of the paper's Fig. 8; drawn with Pillow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cmgen.rate.study import SCORES

SCALE = 2  # drawn at twice the size, for sharp screens
HEIGHT, TOP, BOTTOM, SIDE = 240, 58, 62, 20
BAR, GAP, GROUP_GAP = 34, 4, 34
INK, SOFT, LINE = (35, 32, 28), (105, 98, 90), (225, 220, 212)
# From realistic and matching to unrealistic: dark to light, told apart in grey as well.
COLOURS = {3: (23, 78, 122), 2: (82, 143, 186), 1: (214, 178, 120), 0: (226, 222, 214)}


@dataclass(frozen=True)
class SourceVotes:
    """The votes on the pictures of one source.

    Attributes:
      source: its name.
      counts: votes for each score, in the order of `SCORES`.
      mean: of the scores, 0 to 3; NaN without any vote.
      low, high: 95 % interval of the mean, over raters and recordings.
    """

    source: str
    counts: tuple[int, ...]
    mean: float
    low: float
    high: float


def draw_votes(sources: Sequence[SourceVotes]) -> NDArray[np.uint8]:
    """A group of four bars for each source, its votes for 3, 2, 1 and 0, with the mean below.

    Args:
      sources: in the order of the groups.

    Returns:
      uint8 [height, width, 3].
    """
    group = len(SCORES) * BAR + (len(SCORES) - 1) * GAP
    legend = round(sum(_legend_widths()))
    width = max(len(sources) * (group + GROUP_GAP), legend) + 2 * SIDE
    size = (width * SCALE, (TOP + HEIGHT + BOTTOM) * SCALE)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    _draw_legend(draw)
    highest = max(max(votes.counts) for votes in sources) or 1
    base = TOP + HEIGHT
    left = (width - len(sources) * (group + GROUP_GAP) + GROUP_GAP) / 2
    for votes in sources:
        for place, (score, count) in enumerate(zip(SCORES, votes.counts, strict=True)):
            x = left + place * (BAR + GAP)
            top = base - (HEIGHT - 20) * count / highest
            _rectangle(draw, x, top, x + BAR, base, COLOURS[score])
            _text(draw, x + BAR / 2, top - 3, str(count), 12, anchor="ms")
        middle = left + group / 2
        _text(draw, middle, base + 20, votes.source, 15, anchor="ms")
        if sum(votes.counts):
            _text(draw, middle, base + 38, f"mean {votes.mean:.2f}", 13, anchor="ms")
            interval = f"{votes.low:.2f} to {votes.high:.2f}"
            _text(draw, middle, base + 53, interval, 11, SOFT, anchor="ms")
        left += group + GROUP_GAP
    _rectangle(draw, SIDE / 2, base, width - SIDE / 2, base + 1, LINE)
    return np.asarray(sheet)


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size * SCALE)


def _legend_widths() -> list[float]:
    """Of both columns of the legend, which has two rows."""
    widths = [_font(11).getlength(f"{score}: {SCORES[score]}") / SCALE + 40 for score in SCORES]
    return [max(widths[0::2]), max(widths[1::2])]


def _draw_legend(draw: ImageDraw.ImageDraw) -> None:
    for place, (score, meaning) in enumerate(SCORES.items()):
        x, y = SIDE + place % 2 * _legend_widths()[0], 10 + 18 * (place // 2)
        _rectangle(draw, x, y, x + 12, y + 12, COLOURS[score])
        _text(draw, x + 18, y + 10, f"{score}: {meaning}", 11, anchor="ls")


def _rectangle(
    draw: ImageDraw.ImageDraw,
    left: float,
    top: float,
    right: float,
    bottom: float,
    colour: tuple[int, int, int],
) -> None:
    # Pillow draws the last row and column too.
    x, y = round(right * SCALE) - 1, round(bottom * SCALE) - 1
    corner = (round(left * SCALE), round(top * SCALE))
    if y >= corner[1]:
        draw.rectangle((*corner, x, y), colour)


def _text(
    draw: ImageDraw.ImageDraw,
    x: float,
    y: float,
    text: str,
    size: int,
    colour: tuple[int, int, int] = INK,
    anchor: str = "la",
) -> None:
    draw.text((x * SCALE, y * SCALE), text, colour, _font(size), anchor=anchor)
