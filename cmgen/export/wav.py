"""WAV files read and written inside a graph, by core TensorFlow operations alone.

What a server calls with the bytes of one file. Bad bytes raise InvalidArgumentError (a server's
INVALID_ARGUMENT) with a message that names the input and the remedy.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cmgen.config import WINDOW_SECONDS, SoundConfig
from cmgen.export.graph_bytes import read_text, read_uint, require
from cmgen.media.limits import STREAMED_BYTES

MIN_RATE, MAX_RATE = 1000, 384000
_REMEDY = "send 16-bit PCM WAV, as ffmpeg -i INPUT -c:a pcm_s16le OUTPUT.wav writes it"
_MAX_CHUNKS = 100
_PCM, _EXTENSIBLE = 1, 0xFFFE

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
    data = require(tf.strings.length(data) > 0, data, f"audio_bytes is empty; {_REMEDY}")
    length = tf.strings.length(data, unit="BYTE")
    length = tf.cast(length, tf.int64)
    is_wav = (read_text(data, 0) == b"RIFF") & (read_text(data, 8) == b"WAVE")
    data = require(is_wav, data, f"audio_bytes is no WAV file, or less than its header; {_REMEDY}")
    form, sound = (_find_chunk(data, name, length) for name in (b"fmt ", b"data"))
    data = require(
        (form < length) & (sound < length),
        data,
        f"audio_bytes is a WAV file without its fmt or data chunk, or cut off before; {_REMEDY}",
    )
    kind, channels, rate, bits = (
        read_uint(data, form + 8 + at, size) for at, size in ((0, 2), (2, 2), (4, 4), (14, 2))
    )
    kind = tf.where(kind == _EXTENSIBLE, read_uint(data, form + 8 + 24, 2), kind)
    data = require(
        (kind == _PCM) & (bits == 16) & (channels > 0),
        data,
        f"audio_bytes is a WAV file of another coding; {_REMEDY}; found format, bits, channels:",
        (kind, bits, channels),
    )
    data = require(
        (rate >= MIN_RATE) & (rate <= MAX_RATE),
        data,
        f"audio_bytes has a sample rate out of {MIN_RATE} to {MAX_RATE} Hz; resample it; found Hz:",
        (rate,),
    )
    begin, promised = sound + 8, read_uint(data, sound + 4, 4)
    streamed = (promised >= STREAMED_BYTES) | (promised == 0)
    data = require(
        streamed | (begin + promised <= length),
        data,
        "audio_bytes is truncated; send the whole file; bytes of sound found and promised:",
        (length - begin, promised),
    )
    size = tf.where(streamed, length - begin, promised)
    frames = size // (2 * channels)
    data = require(
        tf.cast(frames, tf.float64) >= WINDOW_SECONDS * tf.cast(rate, tf.float64),
        data,
        f"audio_bytes is too short; send at least {WINDOW_SECONDS} s of sound; found samples and Hz:",
        (frames, rate),
    )
    # Operations of a graph run side by side: what follows has to wait for the checks.
    with tf.control_dependencies([data]):
        return Wav(data, *(tf.identity(number) for number in (begin, frames, channels, rate)))


def write_sounds(waveforms: tf.Tensor, sample_rate: int) -> tf.Tensor:
    """float32 [batch, samples] in [-1, 1] -> mono WAV files of 16 bits, string [batch]."""
    return tf.map_fn(
        lambda waveform: tf.audio.encode_wav(waveform[:, None], sample_rate),
        waveforms,
        fn_output_signature=tf.string,
    )


def _find_chunk(data: tf.Tensor, name: bytes, length: tf.Tensor) -> tf.Tensor:
    """Where the first chunk `name` of a RIFF file begins; `length` or more if there is none."""

    def elsewhere(at: tf.Tensor) -> tf.Tensor:
        return (at + 8 <= length) & (read_text(data, at) != name)

    def following(at: tf.Tensor) -> tuple[tf.Tensor]:
        size = read_uint(data, at + 4, 4)
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
