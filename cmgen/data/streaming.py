"""Batches and windows streamed from the shards, for data that don't fit in memory.

Each decoded recording yields many windows; buffers mix windows of several recordings. The datasets
are deterministic, and tf.train.Checkpoint can save their iterators.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import tensorflow as tf

from cmgen.data import pairs, sampling
from cmgen.data.recordings import Recordings
from cmgen.data.records import parse, parse_sizes

WINDOWS_PER_RECORDING = 32
_RECORD_BUFFER = 32  # undecoded recordings of a class
_WINDOW_BUFFER = 4 * WINDOWS_PER_RECORDING  # windows of a class; these go into checkpoints
_OPEN_SHARDS = 4


@dataclass(frozen=True)
class Rows:
    """Windows by their recording, first sample, and frame or -1; int64 [n] each."""

    recording: np.ndarray
    start: np.ndarray
    frame: np.ndarray


def class_tables(
    recordings: Recordings, window: int
) -> tuple[sampling.ClassTable, sampling.ClassTable]:
    """Returns the tables of recordings with sound and with pictures; the same if these are paired."""
    with_sound, with_frames = recordings.samples >= window, recordings.has_frames
    if recordings.paired:
        with_sound = with_frames = with_sound & with_frames
    labels, count = recordings.labels, len(recordings.classes)
    return (
        sampling.ClassTable.of(labels, with_sound, count),
        sampling.ClassTable.of(labels, with_frames, count),
    )


def training_examples(
    recordings: Recordings, batch_size: int, seed: int, window: int
) -> tf.data.Dataset:
    """Makes endless batches of "waveform" int16, "image" uint8 and "label" int64, all [batch, ...].

    Classes come in the order of `pairs.class_stream`.
    """
    classes = range(len(recordings.classes))

    @tf.autograph.experimental.do_not_convert
    def labels(step: tf.Tensor) -> tf.Tensor:
        positions = step * batch_size + tf.range(batch_size, dtype=tf.int64)
        return pairs.class_stream(positions, len(classes), seed)[0]

    order = tf.data.Dataset.counter(dtype=tf.int64).map(labels).unbatch()

    def in_class_order(parts: list[tf.data.Dataset]) -> tf.data.Dataset:
        return tf.data.Dataset.choose_from_datasets(parts, order)

    def windows(need: str) -> tf.data.Dataset:
        return in_class_order([_class_windows(recordings, c, need, seed, window) for c in classes])

    if recordings.paired:
        both = windows("both")
    else:
        both = tf.data.Dataset.zip(windows("sound"), windows("frames")).map(_join)
    return both.batch(batch_size, drop_remainder=True)


def evaluation_rows(recordings: Recordings, rows: Rows, window: int) -> tf.data.Dataset:
    """Makes windows {"waveform", "image", "label", "recording", "frame"} in the order of `rows`."""
    bounds = np.searchsorted(rows.recording, np.arange(len(recordings.labels) + 1))
    first_frame, paired = recordings.frame_offsets[:-1], recordings.paired

    @tf.autograph.experimental.do_not_convert
    def cut(index: tf.Tensor, example: dict[str, tf.Tensor]) -> tf.data.Dataset:
        places = tf.range(tf.gather(bounds, index), tf.gather(bounds, index + 1))
        start, frame = tf.gather(rows.start, places), tf.gather(rows.frame, places)
        count = tf.size(places)
        columns = {
            "waveform": tf.gather(
                example["sound"], start[:, None] + tf.range(window, dtype=tf.int64)
            ),
            "label": tf.repeat(example["label"], count),
            "recording": tf.repeat(index, count),
            "frame": frame,
        }
        if paired:
            columns["image"] = tf.gather(example["frames"], frame - tf.gather(first_frame, index))
        return tf.data.Dataset.from_tensor_slices(columns)

    windows = _records(recordings).map(_parser(recordings)).enumerate().flat_map(cut)
    if paired or (rows.frame < 0).any():
        return windows
    order = tf.data.Dataset.from_tensor_slices(recordings.labels[rows.recording])
    pictures = [_pictures(recordings, label) for label in range(len(recordings.classes))]
    chosen = tf.data.Dataset.choose_from_datasets(pictures, order)
    return tf.data.Dataset.zip(windows, chosen).map(_join)


def _records(recordings: Recordings, label: int | None = None) -> tf.data.Dataset:
    """Reads serialized examples in stored order, of one class or of all."""
    return tf.data.TFRecordDataset(_files(recordings, label))


def _files(recordings: Recordings, label: int | None = None) -> list[str]:
    wanted = recordings.classes if label is None else (recordings.classes[label],)
    shards = recordings.info.splits[recordings.split].shards
    return [str(recordings.folder / s.name) for s in shards if s.class_name in wanted]


def _parser(recordings: Recordings) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    return partial(parse, image_size=recordings.info.image_size)


def _pictures(recordings: Recordings, label: int) -> tf.data.Dataset:
    """Repeats the pictures of a class in stored order."""
    parsed = _records(recordings, label).map(_parser(recordings))
    return parsed.flat_map(_each_frame).repeat()


@tf.autograph.experimental.do_not_convert
def _each_frame(example: dict[str, tf.Tensor]) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices({"image": example["frames"]})


@tf.autograph.experimental.do_not_convert
def _join(row: dict[str, tf.Tensor], other: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return row | other


def _class_windows(
    recordings: Recordings, label: int, need: str, seed: int, window: int
) -> tf.data.Dataset:
    """Makes endless, mixed windows of one class with `need`: "sound", "frames" or "both"."""
    files, rate = _files(recordings, label), recordings.info.sample_rate
    mixer = seed * 1000 + label

    @tf.autograph.experimental.do_not_convert
    def useful(record: tf.Tensor) -> tf.Tensor:
        sizes = parse_sizes(record)
        has_sound, has_frames = sizes["num_samples"] >= window, tf.size(sizes["times"]) > 0
        return {"sound": has_sound, "frames": has_frames, "both": has_sound & has_frames}[need]

    @tf.autograph.experimental.do_not_convert
    def windows(visit: tf.Tensor, example: dict[str, tf.Tensor]) -> tf.data.Dataset:
        if need == "frames":
            cut = _draw_frames(visit, example, mixer)
        else:
            cut = _draw_windows(visit, example, mixer, window, rate, need == "both")
        return tf.data.Dataset.from_tensor_slices(cut)

    @tf.autograph.experimental.do_not_convert
    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        # Not Dataset.shuffle: inside a function its state cannot be saved with the iterator.
        order = sampling.shuffled_range(len(files), mixer, number)
        return tf.data.Dataset.from_tensor_slices(tf.gather(files, order)).interleave(
            tf.data.TFRecordDataset, cycle_length=min(_OPEN_SHARDS, len(files))
        )

    return (
        tf.data.Dataset.counter(dtype=tf.int64)
        .flat_map(one_pass)
        .filter(useful)
        .shuffle(_RECORD_BUFFER, mixer + 1, reshuffle_each_iteration=False)
        .map(_parser(recordings))
        .enumerate()
        .flat_map(windows)
        .shuffle(_WINDOW_BUFFER, mixer + 2, reshuffle_each_iteration=False)
    )


def _draw_frames(
    visit: tf.Tensor, example: dict[str, tf.Tensor], seed: int
) -> dict[str, tf.Tensor]:
    """Draws up to WINDOWS_PER_RECORDING pictures of a recording by (seed, visit)."""
    frames = tf.size(example["times"], out_type=tf.int64)
    low = tf.zeros([tf.minimum(frames, WINDOWS_PER_RECORDING)], tf.int64)
    chosen = sampling.pick_starts(visit, low, low + frames - 1, seed)
    return {"image": tf.gather(example["frames"], chosen)}


def _draw_windows(
    visit: tf.Tensor,
    example: dict[str, tf.Tensor],
    seed: int,
    window: int,
    sample_rate: int,
    with_frames: bool,
) -> dict[str, tf.Tensor]:
    """Draws up to WINDOWS_PER_RECORDING windows of a recording by (seed, visit)."""
    times = tf.cast(tf.round(example["times"] * float(sample_rate)), tf.int64)
    last = tf.size(example["sound"], out_type=tf.int64) - window
    low, high = tf.zeros_like(last), last
    if with_frames:
        slack = (times[-1] - times[0]) // tf.maximum(tf.size(times, tf.int64) - 1, 1) // 2
        low = tf.clip_by_value(times[0] - slack - window // 2, 0, last)
        high = tf.clip_by_value(times[-1] + slack - window // 2, 0, last)
    # A short recording yields fewer, which would otherwise be nearly the same.
    count = tf.minimum(1 + 4 * (high - low) // window, WINDOWS_PER_RECORDING)
    start = sampling.pick_starts(visit, tf.repeat(low, count), tf.repeat(high, count), seed)
    places = start[:, None] + tf.range(window, dtype=tf.int64)
    cut = {
        "waveform": tf.ensure_shape(tf.gather(example["sound"], places), [None, window]),
        "label": tf.repeat(example["label"], count),
    }
    if with_frames:
        distance = tf.abs(times[None, :] - (start + window // 2)[:, None])
        cut["image"] = tf.gather(example["frames"], tf.argmin(distance, axis=1))
    return cut
