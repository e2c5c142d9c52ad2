"""Networks trained to measure with: classifiers for the CAS, and an audio-visual embedding.

What is trained on real recordings alone can be stored for the evaluation of the next run.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from cmgen import __version__
from cmgen.config import PICTURE_ENCODER, SOUND_ENCODER, EncoderConfig
from cmgen.evaluate.windows import Windows, in_batches
from cmgen.media import images
from cmgen.models import precision
from cmgen.models.augment import UNIFORMS, augment_for_correspondence, augment_lms
from cmgen.models.build import build_encoder
from cmgen.models.classifier import Classifier
from cmgen.models.encoder import Encoder
from cmgen.models.losses import correspondence_loss
from cmgen.models.optimizer import WarmedAdamW
from cmgen.models.weights import load_weights, save_weights
from cmgen.utils import provenance

EMBEDDING_SIZE = 64
# A batch of the embedding: moments of the same recording are its hardest negatives.
MOMENTS = 4
LEARNING_RATE = 1e-3

Batch = dict[str, tf.Tensor]
Networks = dict[str, keras.Model]


@dataclass(frozen=True)
class ReferenceConfig:
    """How the networks are trained: the same for all runs, whatever the architecture of a run.

    Attributes:
      sound, image: their architectures, and how they are trained.
      seed: of weights and batches.
      mixed_precision: as of a run.
    """

    sound: EncoderConfig = SOUND_ENCODER
    image: EncoderConfig = PICTURE_ENCODER
    seed: int = 1
    mixed_precision: bool | None = None

    @property
    def policy(self) -> str:
        return precision.policy(self.mixed_precision)


def load_or_train(
    folder: Path | None,
    name: str,
    settings: Mapping[str, Any],
    data: Mapping[str, NDArray[Any]],
    build: Callable[[], Networks],
    train: Callable[[], Networks],
) -> Networks:
    """Loads the networks of an earlier call with the same settings and data, or trains and stores them.

    Args:
      folder: where they are stored; None stores nothing.
      name: of the model; its files begin with it.
      settings: everything but the data that training follows from, of JSON types.
      data: the arrays to train on.
      build: gives untrained networks by name.
      train: gives trained networks of the same names and shapes.
    """
    if folder is None:
        return train()
    mark = _fingerprint(settings, data)
    networks = build()
    paths = {part: folder / f"{name}{part and '_'}{part}-{mark}.npz" for part in networks}
    if all(path.exists() for path in paths.values()):
        for part, path in paths.items():
            load_weights(networks[part], path)
        print(f"{name}: loaded from {folder}", flush=True)
        return networks
    networks = train()
    comment = provenance.made_by("cmgen.evaluate", judge=name, settings=settings, mark=mark)
    for part, path in paths.items():
        save_weights(networks[part], path, comment)
    return networks


def _fingerprint(settings: Mapping[str, Any], data: Mapping[str, NDArray[Any]]) -> str:
    """16 hex digits that change with the settings, the data and the version of cmgen."""
    digest = hashlib.sha256(json.dumps([__version__, settings], sort_keys=True).encode())
    for name, array in sorted(data.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def classifier(
    pictures: NDArray[np.uint8],
    labels: NDArray[np.int64],
    num_classes: int,
    config: ReferenceConfig,
    steps: int,
    name: str,
    folder: Path | None = None,
) -> Encoder:
    """A classifier of pictures, for the CAS; see `load_or_train` for the folder.

    Classification Accuracy Score: Ravuri and Vinyals (2019). Which windows make a batch follows
    from the seed alone, so that two calls differ in nothing but the pictures.

    Args:
      pictures: uint8 [n, size, size, 3].
      labels: int64 [n].
      num_classes: how many instruments the run knows.
      config: its `image` counts, but for the steps.
      steps: of training.
      name: of its file and its progress bar.
      folder: where it is stored; None stores nothing.
    """

    def build(policy: str) -> Encoder:
        return build_encoder("image", num_classes, config.image, pictures.shape[1:], policy)

    def train() -> Networks:
        keras.utils.set_random_seed(config.seed)
        encoder = build(config.policy)
        model = Classifier(encoder, "image", config.image, steps)
        model.compile()
        fit(model.train_step, _balanced_batches(pictures, labels, config, steps), steps, name)
        return {"": _with_weights_of(encoder, build("float32"))}

    settings = asdict(config) | {"policy": config.policy, "steps": steps, "classes": num_classes}
    data: dict[str, NDArray[Any]] = {"pictures": pictures, "labels": labels}
    return load_or_train(folder, name, settings, data, lambda: {"": build("float32")}, train)[""]


def _balanced_batches(
    pictures: NDArray[np.uint8], labels: NDArray[np.int64], config: ReferenceConfig, steps: int
) -> Iterator[Batch]:
    """Batches in which each class is equally likely."""
    random = np.random.default_rng(config.seed)
    size = config.image.batch_size
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    for _ in range(steps):
        turns = random.integers(len(members), size=size)
        rows = np.array([random.choice(members[turn]) for turn in turns])
        yield {
            "image": images.scale(tf.cast(pictures[rows], tf.float32)),
            "label": tf.cast(labels[rows], tf.int32),
            "uniforms": tf.constant(random.random((size, UNIFORMS), np.float32)),
        }


@dataclass(frozen=True)
class Embedding:
    """Two encoders into one space, where sound and picture of the same instant are near.

    Attributes:
      sound, image: classifiers' networks, the last layer of which gives the embedding.
    """

    sound: Encoder
    image: Encoder

    def sounds(self, lms: NDArray[np.floating]) -> NDArray[np.float32]:
        """[n, mels, frames] in [-1, 1] -> float32 [n, 64]."""
        return in_batches(lambda x: self.sound(tf.cast(x, tf.float32)), lms)

    def pictures(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [n, size, size, 3] -> float32 [n, 64]."""
        return in_batches(lambda x: self.image(images.scale(tf.cast(x, tf.float32))), pixels)


def embedding(
    windows: Windows, config: ReferenceConfig, steps: int, folder: Path | None = None
) -> Embedding:
    """The embedding of `train_embedding`; see `load_or_train` for the folder."""
    networks = load_or_train(
        folder,
        "embedding",
        asdict(config) | {"policy": config.policy, "steps": steps},
        {"lms": windows.lms, "real": windows.real, "groups": windows.groups},
        lambda: vars(_build_embedding(windows, config, "float32")),
        lambda: vars(train_embedding(windows, config, steps)),
    )
    return Embedding(**networks)


def _build_embedding(windows: Windows, config: ReferenceConfig, policy: str) -> Embedding:
    size, shapes = EMBEDDING_SIZE, (windows.lms.shape[1:], windows.real.shape[1:])
    return Embedding(
        build_encoder("lms", size, config.sound, shapes[0], policy),
        build_encoder("image", size, config.image, shapes[1], policy),
    )


def train_embedding(windows: Windows, config: ReferenceConfig, steps: int) -> Embedding:
    """Learns from real train recordings which sound goes with which picture.

    InfoNCE both ways, as in Radford et al., "CLIP" (2021), Fig. 3. Labels are not used.

    Args:
      windows: of the train split; their sounds and real pictures.
      config: architectures; batches are those of its `image`.
      steps: of training.
    """
    keras.utils.set_random_seed(config.seed)
    trained = _build_embedding(windows, config, config.policy)
    sound, image = trained.sound, trained.image
    optimizer = WarmedAdamW(LEARNING_RATE, steps, config.image.weight_decay)
    variables = sound.trainable_variables + image.trainable_variables
    optimizer.build(variables)

    def step(batch: Batch) -> Batch:
        lms = augment_lms(batch["lms"], batch["uniforms"][:, 0])
        pictures = augment_for_correspondence(batch["image"], batch["uniforms"][:, 1])
        seed = tf.stack([tf.cast(optimizer.iterations, tf.int32), 0])
        with tf.GradientTape() as tape:
            loss = both_ways(
                sound(lms, training=True, seed=seed),
                image(pictures, training=True, seed=seed + [0, 2]),
            )
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return {"loss": loss}

    batches = _moments(windows, config.image.batch_size, steps, config.seed)
    fit(step, batches, steps, "audio-visual embedding")
    copy = _build_embedding(windows, config, "float32")
    return Embedding(_with_weights_of(sound, copy.sound), _with_weights_of(image, copy.image))


def both_ways(sounds: tf.Tensor, pictures: tf.Tensor) -> tf.Tensor:
    """Mean InfoNCE from sounds to pictures and back; [batch, d] each, row by row pairs -> scalar."""
    sounds = tf.math.l2_normalize(tf.cast(sounds, tf.float32), axis=-1)
    pictures = tf.math.l2_normalize(tf.cast(pictures, tf.float32), axis=-1)
    matching = tf.range(tf.shape(sounds)[0])
    there = correspondence_loss(sounds, pictures, matching)
    back = correspondence_loss(pictures, sounds, matching)
    return 0.5 * tf.reduce_mean(there + back)


def _moments(windows: Windows, size: int, steps: int, seed: int) -> Iterator[Batch]:
    """Batches of a few moments from each of several recordings."""
    random = np.random.default_rng(seed)
    _, member = np.unique(windows.groups, return_inverse=True)
    members = [np.flatnonzero(member == index) for index in range(member.max() + 1)]
    for _ in range(steps):
        count = min(len(members), max(1, size // MOMENTS))
        chosen = random.permutation(len(members))[:count]
        rows = np.concatenate(
            [random.permutation(members[index])[: size // count] for index in chosen]
        )
        yield {
            "lms": tf.cast(windows.lms[rows], tf.float32),
            "image": images.scale(tf.cast(windows.real[rows], tf.float32)),
            "uniforms": tf.constant(random.random((len(rows), 2, UNIFORMS), np.float32)),
        }


def fit(step: Callable[[Batch], Batch], batches: Iterator[Batch], steps: int, name: str) -> None:
    """Calls the traced step for every batch, with a bar that shows its metrics."""
    traced = tf.function(step, autograph=False, reduce_retracing=True)
    with tqdm(batches, desc=name, total=steps, unit=" steps", mininterval=1.0) as bar:
        for batch in bar:
            metrics = traced(batch)
            if bar.n % 25 == 0:
                rounded = {k.split("/")[-1]: f"{float(v):.3f}" for k, v in metrics.items()}
                bar.set_postfix(rounded, refresh=False)


def _with_weights_of(trained: Encoder, copy: Encoder) -> Encoder:
    """The copy, such as one that computes in float32, with the trained weights."""
    copy.set_weights(trained.get_weights())
    return copy
