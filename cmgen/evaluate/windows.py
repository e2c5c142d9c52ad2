"""One pass over a split: every sounding window's sound, real picture and generated picture."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from cmgen.data import pipeline
from cmgen.evaluate.accuracy import SEED, class_indices
from cmgen.media import images, lms_tf
from cmgen.models.encoder import Encoder, condition
from cmgen.models.generator import Generator
from cmgen.models.run import Run

BATCH = 64


@dataclass(frozen=True)
class Windows:
    """The sounding windows of a split, in order; generated pictures from one noise vector each.

    Attributes:
      labels: true class, int64 [n], index into the run's classes.
      groups: the recording that each belongs to, str [n].
      frames: which of the split's frames is its real picture, int64 [n].
      lms: float16 [n, mels, frames] in [-1, 1].
      encodings: the sound encoder's, float32 [n, 128].
      heard: class that the sound encoder names, int64 [n].
      real, generated: uint8 [n, size, size, 3].
      real_features, generated_features: the verifier's encodings, float32 [n, 128].
      real_named, generated_named: class that the verifier names, int64 [n].
    """

    labels: NDArray[np.int64]
    groups: NDArray[Any]
    frames: NDArray[np.int64]
    lms: NDArray[np.float16]
    encodings: NDArray[np.float32]
    heard: NDArray[np.int64]
    real: NDArray[np.uint8]
    generated: NDArray[np.uint8]
    real_features: NDArray[np.float32]
    generated_features: NDArray[np.float32]
    real_named: NDArray[np.int64]
    generated_named: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: NDArray[Any]) -> "Windows":
        """The windows at these indices, or where bool [n] holds."""
        columns = {f.name: getattr(self, f.name)[chosen] for f in dataclasses.fields(self)}
        return Windows(**columns)


def collect(run: Run, recordings: pipeline.Recordings, at_most: int) -> Windows:
    """Hears and draws every sounding window of a split, or a fixed subset of it.

    Taken whole, pictures and noise are those that `accuracy_test` counts.

    Args:
      run: a run with a verifier.
      recordings: one split, with pictures of all its classes.
      at_most: about so many windows are taken, every n-th of each recording.
    """
    return Windows(**sounding_columns(run, recordings, at_most, _drawing(run)))


def sounding_columns(
    run: Run, recordings: pipeline.Recordings, at_most: int, look: Callable[..., Any]
) -> dict[str, NDArray[Any]]:
    """Columns of every sounding window of a split, or of a fixed subset of it.

    Args:
      run: the run whose classes, window and noise count.
      recordings: one split, with pictures of all its classes.
      at_most: about so many windows are taken, every n-th of each recording.
      look: (waveform, image, noise) of a batch -> columns by name.

    Returns:
      what `look` found, and labels, groups and frames as `Windows` has them.
    """
    count = pipeline.count_windows(recordings, run.config)
    stride = max(1, -(-count // at_most))
    noise_source = np.random.default_rng(SEED)
    columns: dict[str, list[NDArray[Any]]] = {}
    label = f"windows of {recordings.split}"
    with tqdm(total=-(-count // stride), desc=label, unit=" windows") as bar:
        for batch in pipeline.evaluation_windows(recordings, stride, run.config, BATCH):
            noise = noise_source.standard_normal((len(batch["label"]), run.config.gan.noise_size))
            found = look(batch["waveform"], batch["image"], tf.cast(noise, tf.float32))
            found |= {name: batch[name] for name in ("label", "recording", "frame")}
            keep = batch["sounding"].numpy()
            for name, values in found.items():
                columns.setdefault(name, []).append(values.numpy()[keep])
            bar.update(len(keep))
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    index_of = class_indices(recordings.classes, run.classes)
    groups = np.asarray(recordings.groups)[whole.pop("recording")]
    labels, frames = index_of[whole.pop("label")], whole.pop("frame")
    return {"labels": labels, "groups": groups, "frames": frames, **whole}


def _drawing(run: Run) -> Any:
    """(waveform, image, noise) -> the columns of `Windows` of a batch."""
    assert run.verifier is not None
    verifier, config = run.verifier, run.config

    def draw(waveform: tf.Tensor, image: tf.Tensor, noise: tf.Tensor) -> dict[str, tf.Tensor]:
        lms = lms_tf.lms(waveform, config.sound)
        encoding = run.encoder.encode(lms)
        told = condition(run.encoder, encoding, config.gan.condition)
        generated = run.generator((told, noise), training=False)
        found = {
            "lms": tf.cast(lms, tf.float16),
            "encodings": encoding,
            "heard": tf.argmax(run.encoder.classify(encoding), axis=-1),
            "real": to_pixels(image),
            "generated": to_pixels(generated),
        }
        for kind, pictures in (("real", image), ("generated", generated)):
            features = verifier.encode(pictures)
            found[f"{kind}_features"] = features
            found[f"{kind}_named"] = tf.argmax(verifier.classify(features), axis=-1)
        return found

    return tf.function(draw, autograph=False, reduce_retracing=True)


def to_pixels(image: tf.Tensor) -> tf.Tensor:
    """[-1, 1] -> uint8, rounded; `images.unscale` in the graph."""
    return tf.cast(tf.clip_by_value(tf.round((image + 1.0) * 127.5), 0.0, 255.0), tf.uint8)


def generate(
    generator: Generator, told: NDArray[np.float32], noise: NDArray[np.floating]
) -> NDArray[np.uint8]:
    """Pictures in batches.

    Args:
      generator: `(condition, noise)` -> picture.
      told: what it is told, float [n, 128].
      noise: float [n, noise].

    Returns:
      uint8 [n, size, size, 3].
    """
    draw = tf.function(
        lambda told, noise: to_pixels(generator((told, noise), training=False)),
        autograph=False,
        reduce_retracing=True,
    )
    parts = [
        draw(
            tf.cast(told[at : at + BATCH], tf.float32), tf.cast(noise[at : at + BATCH], tf.float32)
        )
        for at in range(0, len(told), BATCH)
    ]
    return np.concatenate(parts)


def look(
    network: Encoder, pictures: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """What an image classifier makes of pictures.

    Args:
      network: such as the verifier.
      pictures: uint8 [n, size, size, 3].

    Returns:
      its encodings float32 [n, 128] and the classes it names, int64 [n].
    """

    def see(pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = network.encode(images.scale(tf.cast(pixels, tf.float32)))
        return features, tf.argmax(network.classify(features), axis=-1)

    traced = tf.function(see, autograph=False, reduce_retracing=True)
    found = [traced(pictures[at : at + BATCH]) for at in range(0, len(pictures), BATCH)]
    features, named = zip(*found, strict=True)
    return np.concatenate(features), np.concatenate(named)
