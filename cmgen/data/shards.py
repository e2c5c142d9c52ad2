"""The native format: dataset.json and one TFRecord example per recording.

    DIR/dataset.json
    DIR/{split}-00000-of-0000N.tfrecord
    DIR/set_aside.jsonl                    files of the source that could not be read, if any

An example holds (see `Recording`): id, group, class, label, frames (JPEG), times, sound (FLAC),
num_samples. A shard holds recordings of one class only, so that balanced batches can stream. One of
which no file could be read is missing; dataset.json names those that are there.
"""

import io
import json
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import soundfile
import tensorflow as tf

from cmgen.data.recording import Recording, encode_flac, to_int16
from cmgen.errors import UserError
from cmgen.files import write_text
from cmgen.sound_files import SAMPLE_RATE
from cmgen.typed_json import build, signed, take_checksum

FORMAT_VERSION = 1
INFO_FILE = "dataset.json"


@dataclass(frozen=True)
class ShardInfo:
    """One TFRecord file: recordings of one class."""

    name: str
    class_name: str
    recordings: int


@dataclass(frozen=True)
class SplitInfo:
    """What a split holds; sizes are those of the decoded data.

    Attributes:
      recordings: number of examples.
      frames: number of pictures.
      samples: number of sound samples.
      seconds: of sound.
      per_class: class -> number of recordings.
      shards: its files.
    """

    recordings: int = 0
    frames: int = 0
    samples: int = 0
    seconds: float = 0.0
    per_class: dict[str, int] = field(default_factory=dict)
    shards: tuple[ShardInfo, ...] = ()


@dataclass(frozen=True)
class DatasetInfo:
    """The contents of dataset.json.

    Attributes:
      classes: sorted names; a label is an index into them.
      image_size: side of the pictures in pixels.
      fps: at most this many pictures per second of video.
      alignment: which instant of its half second of sound a picture shows: "middle", "start" or
        "end"; "pair" where each picture came with its own chunk, "class" where pictures and sounds
        share only their class.
      splits: name -> SplitInfo.
      source: kind, path and settings of what was prepared.
      versions: of cmgen and the libraries that decoded the source.
      set_aside: number of the source's files that could not be read; set_aside.jsonl names them.
    """

    classes: tuple[str, ...]
    image_size: int
    fps: float
    alignment: str
    splits: dict[str, SplitInfo]
    source: dict[str, Any]
    versions: dict[str, str]
    sample_rate: int = SAMPLE_RATE
    format_version: int = FORMAT_VERSION
    set_aside: int = 0


def write_info(folder: Path, info: DatasetInfo) -> None:
    write_text(folder / INFO_FILE, info_text(info))


def info_text(info: DatasetInfo) -> str:
    """The contents of dataset.json, with a checksum."""
    return json.dumps(signed(asdict(info)), indent=2) + "\n"


def read_info(folder: Path) -> DatasetInfo:
    """dataset.json of a prepared folder; a missing, damaged or foreign one is a UserError."""
    path = folder / INFO_FILE
    if not path.is_file():
        raise UserError(f"{folder}: no {INFO_FILE} there; prepare the folder with cmgen.prepare")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not take_checksum(values):
            raise UserError(
                f"{path}: was changed after it was written, or is damaged; prepare the data again"
            )
        if values["format_version"] != FORMAT_VERSION:
            raise UserError(
                f"{path}: has format version {values['format_version']}, this cmgen reads "
                f"{FORMAT_VERSION}; prepare the data again"
            )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path}: damaged or not written by cmgen ({error}); prepare the data again"
        ) from error
    return build(DatasetInfo, values, str(path), False, "prepare the data again")


@dataclass(frozen=True)
class ShardSizes:
    """Numbers of recordings, pictures and sound samples in a shard."""

    recordings: int = 0
    frames: int = 0
    samples: int = 0


def write_shard(path: Path, label: int, recordings: Iterable[Recording]) -> ShardSizes:
    """Writes the file of one shard, or none if there are no recordings.

    Args:
      path: of the file.
      label: index of the class that all recordings have.
      recordings: one after the other, so that a single one is in memory.
    """
    number = frames = samples = 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for recording in recordings:
            writer.write(_to_example(recording, label))
            number += 1
            frames += len(recording.frames)
            samples += recording.samples
    if not number:
        path.unlink()
    return ShardSizes(number, frames, samples)


@tf.autograph.experimental.do_not_convert
def parse(
    record: tf.Tensor, image_size: int, decode_sound: Callable[[tf.Tensor], tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Decodes one serialized example inside tf.data.

    Returns:
      id, group: string []; label: int64 []; frames: uint8 [f, image_size, image_size, 3];
      times: float32 [f] in seconds; sound: int16 [num_samples].
    """
    features = {
        "id": tf.io.FixedLenFeature([], tf.string),
        "group": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "frames": tf.io.VarLenFeature(tf.string),
        "times": tf.io.VarLenFeature(tf.float32),
        "sound": tf.io.FixedLenFeature([], tf.string),
    }
    example = tf.io.parse_single_example(record, features)
    sound, frames = example["sound"], example["frames"].values
    pixels = tf.map_fn(
        lambda jpeg: tf.ensure_shape(
            tf.io.decode_jpeg(jpeg, channels=3, dct_method="INTEGER_ACCURATE"),
            [image_size, image_size, 3],
        ),
        frames,
        fn_output_signature=tf.TensorSpec([image_size, image_size, 3], tf.uint8),
    )
    empty = tf.equal(tf.strings.length(sound), 0)
    samples = tf.cond(empty, lambda: tf.zeros([0], tf.int16), lambda: decode_sound(sound))
    return {
        "id": example["id"],
        "group": example["group"],
        "label": example["label"],
        "frames": pixels,
        "times": example["times"].values,
        "sound": tf.ensure_shape(samples, [None]),
    }


@tf.autograph.experimental.do_not_convert
def parse_sizes(record: tf.Tensor) -> dict[str, tf.Tensor]:
    """What `parse` gives, without decoding: id, group, label, times, and num_samples int64 []."""
    features = {
        "id": tf.io.FixedLenFeature([], tf.string),
        "group": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "num_samples": tf.io.FixedLenFeature([], tf.int64),
        "times": tf.io.VarLenFeature(tf.float32),
    }
    example = tf.io.parse_single_example(record, features)
    return example | {"times": example["times"].values}


@tf.autograph.experimental.do_not_convert
def parse_marks(record: tf.Tensor) -> dict[str, tf.Tensor]:
    """Fingerprints, uint8 [8], of an example's coded sound and pictures, which are alike in two
    examples if these are: sound_mark, frames_mark; zeros where there is one value or colour, or nothing.
    """
    features = {
        "num_samples": tf.io.FixedLenFeature([], tf.int64),
        "sound": tf.io.FixedLenFeature([], tf.string),
        "frames": tf.io.VarLenFeature(tf.string),
    }
    example = tf.io.parse_single_example(record, features)
    sound, frames = example["sound"], example["frames"].values
    # FLAC takes 0.01 bytes a sample for a constant, and more than 0.1 for the least noise.
    heard = tf.cast(tf.strings.length(sound), tf.int64) * 50 > example["num_samples"]

    def varied() -> tf.Tensor:
        first = tf.io.decode_jpeg(frames[0], channels=3)
        plain = tf.reduce_all(first == first[0, 0])
        return ~plain | tf.reduce_any(frames != frames[0])

    seen = tf.cond(tf.size(frames) > 0, varied, lambda: False)
    none = tf.zeros([8], tf.uint8)
    return {
        "sound_mark": tf.where(heard, tf.fingerprint([sound])[0], none),
        "frames_mark": tf.where(seen, tf.fingerprint([tf.strings.reduce_join(frames)])[0], none),
    }


@cache
def flac_decoder() -> Callable[[tf.Tensor], tf.Tensor]:
    """FLAC bytes -> int16 [n] as a graph op: tensorflow-io's, or soundfile where that can't load."""
    probe = encode_flac(to_int16([0.0, 0.5, -0.5, 0.0]))
    try:
        import tensorflow_io as tfio

        def decode(data: tf.Tensor) -> tf.Tensor:
            return tfio.audio.decode_flac(data, shape=[-1, 1], dtype=tf.int16)[:, 0]

        decode(tf.constant(probe))
    # Its native library is built for one TensorFlow release; on others loading fails in many ways.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        warnings.warn(
            f"tensorflow-io cannot decode FLAC here ({reason}); soundfile decodes instead, slower",
            RuntimeWarning,
            stacklevel=2,
        )
        return _decode_with_soundfile
    return decode


def _decode_with_soundfile(data: tf.Tensor) -> tf.Tensor:
    def decode(encoded: bytes) -> Any:
        return soundfile.read(io.BytesIO(encoded), dtype="int16")[0]

    return tf.ensure_shape(tf.numpy_function(decode, [data], tf.int16, stateful=False), [None])


def _to_example(recording: Recording, label: int) -> bytes:
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
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)
