"""One pass over the windows of a split, and what a run's networks make of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from cmgen.config import TrainConfig
from cmgen.data import pipeline
from cmgen.media import images, lms_tf
from cmgen.models.encoder import Encoder, condition
from cmgen.models.generator import Generator
from cmgen.models.run import Run
from cmgen.utils.errors import UserError

# Of the noise and of the bootstrap, so that evaluating twice gives the same numbers.
SEED = 2017
BATCH = 64

Batch = dict[str, tf.Tensor]


def collect(
    recordings: pipeline.Recordings,
    classes: Sequence[str],
    config: TrainConfig,
    compute: Callable[[Batch, tf.Tensor], Mapping[str, tf.Tensor]],
    stride: int = 1,
    silent: bool = False,
) -> dict[str, NDArray[Any]]:
    """Decodes each window of a split once and keeps what the caller computes from it.

    The noise of a window depends on its place among the windows taken, not on the batch size.

    Args:
      recordings: one split, of these classes or of some of them.
      classes: the run's classes.
      config: the run's; its sound window, silence level and size of the noise count.
      compute: (batch of `pipeline.evaluation_windows`, noise float32 [b, noise_size]) -> the columns
        to keep, [b, ...] each.
      stride: 1 takes every window; more takes a fixed subset.
      silent: whether silent windows are kept, too.

    Returns:
      the columns, and labels int64 [n], indices into `classes`; groups str [n], the recording of
      each window; frames int64 [n], its picture among the split's. If silent windows are kept,
      sounding bool [n] as well.
    """
    index_of, groups = class_indices(recordings.classes, classes), np.asarray(recordings.groups)
    random = np.random.default_rng(SEED)
    parts: dict[str, list[NDArray[Any]]] = {}
    total, title = pipeline.count_windows(recordings, config), f"windows of {recordings.split}"
    # The bar appears after five seconds only: validation during training is shorter.
    with tqdm(None, title, total // stride, unit=" windows", delay=5.0, leave=False) as bar:
        for batch in pipeline.evaluation_windows(recordings, stride, config, BATCH):
            noise = random.standard_normal((len(batch["label"]), config.gan.noise_size))
            columns = {
                "labels": index_of[batch["label"].numpy()],
                "groups": groups[batch["recording"].numpy()],
                "frames": batch["frame"],
                **({"sounding": batch["sounding"]} if silent else {}),
                **compute(batch, tf.cast(noise, tf.float32)),
            }
            kept = batch["sounding"].numpy() | silent
            for name, values in columns.items():
                parts.setdefault(name, []).append(np.asarray(values)[kept])
            bar.update(len(kept))
    return {name: np.concatenate(values) for name, values in parts.items()}


def class_indices(names: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """Index in `classes` of each name; a name that is not among them is an error."""
    unknown = sorted(set(names) - set(classes))
    if unknown:
        raise UserError(
            f"the data have classes that the run was not trained on: {', '.join(unknown)}; "
            f"it knows {', '.join(classes)}; rename the folders or leave them out"
        )
    return np.array([list(classes).index(name) for name in names], np.int64)


class Networks:
    """Encoder, generator and verifier on batches; traced once, they see later weights.

    Args:
      encoder: of the condition.
      generator: `(encoding, noise)` -> target.
      verifier: of targets.
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
        self.encoder, self.generator, self.verifier = encoder, generator, verifier
        self.classes, self.config = tuple(classes), config
        source = config.shape_of(config.direction.condition)
        target = config.shape_of(config.direction.target)
        waveform, noise = (config.sound.window_samples,), (config.gan.noise_size,)
        self._lms = _traced(lambda waveform: lms_tf.lms(waveform, config.sound), waveform)
        self._generate = _traced(self._generate_eagerly, source, noise)
        self._verify = _traced(self._verify_eagerly, target)

    @classmethod
    def of(cls, run: Run) -> "Networks":
        """Those of a run; one that lacks a network is refused."""
        if run.verifier is None:
            raise UserError(
                f"--workdir={run.workdir}: the run has no verifier yet; finish "
                f"`python -m cmgen.train --task={run.config.task}` on it first"
            )
        return cls(run.encoder, run.generator, run.verifier, run.classes, run.config)

    def generate(self, batch: Batch, noise: tf.Tensor) -> Batch:
        """Generates targets from the conditions of a batch.

        Returns:
          source: LMS or pictures, the conditions; encoding: of the source, float32 [b, 128];
          predicted_class: of the source, int64 [b]; generated: the targets; generated_features: the
          verifier's encoding, float32 [b, 128]; generated_predicted: the verifier's class, int64 [b].
        """
        source = self._represent(batch, self.config.direction.condition)
        return {"source": source, **self._generate(source, noise)}

    def verify(self, batch: Batch) -> Batch:
        """real, real_features, real_predicted: of the real targets; nothing if the data lack them."""
        modality = self.config.direction.target
        if modality == "image" and "image" not in batch:
            return {}
        real = self._represent(batch, modality)
        features, predicted = self._verify(real)
        return {"real": real, "real_features": features, "real_predicted": predicted}

    def _represent(self, batch: Batch, modality: str) -> tf.Tensor:
        return self._lms(batch["waveform"]) if modality == "lms" else batch[modality]

    def _generate_eagerly(self, source: tf.Tensor, noise: tf.Tensor) -> Batch:
        encoding = self.encoder.encode(source)
        conditions = condition(self.encoder, encoding, self.config.gan.condition)
        generated = self.generator((conditions, noise), training=False)
        features, predicted = self._verify_eagerly(generated)
        return {
            "encoding": encoding,
            "predicted_class": tf.argmax(self.encoder.classify(encoding), axis=-1),
            "generated": generated,
            "generated_features": features,
            "generated_predicted": predicted,
        }

    def _verify_eagerly(self, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = self.verifier.encode(target)
        return features, tf.argmax(self.verifier.classify(features), axis=-1)


def _traced(function: Callable[..., Any], *shapes: tuple[int, ...]) -> Any:
    """One graph for batches of any size."""
    inputs = [tf.TensorSpec([None, *shape], tf.float32) for shape in shapes]
    return tf.function(function, input_signature=inputs, autograph=False)


@dataclass(frozen=True)
class Windows:
    """The sounding windows of a split, in order; generated pictures from one noise vector each.

    Attributes:
      labels, groups, frames: as `collect` returns them.
      lms: float16 [n, mels, frames] in [-1, 1].
      encodings: of the sounds, float32 [n, 128].
      predicted_class: class that the sound encoder predicts, int64 [n].
      real, generated: uint8 [n, size, size, 3].
      real_features, generated_features: the verifier's encodings, float32 [n, 128].
      real_predicted, generated_predicted: class that the verifier predicts, int64 [n].
    """

    labels: NDArray[np.int64]
    groups: NDArray[Any]
    frames: NDArray[np.int64]
    lms: NDArray[np.float16]
    encodings: NDArray[np.float32]
    predicted_class: NDArray[np.int64]
    real: NDArray[np.uint8]
    generated: NDArray[np.uint8]
    real_features: NDArray[np.float32]
    generated_features: NDArray[np.float32]
    real_predicted: NDArray[np.int64]
    generated_predicted: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def spread(self, number: int) -> "Windows":
        """So many windows, evenly from the first to the last."""
        if len(self) <= number:
            return self
        rows = np.linspace(0, len(self) - 1, number).round().astype(np.int64)
        return Windows(**{name: column[rows] for name, column in vars(self).items()})


@dataclass(frozen=True)
class Sounds:
    """The sounding windows of the test recordings, and real train windows for the floor.

    Attributes:
      labels, groups, frames: as `collect` returns them.
      generated, real: LMS of each, float [n, mels, frames] in [-1, 1].
      generated_features, real_features: a sound verifier's encodings, float [n, d].
      train_features: the same of real train windows, float [m, d].
    """

    labels: NDArray[np.int64]
    groups: NDArray[Any]
    frames: NDArray[np.int64]
    generated: NDArray[np.floating]
    real: NDArray[np.floating]
    generated_features: NDArray[np.floating]
    real_features: NDArray[np.floating]
    train_features: NDArray[np.floating]


def collect_pictures(networks: Networks, recordings: pipeline.Recordings, at_most: int) -> Windows:
    """The windows of a run that makes pictures.

    Taken whole, pictures and noise are those that `accuracy_test` counts.

    Args:
      networks: of the run.
      recordings: one split, with pictures of all its classes.
      at_most: about so many windows are taken, every n-th of each recording.
    """

    def compute(batch: Batch, noise: tf.Tensor) -> Batch:
        columns = networks.generate(batch, noise) | networks.verify(batch)
        columns["lms"] = tf.cast(columns.pop("source"), tf.float16)
        columns["encodings"] = columns.pop("encoding")
        return columns | {name: to_pixels(columns[name]) for name in ("real", "generated")}

    return Windows(**_collect_some(networks, recordings, at_most, compute))


def collect_sounds(
    networks: Networks,
    train: pipeline.Recordings,
    test: pipeline.Recordings,
    train_windows: int,
    test_windows: int,
) -> Sounds:
    """The windows of a run that makes sounds; of the train split, the real ones' features alone.

    Args:
      networks: of the run.
      train, test: splits with pictures of all their classes.
      train_windows, test_windows: about so many windows of each are taken.
    """

    def compute(batch: Batch, noise: tf.Tensor) -> Batch:
        columns = networks.generate(batch, noise) | networks.verify(batch)
        kept = ("real", "generated", "real_features", "generated_features")
        return {name: columns[name] for name in kept}

    def features(batch: Batch, _: tf.Tensor) -> Batch:
        return {"train_features": networks.verify(batch)["real_features"]}

    train_features = _collect_some(networks, train, train_windows, features)["train_features"]
    columns = _collect_some(networks, test, test_windows, compute)
    return Sounds(**columns, train_features=train_features)


def _collect_some(
    networks: Networks,
    recordings: pipeline.Recordings,
    at_most: int,
    compute: Callable[[Batch, tf.Tensor], Batch],
) -> dict[str, NDArray[Any]]:
    """Columns of every n-th sounding window, about `at_most` of them."""
    stride = max(1, -(-pipeline.count_windows(recordings, networks.config) // at_most))
    return collect(recordings, networks.classes, networks.config, compute, stride)


def to_pixels(image: tf.Tensor) -> tf.Tensor:
    """[-1, 1] -> uint8, rounded; `images.unscale` in the graph."""
    return tf.cast(tf.clip_by_value(tf.round((image + 1.0) * 127.5), 0.0, 255.0), tf.uint8)


def in_batches(
    function: Callable[..., Any], *arrays: NDArray[Any], size: int = BATCH, title: str | None = None
) -> Any:
    """Applies a function of tensors, traced as one graph, to arrays batch by batch.

    Args:
      function: [b, ...] of each array -> a tensor [b, ...], or a tuple of them.
      arrays: [n, ...] each.
      size: rows of a batch.
      title: of the progress bar; None shows none.

    Returns:
      what the function returns, as arrays of n rows.
    """
    traced = tf.function(function, autograph=False, reduce_retracing=True)
    starts = range(0, len(arrays[0]), size)
    bar = tqdm(starts, desc=title, unit=" batches", disable=title is None)
    parts = [traced(*(array[at : at + size] for array in arrays)) for at in bar]
    return tf.nest.map_structure(lambda *columns: np.concatenate(columns), *parts)


def generate(
    generator: Generator, conditions: NDArray[np.float32], noise: NDArray[np.floating]
) -> NDArray[np.uint8]:
    """Generates pictures.

    Args:
      generator: `(condition, noise)` -> picture.
      conditions: float [n, 128].
      noise: float [n, noise_size].

    Returns:
      uint8 [n, size, size, 3].
    """

    def draw(conditions: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        inputs = tf.cast(conditions, tf.float32), tf.cast(noise, tf.float32)
        return to_pixels(generator(inputs, training=False))

    pictures: NDArray[np.uint8] = in_batches(draw, conditions, noise)
    return pictures


def classify(
    network: Encoder, pictures: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Encodes and classifies pictures.

    Args:
      network: such as the verifier.
      pictures: uint8 [n, size, size, 3].

    Returns:
      encodings float32 [n, 128] and predicted classes, int64 [n].
    """

    def see(pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = network.encode(images.scale(tf.cast(pixels, tf.float32)))
        return features, tf.argmax(network.classify(features), axis=-1)

    features, predicted = in_batches(see, pictures)
    return features, predicted
