"""The native format: dataset.json and one TFRecord example per recording.

    DIR/dataset.json
    DIR/{split}-00000-of-0000N.tfrecord
    DIR/set_aside.jsonl                    files of the source that could not be read, if any

An example holds (see `Recording`): id, group, class, label, frames (JPEG), times, sound (FLAC),
num_samples, sound_mark, frames_mark. A shard holds recordings of one class only, so that balanced
batches can stream. One of which no file could be read is missing; dataset.json names those that are
there, with their checksums.
"""

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import tensorflow as tf
from google.protobuf.message import DecodeError

from cmgen.data.recording import Recording
from cmgen.errors import UserError
from cmgen.files import write_text
from cmgen.hashes import file_hash
from cmgen.sound_files import SAMPLE_RATE
from cmgen.typed_json import build, signed, take_checksum

FORMAT_VERSION = 2
INFO_FILE = "dataset.json"
MARKS = ("sound_mark", "frames_mark")
# Of what `parse_sizes` gives: type and rank.
_SIZES = {
    **{name: (tf.string, 0) for name in ("id", "group", *MARKS)},
    **{name: (tf.int64, 0) for name in ("label", "num_samples")},
    "times": (tf.float32, 1),
}


@dataclass(frozen=True)
class ShardInfo:
    """One TFRecord file: recordings of one class, and the file's checksum."""

    name: str
    class_name: str
    recordings: int
    sha256: str


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

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of every shard by its name."""
        return {shard.name: shard.sha256 for s in self.splits.values() for shard in s.shards}


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
    """Numbers of recordings, pictures and sound samples in a shard, and its file's checksum."""

    recordings: int = 0
    frames: int = 0
    samples: int = 0
    sha256: str = ""


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
        return ShardSizes()
    return ShardSizes(number, frames, samples, file_hash(path))


@tf.autograph.experimental.do_not_convert
def parse(record: tf.Tensor, image_size: int) -> dict[str, tf.Tensor]:
    """Decodes one serialized example inside tf.data.

    Returns:
      what `parse_sizes` gives; frames: uint8 [f, image_size, image_size, 3]; sound: int16
      [num_samples].
    """
    found = _read(record, _whole, _SIZES | {"frames": (tf.string, 1), "sound": (tf.int16, 1)})
    pixels = tf.map_fn(
        lambda jpeg: tf.ensure_shape(
            tf.io.decode_jpeg(jpeg, channels=3, dct_method="INTEGER_ACCURATE"),
            [image_size, image_size, 3],
        ),
        found["frames"],
        fn_output_signature=tf.TensorSpec([image_size, image_size, 3], tf.uint8),
    )
    return found | {"frames": pixels}


@tf.autograph.experimental.do_not_convert
def parse_sizes(record: tf.Tensor) -> dict[str, tf.Tensor]:
    """What is known of an example without decoding it.

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
    """What a Python function makes of a record, string []: names -> type and rank.

    tf.io.parse_single_example would do without Python, but a forged length in a record ends the process
    there. libsndfile, which takes most of the time, works without Python's lock.
    """

    def read(data: bytes | np.ndarray) -> list:
        # An array where no graph runs.
        return reader(_Features(data if isinstance(data, bytes) else data.item()))

    types = [kind for kind, _ in outputs.values()]
    found = tf.numpy_function(read, [record], types, stateful=False)
    shapes = [[None] * rank for _, rank in outputs.values()]
    return {
        name: tf.ensure_shape(value, shape)
        for name, value, shape in zip(outputs, found, shapes, strict=True)
    }


class _Features:
    """The features of an example; those that are not as `_to_example` writes them are a ValueError.

    Args:
      record: a serialized tf.train.Example.
    """

    def __init__(self, record: bytes):
        try:
            self._features = tf.train.Example.FromString(record).features.feature
        except DecodeError as error:
            raise ValueError(f"a record that is no example: {error}") from error

    def all_of(self, name: str, kind: str) -> Sequence:
        """The values of a list of one kind: "bytes", "int64" or "float"."""
        if self._features[name].WhichOneof("kind") not in (f"{kind}_list", None):
            raise ValueError(f"{name} of a record is no {kind}")
        return getattr(self._features[name], f"{kind}_list").value

    def one_of(self, name: str, kind: str) -> Any:
        values = self.all_of(name, kind)
        if len(values) != 1:
            raise ValueError(f"a record has {len(values)} values of {name}, not one")
        return values[0]


def _sizes(features: _Features) -> list:
    """The values of `_SIZES`."""
    texts = [features.one_of(name, "bytes") for name in ("id", "group", *MARKS)]
    numbers = [np.int64(features.one_of(name, "int64")) for name in ("label", "num_samples")]
    return [*texts, *numbers, np.array(features.all_of("times", "float"), np.float32)]


def _whole(features: _Features) -> list:
    """The values of `_SIZES`, the coded pictures, and the sound."""
    sizes = _sizes(features)
    frames = np.array(features.all_of("frames", "bytes"), object)
    samples = features.one_of("num_samples", "int64")
    return [*sizes, frames, decode_flac(features.one_of("sound", "bytes"), samples)]


def decode_flac(data: bytes, samples: int) -> np.ndarray:
    """The sound of a recording.

    Args:
      data: a FLAC file; an empty one has no samples.
      samples: the number that must be in it.

    Returns:
      int16 [samples]; a ValueError if it is damaged or has not so many.
    """
    if not data and samples == 0:
        return np.zeros(0, np.int16)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            said = (file.format, file.channels, file.samplerate, file.frames)
            if said != ("FLAC", 1, SAMPLE_RATE, samples):
                raise ValueError(f"a sound of {samples} samples is {said}")
            # In parts: what a forged header promises is not taken before it is there. Not `blocks`,
            # which gives memory as it was where a file ends too early.
            parts = [np.zeros(0, np.int16)]
            while len(part := file.read(SAMPLE_RATE, dtype="int16")):
                parts.append(part)
    except soundfile.LibsndfileError as error:
        reason = error.error_string
        raise ValueError(f"a sound of {samples} samples is damaged: {reason}") from error
    found = np.concatenate(parts)
    if len(found) != samples:
        raise ValueError(f"a sound of {samples} samples has {len(found)}")
    return found


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
        "sound_mark": of_bytes(recording.sound_mark),
        "frames_mark": of_bytes(recording.frames_mark),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)
