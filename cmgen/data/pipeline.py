"""Prepared folders -> batches of windows and pictures, by tf.data from end to end.

Data that fit in `cache_gib` are decoded once into memory; there the batch of step n is a function
of (seed, n) alone. Larger data stream from their shards (`streaming.py`).

Functions that tf.data maps have no Python control flow on tensors; converting them by autograph
would take longer than all the rest of starting up, hence `do_not_convert`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from cmgen.config import TrainConfig
from cmgen.data import sampling, streaming
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
# Hop of evaluation windows where no picture sets their places.
_HOP_SECONDS = 0.1


@dataclass(frozen=True)
class BatchConfig:
    """What makes the stream of training batches.

    Attributes:
      batch_size: even, since neighbours are each other's mismatched pair.
      seed: of everything that is drawn.
      noise_dim: size of the generator's noise.
      mismatch: what the two members of a mismatched pair (rows 2q and 2q + 1) have in common; see
        `sampling.share_pairs`.
      mismatch_seconds: at least so far apart lie two windows of a pair in one recording.
      instants: so many neighbours in a batch are windows of the same recording.
      only: the classes to draw from; all if empty.
      kinds: what of each example is wanted; the rest is not computed.
      shard: (index, number): which part of each batch to give; the parts one after the other are
        the whole batch.
    """

    batch_size: int
    seed: int
    noise_dim: int = 10
    mismatch: str = "class"
    mismatch_seconds: float = 0.5
    instants: int = 1
    only: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("waveform", "image")
    shard: tuple[int, int] = (0, 1)

    def own(self, rows: tf.Tensor) -> tf.Tensor:
        """The shard's rows of a whole batch."""
        index, number = self.shard
        count = self.batch_size // number
        return rows[index * count : (index + 1) * count]


def training_dataset(
    recordings: Recordings, batches: BatchConfig, config: TrainConfig, start_step: int = 0
) -> tf.data.Dataset:
    """An endless, deterministic stream of class-balanced batches.

    Args:
      recordings: of `load_split`.
      batches: size, seed, noise.
      config: the run's; its sound window counts.
      start_step: the first batch to give: the stream from there equals the rest of the whole one.
        At no cost for data in memory; streamed data are read up to there (or restore the
        iterator's own checkpoint, which tf.train.Checkpoint(iterator=iter(dataset)) writes).

    Returns:
      A dataset of {"waveform": float32 [B, window_samples] in [-1, 1],
      "image": float32 [B, size, size, 3] in [-1, 1], "label": int32 [B],
      "noise": float32 [B, noise_dim], N(0, 1), "uniforms": float32 [B, UNIFORMS] in [0, 1)}.
      Rows 2q and 2q + 1 have different classes, unless `batches` says otherwise. "waveform" or
      "image" is missing where `batches` doesn't want it. B is batch_size / shards.
    """
    window = config.sound.window_samples
    _check_trainable(recordings, batches, window)
    steps = tf.data.Dataset.counter(start_step, dtype=tf.int64)

    def numbers(step: tf.Tensor) -> dict[str, tf.Tensor]:
        shape = (batches.batch_size, batches.noise_dim, UNIFORMS)
        noise, uniforms = sampling.draw_numbers(step, *shape, batches.seed)
        return {"noise": batches.own(noise), "uniforms": batches.own(uniforms)}

    @tf.autograph.experimental.do_not_convert
    def with_numbers(step: tf.Tensor, example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        wanted = {key: example[key] for key in (*batches.kinds, "label")}
        return _finish(wanted) | numbers(step)

    if recordings.sound is None:
        examples = streaming.training_examples(recordings, batches.batch_size, batches.seed, window)
        numbered = tf.data.Dataset.zip(steps, examples.skip(start_step))

        @tf.autograph.experimental.do_not_convert
        def part(step: tf.Tensor, example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return with_numbers(step, tf.nest.map_structure(batches.own, example))

        return numbered.map(part).prefetch(2)
    cut = _cutter(recordings, batches, window)

    @tf.autograph.experimental.do_not_convert
    def batch(step: tf.Tensor) -> dict[str, tf.Tensor]:
        return with_numbers(step, cut(step))

    return steps.map(batch, num_parallel_calls=2, deterministic=True).prefetch(2)


def evaluation_windows(
    recordings: Recordings, stride: int, config: TrainConfig, batch_size: int = 64
) -> tf.data.Dataset:
    """Every window once, in order: the windows around each `stride`-th picture of each recording.

    A picture whose window would not lie inside the sound is left out. Where pictures and sounds
    share only their class, windows are cut every 0.1 s and a class's pictures go round; where a class
    has no pictures, its "frame" is -1 and "image" is missing from all batches.

    Args:
      recordings: of `load_split`.
      stride: 1 takes every window; more takes a fixed subset.
      config: the run's; its sound window, silence_dbfs and only_classes count.
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
    """How many windows `evaluation_windows` gives with a stride of 1."""
    sound = config.sound
    rows = evaluation_rows(
        recordings, 1, sound.window_samples, sound.sample_rate, config.only_classes
    )
    return len(rows.recording)


def evaluation_rows(
    recordings: Recordings,
    stride: int,
    window: int,
    sample_rate: int,
    only: tuple[str, ...] = (),
) -> streaming.Rows:
    """Which windows and pictures `evaluation_windows` gives; `only`: of these classes, if any."""
    chosen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    samples, offsets = recordings.samples, recordings.frame_offsets
    wanted = [not only or name in only for name in recordings.classes]
    with_sound = (samples >= window) & np.array(wanted)[recordings.labels]
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
            shown = pictures[label]
            frames = shown[turn % len(shown)] if len(shown) else np.full(len(start), -1)
        chosen.append((np.full(len(start), index), start, frames))
    columns = [np.concatenate(column) for column in zip(*chosen, strict=True)] or [np.zeros(0)] * 3
    return streaming.Rows(*(column.astype(np.int64) for column in columns))


def _cutter(
    recordings: Recordings, batches: BatchConfig, window: int
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """step -> the undecorated batch of that step, cut from what is in memory."""
    count, seed = batches.batch_size, batches.seed
    classes = np.array(_drawn_classes(recordings, batches), np.int64)
    gap = round(batches.mismatch_seconds * recordings.info.sample_rate)
    heard, shown = streaming.class_tables(recordings, window)
    low, high = recordings.start_range(window)
    keys = sampling.frame_keys(recordings.frame_times, recordings.frame_offsets)
    sound, frames, paired = recordings.sound, recordings.frames, recordings.paired
    sound_offsets, frame_offsets = recordings.sound_offsets, recordings.frame_offsets

    def cut(step: tf.Tensor) -> dict[str, tf.Tensor]:
        positions = step * count + tf.range(count, dtype=tf.int64)
        label, visit = sampling.class_stream(positions // batches.instants, len(classes), seed)
        label, visit = sampling.share_pairs(tf.gather(classes, label), visit, batches.mismatch)
        recording = sampling.pick_recordings(label, visit, heard, seed)
        bounds = tf.gather(low, recording), tf.gather(high, recording)
        start = sampling.pick_starts(step, *bounds, seed)
        if batches.mismatch != "class":
            start = sampling.keep_pairs_apart(start, recording, *bounds, gap)
        if paired:
            pictured = recording
            frame = sampling.nearest_frames(keys, frame_offsets, recording, start + window // 2)
        else:
            pictured = sampling.pick_recordings(label, visit, shown, seed, kind=1)
            frame = tf.gather(frame_offsets, pictured)
        begin = batches.own(tf.gather(sound_offsets, recording) + start)
        # Copies whole windows; a gather of single samples takes five times as long.
        windows = [tf.slice(sound, [first], [window]) for first in tf.unstack(begin)]
        return {
            "waveform": tf.stack(windows),
            "image": tf.gather(frames, batches.own(frame)),
            "label": batches.own(label),
        }

    return cut


def _finish(row: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Stored integers -> what the networks take."""
    done = {"label": tf.cast(row["label"], tf.int32)}
    if "waveform" in row:
        done["waveform"] = tf.cast(row["waveform"], tf.float32) / 32768.0
    if "image" in row:
        done["image"] = images.scale(tf.cast(row["image"], tf.float32))
    return done


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
    """Indices of the classes that batches are drawn from."""
    unknown = sorted(set(batches.only) - set(recordings.classes))
    if unknown:
        raise UserError(
            f"--class={','.join(unknown)}: {recordings.folder} has no such class, only "
            f"{', '.join(recordings.classes)}"
        )
    return [
        i for i, name in enumerate(recordings.classes) if not batches.only or name in batches.only
    ]
