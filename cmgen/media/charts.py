"""Figures: a confusion matrix, a curve over training, rows of pictures.

Drawn with Pillow, so that no plotting library is needed.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cmgen.media import images

CELL = 44
MARGIN = 12
INK = (30, 30, 30)
FULL = np.array([31, 92, 153])
LINES = ((31, 92, 153), (214, 120, 20), (60, 140, 60), (150, 60, 140))
PLOT = (640, 320)
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw_confusion(
    confusion: NDArray[np.int64], classes: Sequence[str], title: str, foot: str
) -> NDArray[np.uint8]:
    """Draws a confusion matrix: rows are true classes, columns are those of generated outputs.

    Each cell shows its share of the row in percent and is shaded by it.

    Args:
      confusion: int [classes, classes] of `classification.confusion_matrix`.
      classes: names of the classes.
      title, foot: printed above and below.

    Returns:
      uint8 [height, width, 3].
    """
    font, small = ImageFont.load_default(size=15), ImageFont.load_default(size=13)
    names = [name.replace("_", " ") for name in classes]
    label = max(round(font.getlength(name)) for name in names) + MARGIN
    heading = 30
    left, top = label + MARGIN, heading + label
    width = max(left + CELL * len(names), round(font.getlength(title)) + MARGIN) + MARGIN
    sheet = Image.new("RGB", (width, top + CELL * len(names) + 2 * MARGIN + 15), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN / 2), title, INK, font)
    counts = confusion.sum(axis=1)
    for row, name in enumerate(names):
        middle = top + CELL * row + CELL / 2
        draw.text((left - MARGIN / 2, middle), name, INK, font, anchor="rm")
        for column in range(len(names)):
            share = confusion[row, column] / counts[row] if counts[row] else 0.0
            _draw_cell(draw, left + CELL * column, top + CELL * row, share, small)
    for column, name in enumerate(names):
        _paste_upright(sheet, name, left + CELL * column + CELL // 2, top - MARGIN // 2, font)
    draw.text((MARGIN, top + CELL * len(names) + MARGIN), foot, INK, small)
    return np.asarray(sheet)


def _draw_cell(draw: ImageDraw.ImageDraw, x: int, y: int, share: float, font: Font) -> None:
    shade = tuple(int(v) for v in np.rint(255 + (FULL - 255) * share))
    draw.rectangle((x, y, x + CELL - 1, y + CELL - 1), shade, outline=(225, 225, 225))
    if share >= 0.005:
        ink = "white" if share > 0.5 else INK
        draw.text((x + CELL / 2, y + CELL / 2), f"{100 * share:.0f}", ink, font, anchor="mm")


def _paste_upright(sheet: Image.Image, text: str, x: int, bottom: int, font: Font) -> None:
    """Pastes text that reads from bottom to top, centred on x, its end at `bottom`."""
    strip = Image.new("RGB", (round(font.getlength(text)) + 2, 20), "white")
    ImageDraw.Draw(strip).text((1, 10), text, INK, font, anchor="lm")
    turned = strip.rotate(90, expand=True)
    sheet.paste(turned, (x - turned.width // 2, bottom - turned.height))


def draw_rows(rows: Mapping[str, NDArray[np.uint8]], title: str) -> NDArray[np.uint8]:
    """Draws rows of pictures, each with its name on the left.

    Args:
      rows: name -> uint8 [n, size, size, 3]; the same n and size in all rows.
      title: printed above.

    Returns:
      uint8 [height, width, 3].
    """
    font, small = ImageFont.load_default(size=15), ImageFont.load_default(size=13)
    label = max(round(small.getlength(name)) for name in rows) + 2 * MARGIN
    drawn = images.grid(np.concatenate(list(rows.values())), len(next(iter(rows.values()))), 2)
    height, width = drawn.shape[:2]
    size = (max(label + width, round(font.getlength(title)) + MARGIN) + MARGIN, height + 44)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN / 2), title, INK, font)
    sheet.paste(Image.fromarray(drawn), (label, 32))
    for index, name in enumerate(rows):
        middle = 32 + (index + 0.5) * height / len(rows)
        draw.text((label - MARGIN / 2, middle), name, INK, small, anchor="rm")
    return np.asarray(sheet)


def draw_curve(
    steps: Sequence[int],
    lines: Mapping[str, Sequence[float]],
    title: str,
    marked: int | None = None,
    moments: Mapping[int, NDArray[np.uint8]] | None = None,
) -> NDArray[np.uint8]:
    """Draws shares over the steps of training, with pictures of some steps below.

    Args:
      steps: of training, increasing.
      lines: name -> a share in [0, 1] for each step.
      title: printed above.
      marked: the step whose weights were kept, if any.
      moments: step -> strip of pictures, uint8 [height, width, 3], all of one shape.

    Returns:
      uint8 [height, width, 3].
    """
    moments = moments or {}
    font, small = ImageFont.load_default(size=15), ImageFont.load_default(size=13)
    left, top = 60, 40
    strips = [strip.shape for strip in moments.values()]
    width = max([left + PLOT[0] + 2 * MARGIN, *(left + w + MARGIN for _, w, _ in strips)])
    below = top + PLOT[1] + 50
    height = below + sum(h + 4 for h, _, _ in strips) + MARGIN
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), title, INK, font)
    last = max(steps)

    def place(step: float, share: float) -> tuple[float, float]:
        return left + PLOT[0] * step / last, top + PLOT[1] * (1.0 - share)

    for tenth in range(0, 11, 2):
        x, y = place(0, tenth / 10)
        draw.line((x, y, x + PLOT[0], y), (225, 225, 225))
        draw.text((x - 6, y), f"{tenth / 10:.1f}", INK, small, anchor="rm")
    for share in (0, 0.25, 0.5, 0.75, 1):
        x, y = place(share * last, 0)
        draw.text((x, y + 6), f"{share * last:,.0f}", INK, small, anchor="ma")
    if marked is not None:
        draw.line((*place(marked, 0), *place(marked, 1)), (170, 170, 170))
        draw.text(place(marked, 0.02), " kept", (120, 120, 120), small, anchor="ls")
    for index, (name, shares) in enumerate(lines.items()):
        color = LINES[index % len(LINES)]
        points = [place(*point) for point in zip(steps, shares, strict=True)]
        draw.line(points, color, 2)
        for x, y in points:
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), color)
        draw.text((left + 120 * index, top + PLOT[1] + 26), f"- {name}", color, font)
    for step, strip in moments.items():
        sheet.paste(Image.fromarray(strip), (left, below))
        draw.text((left - 6, below + strip.shape[0] / 2), f"{step}", INK, small, anchor="rm")
        below += strip.shape[0] + 4
    return np.asarray(sheet)
