"""The paper's classifier-based evaluation: is the instrument recognised in what was generated?

A verifier, trained on real training pictures alone, names the instrument in each generated
picture (Chen et al. 2017, section 5.2 and Table 5); for sounds generated from pictures, one
trained on real training sounds. Windows in which nothing sounds are counted apart, since nobody
can hear an instrument in them, and a resting player has no sound to be named.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cmgen.config import Direction, TrainConfig
from cmgen.data import pipeline
from cmgen.evaluate.metrics import classification
from cmgen.media import lms_tf
from cmgen.models.encoder import Encoder, condition
from cmgen.models.generator import Generator
from cmgen.models.run import Run
from cmgen.utils.errors import UserError

# Of the noise and of the bootstrap, so that evaluating twice gives the same numbers.
SEED = 2017


@dataclass(frozen=True)
class SplitScores:
    """Predictions for every window of a split, and what follows from them.

    Attributes:
      direction: of the run: what was the condition, and what was generated.
      classes: names of the classes.
      groups: the recording that each window belongs to, [windows].
      frames: the picture in its recordings' split that each window is around, int [windows].
      labels: true class of each window, int [windows].
      sounding: whether anything is to be heard in the window, bool [windows].
      generated: class of the generated target as the verifier names it, int [windows].
      encoded: class of the condition as its encoder names it, int [windows].
      real: class of the real target as the verifier names it, int [windows], or None where the
        data have no pictures.
      feature_distance: Frechet distance of the verifier's encodings of generated and real targets
        of the sounding windows: falls as they get cleaner; None where there are no real ones.
    """

    direction: Direction
    classes: tuple[str, ...]
    groups: NDArray[Any]
    frames: NDArray[np.int64]
    labels: NDArray[np.int64]
    sounding: NDArray[np.bool_]
    generated: NDArray[np.int64]
    encoded: NDArray[np.int64]
    real: NDArray[np.int64] | None
    feature_distance: float | None

    @property
    def windows(self) -> tuple[NDArray[Any], ...]:
        """What was scored, whatever the networks made of it: a value for each window."""
        named = np.asarray(self.classes)[self.labels]
        return self.groups, self.frames, named, self.sounding

    @property
    def accuracy(self) -> float:
        """Share of sounding windows whose instrument is recognised in what was generated."""
        return classification.accuracy(self.labels[self.sounding], self.generated[self.sounding])

    @property
    def encoder_accuracy(self) -> float:
        """Share of sounding windows whose instrument the encoder names by the condition."""
        return classification.accuracy(self.labels[self.sounding], self.encoded[self.sounding])

    @property
    def real_accuracy(self) -> float | None:
        """Share of all real pictures, or of the sounding windows, that the verifier names."""
        if self.real is None:
            return None
        counted = self.sounding | (self.direction.target == "image")
        return classification.accuracy(self.labels[counted], self.real[counted])

    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of `accuracy` over recordings."""
        correct = (self.labels == self.generated)[self.sounding]
        return classification.bootstrap_interval(correct, self.groups[self.sounding], seed=SEED)

    def balanced_interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the balanced accuracy over recordings."""
        kept = self.sounding
        windows = self.labels[kept], self.generated[kept], self.groups[kept]
        return classification.balanced_interval(*windows, seed=SEED)

    def confusion(self) -> NDArray[np.int64]:
        """Sounding windows by true class (rows) and class of what was generated (columns)."""
        return classification.confusion_matrix(
            self.labels[self.sounding], self.generated[self.sounding], len(self.classes)
        )

    def report(self) -> dict[str, Any]:
        """All scores of the split, of JSON types."""
        confusion = self.confusion()
        silent = ~self.sounding
        silent_accuracy = (
            classification.accuracy(self.labels[silent], self.generated[silent])
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
        correct, groups = (self.labels == self.generated)[self.sounding], self.groups[self.sounding]
        names, member = np.unique(groups, return_inverse=True)
        shares = np.bincount(member, weights=correct) / np.bincount(member)
        order = np.argsort(shares, kind="stable")
        return {str(names[i]): float(shares[i]) for i in order}


class Evaluator:
    """Scores a generator on recordings; its graphs are traced once and see later weights.

    Args:
      encoder: names the instrument of a condition and encodes it.
      generator: `(encoding, noise)` -> target.
      verifier: names the instrument in a target.
      classes: names that the networks' outputs stand for.
      config: the run's.
    """

    def __init__(
        self,
        encoder: Encoder,
        generator: Generator,
        verifier: Encoder,
        classes: Sequence[str],
        config: TrainConfig,
    ):
        self._encoder, self._generator, self._verifier = encoder, generator, verifier
        self._classes, self._config = tuple(classes), config
        direction = config.direction
        waveform = tf.TensorSpec([None, config.sound.window_samples], tf.float32)
        noise = tf.TensorSpec([None, config.gan.noise_size], tf.float32)
        condition, target = (
            tf.TensorSpec([None, *config.shape_of(kind)], tf.float32)
            for kind in (direction.condition, direction.target)
        )
        self._lms = self._traced(lambda waveform: lms_tf.lms(waveform, config.sound), waveform)
        self._make = self._traced(self._make_eagerly, condition, noise)
        self._name = self._traced(self._name_eagerly, target)

    @staticmethod
    def _traced(function: Callable[..., Any], *inputs: tf.TensorSpec) -> Any:
        return tf.function(function, input_signature=inputs, autograph=False)

    @classmethod
    def of(cls, run: Run) -> "Evaluator":
        """For a run that `checkpoint.load_run` gave; one that lacks a network is refused."""
        if run.verifier is None:
            raise UserError(
                f"--workdir={run.workdir}: the run has no verifier yet; finish "
                f"`python -m cmgen.train --task={run.config.task}` on it first"
            )
        return cls(run.encoder, run.generator, run.verifier, run.classes, run.config)

    def split(self, recordings: pipeline.Recordings, stride: int = 1) -> SplitScores:
        """Scores the windows around every `stride`-th frame of each recording.

        The noise of a window depends on its place in the split alone, not on the batch size.

        Args:
          recordings: one split, of this evaluator's classes or of some of them.
          stride: 1 takes every window; more takes a fixed subset.
        """
        noise_source = np.random.default_rng(SEED)
        direction = self._config.direction
        columns: dict[str, list[NDArray[Any]]] = {}
        for batch in pipeline.evaluation_windows(recordings, stride, self._config):
            noise = noise_source.standard_normal((len(batch["label"]), self._config.gan.noise_size))
            found = {name: batch[name] for name in ("label", "recording", "frame", "sounding")}
            batch["lms"] = self._lms(batch["waveform"])
            if direction.condition not in batch:
                raise UserError(
                    f"split {recordings.split!r} lacks pictures of some classes or of all, and "
                    "this run makes sounds from pictures; add pictures"
                )
            found |= self._make(batch[direction.condition], tf.cast(noise, tf.float32))
            if direction.target in batch:
                found["real"], found["real_encoding"] = self._name(batch[direction.target])
            for name, values in found.items():
                columns.setdefault(name, []).append(values.numpy())
        if not columns:
            raise UserError("there is no recording with at least half a second of sound to score")
        return self._scores(recordings, {k: np.concatenate(v) for k, v in columns.items()})

    def _scores(
        self, recordings: pipeline.Recordings, columns: Mapping[str, NDArray[Any]]
    ) -> SplitScores:
        if not columns["sounding"].any():
            raise UserError(
                "nothing sounds in any window; check the sound, or lower --silence_dbfs"
            )
        distance = None
        if "real" in columns:
            clouds = (columns[f"{kind}_encoding"] for kind in ("generated", "real"))
            distance = classification.frechet_distance(
                *(cloud[columns["sounding"]] for cloud in clouds)
            )
        index_of = class_indices(recordings.classes, self._classes)
        return SplitScores(
            direction=self._config.direction,
            classes=self._classes,
            groups=np.asarray(recordings.groups)[columns["recording"]],
            frames=columns["frame"],
            labels=index_of[columns["label"]],
            sounding=columns["sounding"],
            generated=columns["generated"],
            encoded=columns["encoded"],
            real=columns.get("real"),
            feature_distance=distance,
        )

    def _make_eagerly(self, known: tf.Tensor, noise: tf.Tensor) -> dict[str, tf.Tensor]:
        """What the encoder finds in the condition, and the verifier in what is generated from it."""
        encoding = self._encoder.encode(known)
        encoded = tf.argmax(self._encoder.classify(encoding), axis=-1)
        told = condition(self._encoder, encoding, self._config.gan.condition)
        target = self._generator((told, noise), training=False)
        generated, generated_encoding = self._name_eagerly(target)
        return {
            "encoded": encoded,
            "generated": generated,
            "generated_encoding": generated_encoding,
        }

    def _name_eagerly(self, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The verifier's class int64 [batch] and encoding float32 [batch, 128] of targets."""
        encoding = self._verifier.encode(target)
        return tf.argmax(self._verifier.classify(encoding), axis=-1), encoding


def class_indices(found: Sequence[str], known: Sequence[str]) -> NDArray[np.int64]:
    """Index in `known` of each class of `found`; a class that isn't known is an error."""
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise UserError(
            f"the data have classes that the run was not trained on: {', '.join(unknown)}; "
            f"it knows {', '.join(known)}; rename the folders or leave them out"
        )
    return np.array([list(known).index(name) for name in found], np.int64)


def evaluate_split(run: Run, recordings: pipeline.Recordings, stride: int = 1) -> SplitScores:
    """Scores one split of recordings with a run's networks; see `Evaluator.split`."""
    return Evaluator.of(run).split(recordings, stride)
