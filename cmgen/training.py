"""The whole job of one training command: data, encoders, GAN, measuring, what to do next."""

import json
import time
from pathlib import Path

import keras
import tensorflow as tf

from cmgen import callbacks, checkpoint, curve, fitting, report
from cmgen.config import DIRECTIONS, TrainConfig
from cmgen.data import catalog, pipeline
from cmgen.encoder_training import train_encoder
from cmgen.evaluation import Evaluator
from cmgen.files import write_text
from cmgen.gan import CrossModalGan, build_gan, count_parameters
from cmgen.networks import Encoder
from cmgen.replica import get_strategy
from cmgen.samples import SampleSheet

# Checkpoints whose validation accuracy is this close to the best are told apart by how near their
# examples' features lie to those of real ones.
ACCURACY_TIE = 0.01
VALIDATION_STRIDE = 4


def run(config: TrainConfig) -> None:
    """Trains what `config.task` asks for; called again, it goes on where it stopped.

    Args:
      config: settings; `config.workdir` receives everything.
    """
    workdir = Path(config.workdir)
    config = checkpoint.open_run_folder(config, fitting.has_fast_bfloat16())
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)
    began = time.monotonic()
    folder = catalog.resolve(config.data)
    train = pipeline.load_split(folder, "train", config.data)
    validation = _load_if_there(folder, "validation", config)
    # Absolute, so that a run can be evaluated and exported from any folder.
    data = config.data.data if config.data.data == "demo" else str(Path(config.data.data).resolve())
    checkpoint.write_facts(workdir, tuple(train.classes), data)
    print(f"data ready in {time.monotonic() - began:.0f} s: {folder}", flush=True)
    if config.task not in DIRECTIONS:
        train_encoder(config.task, config, train, validation)
        return
    for name in (config.direction.encoder, "verifier"):
        if not checkpoint.weights_path(workdir, name).exists():
            train_encoder(name, config, train, validation)
    train_gan(config, train, validation, _load_if_there(folder, "test", config))
    finished = checkpoint.load_run(workdir)
    curve.draw(workdir, finished.step)
    scores = report.evaluate_run(finished, config.data.data, workdir / "evaluation.json")
    print(report.summary(scores), flush=True)
    print(_what_next(config), flush=True)


def dry_run(config: TrainConfig) -> None:
    """Prints the parameter counts and the cost of a run without starting it."""
    policy = fitting.policy(config)
    classes = 13
    encoders = {
        name: checkpoint.make_encoder(name, classes, config, policy)
        for name in ("sound_encoder", "image_encoder", "verifier")
    }
    gan = _build_gan(encoders[config.direction.encoder], config, policy)
    networks = encoders | {"generator": gan.generator, "discriminator": gan.discriminator}
    print(f"parameters (for {classes} classes):")
    for name, network in networks.items():
        print(f"  {name:14s} {count_parameters(network):>12,}")
    seconds = _seconds_per_step(gan, config)
    examples = config.train_steps * config.batch_size
    print(
        f"arithmetic: {policy}\n"
        f"one GAN step of {config.batch_size} examples: {seconds:.2f} s on this machine, now\n"
        f"{config.train_steps} steps, {examples:,} examples: {seconds * config.train_steps / 60:.0f}"
        " min, and the encoders and the evaluation besides"
    )


def _build_gan(encoder: Encoder, config: TrainConfig, policy: str) -> CrossModalGan:
    direction = config.direction
    gan = build_gan(direction, encoder, config.gan, config.shape_of(direction.target), policy)
    gan.compile()
    return gan


def _seconds_per_step(gan: CrossModalGan, config: TrainConfig) -> float:
    count = config.batch_size
    batch = {kind: tf.zeros([count, *config.shape_of(kind)]) for kind in ("lms", "image")} | {
        "label": tf.zeros([count], tf.int32),
        "noise": tf.zeros([count, config.gan.noise_size]),
        "uniforms": tf.zeros([count, pipeline.UNIFORMS]),
    }
    step = tf.function(gan.train_step)
    step(batch)
    began = time.monotonic()
    for _ in range(3):
        float(step(batch)["loss/generator"])
    return (time.monotonic() - began) / 3


def _load_if_there(folder: Path, split: str, config: TrainConfig) -> pipeline.Recordings | None:
    return (
        pipeline.load_split(folder, split, config.data) if split in catalog.splits(folder) else None
    )


def train_gan(
    config: TrainConfig,
    train: pipeline.Recordings,
    validation: pipeline.Recordings | None,
    test: pipeline.Recordings | None = None,
) -> None:
    """Trains the task's GAN; its averaged generator, best on validation, goes to generator.npz.

    Test recordings are for the curve alone and choose nothing.
    """
    workdir = Path(config.workdir)
    classes = tuple(train.classes)
    policy = fitting.policy(config)
    with get_strategy(config.strategy).scope():
        name = config.direction.encoder
        encoder = checkpoint.make_encoder(name, len(classes), config, policy)
        checkpoint.load_weights(encoder, checkpoint.weights_path(workdir, name))
        gan = _build_gan(encoder, config, policy)
        saved = checkpoint.Checkpoints(
            workdir / "checkpoints",
            config.keep_checkpoints,
            generator=gan.generator,
            discriminator=gan.discriminator,
            average=gan.average,
            generator_optimizer=gan.generator_optimizer,
            discriminator_optimizer=gan.discriminator_optimizer,
        )
        start = saved.restore()
    total = config.train_steps
    if start >= total:
        print(f"already at step {start} of {total}", flush=True)
        return
    log = callbacks.MetricsLog(start, workdir, total)
    sheet = SampleSheet(workdir, validation or train, config, log.writer)
    choose = _Chooser(gan, classes, config, validation, log, start)
    verifier = checkpoint.load_encoder(workdir, "verifier", classes, config)
    splits = {"train": train, "validation": validation, "test": test}
    there = {name: some for name, some in splits.items() if some is not None}
    follow = curve.Curve(workdir, there, encoder, gan.average, verifier, config, start)

    def at_checkpoint(step: int) -> None:
        sheet.write(gan, step)
        choose(step)
        log.write({f"curve/{name}": share for name, share in follow(step).items()})
        saved.save(step)

    watchers: list[callbacks.StepCallback] = [
        callbacks.StopOnNan(start, [gan.generator, gan.discriminator], workdir / "checkpoints"),
        log,
        callbacks.Progress(
            config.task, start, total, config.batch_size, ("loss/generator", "loss/discriminator")
        ),
        callbacks.EverySteps(start, config.checkpoint_steps, total, at_checkpoint),
        callbacks.StopOnInterrupt(start, saved.save),
    ]
    kind = pipeline.BatchConfig(
        batch_size=config.batch_size,
        seed=config.seed,
        noise_dim=config.gan.noise_size,
        mismatch=config.gan.mismatch,
        mismatch_seconds=config.gan.mismatch_seconds,
        only=config.only_classes,
    )
    batches = fitting.batches(train, config, kind, start)
    fitting.fit(gan, batches, total - start, watchers)


class _Chooser:
    """Keeps the averaged generator that is best on validation; the newest, without validation."""

    def __init__(
        self,
        gan: CrossModalGan,
        classes: tuple[str, ...],
        config: TrainConfig,
        validation: pipeline.Recordings | None,
        log: callbacks.MetricsLog,
        start: int,
    ):
        self.gan, self.validation, self.log = gan, validation, log
        self.path = checkpoint.weights_path(Path(config.workdir), "generator")
        self.record_path = Path(config.workdir) / "validation.json"
        self.record: list[dict[str, float]] = []
        if self.record_path.exists():
            # Scores of steps that will be run again are dropped.
            stored = json.loads(self.record_path.read_text())
            self.record = [row for row in stored if row["step"] <= start]
        if validation is not None:
            verifier = checkpoint.load_encoder(Path(config.workdir), "verifier", classes, config)
            self.evaluator = Evaluator(gan.encoder, gan.average, verifier, classes, config)

    def __call__(self, step: int) -> None:
        if self.validation is None:
            checkpoint.save_weights(self.gan.average, self.path, step=step)
            return
        scores = self.evaluator.split(self.validation, VALIDATION_STRIDE)
        row = {"step": step, "accuracy": scores.accuracy}
        if scores.feature_distance is not None:
            row["feature_distance"] = scores.feature_distance
        self.record.append(row)
        self.log.write({f"validation/{k}": v for k, v in row.items() if k != "step"})
        write_text(self.record_path, json.dumps(self.record, indent=1) + "\n")
        if best_step(self.record) == step:
            checkpoint.save_weights(self.gan.average, self.path, step=step)


def best_step(record: list[dict[str, float]]) -> int:
    """The step to keep: among those within `ACCURACY_TIE` of the best accuracy, the nearest to real.

    Args:
      record: rows of step, accuracy and (where there are real targets) feature_distance.
    """
    bar = max(row["accuracy"] for row in record) - ACCURACY_TIE
    close = [row for row in record if row["accuracy"] >= bar]
    chosen = min(close, key=lambda row: (row.get("feature_distance", 0.0), -row["accuracy"]))
    return int(chosen["step"])


def _what_next(config: TrainConfig) -> str:
    folder = config.workdir
    generate = f"  python -m cmgen.generate --model={folder} --input=YOUR"
    uses = {
        "s2i": f"{generate}.wav --output=picture.png\n"
        f"  python tools/export.py --workdir={folder} --output=exports/s2i\n",
        "i2s": f"{generate}.jpg --output=sound.wav\n{generate}.mp4 --output=dubbed.mp4\n",
    }
    return (
        f"\nDone. What it made while it learned: {folder}/samples. What next:\n"
        f"  python -m cmgen.evaluate --workdir={folder} --output=other.json --data=OTHER_VIDEOS\n"
        f"{uses[config.task]}"
        f"  tensorboard --logdir={folder}"
    )
