"""Pictures: every colour mode and coding, turned, animated, cut, and a little too large."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from tools.gallery import Odd, of_bytes

WIDTH, HEIGHT = 96, 64
READ = f"read: {WIDTH} x {HEIGHT}"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ADAM7 = [
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
]


def photo(mode: str = "RGB") -> Image.Image:
    """A red left half and a blue right half."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, : WIDTH // 2], pixels[:, WIDTH // 2 :] = (200, 40, 40), (40, 40, 200)
    return Image.fromarray(pixels).convert(mode)


def saved(form: str, mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    photo(mode).save(buffer, form, **options)
    return buffer.getvalue()


def png_chunk(name: bytes, data: bytes, damage: int = 0) -> bytes:
    return (
        struct.pack(">I", len(data))
        + name
        + data
        + struct.pack(">I", zlib.crc32(name + data) ^ damage)
    )


def png(
    width: int,
    height: int,
    rows: bytes,
    bits: int = 8,
    colour: int = 2,
    interlaced: int = 0,
    extra: bytes = b"",
) -> bytes:
    """A PNG file of filtered rows."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    packed = png_chunk(b"IDAT", zlib.compress(rows))
    return _SIGNATURE + png_chunk(b"IHDR", head) + extra + packed + png_chunk(b"IEND", b"")


def interlaced() -> bytes:
    """Adam7: seven smaller pictures one after the other."""
    pixels = np.asarray(photo())
    passes = [pixels[y::dy, x::dx] for x, y, dx, dy in _ADAM7]
    rows = b"".join(b"\0" + row.tobytes() for part in passes for row in part)
    return png(WIDTH, HEIGHT, rows, interlaced=1)


def sixteen_bit() -> bytes:
    pixels = np.asarray(photo()).astype(">u2") * 257
    return png(WIDTH, HEIGHT, b"".join(b"\0" + row.tobytes() for row in pixels), bits=16)


def sixteen_bit_grey() -> bytes:
    pixels = np.asarray(photo("L")).astype(">u2") * 257
    return png(WIDTH, HEIGHT, b"".join(b"\0" + row.tobytes() for row in pixels), bits=16, colour=0)


def turned() -> bytes:
    """As phones hold it: stored on its side, with the turn beside it."""
    tags = Image.Exif()
    tags[0x0112] = 6
    return saved("JPEG", exif=tags)


def animated(form: str) -> bytes:
    others = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("green", "black")]
    return saved(form, save_all=True, append_images=others, duration=100)


def large(form: str, mode: str = "P") -> bytes:
    """A little more than the 64 megapixels that are allowed."""
    buffer = io.BytesIO()
    Image.new(mode, (8001, 8000)).save(buffer, form)
    return buffer.getvalue()


def many_frames() -> bytes:
    """10 black pictures of 16 million pixels."""
    buffer = io.BytesIO()
    Image.new("P", (4000, 4000)).save(buffer, "GIF")
    data = buffer.getvalue()
    at = data.index(b",\0\0\0\0")  # the picture begins
    return data[:-1] + data[at:-1] * 9 + b";"


def _all(read: str, graph: str | None = None) -> dict[str, str]:
    others = "read: a picture" if read.startswith("read") else read
    return {"picture": read, "studio": others, "graph": graph or others}


LARGE = _all("has 8001 x 8000 pixels", "more than 16777216 pixels")
OTHER = "is no picture"
GOOD = _all(READ)
UNREADABLE = _all("not a readable picture", "Invalid")
DAMAGED = {
    "picture": "not a readable picture",
    "studio": "no sound, video or picture",
    "graph": "Invalid",
}
NOT_ONE = {
    "picture": "not a readable picture",
    "studio": "no sound, video or picture",
    "graph": OTHER,
}

PICTURES: list[tuple[str, str, Callable[[], bytes], dict[str, str]]] = [
    ("rgb.jpg", "JPEG", partial(saved, "JPEG"), GOOD),
    ("grey.jpg", "greyscale JPEG", partial(saved, "JPEG", "L"), GOOD),
    ("cmyk.jpg", "JPEG in CMYK", partial(saved, "JPEG", "CMYK"), _all(READ, "read")),
    ("progressive.jpg", "progressive JPEG", partial(saved, "JPEG", progressive=True), GOOD),
    (
        "turned.jpg",
        "JPEG turned by EXIF (the graph ignores turns)",
        turned,
        _all(f"read: {HEIGHT} x {WIDTH}"),
    ),
    ("cut.jpg", "JPEG, cut in the middle", lambda: saved("JPEG")[:500], DAMAGED),
    ("bilevel.png", "1 bit", partial(saved, "PNG", "1"), GOOD),
    ("palette.png", "a palette", partial(saved, "PNG", "P"), GOOD),
    ("alpha.png", "transparency", partial(saved, "PNG", "RGBA"), GOOD),
    ("grey_alpha.png", "grey with transparency", partial(saved, "PNG", "LA"), GOOD),
    ("bits16.png", "16 bits a colour", sixteen_bit, GOOD),
    ("grey16.png", "16 bits of grey", sixteen_bit_grey, GOOD),
    ("interlaced.png", "interlaced", interlaced, GOOD),
    ("animated.png", "animated PNG", partial(animated, "PNG"), GOOD),
    ("animated.gif", "animated GIF", partial(animated, "GIF"), GOOD),
    ("picture.webp", "WebP", partial(saved, "WEBP"), _all(READ, OTHER)),
    ("animated.webp", "animated WebP", partial(animated, "WEBP"), _all(READ, OTHER)),
    ("picture.bmp", "BMP", partial(saved, "BMP"), GOOD),
    ("picture.tiff", "TIFF", partial(saved, "TIFF"), _all(READ, OTHER)),
    ("pixel.png", "1 x 1", lambda: png(1, 1, b"\0\x80\x80\x80"), _all("read: 1 x 1")),
    ("thread.png", "4,000 x 1", lambda: png(4000, 1, bytes(12001)), _all("read: 4000 x 1")),
    ("large.png", "8,001 x 8,000, over --max_megapixels", partial(large, "PNG"), LARGE),
    ("large.jpg", "the same as JPEG", partial(large, "JPEG", "L"), LARGE),
    ("large.gif", "the same as GIF", partial(large, "GIF"), LARGE),
    ("frames.gif", "10 pictures of 4,000 x 4,000", many_frames, _all("read: 4000 x 4000")),
    ("large.bmp", "the same as BMP", partial(large, "BMP", "1"), LARGE),
    ("empty_size.png", "0 x 0", lambda: png(0, 0, b""), DAMAGED),
    (
        "long_text.png",
        "2 MB of text",
        lambda: png(
            1, 1, b"\0\0\0\0", extra=png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2 * 10**6)))
        ),
        {**DAMAGED, "graph": "read: a picture"},
    ),
    (
        "checksum.png",
        "a wrong checksum",
        lambda: _SIGNATURE + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0), 1),
        DAMAGED,
    ),
    ("cut.png", "PNG, cut in the middle", lambda: sixteen_bit()[:120], UNREADABLE),
    (
        "script.jpg",
        "PostScript, a program",
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        NOT_ONE,
    ),
    ("drawing.png", "SVG", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", NOT_ONE),
    ("text.png", "text", lambda: b"This is no picture.\n" * 9, NOT_ONE),
]


def files() -> list[Odd]:
    """All pictures of the gallery."""
    return [Odd(name, about, of_bytes(make), expected) for name, about, make, expected in PICTURES]
