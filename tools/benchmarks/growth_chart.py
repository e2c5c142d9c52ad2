"""Draws how figures grow: plots below each other, with both axes logarithmic."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cmgen.media.charts import INK, LINES, MARGIN, PLOT

GROWTH_PLOT = 180


@dataclass(frozen=True)
class Panel:
    """One plot of `draw_growth`.

    Attributes:
      title: with the unit.
      below: what the horizontal axis counts.
      lines: name -> points (x, y), all above 0, x increasing.
    """

    title: str
    below: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


def draw_growth(panels: Sequence[Panel]) -> NDArray[np.uint8]:
    """How figures grow, each on axes of its own, one panel below the other; both axes logarithmic.

    Args:
      panels: each with at least one line.

    Returns:
      uint8 [height, width, 3].
    """
    font = ImageFont.load_default(size=15)
    size = (PLOT[0] + 120 + MARGIN, GROWTH_PLOT + 110)
    sheet = Image.new("RGB", (size[0], size[1] * len(panels)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, panel in enumerate(panels):
        draw.text((MARGIN, size[1] * row + MARGIN), panel.title, INK, font)
        _draw_panel(draw, panel, 80, size[1] * row + 40)
    return np.asarray(sheet)


def _draw_panel(draw: ImageDraw.ImageDraw, panel: Panel, left: int, top: int) -> None:
    font, small = ImageFont.load_default(size=15), ImageFont.load_default(size=13)
    points = np.array([point for line in panel.lines.values() for point in line])
    low, high = points.min(axis=0), points.max(axis=0)
    # A decade of heights at least, so that what stays flat is drawn flat.
    middle = np.sqrt(low[1] * high[1])
    low[1], high[1] = min(low[1], middle / 3.2), max(high[1], middle * 3.2)

    def place(x: float, y: float) -> tuple[float, float]:
        spans = np.maximum(np.log(high / low), 1e-9)
        across, up = np.log(np.array([x, y]) / low) / spans
        return left + PLOT[0] * across, top + GROWTH_PLOT * (1 - up)

    for decade in range(math.ceil(np.log10(low[1])), math.floor(np.log10(high[1])) + 1):
        x, y = place(low[0], 10.0**decade)
        draw.line((x, y, x + PLOT[0], y), (225, 225, 225))
        draw.text((x - 6, y), f"{10.0**decade:,g}", INK, small, anchor="rm")
    for value in sorted(set(points[:, 0])):
        draw.text((place(value, 1)[0], top + GROWTH_PLOT + 6), f"{value:,g}", INK, small, "ma")
    draw.text((left, top + GROWTH_PLOT + 22), panel.below, INK, small)
    for index, (name, line) in enumerate(panel.lines.items()):
        color = LINES[index % len(LINES)]
        places = [place(*point) for point in line]
        draw.line(places, color, 2)
        for (x, y), (_, value) in zip(places, line, strict=True):
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), color)
            text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
            draw.text((x, y - 6), text, color, small, anchor="mb")
        draw.text((left + 200 * index, top + GROWTH_PLOT + 42), f"- {name}", color, font)
