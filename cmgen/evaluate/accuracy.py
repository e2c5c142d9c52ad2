"""The paper's classifier-based evaluation: is the instrument recognised in what was generated?

A verifier, trained on real training pictures alone, classifies the instrument in each generated
picture (Chen et al. 2017, section 5.2 and Table 5); for sounds generated from pictures, one
trained on real training sounds. Silent windows are counted apart: there is no instrument in them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cmgen.config import Direction
from cmgen.data import pipeline
from cmgen.evaluate.metrics import classification
from cmgen.evaluate.windows import SEED, Batch, Networks, collect
from cmgen.utils.errors import UserError


@dataclass(frozen=True)
class SplitScores:
    """Predictions for every window of a split, and what follows from them.

    Attributes:
      direction: of the run: what was the condition, and what was generated.
      classes: names of the classes.
      groups: the recording that each window belongs to, [windows].
      frames: the picture in its recordings' split that each window is around, int [windows].
      labels: true class of each window, int [windows].
      sounding: whether the window is louder than silence, bool [windows].
      predicted_class: class that the encoder predicts from the condition, int [windows].
      generated_predicted: class that the verifier predicts from the generated target, int [windows].
      feature_distance: Frechet distance of the verifier's encodings of generated and real targets
        of the sounding windows: falls as they get cleaner; None where there are no real ones.
      real_predicted: class that the verifier predicts from the real target, int [windows]; None
        where the data have no pictures.
    """

    direction: Direction
    classes: tuple[str, ...]
    groups: NDArray[Any]
    frames: NDArray[np.int64]
    labels: NDArray[np.int64]
    sounding: NDArray[np.bool_]
    predicted_class: NDArray[np.int64]
    generated_predicted: NDArray[np.int64]
    feature_distance: float | None
    real_predicted: NDArray[np.int64] | None = None

    @property
    def windows(self) -> tuple[NDArray[Any], ...]:
        """What was scored, whatever was predicted: a value for each window."""
        return self.groups, self.frames, np.asarray(self.classes)[self.labels], self.sounding

    @property
    def accuracy(self) -> float:
        """Share of sounding windows whose instrument is recognised in what was generated."""
        return classification.accuracy(
            self.labels[self.sounding], self.generated_predicted[self.sounding]
        )

    @property
    def encoder_accuracy(self) -> float:
        """Share of sounding windows whose instrument the encoder recognises in the condition."""
        return classification.accuracy(
            self.labels[self.sounding], self.predicted_class[self.sounding]
        )

    @property
    def real_accuracy(self) -> float | None:
        """Share of all real pictures, or of the sounding windows, that the verifier recognises."""
        if self.real_predicted is None:
            return None
        counted = self.sounding | (self.direction.target == "image")
        return classification.accuracy(self.labels[counted], self.real_predicted[counted])

    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of `accuracy` over recordings."""
        correct = (self.labels == self.generated_predicted)[self.sounding]
        return classification.bootstrap_interval(correct, self.groups[self.sounding], seed=SEED)

    def balanced_interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the balanced accuracy over recordings."""
        kept = self.sounding
        windows = self.labels[kept], self.generated_predicted[kept], self.groups[kept]
        return classification.balanced_interval(*windows, seed=SEED)

    def confusion(self) -> NDArray[np.int64]:
        """Sounding windows by true class (rows) and class of what was generated (columns)."""
        return classification.confusion_matrix(
            self.labels[self.sounding], self.generated_predicted[self.sounding], len(self.classes)
        )

    def report(self) -> dict[str, Any]:
        """All scores of the split, of JSON types."""
        confusion = self.confusion()
        silent = ~self.sounding
        silent_accuracy = (
            classification.accuracy(self.labels[silent], self.generated_predicted[silent])
            if silent.any()
            else None
        )
        return {
            "accuracy": self.accuracy,
            "accuracy_ci95": list(self.interval()),
            "balanced_accuracy": classification.balanced_accuracy(confusion),
            "balanced_accuracy_ci95": list(self.balanced_interval()),
            "majority_rate": classification.majority_rate(self.labels[self.sounding]),
            f"{self.direction.encoder}_accuracy": self.encoder_accuracy,
            "verifier_accuracy_real": self.real_accuracy,
            "feature_distance": self.feature_distance,
            "accuracy_silent_windows": silent_accuracy,
            "windows": int(self.sounding.sum()),
            "silent_windows": int(silent.sum()),
            "recordings": len(np.unique(self.groups)),
            "per_class_accuracy": self._by_class(confusion),
            "per_recording_accuracy": self._by_recording(),
            "confusion": confusion.tolist(),
        }

    def _by_class(self, confusion: NDArray[np.int64]) -> dict[str, float | None]:
        shares = classification.per_class_accuracy(confusion)
        return {
            name: None if np.isnan(share) else float(share)
            for name, share in zip(self.classes, shares, strict=True)
        }

    def _by_recording(self) -> dict[str, float]:
        """Worst first: failures come by whole recordings."""
        correct, groups = (
            (self.labels == self.generated_predicted)[self.sounding],
            self.groups[self.sounding],
        )
        names, member = np.unique(groups, return_inverse=True)
        shares = np.bincount(member, weights=correct) / np.bincount(member)
        order = np.argsort(shares, kind="stable")
        return {str(names[i]): float(shares[i]) for i in order}


def score_split(
    networks: Networks, recordings: pipeline.Recordings, stride: int = 1
) -> SplitScores:
    """Scores the windows around every `stride`-th frame of each recording.

    Args:
      networks: of the run.
      recordings: one split, of the run's classes or of some of them.
      stride: 1 takes every window; more takes a fixed subset.
    """
    fields = ("predicted_class", "generated_predicted", "real_predicted")
    features = ("generated_features", "real_features")

    def compute(batch: Batch, noise: tf.Tensor) -> Batch:
        if networks.config.direction.condition == "image" and "image" not in batch:
            raise UserError(
                f"split {recordings.split!r} lacks pictures of some classes or of all, and this run "
                "makes sounds from pictures; add pictures"
            )
        columns = networks.generate(batch, noise) | networks.verify(batch)
        return {name: columns[name] for name in (*fields, *features) if name in columns}

    columns = collect(recordings, networks.classes, networks.config, compute, stride, silent=True)
    sounding = columns["sounding"]
    if not sounding.any():
        raise UserError("nothing sounds in any window; check the sound, or lower --silence_dbfs")
    clouds = [columns.pop(name)[sounding] for name in features if name in columns]
    return SplitScores(
        direction=networks.config.direction,
        classes=networks.classes,
        feature_distance=classification.frechet_distance(*clouds) if len(clouds) == 2 else None,
        **columns,
    )
