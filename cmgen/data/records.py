"""Recording -> record of a shard, and back.

A record is a tf.train.Example of (see `Recording`): id, group, class, label, frames (JPEG), times,
sound (FLAC), num_samples, sound_mark, frames_mark. Others raise an InvalidArgumentError in a graph,
else a RecordError.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import soundfile
import tensorflow as tf
from google.protobuf.message import DecodeError

from cmgen.config import SAMPLE_RATE
from cmgen.data.recording import Recording


class RecordError(ValueError):
    """A record, or its content, is not as `to_example` writes it."""


MARKS = ("sound_mark", "frames_mark")
# Type and rank of what `parse_sizes` returns.
_SIZES = {
    **{name: (tf.string, 0) for name in ("id", "group", *MARKS)},
    **{name: (tf.int64, 0) for name in ("label", "num_samples")},
    "times": (tf.float32, 1),
}


def to_example(recording: Recording, label: int) -> bytes:
    """Serializes a recording as a tf.train.Example; `label` is the index of its class."""

    def of_bytes(*values: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def of_ints(*values: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    times = tf.train.Feature(float_list=tf.train.FloatList(value=recording.times))
    features = {
        "id": of_bytes(recording.id.encode()),
        "group": of_bytes(recording.group.encode()),
        "class": of_bytes(recording.class_name.encode()),
        "label": of_ints(label),
        "frames": of_bytes(*recording.frames),
        "times": times,
        "sound": of_bytes(recording.sound),
        "num_samples": of_ints(recording.samples),
        "sound_mark": of_bytes(recording.sound_mark),
        "frames_mark": of_bytes(recording.frames_mark),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


@tf.autograph.experimental.do_not_convert
def parse(record: tf.Tensor, image_size: int) -> dict[str, tf.Tensor]:
    """Decodes one serialized example inside tf.data.

    Returns:
      the values of `parse_sizes`; frames: uint8 [f, image_size, image_size, 3]; sound: int16
      [num_samples].
    """
    features = _read(record, _whole, _SIZES | {"frames": (tf.string, 1), "sound": (tf.int16, 1)})
    shape = [image_size, image_size, 3]

    def decode(jpeg: tf.Tensor) -> tf.Tensor:
        # By the header, before memory is taken.
        fits = tf.reduce_all(tf.io.extract_jpeg_shape(jpeg) == shape)
        with tf.control_dependencies([tf.debugging.Assert(fits, ["a picture is not", *shape])]):
            jpeg = tf.identity(jpeg)
        pixels = tf.io.decode_jpeg(jpeg, channels=3, dct_method="INTEGER_ACCURATE")
        return tf.ensure_shape(pixels, shape)

    pixels = tf.map_fn(
        decode, features["frames"], fn_output_signature=tf.TensorSpec(shape, tf.uint8)
    )
    return features | {"frames": pixels}


@tf.autograph.experimental.do_not_convert
def parse_sizes(record: tf.Tensor) -> dict[str, tf.Tensor]:
    """Reads what an example holds besides sound and pictures.

    Returns:
      id, group, sound_mark, frames_mark: string []; label, num_samples: int64 []; times: float32 [f]
      in seconds.
    """
    return _read(record, _sizes, _SIZES)


def _read(
    record: tf.Tensor,
    reader: Callable[["_Features"], list],
    outputs: Mapping[str, tuple[tf.DType, int]],
) -> dict[str, tf.Tensor]:
    """Reads a record, string [], by a Python function; `outputs`: name -> type and rank.

    tf.io.parse_single_example would do without Python, but it crashed on damaged records. libsndfile,
    which takes most of the time, works without Python's lock.
    """

    def read(data: bytes | np.ndarray) -> list:
        # Outside a graph it is an array.
        return reader(_Features(data if isinstance(data, bytes) else data.item()))

    types = [kind for kind, _ in outputs.values()]
    values = tf.numpy_function(read, [record], types, stateful=False)
    shapes = [[None] * rank for _, rank in outputs.values()]
    return {
        name: tf.ensure_shape(value, shape)
        for name, value, shape in zip(outputs, values, shapes, strict=True)
    }


class _Features:
    """Features of an example; a RecordError unless they are as `to_example` writes them.

    Args:
      record: a serialized tf.train.Example.
    """

    def __init__(self, record: bytes):
        try:
            self._features = tf.train.Example.FromString(record).features.feature
        except DecodeError as error:
            raise RecordError(f"a record that is no example: {error}") from error

    def all_of(self, name: str, kind: str) -> Sequence:
        """Returns the values of a list of one kind: "bytes", "int64" or "float"."""
        if self._features[name].WhichOneof("kind") not in (f"{kind}_list", None):
            raise RecordError(f"{name} of a record is no {kind}")
        return getattr(self._features[name], f"{kind}_list").value

    def one_of(self, name: str, kind: str) -> Any:
        values = self.all_of(name, kind)
        if len(values) != 1:
            raise RecordError(f"a record has {len(values)} values of {name}, not one")
        return values[0]


def _sizes(features: _Features) -> list:
    """Returns the values of `_SIZES`."""
    texts = [features.one_of(name, "bytes") for name in ("id", "group", *MARKS)]
    numbers = [np.int64(features.one_of(name, "int64")) for name in ("label", "num_samples")]
    return [*texts, *numbers, np.array(features.all_of("times", "float"), np.float32)]


def _whole(features: _Features) -> list:
    """Returns the values of `_SIZES`, the coded pictures, and the sound."""
    sizes = _sizes(features)
    frames = np.array(features.all_of("frames", "bytes"), object)
    samples = features.one_of("num_samples", "int64")
    return [*sizes, frames, decode_flac(features.one_of("sound", "bytes"), samples)]


def decode_flac(data: bytes, samples: int) -> np.ndarray:
    """Decodes the sound of a recording.

    Args:
      data: a FLAC file; an empty one has no samples.
      samples: expected number of samples.

    Returns:
      int16 [samples]; a RecordError if the file is damaged or has another number.
    """
    if not data and samples == 0:
        return np.zeros(0, np.int16)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            header = (file.format, file.channels, file.samplerate, file.frames)
            if header != ("FLAC", 1, SAMPLE_RATE, samples):
                raise RecordError(f"a sound of {samples} samples is {header}")
            # In parts, so that no more memory is taken than there is sound. Not `blocks`, which
            # returned uninitialised memory on damaged files.
            parts = [np.zeros(0, np.int16)]
            while len(part := file.read(SAMPLE_RATE, dtype="int16")):
                parts.append(part)
    except soundfile.LibsndfileError as error:
        reason = error.error_string
        raise RecordError(f"a sound of {samples} samples is damaged: {reason}") from error
    sound = np.concatenate(parts)
    if len(sound) != samples:
        raise RecordError(f"a sound of {samples} samples has {len(sound)}")
    return sound
