"""Windows on which an export is compared, calibrated and timed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmgen.config import TrainConfig
from cmgen.data import pipeline
from cmgen.data.shards import read_info
from cmgen.evaluate.windows import class_indices
from cmgen.models.run import Run
from cmgen.prepare import run_data
from cmgen.utils.errors import UserError

# How many windows, spread over the split, the exported forms are compared on.
PARITY_WINDOWS = 100
# How many the accuracy of smaller forms is measured on, and calibrates them.
ACCURACY_WINDOWS = 520
CALIBRATION_WINDOWS = 130


@dataclass(frozen=True)
class Samples:
    """Windows as the exported functions take them.

    Attributes:
      conditions: waveforms float32 [n, window_samples] or pictures float32 [n, size, size, 3].
      labels: class of each, int [n]; None for synthetic ones.
      source: what they are, e.g. "test windows of demo".
    """

    conditions: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    source: str

    def spread(self, count: int) -> NDArray[np.float32]:
        """At most `count` of them, evenly spread."""
        return self.conditions[_spread(len(self.conditions), count)]


def test_samples(run: Run, count: int = ACCURACY_WINDOWS) -> Samples:
    """Sounding windows of the run's test split, else of another; synthetic if its data are gone."""
    return _samples(run, ("test", "validation", "train"), count)


def calibration_samples(run: Run) -> Samples:
    """Sounding windows of the run's train split, which nothing is measured on."""
    return _samples(run, ("train",), CALIBRATION_WINDOWS)


def synthetic(config: TrainConfig, count: int = PARITY_WINDOWS, seed: int = 0) -> Samples:
    """Harmonic tones of random pitch and loudness, or blurred noise for pictures."""
    rng = np.random.default_rng(seed)
    if config.direction.condition == "image":
        small = rng.uniform(-1, 1, (count, 8, 8, 3)).astype(np.float32)
        side = config.data.image_size // 8
        return Samples(small.repeat(side, axis=1).repeat(side, axis=2), None, "synthetic pictures")
    sound = config.sound
    time = np.arange(sound.window_samples) / sound.sample_rate
    pitch = 55.0 * 2 ** rng.uniform(0, 5, (count, 1, 1))
    harmonic = np.arange(1, 9)[:, None]
    partials = np.sin(2 * np.pi * pitch * harmonic * time) / harmonic
    waves = partials.sum(axis=1) * 10 ** rng.uniform(-2, -0.5, (count, 1))
    noisy = np.clip(waves + rng.normal(0, 1e-4, waves.shape), -1, 1).astype(np.float32)
    return Samples(noisy, None, "synthetic tones")


def _samples(run: Run, splits: tuple[str, ...], count: int) -> Samples:
    config = run.config
    key = "waveform" if config.direction.condition == "lms" else "image"
    try:
        folder = run_data.resolve(run.workdir, run.data_config, run.data_hash)
        split = next(s for s in splits if s in read_info(folder).splits)
        recordings = pipeline.load_split(folder, split, config.data)
        stride = max(1, pipeline.count_windows(recordings, config) // (2 * count))
        batches = list(pipeline.evaluation_windows(recordings, stride, config))
        conditions, labels, sounding = (
            np.concatenate([batch[name].numpy() for batch in batches])
            for name in (key, "label", "sounding")
        )
    except (UserError, StopIteration, KeyError) as error:
        print(f"The run's data can't be read ({error}); comparing on synthetic input instead.")
        return synthetic(config)
    labels = class_indices(recordings.classes, run.classes)[labels]
    audible = np.flatnonzero(sounding)
    chosen = audible[_spread(len(audible), count)]
    return Samples(
        conditions[chosen], labels[chosen], f"sounding {split} windows of {Path(run.data).name}"
    )


def _spread(total: int, count: int) -> NDArray[np.int64]:
    """At most `count` indices below `total`, evenly spread."""
    return np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(np.int64))
