"""The native format: dataset.json and one TFRecord example per recording.

    DIR/dataset.json
    DIR/{split}-00000-of-0000N.tfrecord
    DIR/set_aside.jsonl                    files of the source that could not be read, if any
    DIR/left_out.jsonl                     what else of the source is not among the recordings, if any

A shard holds recordings of a single class, so that balanced batches can be streamed; `records` says
what an example holds. A shard of which no file could be read is missing; dataset.json lists the others
with their checksums.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import tensorflow as tf

from cmgen.config import SAMPLE_RATE
from cmgen.data.recording import Recording
from cmgen.data.records import to_example
from cmgen.utils.errors import UserError
from cmgen.utils.files import write_text
from cmgen.utils.hashes import file_hash
from cmgen.utils.typed_json import build, signed, take_checksum

FORMAT_VERSION = 2
INFO_FILE = "dataset.json"


@dataclass(frozen=True)
class ShardInfo:
    """A TFRecord file: its class, number of recordings and checksum."""

    name: str
    class_name: str
    recordings: int
    sha256: str


@dataclass(frozen=True)
class SplitInfo:
    """Content of a split; sizes are those of decoded data.

    Attributes:
      recordings: number of examples.
      frames: number of pictures.
      samples: number of sound samples.
      seconds: of sound.
      per_class: class -> number of recordings.
      shards: the files.
    """

    recordings: int = 0
    frames: int = 0
    samples: int = 0
    seconds: float = 0.0
    per_class: dict[str, int] = field(default_factory=dict)
    shards: tuple[ShardInfo, ...] = ()


@dataclass(frozen=True)
class DatasetInfo:
    """Content of dataset.json.

    Attributes:
      classes: sorted names; a label is an index into them.
      image_size: side of the pictures in pixels.
      fps: at most this many pictures per second of video.
      alignment: instant within its half second of sound that a picture shows: "middle", "start" or
        "end"; "pair" where each picture came with a chunk of sound, "class" where pictures and
        sounds share only their class.
      splits: name -> SplitInfo.
      source: kind, path and settings of the preparation.
      versions: of cmgen and the libraries that decoded the source.
      set_aside: number of source files that could not be read; set_aside.jsonl lists them.
      left_out: reason -> number of files that are no recordings; left_out.jsonl lists them.
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
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of each shard by name."""
        return {shard.name: shard.sha256 for s in self.splits.values() for shard in s.shards}


def write_info(folder: Path, info: DatasetInfo) -> None:
    write_text(folder / INFO_FILE, info_text(info))


def info_text(info: DatasetInfo) -> str:
    """Returns the text of dataset.json, with a checksum."""
    return json.dumps(signed(asdict(info)), indent=2) + "\n"


def read_info(folder: Path) -> DatasetInfo:
    """Reads dataset.json of a prepared folder; a missing, damaged or foreign one is a UserError."""
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


def is_whole(folder: Path) -> bool:
    """Whether dataset.json and all shards of a prepared folder are there as they were written."""
    try:
        checksums = read_info(folder).checksums
        return all(has_checksum(folder / name, sha256) for name, sha256 in checksums.items())
    except (UserError, OSError):
        return False


def has_checksum(path: Path, sha256: str) -> bool:
    """Whether the SHA-256 of a file is this one; the file is read once, unless it changes."""
    status = path.stat()
    return _hash(path.absolute(), status.st_ino, status.st_size, status.st_mtime_ns) == sha256


@cache
def _hash(path: Path, *_: int) -> str:
    return file_hash(path)


@dataclass(frozen=True)
class ShardSizes:
    """Numbers of recordings, pictures and sound samples in a shard, and its checksum."""

    recordings: int = 0
    frames: int = 0
    samples: int = 0
    sha256: str = ""


def write_shard(path: Path, label: int, recordings: Iterable[Recording]) -> ShardSizes:
    """Writes a shard, or no file if there are no recordings.

    Args:
      path: of the file.
      label: index of the class of all recordings.
      recordings: consumed one by one, so that a single one is in memory.
    """
    number = frames = samples = 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for recording in recordings:
            writer.write(to_example(recording, label))
            number += 1
            frames += len(recording.frames)
            samples += recording.samples
    if not number:
        path.unlink()
        return ShardSizes()
    return ShardSizes(number, frames, samples, file_hash(path))
