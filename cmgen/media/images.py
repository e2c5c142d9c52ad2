"""Pictures as arrays: cropping, resizing, JPEG, PNG, scaling to [-1, 1], grids. No TensorFlow."""

import io
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from cmgen.media.limits import LIMITS, MediaLimits
from cmgen.utils.errors import UserError
from cmgen.utils.files import write_bytes

JPEG_QUALITY = 95
# Pillow's other readers are rarely used, and one of them starts a program.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
# `limits` replaces Pillow's own limit.
Image.MAX_IMAGE_PIXELS = None
# Nine evenly spaced colours of the map "magma" (van der Walt and Smith, 2015).
_MAGMA = np.array(
    [(0, 0, 4), (28, 16, 68), (79, 18, 123), (129, 37, 129), (181, 54, 122),
     (229, 80, 100), (251, 135, 97), (254, 194, 135), (252, 253, 191)]
)  # fmt: skip

FloatArray = TypeVar("FloatArray")  # a numpy array or a TensorFlow tensor of floats


def scale(pixels: FloatArray) -> FloatArray:
    """[0, 255] (already cast to float; array or tensor of any shape) -> [-1, 1]."""
    return pixels / 127.5 - 1.0  # type: ignore[operator,return-value]


def unscale(images: np.ndarray) -> np.ndarray:
    """float [-1, 1] of any shape -> uint8 [0, 255], rounded and clipped."""
    return np.clip(np.rint((np.asarray(images, np.float32) + 1.0) * 127.5), 0, 255).astype(np.uint8)


def draw_lms(lms: np.ndarray) -> np.ndarray:
    """Draws log-mel spectrograms: float [..., mels, frames] in [-1, 1] -> uint8 [..., 3].

    Dark is silent, bright is loud; low frequencies are at the bottom, time runs to the right.
    """
    place = np.linspace(-1.0, 1.0, len(_MAGMA))
    channels = [np.interp(lms[..., ::-1, :], place, _MAGMA[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def square(image: np.ndarray, size: int, aspect: float = 1.0) -> np.ndarray:
    """Resizes the largest centred square of a picture; uint8 [H, W, 3] -> uint8 [size, size, 3].

    Shrinks by averaging the covered area (no aliasing), enlarges bilinearly.

    Args:
      image: the picture.
      size: of the result.
      aspect: width of a pixel divided by its height; the square is that of the picture as shown.
    """
    height, width = image.shape[:2]
    side = min(height, width * aspect)
    across = side / aspect
    left, top = (width - across) / 2, (height - side) / 2
    if aspect == 1 and side == size and left == int(left) and top == int(top):
        return image[int(top) : int(top) + size, int(left) : int(left) + size]
    method = Image.Resampling.BOX if min(side, across) >= size else Image.Resampling.BILINEAR
    box = (left, top, left + across, top + side)
    return np.asarray(Image.fromarray(image).resize((size, size), method, box=box))


def with_square_pixels(image: np.ndarray, aspect: float) -> np.ndarray:
    """Widens or heightens uint8 [H, W, 3] so that pixels of this width per height become squares."""
    height, width = image.shape[:2]
    if aspect == 1:
        return image
    shown = (round(width * max(1, aspect)), round(height * max(1, 1 / aspect)))
    return np.asarray(Image.fromarray(image).resize(shown, Image.Resampling.BILINEAR))


def encode_jpeg(image: np.ndarray) -> bytes:
    """uint8 [H, W, 3] -> JPEG bytes, with full colour resolution since pictures are small."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def encode_png(image: np.ndarray, comment: str = "") -> bytes:
    """uint8 [H, W, 3] -> PNG bytes, with the comment unless it is empty."""
    buffer, texts = io.BytesIO(), PngInfo()
    if comment:
        texts.add_text("Comment", comment)
    Image.fromarray(image).save(buffer, "PNG", pnginfo=texts)
    return buffer.getvalue()


def comment_of(path: Path) -> str:
    """Returns the comment in a PNG file; empty if there is none."""
    with Image.open(path) as picture:
        return str(picture.info.get("Comment", ""))


def write_png(path: Path, image: np.ndarray, comment: str = "") -> None:
    """Writes uint8 [H, W, 3] as a PNG file, whole or not at all; no comment if empty."""
    write_bytes(path, encode_png(image, comment))


def is_picture(path: Path) -> bool:
    """Whether `read_image` reads a file, judged by its first bytes; False if it is missing."""
    try:
        with Image.open(path, formats=FORMATS):
            return True
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return False


def read_image(path: Path, at_least: int | None = None, limits: MediaLimits = LIMITS) -> np.ndarray:
    """Reads a picture file in one of FORMATS; uint8 [H, W, 3], turned upright.

    Args:
      path: the file.
      at_least: shorter side needed; large JPEG files are then decoded at a fraction of their size,
        which is much faster. None decodes the whole picture.
      limits: the most that the file may hold.
    """
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give a picture")
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a picture")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: is empty (0 bytes); replace or remove the file")
    try:
        with Image.open(path, formats=FORMATS) as picture:
            limits.check_picture(path, *picture.size)
            return _pixels(picture, at_least)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise UserError(
            f"{path}: not a readable picture ({error}); replace or remove the file"
        ) from error


def decode_image(
    data: bytes, name: str, at_least: int | None = None, limits: MediaLimits = LIMITS
) -> np.ndarray | None:
    """Decodes an uploaded picture; uint8 [H, W, 3], turned upright, or None if it is no picture.

    Args:
      data: content of the file, in one of FORMATS.
      name: of the file, for messages.
      at_least, limits: as for `read_image`.
    """
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return None
    limits.check_picture(name, *picture.size)
    try:
        return _pixels(picture, at_least)
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{name}: not a readable picture ({error}); send another file") from error


def _pixels(picture: Image.Image, at_least: int | None) -> np.ndarray:
    if at_least:
        # Twice the size, so that the final averaging still does the shrinking.
        picture.draft("RGB", (2 * at_least, 2 * at_least))
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I"):
        # 16-bit grey, of which Pillow would clip everything above 255.
        upright = Image.fromarray(np.clip(np.asarray(upright) >> 8, 0, 255).astype(np.uint8))
    return np.asarray(upright.convert("RGB"))


def grid(images: np.ndarray, columns: int, gap: int = 1, background: int = 255) -> np.ndarray:
    """Lays pictures out in rows.

    Args:
      images: uint8 [N, H, W, 3] in reading order; the last row may be short.
      columns: pictures in a row.
      gap: pixels between pictures.
      background: grey level of gaps and missing pictures, 0 to 255.

    Returns:
      uint8 [rows * (H + gap) - gap, columns * (W + gap) - gap, 3].
    """
    count, height, width = images.shape[:3]
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, 3)
    sheet = np.full(shape, background, np.uint8)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet
