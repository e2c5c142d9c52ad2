"""A split of a prepared folder, in memory or described without decoding."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from cmgen.config import DataConfig
from cmgen.data.records import MARKS, parse, parse_sizes
from cmgen.data.shards import DatasetInfo, has_checksum, read_info
from cmgen.utils.errors import UserError


@dataclass(frozen=True, eq=False)
class Recordings:
    """One split of a prepared folder.

    Attributes:
      folder, split: the prepared folder and the name of the split.
      info: the folder's dataset.json.
      ids, groups: names of the recordings and of their groups, str [R].
      labels: int64 [R], indices into `classes`.
      sound_offsets: int64 [R + 1], where each recording's samples begin.
      frame_offsets: int64 [R + 1], where each recording's frames begin.
      frame_times: int64 [F], middle sample of each frame's window, counted from the first of its
        recording.
      sound: int16 [samples], one recording after the other; None if the data are streamed.
      frames: uint8 [F, size, size, 3]; None if the data are streamed.
      marks: "sound_mark" and "frames_mark" -> values of the recordings (see `Recording`).
    """

    folder: Path
    split: str
    info: DatasetInfo
    ids: np.ndarray
    groups: np.ndarray
    labels: np.ndarray
    sound_offsets: np.ndarray
    frame_offsets: np.ndarray
    frame_times: np.ndarray
    sound: tf.Tensor | None
    frames: tf.Tensor | None
    marks: Mapping[str, Sequence[bytes]]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.info.classes

    @property
    def samples(self) -> np.ndarray:
        """Length of each recording's sound; int64 [R]."""
        return np.diff(self.sound_offsets)

    @property
    def has_frames(self) -> np.ndarray:
        """Whether a recording has pictures; bool [R]."""
        return np.diff(self.frame_offsets) > 0

    @cached_property
    def paired(self) -> bool:
        """Whether pictures belong to the sound of their recording, rather than to their class only."""
        both = self.has_frames & (self.samples > 0)
        return bool(np.isin(self.labels, self.labels[both]).all())

    def start_range(self, window: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the first and last sample at which a window may begin, int64 [R] each.

        The window lies inside the sound, and its middle at most half a frame outside the pictures.
        Values of recordings without sound are meaningless.
        """
        last = np.maximum(self.samples - window, 0)
        low, high = np.zeros_like(last), last.copy()
        if self.paired:
            for index in np.flatnonzero(self.has_frames):
                times = self.frame_times[self.frame_offsets[index] : self.frame_offsets[index + 1]]
                slack = int(np.median(np.diff(times))) // 2 if len(times) > 1 else 0
                bounds = np.array([times[0] - slack, times[-1] + slack]) - window // 2
                low[index], high[index] = np.clip(bounds, 0, last[index])
        return low, high


def load_split(data_dir: Path, split: str, config: DataConfig) -> Recordings:
    """Reads a split of a prepared folder; decodes it into memory if that takes at most cache_gib.

    The checksums of its shards are verified first.

    Raises:
      UserError: there is no such split, or files are damaged.
    """
    info = read_info(data_dir)
    if split not in info.splits:
        raise UserError(
            f"{data_dir}: has no split {split!r}, only {', '.join(info.splits)}; add recordings"
        )
    size = info.splits[split]
    decoded_bytes = 2 * size.samples + size.frames * info.image_size**2 * 3
    read = _read_decoded if decoded_bytes <= config.cache_gib * 2**30 else _read_undecoded
    for shard in size.shards:
        _check_whole(data_dir / shard.name, shard.sha256)
    try:
        with named_damage(data_dir):
            return read(data_dir, split, info)
    except (tf.errors.InvalidArgumentError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{data_dir}: its {split} shards are whole, but not what cmgen.prepare wrote ({reason}); "
            "prepare the data again"
        ) from error


def _check_whole(path: Path, checksum: str) -> None:
    if not path.is_file():
        raise UserError(f"{path}: is missing; prepare the data again")
    if not has_checksum(path, checksum):
        raise UserError(
            f"{path}: is damaged, or was changed after it was written (its SHA-256 is not the one in "
            "dataset.json); prepare the data again"
        )


@contextmanager
def named_damage(data_dir: Path) -> Iterator[None]:
    """Turns errors of reading a damaged or missing shard into a UserError that names the file."""
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.NotFoundError) as error:
        splits = read_info(data_dir).splits.values()
        for path in (data_dir / shard.name for split in splits for shard in split.shards):
            reason = _damage(path)
            if reason:
                raise UserError(f"{path}: {reason}; prepare the data again") from error
        raise


def _damage(path: Path) -> str | None:
    """Returns what is wrong with a shard, by the checksums of its records."""
    try:
        for _ in tf.data.TFRecordDataset(str(path)):
            pass
    except tf.errors.NotFoundError:
        return "is missing"
    except tf.errors.OpError as error:
        return f"is damaged ({error.message.partition(' [Op')[0]})"
    return None


def _read_undecoded(data_dir: Path, split: str, info: DatasetInfo) -> Recordings:
    """Reads names, sizes, times and marks of a split."""
    parsed = _records(data_dir, split, info).map(
        parse_sizes, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    examples = list(parsed.prefetch(2).as_numpy_iterator())
    return _assemble(data_dir, split, info, examples, None, None)


def _records(data_dir: Path, split: str, info: DatasetInfo) -> tf.data.Dataset:
    return tf.data.TFRecordDataset([str(data_dir / s.name) for s in info.splits[split].shards])


def _read_decoded(data_dir: Path, split: str, info: DatasetInfo) -> Recordings:
    size = info.splits[split]
    sound = np.empty(size.samples, np.int16)
    frames = np.empty((size.frames, info.image_size, info.image_size, 3), np.uint8)
    parsed = _records(data_dir, split, info).map(
        partial(parse, image_size=info.image_size),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    at_sound = at_frame = 0
    examples: list[dict[str, Any]] = []
    for example in parsed.prefetch(2).as_numpy_iterator():
        count, shown = len(example["sound"]), len(example["frames"])
        sound[at_sound : at_sound + count] = example.pop("sound")
        frames[at_frame : at_frame + shown] = example.pop("frames")
        at_sound, at_frame = at_sound + count, at_frame + shown
        examples.append(example)
    # In the processor's memory, where tf.data reads.
    with tf.device("CPU:0"):
        return _assemble(data_dir, split, info, examples, tf.constant(sound), tf.constant(frames))


def _assemble(
    data_dir: Path,
    split: str,
    info: DatasetInfo,
    examples: list[dict[str, Any]],
    sound: tf.Tensor | None,
    frames: tf.Tensor | None,
) -> Recordings:
    times = [np.asarray(example["times"], np.float64) for example in examples]
    samples = [int(example["num_samples"]) for example in examples]
    size = info.splits[split]
    expected = size.recordings, size.samples, size.frames
    if (len(examples), sum(samples), sum(map(len, times))) != expected:
        raise ValueError("recordings, samples or pictures are not as many as dataset.json says")
    return Recordings(
        folder=data_dir,
        split=split,
        info=info,
        ids=np.array([example["id"].decode() for example in examples]),
        groups=np.array([example["group"].decode() for example in examples]),
        labels=np.array([example["label"] for example in examples], np.int64),
        sound_offsets=_offsets(samples),
        frame_offsets=_offsets(map(len, times)),
        frame_times=np.rint(np.concatenate(times) * info.sample_rate).astype(np.int64),
        sound=sound,
        frames=frames,
        marks={name: [example[name] for example in examples] for name in MARKS},
    )


def _offsets(lengths: Iterable[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(list(lengths))]).astype(np.int64)
