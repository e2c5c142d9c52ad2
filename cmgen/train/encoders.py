"""Training of one encoder or verifier, and how often it is right."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from cmgen.config import EncoderConfig, TrainConfig
from cmgen.data import pipeline
from cmgen.media import representations
from cmgen.models import precision
from cmgen.models.autoencoder import Decoder
from cmgen.models.classifier import Classifier
from cmgen.models.contrastive import CorrespondenceClassifier
from cmgen.models.encoder import Encoder
from cmgen.models.run import make_encoder, provenance_of
from cmgen.models.weights import save_weights, weights_path
from cmgen.train import callbacks, loop
from cmgen.train.checkpoints import Checkpoints, resume
from cmgen.train.multiworker import WorkerGroup


def train_encoder(
    name: str,
    config: TrainConfig,
    train: pipeline.Recordings,
    validation: pipeline.Recordings | None,
    group: WorkerGroup,
    keep: bool = False,
) -> None:
    """Trains "sound_encoder", "image_encoder" or "verifier" on train recordings alone.

    Its finished weights go to `workdir/{name}.npz`, by the group's chief; with `keep`, such as are there
    already stay as they are. The network is made even then: so what is made after it draws the same
    random numbers, wherever an earlier process was stopped.
    """
    workdir = Path(config.workdir)
    folder = workdir / name
    settings: EncoderConfig = getattr(config, name)
    key = config.kind_seen_by(name)
    with group.strategy.scope():
        policy = precision.policy(config.mixed_precision)
        encoder = make_encoder(name, len(train.classes), config, policy)
        model, parts = make_trainer(encoder, name, config, policy)
        model.compile()
        saved = Checkpoints(
            folder / "checkpoints",
            1,
            group.is_chief,
            encoder=encoder,
            optimizer=model.optimizer,
            **parts,
        )
    if keep and group.from_chief(weights_path(workdir, name).exists()):
        return
    start = resume(saved, group)
    total = settings.train_steps
    if start < total:
        watchers: list[callbacks.StepCallback] = [
            callbacks.StopOnNan(start, [encoder], folder / "checkpoints")
        ]
        if group.is_chief:
            watchers += _chiefs_watchers(name, config, saved, start)
        watchers.append(callbacks.StopOnInterrupt(start, saved.save))
        kind = _batches(name, config, isinstance(model, CorrespondenceClassifier))
        batches = loop.batches(train, config, kind, start, group)
        loop.fit(model, batches, total - start, watchers, group)
    if not group.is_chief:
        return
    if settings.objective == "autoencoder":
        encoder.scale_encoding(1.0 / encoding_scale(encoder, key, train, config))
    comment = provenance_of(workdir, config)
    save_weights(encoder, weights_path(workdir, name), comment, step=total)
    if validation is not None:
        score = validation_accuracy(encoder, key, validation, config)
        print(f"{name}: {score:.3f} right on validation recordings", flush=True)


def _chiefs_watchers(
    name: str, config: TrainConfig, saved: Checkpoints, start: int
) -> list[callbacks.StepCallback]:
    """What logs, shows and saves; of several workers, on the chief alone."""
    settings: EncoderConfig = getattr(config, name)
    total, shown = settings.train_steps, ("loss/reconstruction", "loss/classification", "accuracy")
    return [
        callbacks.MetricsLog(start, Path(config.workdir) / name, total, config.checkpoint_steps),
        callbacks.Progress(name, start, total, settings.batch_size, shown),
        callbacks.EverySteps(start, config.checkpoint_steps, total, saved.save),
    ]


def _batches(name: str, config: TrainConfig, with_partner: bool) -> pipeline.BatchConfig:
    """The batches of an encoder, each of which has a stream of its own."""
    settings: EncoderConfig = getattr(config, name)
    number = 1 + ("sound_encoder", "image_encoder", "verifier").index(name)
    return pipeline.BatchConfig(
        batch_size=settings.batch_size,
        seed=config.seed + 1000 * number,
        noise_size=config.gan.noise_size,
        instants=settings.correspondence_instants if with_partner else 1,
        kinds=_wanted(config.kind_seen_by(name), with_partner),
    )


def _wanted(key: str, with_partner: bool) -> tuple[str, ...]:
    """What the pipeline must give to an encoder of `key`, and to its partner if there is one."""
    if with_partner:
        return "waveform", "image"
    return ("image",) if key == "image" else ("waveform",)


def make_trainer(
    encoder: Encoder, name: str, config: TrainConfig, policy: str
) -> tuple[Classifier | CorrespondenceClassifier, dict[str, Any]]:
    """What trains the encoder, and what moves besides it."""
    settings: EncoderConfig = getattr(config, name)
    key = config.kind_seen_by(name)
    if settings.objective == "autoencoder":
        decoder = Decoder(settings, representations.shape(key, config.sound), policy)
        model = Classifier(encoder, key, settings, settings.train_steps, decoder)
        return model, {"decoder": decoder}
    if not settings.correspondence_weight:
        return Classifier(encoder, key, settings, settings.train_steps), {}
    other = "image_encoder" if name == "sound_encoder" else "sound_encoder"
    partner = make_encoder(other, encoder.num_classes, config, policy)
    pair = (encoder, partner) if name == "sound_encoder" else (partner, encoder)
    model = CorrespondenceClassifier(*pair, settings, settings.train_steps, key)
    return model, {"partner": partner, **{p.name: p for p in model.projections.values()}}


def encoding_scale(
    encoder: Encoder, key: str, recordings: pipeline.Recordings, config: TrainConfig
) -> float:
    """Root mean square of the encodings of some windows.

    A classifier's is about 1. An autoencoder's may be anything, and of 8 the GAN diverged.

    Args:
      encoder: of sounds.
      key: its representation.
      recordings: every tenth of their windows is taken.
      config: the run's.
    """
    encode = tf.function(lambda inputs: tf.reduce_mean(tf.square(encoder.encode(inputs)), axis=-1))
    config = dataclasses.replace(config, only_classes=())
    squares = [
        encode(representations.represent(batch["waveform"], key, config.sound)).numpy()
        for batch in pipeline.evaluation_windows(recordings, 10, config)
    ]
    return max(float(np.sqrt(np.concatenate(squares).mean())), 1e-6)


def validation_accuracy(
    encoder: Encoder, key: str, recordings: pipeline.Recordings, config: TrainConfig
) -> float:
    """Share of windows (sounding ones, for sound) or pictures whose instrument is named."""
    right, _ = windows_right(encoder, key, recordings, config)
    return float(right.mean()) if len(right) else math.nan


def windows_right(
    encoder: Encoder, key: str, recordings: pipeline.Recordings, config: TrainConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the instrument of each window is named, and the index of its recording.

    Args:
      encoder: to be measured.
      key: what it sees: "image" or a sound representation; for sound, windows must sound.
      recordings: one split.
      config: the run's.

    Returns:
      bool [windows] and int64 [windows]; empty for pictures where the data have none.
    """
    name = tf.function(lambda inputs: tf.argmax(encoder(inputs), -1, output_type=tf.int32))
    right: list[np.ndarray] = []
    places: list[np.ndarray] = []
    config = dataclasses.replace(config, only_classes=())  # encoders see all classes
    for batch in pipeline.evaluation_windows(recordings, 1, config):
        if key == "image" and "image" not in batch:
            return np.zeros(0, bool), np.zeros(0, np.int64)
        if key == "image":
            inputs = batch["image"]
        else:
            inputs = representations.represent(batch["waveform"], key, config.sound)
        found = name(inputs).numpy() == batch["label"].numpy()
        counted = slice(None) if key == "image" else batch["sounding"].numpy()
        right.append(found[counted])
        places.append(batch["recording"].numpy()[counted])
    return np.concatenate(right), np.concatenate(places)
