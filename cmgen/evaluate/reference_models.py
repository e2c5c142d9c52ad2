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
from cmgen.models.run import load_weights, save_weights
from cmgen.utils import provenance

EMBEDDING_SIZE = 64
# A batch of the embedding: moments of the same recording are its hardest negatives.
MOMENTS = 4
LEARNING_RATE = 1e-3

Batch = dict[str, tf.Tensor]
Networks = dict[str, keras.Model]


@dataclass(frozen=True)
class ReferenceConfig:
    """How the networks are trained: the same for all runs, whatever a run's own networks are.

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
    """What `train_classifier` trains, or the same from a folder; see there."""
    shape = pictures.shape[1:]

    def train() -> Networks:
        return {"": train_classifier(pictures, labels, num_classes, config, steps, name)}

    networks = load_or_train(
        folder,
        name,
        asdict(config) | {"policy": config.policy, "steps": steps, "classes": num_classes},
        {"pictures": pictures, "labels": labels},
        lambda: {"": build_encoder("image", num_classes, config.image, shape, "float32")},
        train,
    )
    return networks[""]


def train_classifier(
    pictures: NDArray[np.uint8],
    labels: NDArray[np.int64],
    num_classes: int,
    config: ReferenceConfig,
    steps: int,
    name: str,
) -> Encoder:
    """A classifier of pictures, for the CAS.

    Classification Accuracy Score: Ravuri and Vinyals (2019). Which windows make a batch follows
    from the seed alone, so that two calls differ in nothing but the pictures.

    Args:
      pictures: uint8 [n, size, size, 3].
      labels: int64 [n].
      num_classes: how many instruments the run knows.
      config: its `image` counts, but for the steps.
      steps: of training.
      name: for the progress bar.
    """
    settings = config.image
    keras.utils.set_random_seed(config.seed)
    encoder = build_encoder("image", num_classes, settings, pictures.shape[1:], config.policy)
    model = Classifier(encoder, "image", settings, steps)
    model.compile()

    def batches() -> Iterator[Batch]:
        random = np.random.default_rng(config.seed)
        members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        for _ in range(steps):
            turns = random.integers(len(members), size=settings.batch_size)
            rows = np.array([random.choice(members[turn]) for turn in turns])
            uniforms = random.random((settings.batch_size, UNIFORMS), np.float32)
            yield {
                "image": images.scale(tf.cast(pictures[rows], tf.float32)),
                "label": tf.cast(labels[rows], tf.int32),
                "uniforms": tf.constant(uniforms),
            }

    fit(model.train_step, batches(), steps, name)
    return in_float32(encoder, settings, pictures.shape[1:])


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
    """What `train_embedding` trains, or the same from a folder; see there."""
    shapes = windows.lms.shape[1:], windows.real.shape[1:]

    def build() -> Networks:
        size = EMBEDDING_SIZE
        return {
            "sound": build_encoder("lms", size, config.sound, shapes[0], "float32"),
            "image": build_encoder("image", size, config.image, shapes[1], "float32"),
        }

    networks = load_or_train(
        folder,
        "embedding",
        asdict(config) | {"policy": config.policy, "steps": steps},
        {"lms": windows.lms, "real": windows.real, "groups": windows.groups},
        build,
        lambda: dict(vars(train_embedding(windows, config, steps))),
    )
    return Embedding(**networks)


def train_embedding(windows: Windows, config: ReferenceConfig, steps: int) -> Embedding:
    """Learns from real train recordings which sound goes with which picture.

    InfoNCE both ways, as in Radford et al., "CLIP" (2021), Fig. 3. Labels are not used.

    Args:
      windows: of the train split; their sounds and real pictures.
      config: architectures; batches are those of its `image`.
      steps: of training.
    """
    keras.utils.set_random_seed(config.seed)
    shapes = windows.lms.shape[1:], windows.real.shape[1:]
    settings = config.sound, config.image
    sound = build_encoder("lms", EMBEDDING_SIZE, settings[0], shapes[0], config.policy)
    image = build_encoder("image", EMBEDDING_SIZE, settings[1], shapes[1], config.policy)
    optimizer = WarmedAdamW(LEARNING_RATE, steps, config.image.weight_decay)
    variables = sound.trainable_variables + image.trainable_variables
    optimizer.build(variables)

    def step(batch: Batch) -> Batch:
        heard = augment_lms(batch["lms"], batch["uniforms"][:, 0])
        seen = augment_for_correspondence(batch["image"], batch["uniforms"][:, 1])
        seed = tf.stack([tf.cast(optimizer.iterations, tf.int32), 0])
        with tf.GradientTape() as tape:
            loss = both_ways(
                sound(heard, training=True, seed=seed),
                image(seen, training=True, seed=seed + [0, 2]),
            )
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return {"loss": loss}

    batches = _moments(windows, config.image.batch_size, steps, config.seed)
    fit(step, batches, steps, "audio-visual embedding")
    return Embedding(
        in_float32(sound, settings[0], shapes[0], EMBEDDING_SIZE),
        in_float32(image, settings[1], shapes[1], EMBEDDING_SIZE),
    )


def both_ways(sounds: tf.Tensor, pictures: tf.Tensor) -> tf.Tensor:
    """Mean InfoNCE from sounds to pictures and back; [batch, d] each, row by row pairs -> scalar."""
    sounds = tf.math.l2_normalize(tf.cast(sounds, tf.float32), axis=-1)
    pictures = tf.math.l2_normalize(tf.cast(pictures, tf.float32), axis=-1)
    own = tf.range(tf.shape(sounds)[0])
    return 0.5 * tf.reduce_mean(
        correspondence_loss(sounds, pictures, own) + correspondence_loss(pictures, sounds, own)
    )


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
                shown = {k.split("/")[-1]: f"{float(v):.3f}" for k, v in metrics.items()}
                bar.set_postfix(shown, refresh=False)


def in_float32(
    trained: Encoder, config: EncoderConfig, shape: tuple[int, ...], outputs: int | None = None
) -> Encoder:
    """The same weights in a network that computes in float32, for measuring."""
    key = "lms" if len(shape) == 2 else "image"
    copy = build_encoder(key, outputs or trained.num_classes, config, shape, "float32")
    copy.set_weights(trained.get_weights())
    return copy
