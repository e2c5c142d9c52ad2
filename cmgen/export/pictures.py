"""Picture files read and written inside a graph, by core TensorFlow operations alone; see `wav`."""

import numpy as np
import tensorflow as tf

from cmgen.export.graph_bytes import read_text, read_uint, require
from cmgen.media import images

MAX_PIXELS = 4096 * 4096  # of a picture: 50 MB decoded; a server answers several at once
# A GIF is a row of blocks; so many hold the largest picture that is taken, however badly packed.
_MAX_GIF_BLOCKS = 100_000
_BETWEEN, _IN_EXTENSION, _IN_PICTURE, _AFTER = np.arange(4)
# zlib's fastest: half the time of its usual level for pictures 9 % larger.
_COMPRESSION = 1


def read_picture(data: tf.Tensor, size: int) -> tf.Tensor:
    """The largest centred square of a picture file, resized.

    Shrinks by averaging the covered area, enlarges bilinearly, as `images.square` does.

    Args:
      data: string [], PNG, JPEG, GIF (its first picture) or BMP.
      size: side in pixels.

    Returns:
      float32 [size, size, 3] in [-1, 1].
    """
    remedy = "send a PNG, JPEG, GIF or BMP file"
    data = require(tf.strings.length(data) > 0, data, f"image_bytes is empty; {remedy}")
    starts = [(b"\x89PNG", 0, 4), (b"\xff\xd8\xff", 0, 3), (b"GIF8", 0, 4), (b"BM", 0, 2)]
    starts_with = [tf.equal(read_text(data, at, count), start) for start, at, count in starts]
    data = require(tf.reduce_any(starts_with), data, f"image_bytes is no picture; {remedy}")
    height, width = _picture_size(data, starts_with[0], starts_with[1], starts_with[3])
    data = require(
        height * width <= MAX_PIXELS,
        data,
        f"image_bytes has more than {MAX_PIXELS} pixels; send a smaller picture; height and width:",
        (height, width),
    )
    data = tf.cond(starts_with[2], lambda: _first_of_gif(data), lambda: data)
    pixels = tf.io.decode_image(data, channels=3, expand_animations=False)
    pixels = tf.ensure_shape(pixels, [None, None, 3])
    height, width = tf.unstack(tf.shape(pixels)[:2])
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[None, top : top + side, left : left + side]
    resized = tf.cond(
        side >= size,
        lambda: tf.image.resize(square, [size, size], tf.image.ResizeMethod.AREA),
        lambda: tf.image.resize(square, [size, size], tf.image.ResizeMethod.BILINEAR),
    )
    return images.scale(tf.round(tf.ensure_shape(resized, [1, size, size, 3])[0]))


def _picture_size(
    data: tf.Tensor, png: tf.Tensor, jpeg: tf.Tensor, bmp: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Height and width that a file's header says, int64, before anything is decoded."""

    def of_jpeg() -> tf.Tensor:
        return tf.cast(tf.io.extract_jpeg_shape(data)[:2], tf.int64)

    def of_others() -> tf.Tensor:
        height = tf.where(png, read_uint(data, 20, 4, "big"), read_uint(data, 8, 2))
        width = tf.where(png, read_uint(data, 16, 4, "big"), read_uint(data, 6, 2))
        # A negative height says that the rows come from above.
        rows = read_uint(data, 22, 4)
        height = tf.where(bmp, tf.minimum(rows, 2**32 - rows), height)
        return tf.stack([height, tf.where(bmp, read_uint(data, 18, 4), width)])

    height, width = tf.unstack(tf.cond(jpeg, of_jpeg, of_others))
    return height, width


def _first_of_gif(data: tf.Tensor) -> tf.Tensor:
    """A GIF file that ends after its first picture, whose size is checked: the decoder unpacks all."""
    flags = read_uint(data, 10, 1)
    begin = 13 + _table_size(flags)

    def going_on(at: tf.Tensor, where: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
        return where != _AFTER

    def step(at: tf.Tensor, where: tf.Tensor, pixels: tf.Tensor) -> tuple[tf.Tensor, ...]:
        byte = read_uint(data, at, 1)
        between = where == _BETWEEN
        extension, picture = between & (byte == 0x21), between & (byte == 0x2C)
        picture_size = 11 + _table_size(read_uint(data, at + 9, 1))
        length = tf.where(picture, picture_size, tf.where(extension, np.int64(2), byte + 1))
        ended = ~between & (byte == 0)
        # What is neither is left to the decoder to complain of.
        following = tf.where(between | (ended & (where == _IN_PICTURE)), _AFTER, where)
        following = tf.where(ended & (where == _IN_EXTENSION), _BETWEEN, following)
        following = tf.where(extension, _IN_EXTENSION, following)
        following = tf.where(picture, _IN_PICTURE, following)
        size = read_uint(data, at + 5, 2) * read_uint(data, at + 7, 2)
        return at + length, following, tf.where(picture, size, pixels)

    end, where, pixels = tf.while_loop(
        going_on,
        step,
        (begin, tf.constant(_BETWEEN, tf.int64), tf.constant(0, tf.int64)),
        maximum_iterations=_MAX_GIF_BLOCKS,
    )
    data = require(
        (where == _AFTER) & (pixels <= MAX_PIXELS),
        data,
        f"image_bytes is a GIF file with more than {MAX_PIXELS} pixels or without an end; send "
        "another; found pixels:",
        (pixels,),
    )
    return tf.strings.join([read_text(data, 0, end), b";"])


def _table_size(flags: tf.Tensor) -> tf.Tensor:
    """Bytes of the colours that a GIF's flags announce."""
    colours = tf.bitwise.left_shift(tf.constant(2, tf.int64), flags % 8)
    return tf.where(flags >= 128, 3 * colours, 0 * colours)


def write_pictures(pictures: tf.Tensor) -> tf.Tensor:
    """float32 [batch, s, s, 3] in [-1, 1] -> PNG files, string [batch]."""
    pixels = tf.round((tf.clip_by_value(pictures, -1.0, 1.0) + 1.0) * 127.5)
    return tf.map_fn(
        lambda picture: tf.io.encode_png(picture, compression=_COMPRESSION),
        tf.cast(pixels, tf.uint8),
        fn_output_signature=tf.string,
    )
