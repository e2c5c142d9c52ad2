"""A confusion matrix as a picture. Drawn with Pillow, so that no plotting library is needed."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

CELL = 44
MARGIN = 12
INK = (30, 30, 30)
FULL = np.array([31, 92, 153])
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw_confusion(
    confusion: NDArray[np.int64], classes: Sequence[str], title: str, foot: str
) -> NDArray[np.uint8]:
    """Rows are true classes, columns are classes of what was generated.

    Each cell holds its share of the row in percent and is shaded by it.

    Args:
      confusion: int [classes, classes] of `metrics.confusion_matrix`.
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
    """Text that reads from bottom to top, centred on x and ending above `bottom`."""
    strip = Image.new("RGB", (round(font.getlength(text)) + 2, 20), "white")
    ImageDraw.Draw(strip).text((1, 10), text, INK, font, anchor="lm")
    turned = strip.rotate(90, expand=True)
    sheet.paste(turned, (x - turned.width // 2, bottom - turned.height))
