"""Prepared folders -> batches of windows and pictures by tf.data.

Data that fit in `cache_gib` are decoded into memory once; there the batch of step n is a function
of (seed, n) alone. Larger data are streamed from their shards (`streaming.py`).

Functions mapped by tf.data have no Python control flow on tensors; converting them by autograph
would dominate the start-up time, hence `do_not_convert`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from cmgen.config import TrainConfig
from cmgen.data import pairs, sampling, streaming
from cmgen.data.recordings import Recordings, load_split, named_damage
from cmgen.media import images
from cmgen.utils.errors import UserError

__all__ = [
    "UNIFORMS",
    "BatchConfig",
    "Recordings",
    "count_windows",
    "evaluation_windows",
    "load_split",
    "named_damage",
    "training_dataset",
]

UNIFORMS = 16  # random numbers of each example for augmentation
# Hop of evaluation windows where pictures don't determine their places.
_HOP_SECONDS = 0.1


@dataclass(frozen=True)
class BatchConfig:
    """Settings of the stream of training batches.

    Attributes:
      batch_size: even, since neighbours make mismatched pairs.
      seed: of all random draws.
      noise_size: size of the generator's noise.
      mismatch: what the members of a mismatched pair (rows 2q and 2q + 1) have in common; see
        `pairs.share_pairs`.
      mismatch_seconds: least distance of the two windows of a pair within one recording.
      instants: number of neighbours in a batch that are windows of the same recording.
      only: classes to draw from; all if empty.
      kinds: parts of each example that are computed.
      shard: (index, number) of the part of each batch to return; the parts in order are the whole
        batch.
    """

    batch_size: int
    seed: int
    noise_size: int = 10
    mismatch: str = "class"
    mismatch_seconds: float = 0.5
    instants: int = 1
    only: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("waveform", "image")
    shard: tuple[int, int] = (0, 1)

    def shard_rows(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns the shard's rows of a whole batch."""
        index, number = self.shard
        count = self.batch_size // number
        return rows[index * count : (index + 1) * count]


def training_dataset(
    recordings: Recordings, batches: BatchConfig, config: TrainConfig, start_step: int = 0
) -> tf.data.Dataset:
    """Makes an endless, deterministic stream of class-balanced batches.

    Args:
      recordings: from `load_split`.
      batches: settings of the stream.
      config: the run's; its sound window is used.
      start_step: first batch to return; the rest of the stream is unchanged. Free for data in
        memory; streamed data are read up to there (or restore the iterator's own checkpoint, which
        tf.train.Checkpoint(iterator=iter(dataset)) writes).

    Returns:
      A dataset of {"waveform": float32 [B, window_samples] in [-1, 1],
      "image": float32 [B, size, size, 3] in [-1, 1], "label": int32 [B],
      "noise": float32 [B, noise_size], N(0, 1), "uniforms": float32 [B, UNIFORMS] in [0, 1)}.
      Rows 2q and 2q + 1 have different classes, unless `batches.mismatch` says otherwise.
      "waveform" or "image" is present if in `batches.kinds`. B is batch_size / shards.
    """
    window = config.sound.window_samples
    _check_trainable(recordings, batches, window)
    steps = tf.data.Dataset.counter(start_step, dtype=tf.int64)

    def numbers(step: tf.Tensor) -> dict[str, tf.Tensor]:
        shape = (batches.batch_size, batches.noise_size, UNIFORMS)
        noise, uniforms = sampling.draw_numbers(step, *shape, batches.seed)
        return {"noise": batches.shard_rows(noise), "uniforms": batches.shard_rows(uniforms)}

    @tf.autograph.experimental.do_not_convert
    def with_numbers(step: tf.Tensor, example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return _finish({key: example[key] for key in (*batches.kinds, "label")}) | numbers(step)

    if recordings.sound is None:
        examples = streaming.training_examples(recordings, batches.batch_size, batches.seed, window)
        numbered = tf.data.Dataset.zip(steps, examples.skip(start_step))

        @tf.autograph.experimental.do_not_convert
        def part(step: tf.Tensor, example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return with_numbers(step, tf.nest.map_structure(batches.shard_rows, example))

        return numbered.map(part).prefetch(2)
    cut = _cutter(recordings, batches, window)

    @tf.autograph.experimental.do_not_convert
    def batch(step: tf.Tensor) -> dict[str, tf.Tensor]:
        return with_numbers(step, cut(step))

    return steps.map(batch, num_parallel_calls=2, deterministic=True).prefetch(2)


def evaluation_windows(
    recordings: Recordings, stride: int, config: TrainConfig, batch_size: int = 64
) -> tf.data.Dataset:
    """Makes every window once, in order: those around each `stride`-th picture of each recording.

    Pictures whose window would leave the sound are skipped. Where pictures and sounds share only
    their class, windows are cut every 0.1 s and the pictures of the class repeat; if a class has no
    pictures, its "frame" is -1 and "image" is missing from all batches.

    Args:
      recordings: from `load_split`.
      stride: 1 takes every window; more takes a fixed subset.
      config: the run's; its sound window, silence_dbfs and only_classes are used.
      batch_size: the last batch may be smaller.

    Returns:
      A dataset of {"waveform": float32 [b, window_samples], "image": float32 [b, size, size, 3],
      "label": int32 [b], "recording": int64 [b], "frame": int64 [b], indices into `recordings`,
      "sounding": bool [b], whether the window is louder than silence_dbfs}.
    """
    window = config.sound.window_samples
    rows = evaluation_rows(
        recordings, stride, window, config.sound.sample_rate, config.only_classes
    )
    if not len(rows.recording):
        raise UserError(
            f"{recordings.folder}: split {recordings.split!r} has no window of "
            f"{config.sound.window_seconds:g} s of sound; add longer recordings"
        )
    with_images = bool((rows.frame >= 0).all())

    @tf.autograph.experimental.do_not_convert
    def finish(row: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        whole = _finish(row)
        power = tf.reduce_mean(tf.square(whole["waveform"]), axis=1)
        whole["sounding"] = power > 10.0 ** (config.data.silence_dbfs / 10.0)
        return whole | {name: row[name] for name in ("recording", "frame")}

    if recordings.sound is None:
        batches = streaming.evaluation_rows(recordings, rows, window).batch(batch_size)
        return batches.map(finish).prefetch(2)
    sound, frames = recordings.sound, recordings.frames
    begin = recordings.sound_offsets[rows.recording] + rows.start

    @tf.autograph.experimental.do_not_convert
    def cut(begin: tf.Tensor, row: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        samples = tf.gather(sound, begin[:, None] + tf.range(window, dtype=tf.int64))
        row = row | {"waveform": samples}
        return finish(row | {"image": tf.gather(frames, row["frame"])} if with_images else row)

    columns = {
        "recording": rows.recording,
        "frame": rows.frame,
        "label": recordings.labels[rows.recording],
    }
    places = tf.data.Dataset.from_tensor_slices((begin, columns))
    return places.batch(batch_size).map(cut, num_parallel_calls=2, deterministic=True).prefetch(2)


def count_windows(recordings: Recordings, config: TrainConfig) -> int:
    """Returns the number of windows of `evaluation_windows` with a stride of 1."""
    sound = config.sound
    rows = evaluation_rows(
        recordings, 1, sound.window_samples, sound.sample_rate, config.only_classes
    )
    return len(rows.recording)


def evaluation_rows(
    recordings: Recordings, stride: int, window: int, sample_rate: int, only: tuple[str, ...] = ()
) -> streaming.Rows:
    """Lists the windows and pictures of `evaluation_windows`; of the classes in `only`, if any."""
    chosen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    samples, offsets = recordings.samples, recordings.frame_offsets
    included = [not only or name in only for name in recordings.classes]
    with_sound = (samples >= window) & np.array(included)[recordings.labels]
    pictures = [
        np.flatnonzero(np.repeat(recordings.labels == label, np.diff(offsets)))
        for label in range(len(recordings.classes))
    ]
    used = [0] * len(pictures)
    for index in np.flatnonzero(with_sound):
        if recordings.paired:
            frames = np.arange(offsets[index], offsets[index + 1])[::stride]
            start = recordings.frame_times[frames] - window // 2
            # Pictures are timed to a few samples only.
            near = (start >= -window // 20) & (start <= samples[index] - window + window // 20)
            start, frames = np.clip(start[near], 0, samples[index] - window), frames[near]
        else:
            hop = round(_HOP_SECONDS * sample_rate) * stride
            start = np.arange(0, samples[index] - window + 1, hop)
            label = recordings.labels[index]
            turn = used[label] + np.arange(len(start))
            used[label] += len(start)
            choice = pictures[label]
            frames = choice[turn % len(choice)] if len(choice) else np.full(len(start), -1)
        chosen.append((np.full(len(start), index), start, frames))
    columns = [np.concatenate(column) for column in zip(*chosen, strict=True)] or [np.zeros(0)] * 3
    return streaming.Rows(*(column.astype(np.int64) for column in columns))


def _cutter(
    recordings: Recordings, batches: BatchConfig, window: int
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Returns a function: step -> its batch as stored integers, cut from memory."""
    count, seed = batches.batch_size, batches.seed
    classes = np.array(_drawn_classes(recordings, batches), np.int64)
    gap = round(batches.mismatch_seconds * recordings.info.sample_rate)
    with_sound, with_frames = streaming.class_tables(recordings, window)
    low, high = recordings.start_range(window)
    keys = sampling.frame_keys(recordings.frame_times, recordings.frame_offsets)
    sound, frames, paired = recordings.sound, recordings.frames, recordings.paired
    sound_offsets, frame_offsets = recordings.sound_offsets, recordings.frame_offsets

    def cut(step: tf.Tensor) -> dict[str, tf.Tensor]:
        positions = step * count + tf.range(count, dtype=tf.int64)
        label, visit = pairs.class_stream(positions // batches.instants, len(classes), seed)
        label, visit = pairs.share_pairs(tf.gather(classes, label), visit, batches.mismatch)
        recording = sampling.pick_recordings(label, visit, with_sound, seed)
        bounds = tf.gather(low, recording), tf.gather(high, recording)
        start = sampling.pick_starts(step, *bounds, seed)
        if batches.mismatch != "class":
            start = pairs.keep_pairs_apart(start, recording, *bounds, gap)
        if paired:
            pictured = recording
            frame = sampling.nearest_frames(keys, frame_offsets, recording, start + window // 2)
        else:
            pictured = sampling.pick_recordings(label, visit, with_frames, seed, kind=1)
            frame = tf.gather(frame_offsets, pictured)
        begin = batches.shard_rows(tf.gather(sound_offsets, recording) + start)
        # Copies whole windows; a gather of single samples takes five times as long.
        windows = [tf.slice(sound, [first], [window]) for first in tf.unstack(begin)]
        return {
            "waveform": tf.stack(windows),
            "image": tf.gather(frames, batches.shard_rows(frame)),
            "label": batches.shard_rows(label),
        }

    return cut


def _finish(row: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Stored integers -> inputs of the networks."""
    batch = {"label": tf.cast(row["label"], tf.int32)}
    if "waveform" in row:
        batch["waveform"] = tf.cast(row["waveform"], tf.float32) / 32768.0
    if "image" in row:
        batch["image"] = images.scale(tf.cast(row["image"], tf.float32))
    return batch


def _check_trainable(recordings: Recordings, batches: BatchConfig, window: int) -> None:
    where = f"{recordings.folder}: split {recordings.split!r}"
    if batches.batch_size % 2 or batches.batch_size < 2:
        raise UserError(f"--batch_size={batches.batch_size}: must be even and at least 2")
    drawn = _drawn_classes(recordings, batches)
    if len(drawn) < 2 and batches.mismatch in ("class", "mixed"):
        raise UserError(
            f"{where} has only the class {recordings.classes[drawn[0]]!r}; mismatched pairs need a "
            "second, or --mismatch=instrument or recording"
        )
    plain = (
        "give --mismatch=class --sound_encoder_correspondence_weight=0 "
        "--image_encoder_correspondence_weight=0"
    )
    if (batches.mismatch != "class" or batches.instants > 1) and not recordings.paired:
        raise UserError(
            f"{where} has pictures and sounds that share only their class, so there is no picture of "
            f"a sound's own instant; {plain}"
        )
    special = batches.mismatch != "class" or batches.instants > 1 or batches.only
    if special and recordings.sound is None:
        raise UserError(
            f"{where} is larger than --cache_gib and streams; --mismatch other than class, --class "
            f"and correspondence need it in memory: raise --cache_gib, or {plain}"
        )
    for what, table in zip(
        ("sound of at least half a second", "pictures"),
        streaming.class_tables(recordings, window),
        strict=True,
    ):
        for name, count in zip(recordings.classes, table.counts, strict=True):
            if not count:
                raise UserError(f"{where} has no {what} of class {name!r}; add recordings of it")


def _drawn_classes(recordings: Recordings, batches: BatchConfig) -> list[int]:
    """Returns the indices of the classes to draw from."""
    unknown = sorted(set(batches.only) - set(recordings.classes))
    if unknown:
        raise UserError(
            f"--class={','.join(unknown)}: {recordings.folder} has no such class, only "
            f"{', '.join(recordings.classes)}"
        )
    return [
        i for i, name in enumerate(recordings.classes) if not batches.only or name in batches.only
    ]
