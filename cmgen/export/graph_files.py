"""Sound and picture files read and written inside a graph, by core TensorFlow operations alone.

What a server calls with the bytes of one file. Bad bytes raise InvalidArgumentError (a server's
INVALID_ARGUMENT) with a message that names the input and the mend.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cmgen.config import WINDOW_SECONDS, SoundConfig
from cmgen.media import images

MIN_RATE, MAX_RATE = 1000, 384000
MAX_PIXELS = 4096 * 4096  # of a picture: 50 MB decoded; a server answers several at once
_MEND = "send 16-bit PCM WAV, as ffmpeg -i INPUT -c:a pcm_s16le OUTPUT.wav writes it"
_MAX_CHUNKS = 100
# A GIF is a row of blocks; so many hold the largest picture that is taken, however badly packed.
_MAX_GIF_BLOCKS = 100_000
_BETWEEN, _IN_EXTENSION, _IN_PICTURE, _AFTER = np.arange(4)
# zlib's fastest: half the time of its usual level for pictures 9 % larger.
_COMPRESSION = 1
_PCM, _EXTENSIBLE = 1, 0xFFFE
# Programs that write to a pipe leave such a length, or zero, in the header: not a damage.
_STREAMED = 2**31 - 1024

# The resampling filter: a sinc with so many zero crossings on each side under a Kaiser window of
# 99 dB, which falls from 90 % to 100 % of the lower rate's Nyquist frequency (Kaiser, 1974).
_ZEROS = 64
_KAISER_BETA = 10.0
_ROLLOFF = 0.95
# Up to so many phases the filter is tabled once; rates that need more get it block by block.
_MAX_PHASES = 441
_BLOCK = 90


class Wav(NamedTuple):
    """Where the sound lies in a WAV file's bytes; scalars, int64 but for `data`."""

    data: tf.Tensor
    begin: tf.Tensor
    frames: tf.Tensor
    channels: tf.Tensor
    rate: tf.Tensor


def read_middle(data: tf.Tensor, config: SoundConfig) -> tf.Tensor:
    """The half second (one window) in the middle of a WAV file.

    It is the window of `cmgen.generate --columns=1`. Only what it needs is decoded and resampled,
    so that a long file costs no more than a short one.

    Args:
      data: string [], 16-bit PCM WAV of any channel count, MIN_RATE to MAX_RATE, from 0.5 s on.
      config: the window.

    Returns:
      float32 [window_samples], the mean of the channels, in [-1, 1].
    """
    wav = parse_wav(data)
    start = (2 * wav.frames - wav.rate) // 4
    waveform = tf.cond(
        tf.equal(wav.rate, config.sample_rate),
        lambda: _mono(wav, start, tf.constant(config.window_samples, tf.int64)),
        lambda: _resampled(wav, start, config),
    )
    return tf.ensure_shape(waveform, [config.window_samples])


def parse_wav(data: tf.Tensor) -> Wav:
    """Reads the header of a WAV file, string [], and checks it."""
    data = _require(tf.strings.length(data) > 0, data, f"audio_bytes is empty; {_MEND}")
    length = tf.strings.length(data, unit="BYTE")
    length = tf.cast(length, tf.int64)
    is_wav = (_text(data, 0) == b"RIFF") & (_text(data, 8) == b"WAVE")
    data = _require(is_wav, data, f"audio_bytes is no WAV file, or less than its header; {_MEND}")
    form, sound = (_find_chunk(data, name, length) for name in (b"fmt ", b"data"))
    data = _require(
        (form < length) & (sound < length),
        data,
        f"audio_bytes is a WAV file without its fmt or data chunk, or cut off before; {_MEND}",
    )
    kind, channels, rate, bits = (
        _uint(data, form + 8 + at, size) for at, size in ((0, 2), (2, 2), (4, 4), (14, 2))
    )
    kind = tf.where(kind == _EXTENSIBLE, _uint(data, form + 8 + 24, 2), kind)
    data = _require(
        (kind == _PCM) & (bits == 16) & (channels > 0),
        data,
        f"audio_bytes is a WAV file of another coding; {_MEND}; found format, bits, channels:",
        (kind, bits, channels),
    )
    data = _require(
        (rate >= MIN_RATE) & (rate <= MAX_RATE),
        data,
        f"audio_bytes has a sample rate out of {MIN_RATE} to {MAX_RATE} Hz; resample it; found Hz:",
        (rate,),
    )
    begin, promised = sound + 8, _uint(data, sound + 4, 4)
    streamed = (promised >= _STREAMED) | (promised == 0)
    data = _require(
        streamed | (begin + promised <= length),
        data,
        "audio_bytes is truncated; send the whole file; bytes of sound found and promised:",
        (length - begin, promised),
    )
    size = tf.where(streamed, length - begin, promised)
    frames = size // (2 * channels)
    data = _require(
        tf.cast(frames, tf.float64) >= WINDOW_SECONDS * tf.cast(rate, tf.float64),
        data,
        f"audio_bytes is too short; send at least {WINDOW_SECONDS} s of sound; found samples and Hz:",
        (frames, rate),
    )
    # Operations of a graph run side by side: what follows has to wait for the checks.
    with tf.control_dependencies([data]):
        return Wav(data, *(tf.identity(number) for number in (begin, frames, channels, rate)))


def read_picture(data: tf.Tensor, size: int) -> tf.Tensor:
    """The largest centred square of a picture file, resized.

    Shrinks by averaging the covered area, enlarges bilinearly, as `images.square` does.

    Args:
      data: string [], PNG, JPEG, GIF (its first picture) or BMP.
      size: side in pixels.

    Returns:
      float32 [size, size, 3] in [-1, 1].
    """
    mend = "send a PNG, JPEG, GIF or BMP file"
    data = _require(tf.strings.length(data) > 0, data, f"image_bytes is empty; {mend}")
    starts = [(b"\x89PNG", 0, 4), (b"\xff\xd8\xff", 0, 3), (b"GIF8", 0, 4), (b"BM", 0, 2)]
    known = [tf.equal(_text(data, at, count), start) for start, at, count in starts]
    data = _require(tf.reduce_any(known), data, f"image_bytes is no picture; {mend}")
    height, width = _picture_size(data, known[0], known[1], known[3])
    data = _require(
        height * width <= MAX_PIXELS,
        data,
        f"image_bytes has more than {MAX_PIXELS} pixels; send a smaller picture; height and width:",
        (height, width),
    )
    data = tf.cond(known[2], lambda: _first_of_gif(data), lambda: data)
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
        height = tf.where(png, _uint(data, 20, 4, "big"), _uint(data, 8, 2))
        width = tf.where(png, _uint(data, 16, 4, "big"), _uint(data, 6, 2))
        # A negative height says that the rows come from above.
        rows = _uint(data, 22, 4)
        height = tf.where(bmp, tf.minimum(rows, 2**32 - rows), height)
        return tf.stack([height, tf.where(bmp, _uint(data, 18, 4), width)])

    height, width = tf.unstack(tf.cond(jpeg, of_jpeg, of_others))
    return height, width


def _first_of_gif(data: tf.Tensor) -> tf.Tensor:
    """A GIF file that ends after its first picture, whose size is checked: the decoder unpacks all."""
    flags = _uint(data, 10, 1)
    begin = 13 + _table_size(flags)

    def going_on(at: tf.Tensor, where: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
        return where != _AFTER

    def step(at: tf.Tensor, where: tf.Tensor, pixels: tf.Tensor) -> tuple[tf.Tensor, ...]:
        byte = _uint(data, at, 1)
        between = where == _BETWEEN
        extension, picture = between & (byte == 0x21), between & (byte == 0x2C)
        picture_size = 11 + _table_size(_uint(data, at + 9, 1))
        length = tf.where(picture, picture_size, tf.where(extension, np.int64(2), byte + 1))
        ended = ~between & (byte == 0)
        # What is neither is left to the decoder to complain of.
        following = tf.where(between | (ended & (where == _IN_PICTURE)), _AFTER, where)
        following = tf.where(ended & (where == _IN_EXTENSION), _BETWEEN, following)
        following = tf.where(extension, _IN_EXTENSION, following)
        following = tf.where(picture, _IN_PICTURE, following)
        size = _uint(data, at + 5, 2) * _uint(data, at + 7, 2)
        return at + length, following, tf.where(picture, size, pixels)

    end, where, pixels = tf.while_loop(
        going_on,
        step,
        (begin, tf.constant(_BETWEEN, tf.int64), tf.constant(0, tf.int64)),
        maximum_iterations=_MAX_GIF_BLOCKS,
    )
    data = _require(
        (where == _AFTER) & (pixels <= MAX_PIXELS),
        data,
        f"image_bytes is a GIF file with more than {MAX_PIXELS} pixels or without an end; send "
        "another; found pixels:",
        (pixels,),
    )
    return tf.strings.join([_text(data, 0, end), b";"])


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


def write_sounds(waveforms: tf.Tensor, sample_rate: int) -> tf.Tensor:
    """float32 [batch, samples] in [-1, 1] -> mono WAV files of 16 bits, string [batch]."""
    return tf.map_fn(
        lambda waveform: tf.audio.encode_wav(waveform[:, None], sample_rate),
        waveforms,
        fn_output_signature=tf.string,
    )


def _require(
    condition: tf.Tensor, data: tf.Tensor, message: str, values: tuple[tf.Tensor, ...] = ()
) -> tf.Tensor:
    """`data`, once `condition` has been found true; what is computed from it waits for that."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [message, *values])]):
        return tf.identity(data)


def _text(data: tf.Tensor, at: Any, size: Any = 4) -> tf.Tensor:
    """`size` bytes of a string [] from `at` on, fewer where it ends before."""
    length = tf.cast(tf.strings.length(data), tf.int64)
    return tf.strings.substr(data, tf.minimum(tf.cast(at, tf.int64), length), size)


def _uint(data: tf.Tensor, at: Any, size: int, order: str = "little") -> tf.Tensor:
    """The number in `size` bytes from `at` on, int64 []; bytes beyond the end are 0."""
    padded = tf.strings.substr(_text(data, at, size) + b"\0" * size, 0, size)
    digits = tf.cast(tf.io.decode_raw(padded, tf.uint8), tf.int64)
    places = 256 ** np.arange(size)
    return tf.reduce_sum(digits * (places if order == "little" else places[::-1]))


def _find_chunk(data: tf.Tensor, name: bytes, length: tf.Tensor) -> tf.Tensor:
    """Where the first chunk `name` of a RIFF file begins; `length` or more if there is none."""

    def elsewhere(at: tf.Tensor) -> tf.Tensor:
        return (at + 8 <= length) & (_text(data, at) != name)

    def following(at: tf.Tensor) -> tuple[tf.Tensor]:
        size = _uint(data, at + 4, 4)
        return (at + 8 + size + size % 2,)

    # No more chunks are looked through, so that every file is answered in time.
    (at,) = tf.while_loop(
        elsewhere, following, (tf.constant(12, tf.int64),), maximum_iterations=_MAX_CHUNKS
    )
    return tf.where(elsewhere(at) | (at + 8 > length), length, at)


def _mono(wav: Wav, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Frames [first, first + count) as the mean of their channels, float32 [count]; 0 outside."""
    low = tf.clip_by_value(first, 0, wav.frames)
    high = tf.clip_by_value(first + count, low, wav.frames)
    frame = 2 * wav.channels
    raw = tf.strings.substr(wav.data, wav.begin + low * frame, (high - low) * frame)
    samples = tf.cast(tf.io.decode_raw(raw, tf.int16), tf.float32) / 32768.0
    mono = tf.reduce_mean(tf.reshape(samples, [high - low, wav.channels]), axis=1)
    return tf.pad(mono, [[low - first, first + count - high]])


def _resampled(wav: Wav, start: tf.Tensor, config: SoundConfig) -> tf.Tensor:
    """One window whose first sample is the file's frame `start`, float32 [window_samples].

    A polyphase filter: at a rate of down / up times ours, `up` outputs take `down` inputs, and each
    block of a multiple of `up` outputs is the same matrix times the inputs around it.
    """
    samples, rate = config.window_samples, tf.cast(config.sample_rate, tf.int64)
    divisors = np.array(
        [d for d in range(1, config.sample_rate + 1) if config.sample_rate % d == 0]
    )
    common = tf.reduce_max(tf.where(wav.rate % divisors == 0, divisors, 1))
    up, down = rate // common, wav.rate // common
    few = up <= _MAX_PHASES
    # Several times `up` outputs where that is few: larger matrices, fewer of them.
    phases = tf.where(few, up * tf.maximum(_MAX_PHASES // 3 // up, 1), _BLOCK)
    blocks = -(-samples // phases)
    # In input samples: the filter's half, a block, and where each block begins.
    scale = tf.cast(rate, tf.float64) / tf.cast(tf.maximum(rate, wav.rate), tf.float64)
    half = _ZEROS * tf.maximum(rate, wav.rate) // rate + 1
    length = -(-phases * down // up) + 2 * half + 1
    places = tf.range(blocks) * phases * down
    begins = places // up
    source = _mono(wav, start - half, begins[-1] + length)

    def filters(rest: tf.Tensor) -> tf.Tensor:
        """Matrix [length, phases] of a block whose first output lies `rest` / up after an input."""
        outputs = rest + tf.range(phases) * down
        inputs = (tf.range(length) - half) * up
        apart = tf.cast(outputs - inputs[:, None], tf.float64) / tf.cast(up, tf.float64)
        return _low_pass(tf.cast(apart * scale, tf.float32)) * tf.cast(scale, tf.float32)

    def by_one_matrix() -> tf.Tensor:
        rows = tf.gather(source, begins[:, None] + tf.range(length))
        return tf.matmul(rows, filters(tf.constant(0, tf.int64)))

    def by_blocks() -> tf.Tensor:
        def block(place: tf.Tensor) -> tf.Tensor:
            begin = place // up
            return tf.linalg.matvec(
                filters(place % up), source[begin : begin + length], transpose_a=True
            )

        return tf.map_fn(block, places, fn_output_signature=tf.float32)

    return tf.reshape(tf.cond(few, by_one_matrix, by_blocks), [-1])[:samples]


def _low_pass(x: tf.Tensor) -> tf.Tensor:
    """The resampling filter at x samples of the lower rate from its middle; any shape, float32."""
    inside = tf.maximum(0.0, 1.0 - tf.square(x / _ZEROS))
    root = _KAISER_BETA * tf.sqrt(inside)
    peak = np.i0(_KAISER_BETA) * np.exp(-_KAISER_BETA)
    window = tf.math.bessel_i0e(root) * tf.exp(root - _KAISER_BETA) / np.float32(peak)
    angle = np.float32(np.pi * _ROLLOFF) * x
    sinc = tf.math.divide_no_nan(tf.sin(angle), angle) + tf.cast(tf.equal(x, 0.0), tf.float32)
    return tf.where(inside > 0, _ROLLOFF * sinc * window, 0.0)
