"""Training of one encoder or verifier, and its accuracy."""

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

    The chief writes its finished weights to `workdir/{name}.npz`; with `keep`, existing ones stay.
    The network is built even then, so that what is built after it draws the same random numbers
    wherever an earlier process stopped.
    """
    workdir = Path(config.workdir)
    folder = workdir / name
    settings: EncoderConfig = getattr(config, name)
    modality = config.modality_of(name)
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
        step_callbacks: list[callbacks.StepCallback] = [
            callbacks.StopOnNan(start, [encoder], folder / "checkpoints")
        ]
        if group.is_chief:
            step_callbacks += _chief_callbacks(name, config, saved, start)
        step_callbacks.append(callbacks.StopOnInterrupt(start, saved.save))
        spec = _batches(name, config, isinstance(model, CorrespondenceClassifier))
        batches = loop.batches(train, config, spec, start, group)
        loop.fit(model, batches, total - start, step_callbacks, group)
    if not group.is_chief:
        return
    if settings.objective == "autoencoder":
        encoder.scale_encoding(1.0 / encoding_scale(encoder, modality, train, config))
    comment = provenance_of(workdir, config)
    save_weights(encoder, weights_path(workdir, name), comment, step=total)
    if validation is not None:
        score = validation_accuracy(encoder, modality, validation, config)
        print(f"{name}: {score:.3f} right on validation recordings", flush=True)


def _chief_callbacks(
    name: str, config: TrainConfig, saved: Checkpoints, start: int
) -> list[callbacks.StepCallback]:
    """Callbacks that log, show and save; of several workers, only the chief has them."""
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
        kinds=_kinds(config.modality_of(name), with_partner),
    )


def _kinds(modality: str, with_partner: bool) -> tuple[str, ...]:
    """What batches must hold for an encoder of `modality`, and for its partner if there is one."""
    if with_partner:
        return "waveform", "image"
    return ("image",) if modality == "image" else ("waveform",)


def make_trainer(
    encoder: Encoder, name: str, config: TrainConfig, policy: str
) -> tuple[Classifier | CorrespondenceClassifier, dict[str, Any]]:
    """The model that trains the encoder, and what is trained beside it."""
    settings: EncoderConfig = getattr(config, name)
    modality = config.modality_of(name)
    if settings.objective == "autoencoder":
        decoder = Decoder(settings, representations.shape(modality, config.sound), policy)
        model = Classifier(encoder, modality, settings, settings.train_steps, decoder)
        return model, {"decoder": decoder}
    if not settings.correspondence_weight:
        return Classifier(encoder, modality, settings, settings.train_steps), {}
    other = "image_encoder" if name == "sound_encoder" else "sound_encoder"
    partner = make_encoder(other, encoder.num_classes, config, policy)
    pair = (encoder, partner) if name == "sound_encoder" else (partner, encoder)
    model = CorrespondenceClassifier(*pair, settings, settings.train_steps, modality)
    return model, {"partner": partner, **{p.name: p for p in model.projections.values()}}


def encoding_scale(
    encoder: Encoder, modality: str, recordings: pipeline.Recordings, config: TrainConfig
) -> float:
    """Root mean square of the encodings of some windows.

    A classifier's is about 1. An autoencoder's may be anything; with 8 the GAN diverged.

    Args:
      encoder: of sounds.
      modality: its representation.
      recordings: every tenth of their windows is taken.
      config: the run's.
    """
    encode = tf.function(lambda inputs: tf.reduce_mean(tf.square(encoder.encode(inputs)), axis=-1))
    config = dataclasses.replace(config, only_classes=())
    squares = [
        encode(representations.represent(batch["waveform"], modality, config.sound)).numpy()
        for batch in pipeline.evaluation_windows(recordings, 10, config)
    ]
    return max(float(np.sqrt(np.concatenate(squares).mean())), 1e-6)


def validation_accuracy(
    encoder: Encoder, modality: str, recordings: pipeline.Recordings, config: TrainConfig
) -> float:
    """Share of sounding windows, or of pictures, whose instrument is predicted correctly."""
    correct, _ = windows_correct(encoder, modality, recordings, config)
    return float(correct.mean()) if len(correct) else math.nan


def windows_correct(
    encoder: Encoder, modality: str, recordings: pipeline.Recordings, config: TrainConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the instrument of each window is predicted correctly, and the index of its recording.

    Args:
      encoder: to be measured.
      modality: what it sees: "image" or a sound representation; for sound, windows must sound.
      recordings: one split.
      config: the run's.

    Returns:
      bool [windows] and int64 [windows]; empty for pictures where the data have none.
    """
    predict = tf.function(lambda inputs: tf.argmax(encoder(inputs), -1, output_type=tf.int32))
    results: list[np.ndarray] = []
    recording_indices: list[np.ndarray] = []
    config = dataclasses.replace(config, only_classes=())  # encoders see all classes
    for batch in pipeline.evaluation_windows(recordings, 1, config):
        if modality == "image" and "image" not in batch:
            return np.zeros(0, bool), np.zeros(0, np.int64)
        if modality == "image":
            inputs = batch["image"]
        else:
            inputs = representations.represent(batch["waveform"], modality, config.sound)
        correct = predict(inputs).numpy() == batch["label"].numpy()
        counted = slice(None) if modality == "image" else batch["sounding"].numpy()
        results.append(correct[counted])
        recording_indices.append(batch["recording"].numpy()[counted])
    return np.concatenate(results), np.concatenate(recording_indices)
