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

    The same to the bit as `images.read_image` and `images.square` give, but that turns by EXIF are
    ignored.

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
    pixels = tf.cond(
        starts_with[1],
        lambda: _decode_jpeg(data, tf.minimum(height, width) // (2 * size)),
        lambda: tf.io.decode_image(data, channels=3, expand_animations=False),
    )
    pixels = tf.ensure_shape(pixels, [None, None, 3])
    side = tf.reduce_min(tf.shape(pixels)[:2])
    square = tf.cond(side >= size, lambda: _shrunk(pixels, size), lambda: _enlarged(pixels, size))
    return images.scale(tf.ensure_shape(square, [size, size, 3]))


def _decode_jpeg(data: tf.Tensor, times: tf.Tensor) -> tf.Tensor:
    """uint8 [H, W, 3], at the fraction of its size that `images.read_image` decodes.

    Args:
      data: the file.
      times: how often the size that is needed goes into the picture, int64.
    """

    def at(ratio: int) -> tf.Tensor:
        def decode() -> tf.Tensor:
            return tf.io.decode_jpeg(
                data, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE", fancy_upscaling=True
            )

        return (
            decode() if ratio == 8 else tf.cond(times >= 2 * ratio, lambda: at(2 * ratio), decode)
        )

    return at(1)


def _shrunk(pixels: tf.Tensor, size: int) -> tf.Tensor:
    """uint8 [H, W, 3] -> float32 [size, size, 3]: each result is the mean of the pixels it covers.

    Rows are averaged first, then columns, each rounded to 22 bits as Pillow's BOX does.
    """
    side = tf.reduce_min(tf.shape(pixels)[:2])

    def covered(length: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The first pixel of each result, and the one after its last; int64 [size]."""
        scale = tf.cast(side, tf.float64) / size
        middle = tf.cast(length - side, tf.float64) / 2 + (np.arange(size) + 0.5) * scale
        first, end = tf.floor(middle - scale / 2 + 0.5), tf.floor(middle + scale / 2 + 0.5)
        return tf.cast(first, tf.int64), tf.cast(end, tf.int64)

    def mean(sums: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        weight = tf.cast(tf.floor(2**22 / tf.cast(count, tf.float64) + 0.5), tf.int64)
        return (sums * weight + 2**21) // 2**22

    top, bottom = covered(tf.shape(pixels)[0])
    left, right = covered(tf.shape(pixels)[1])

    def row(ends: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        sums = tf.cumsum(tf.cast(pixels[ends[0] : ends[1]], tf.int64), axis=1)
        sums = tf.pad(sums, [[0, 0], [1, 0], [0, 0]])
        across = tf.gather(sums, right, axis=1) - tf.gather(sums, left, axis=1)
        means = mean(across, (right - left)[:, None])
        return mean(tf.reduce_sum(means, axis=0), ends[1] - ends[0])

    return tf.cast(tf.map_fn(row, (top, bottom), fn_output_signature=tf.int64), tf.float32)


def _enlarged(pixels: tf.Tensor, size: int) -> tf.Tensor:
    """uint8 [H, W, 3] -> float32 [size, size, 3], linear between the middles of pixels, as Pillow."""
    height, width = tf.unstack(tf.shape(pixels)[:2])
    side = tf.minimum(height, width)
    # Around the square, its neighbours; on both sides, so that its middle stays.
    top, left = (tf.maximum(0, (length - side) // 2 - 2) for length in (height, width))
    pixels = tf.cast(pixels[top : height - top, left : width - left], tf.float64)

    def weights(length: tf.Tensor) -> tf.Tensor:
        scale = tf.cast(side, tf.float64) / size
        middle = tf.cast(length - side, tf.float64) / 2 + (np.arange(size)[:, None] + 0.5) * scale
        places = tf.cast(tf.range(length), tf.float64) + 0.5
        triangles = tf.nn.relu(1.0 - tf.abs(places - middle))
        triangles /= tf.reduce_sum(triangles, axis=1, keepdims=True)
        return tf.floor(triangles * 2**22 + 0.5) / 2**22

    across = tf.floor(tf.einsum("sw,hwc->hsc", weights(tf.shape(pixels)[1]), pixels) + 0.5)
    down = tf.einsum("sh,hwc->swc", weights(tf.shape(pixels)[0]), across)
    return tf.cast(tf.floor(down + 0.5), tf.float32)


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
