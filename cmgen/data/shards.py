"""The native format: dataset.json and one TFRecord example per recording.

    DIR/dataset.json
    DIR/{split}-00000-of-0000N.tfrecord

An example holds (see `Recording`): id, group, class, label, frames (JPEG), times, sound (FLAC),
num_samples. A shard holds recordings of one class only, so that balanced batches can stream.
"""

import io
import json
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import soundfile
import tensorflow as tf

from cmgen.data.recording import Recording, encode_flac, to_int16
from cmgen.errors import UserError
from cmgen.files import write_text
from cmgen.sound_files import SAMPLE_RATE

FORMAT_VERSION = 1
INFO_FILE = "dataset.json"
_SHARD_BYTES = 128 * 2**20


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


def write_info(folder: Path, info: DatasetInfo) -> None:
    write_text(folder / INFO_FILE, json.dumps(asdict(info), indent=2) + "\n")


def read_info(folder: Path) -> DatasetInfo:
    """dataset.json of a prepared folder; a missing, damaged or foreign one is a UserError."""
    path = folder / INFO_FILE
    if not path.is_file():
        raise UserError(f"{folder}: no {INFO_FILE} there; prepare the folder with cmgen.prepare")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format_version"] != FORMAT_VERSION:
            raise UserError(
                f"{path}: has format version {values['format_version']}, this cmgen reads "
                f"{FORMAT_VERSION}; prepare the data again"
            )
        splits = {
            name: SplitInfo(**{**split, "shards": tuple(ShardInfo(**s) for s in split["shards"])})
            for name, split in values["splits"].items()
        }
        return DatasetInfo(**{**values, "classes": tuple(values["classes"]), "splits": splits})
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: damaged or not written by cmgen ({error}); prepare the data again"
        ) from error


class SplitWriter(AbstractContextManager["SplitWriter"]):
    """Writes the shards of one split; recordings must come class by class.

    Args:
      folder: receives the files; their final names are known only at the end.
      split: name of the split.
      classes: all classes of the data.
    """

    def __init__(self, folder: Path, split: str, classes: Sequence[str]):
        self._folder, self._split, self._classes = folder, split, classes
        self._writer: tf.io.TFRecordWriter | None = None
        self._bytes = self._frames = self._samples = 0
        self._shards: list[tuple[str, int]] = []  # class and number of recordings

    def write(self, recording: Recording) -> None:
        full = self._bytes >= _SHARD_BYTES
        if self._writer is None or full or self._shards[-1][0] != recording.class_name:
            self._close()
            path = self._folder / self._temporary_name(len(self._shards))
            self._writer = tf.io.TFRecordWriter(str(path))
            self._shards.append((recording.class_name, 0))
            self._bytes = 0
        example = _to_example(recording, self._classes.index(recording.class_name))
        self._writer.write(example)
        self._shards[-1] = (recording.class_name, self._shards[-1][1] + 1)
        self._bytes += len(example)
        self._frames += len(recording.frames)
        self._samples += recording.samples

    def finish(self) -> SplitInfo:
        """Closes and names the files."""
        self._close()
        shards = []
        per_class = dict.fromkeys(self._classes, 0)
        for index, (class_name, count) in enumerate(self._shards):
            name = f"{self._split}-{index:05d}-of-{len(self._shards):05d}.tfrecord"
            (self._folder / self._temporary_name(index)).rename(self._folder / name)
            shards.append(ShardInfo(name, class_name, count))
            per_class[class_name] += count
        return SplitInfo(
            recordings=sum(per_class.values()),
            frames=self._frames,
            samples=self._samples,
            seconds=round(self._samples / SAMPLE_RATE, 3),
            per_class={name: count for name, count in per_class.items() if count},
            shards=tuple(shards),
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._close()
        else:
            # The folder is about to be removed; a second "disk full" would hide the first error.
            self._writer = None

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _temporary_name(self, index: int) -> str:
        return f"{self._split}-{index:05d}.tfrecord"


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
