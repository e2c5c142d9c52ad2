"""One training command: data, encoders, GAN, evaluation, next steps."""

import dataclasses
import hashlib
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from cmgen.config import DEMO, DIRECTIONS, TrainConfig
from cmgen.data import pipeline
from cmgen.data.shards import read_info
from cmgen.evaluate import report
from cmgen.evaluate.accuracy import score_split
from cmgen.evaluate.windows import Networks
from cmgen.media import representations
from cmgen.models import precision
from cmgen.models.encoder import Encoder
from cmgen.models.gan import CrossModalGan, build_gan
from cmgen.models.run import (
    METADATA_FILE,
    load_encoder,
    load_run,
    make_encoder,
    provenance_of,
    read_metadata,
)
from cmgen.models.weights import load_weights, save_weights, weights_path
from cmgen.prepare import cache, leaks, run_data
from cmgen.train import callbacks, learning_curve, loop, multiworker, tf_config
from cmgen.train.checkpoints import (
    Checkpoints,
    find_differences,
    open_run_folder,
    resume,
    write_metadata,
)
from cmgen.train.encoders import make_trainer, train_encoder
from cmgen.train.multiworker import WorkerGroup
from cmgen.train.sample_grid import SampleSheet
from cmgen.utils import hashes, locks, versions
from cmgen.utils.errors import UserError
from cmgen.utils.files import read_json, write_text
from cmgen.utils.typed_json import checked, from_json, to_json

# Among checkpoints whose validation accuracy is this close to the best, the one whose examples'
# features lie nearest to real ones is kept.
ACCURACY_TIE = 0.01
VALIDATION_STRIDE = 4
# Settings that may differ between workers; the chief's arithmetic counts.
MAY_DIFFER = ("workdir", "data.data", "strategy", "mixed_precision")


def run(config: TrainConfig) -> None:
    """Trains what `config.task` asks for; called again, it resumes.

    Where several workers train, all must call it; only the chief writes, and measures at the end.

    Args:
      config: settings; `config.workdir` receives everything.
    """
    cluster = tf_config.read(config.strategy)
    if cluster is not None:
        _check_batches(config, len(cluster.addresses), cluster.index == 0)
    group = multiworker.join(config.strategy)
    with group.explain_lost_workers():
        _check_batches(config, group.strategy.num_replicas_in_sync, group.is_chief)
        with locks.only_writer(Path(config.workdir)) if group.is_chief else nullcontext():
            _run(config, group)


def _run(config: TrainConfig, group: WorkerGroup) -> None:
    workdir = Path(config.workdir)
    config = _agreed_settings(config, group)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)
    began = time.monotonic()
    folder = _prepared(config, group)
    train = pipeline.load_split(folder, "train", config.data)
    _check_same_data(train, group)
    validation = test = None
    if group.is_chief:
        validation, test = (_load_if_there(folder, name, config) for name in ("validation", "test"))
        splits = [split for split in (train, validation, test) if split is not None]
        leaks.check_apart({split.split: leaks.contents(split) for split in splits}, str(folder))
        # Absolute, so that a run can be evaluated and exported from any folder.
        data = config.data.data
        data = data if data == DEMO else str(Path(data).resolve())
        data_hash = hashes.data_hash(train.info.checksums)
        write_metadata(workdir, tuple(train.classes), data, data_hash)
        run_data.write(workdir, folder, config.data, splits)
        print(f"data ready in {time.monotonic() - began:.0f} s: {folder}", flush=True)
    with pipeline.named_damage(folder):  # streamed data are read while it trains
        _train(config, train, validation, test, group)


def _train(
    config: TrainConfig,
    train: pipeline.Recordings,
    validation: pipeline.Recordings | None,
    test: pipeline.Recordings | None,
    group: WorkerGroup,
) -> None:
    """Trains the missing encoders and the GAN, and evaluates it."""
    if config.task not in DIRECTIONS:
        train_encoder(config.task, config, train, validation, group)
        group.say("done")
        return
    for name in (config.direction.encoder, "verifier"):
        train_encoder(name, config, train, validation, group, keep=True)
    train_gan(config, train, validation, test, group)
    group.say("done; the chief measures the result alone")
    if group.is_chief:
        _measure(config)


def _measure(config: TrainConfig) -> None:
    """Draws the learning curve, evaluates the kept generator, and suggests next steps."""
    workdir = Path(config.workdir)
    finished = load_run(workdir)
    learning_curve.draw(finished)
    scores = report.evaluate_run(finished, config.data.data, workdir / "evaluation.json")
    print(report.summary(scores), flush=True)
    print(_next_steps(config), flush=True)


def _check_batches(config: TrainConfig, replicas: int, is_chief: bool) -> None:
    """Refuses batches that can't be dealt out; only the chief knows which encoders are trained."""
    names = [config.task]
    if config.task in DIRECTIONS:
        multiworker.check_batch("batch_size", config.batch_size, replicas, paired=True)
        names = [config.direction.encoder, "verifier"]
    for name in names:
        if is_chief and not weights_path(Path(config.workdir), name).exists():
            multiworker.check_batch(
                f"{name}_batch_size", getattr(config, name).batch_size, replicas
            )


def _agreed_settings(config: TrainConfig, group: WorkerGroup) -> TrainConfig:
    """The chief opens the run folder; the others must have its settings."""
    if group.is_chief:
        config = open_run_folder(config, precision.has_fast_bfloat16())
    ours = {name: versions.installed().get(name) for name in ("cmgen", "tensorflow", "keras")}
    text, theirs = group.from_chief([to_json(config), ours])
    chiefs = from_json(TrainConfig, text, "the chief's settings")
    differences = [
        f"{name} is {here} here and {there} on the chief"
        for name, here, there in (
            *((name, ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]),
            *find_differences(config, chiefs),
        )
        if name not in MAY_DIFFER
    ]
    if differences:
        raise UserError(
            f"workers train with different settings: {'; '.join(differences)}; give all workers the "
            "same flags and versions"
        )
    return dataclasses.replace(
        chiefs, workdir=config.workdir, strategy=config.strategy, data=config.data
    )


def _prepared(config: TrainConfig, group: WorkerGroup) -> Path:
    """The prepared data, as the run began with them if it resumes.

    The chief, who alone has the run's folder, prepares raw ones first, for all who share its cache.
    """
    began = None
    if group.is_chief:
        path = Path(config.workdir) / METADATA_FILE
        recorded = run_data.read(path.parent) if path.exists() else None
        if recorded is not None:
            began = [to_json(recorded), read_metadata(path).data_hash]
    began = group.from_chief(began)

    def resolve() -> Path:
        if began is None:
            return cache.resolve(config.data)
        recorded = from_json(run_data.RunData, began[0], run_data.RECORDINGS_FILE)
        return run_data.resolve_recorded(recorded, config.data, began[1])

    if group.is_chief:
        folder = resolve()
    group.wait()
    return folder if group.is_chief else resolve()


def _check_same_data(train: pipeline.Recordings, group: WorkerGroup) -> None:
    """Refuses a worker whose recordings differ from the chief's in name, class, order or length."""
    shape = (train.classes, train.ids.tolist(), train.labels.tolist(), train.sound_offsets.tolist())
    digest = hashlib.sha256(repr((*shape, train.frame_times.tolist())).encode()).hexdigest()
    if group.from_chief(digest) != digest:
        raise UserError(
            f"{train.folder}: other recordings than the chief's; give every worker the same --data, "
            "or copy the chief's prepared folder"
        )


def dry_run(config: TrainConfig) -> None:
    """Prints the parameter counts and the cost of a run without starting it."""
    cluster = tf_config.read(config.strategy)
    _check_batches(config, len(cluster.addresses) if cluster else 1, True)
    policy = precision.policy(config.mixed_precision)
    classes = 13
    is_gan = config.task in DIRECTIONS
    names = ("sound_encoder", "image_encoder", "verifier") if is_gan else (config.task,)
    networks = {name: make_encoder(name, classes, config, policy) for name in names}
    if is_gan:
        model = _build_gan(networks[config.direction.encoder], config, policy)
        networks |= {"generator": model.generator, "discriminator": model.discriminator}
    else:
        model, _ = make_trainer(networks[config.task], config.task, config, policy)
        model.compile()
    print(f"parameters (for {classes} classes):")
    for name, network in networks.items():
        print(f"  {name:14s} {network.count_params():>12,}")
    settings = config if is_gan else getattr(config, config.task)
    steps, size = settings.train_steps, settings.batch_size
    seconds = _seconds_per_step(model, config, size)
    print(
        f"arithmetic: {policy}\n"
        f"one step of {config.task}, {size} examples: {seconds:.2f} s on this machine, now\n"
        f"{steps} steps, {steps * size:,} examples: {seconds * steps / 60:.0f} min"
        + (", and the encoders and the evaluation besides" if is_gan else "")
    )


def _build_gan(encoder: Encoder, config: TrainConfig, policy: str) -> CrossModalGan:
    direction = config.direction
    gan = build_gan(direction, encoder, config.gan, config.shape_of(direction.target), policy)
    gan.compile()
    return gan


def _seconds_per_step(model: keras.Model, config: TrainConfig, count: int) -> float:
    sound = config.sound_encoder.representation
    shapes = {kind: config.shape_of(kind) for kind in ("lms", "image")}
    shapes[sound] = representations.shape(sound, config.sound)
    batch = {kind: tf.zeros([count, *shape]) for kind, shape in shapes.items()} | {
        "label": tf.zeros([count], tf.int32),
        "noise": tf.zeros([count, config.gan.noise_size]),
        "uniforms": tf.zeros([count, pipeline.UNIFORMS]),
    }
    step = tf.function(model.train_step)
    step(batch)
    began = time.monotonic()
    for _ in range(3):
        [float(value) for value in step(batch).values()]
    return (time.monotonic() - began) / 3


def _load_if_there(folder: Path, split: str, config: TrainConfig) -> pipeline.Recordings | None:
    if split in read_info(folder).splits:
        return pipeline.load_split(folder, split, config.data)
    return None


def train_gan(
    config: TrainConfig,
    train: pipeline.Recordings,
    validation: pipeline.Recordings | None,
    test: pipeline.Recordings | None,
    group: WorkerGroup,
) -> None:
    """Trains the task's GAN; its averaged generator, best on validation, goes to generator.npz.

    Test recordings are for the learning curve alone and choose nothing. Workers other than the
    chief need neither those nor validation's.
    """
    workdir = Path(config.workdir)
    with group.strategy.scope():
        name, policy = config.direction.encoder, precision.policy(config.mixed_precision)
        encoder = make_encoder(name, len(train.classes), config, policy)
        if group.is_chief:
            load_weights(encoder, weights_path(workdir, name))
        group.share(encoder.variables)
        gan = _build_gan(encoder, config, policy)
        saved = Checkpoints(
            workdir / "checkpoints",
            config.keep_checkpoints,
            group.is_chief,
            generator=gan.generator,
            discriminator=gan.discriminator,
            average=gan.generator_ema,
            generator_optimizer=gan.generator_optimizer,
            discriminator_optimizer=gan.discriminator_optimizer,
        )
    start = resume(saved, group)
    total = config.train_steps
    if start >= total:
        print(f"already at step {start} of {total}", flush=True)
        return
    step_callbacks: list[callbacks.StepCallback] = [
        callbacks.StopOnNan(start, [gan.generator, gan.discriminator], workdir / "checkpoints")
    ]
    if group.is_chief:
        step_callbacks += _chief_callbacks(gan, config, (train, validation, test), saved, start)
    step_callbacks.append(callbacks.StopOnInterrupt(start, saved.save))
    batches = loop.batches(train, config, loop.pairs(config), start, group)
    loop.fit(gan, batches, total - start, step_callbacks, group)


def _chief_callbacks(
    gan: CrossModalGan,
    config: TrainConfig,
    splits: tuple[pipeline.Recordings, pipeline.Recordings | None, pipeline.Recordings | None],
    saved: Checkpoints,
    start: int,
) -> list[callbacks.StepCallback]:
    """Callbacks that log, show, draw, choose and save; of several workers, only the chief has them."""
    workdir, total = Path(config.workdir), config.train_steps
    train, validation, test = splits
    classes = tuple(train.classes)
    log = callbacks.MetricsLog(start, workdir, total, config.checkpoint_steps)
    sheet = SampleSheet(workdir, validation or train, config, log.writer)
    choose = _Chooser(gan, classes, config, validation, log, start)
    verifier = load_encoder(workdir, "verifier", classes, config)
    by_name = {"train": train, "validation": validation, "test": test}
    present = {name: split for name, split in by_name.items() if split is not None}
    curve = learning_curve.Curve(
        workdir, present, gan.encoder, gan.generator_ema, verifier, config, start
    )

    def at_checkpoint(step: int) -> None:
        sheet.write(gan, step)
        choose(step)
        log.write({f"curve/{name}": share for name, share in curve(step).items()})
        saved.save(step)

    return [
        log,
        callbacks.Progress(
            config.task, start, total, config.batch_size, ("loss/generator", "loss/discriminator")
        ),
        callbacks.EverySteps(start, config.checkpoint_steps, total, at_checkpoint),
    ]


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
        self.path = weights_path(Path(config.workdir), "generator")
        self.comment = provenance_of(Path(config.workdir), config)
        self.record_path = Path(config.workdir) / "validation.json"
        self.record: list[dict[str, float]] = []
        if self.record_path.exists():
            # Scores of steps that will be run again are dropped.
            self.record = [row for row in _read_record(self.record_path) if row["step"] <= start]
        if validation is not None:
            verifier = load_encoder(Path(config.workdir), "verifier", classes, config)
            self.networks = Networks(gan.encoder, gan.generator_ema, verifier, classes, config)

    def __call__(self, step: int) -> None:
        if self.validation is None:
            self._keep(step)
            return
        scores = score_split(self.networks, self.validation, VALIDATION_STRIDE)
        row = {"step": step, "accuracy": scores.accuracy}
        if scores.feature_distance is not None:
            row["feature_distance"] = scores.feature_distance
        self.record.append(row)
        self.log.write({f"validation/{k}": v for k, v in row.items() if k != "step"})
        write_text(self.record_path, to_json(_Record(tuple(self.record))))
        if best_step(self.record) == step:
            self._keep(step)

    def _keep(self, step: int) -> None:
        save_weights(self.gan.generator_ema, self.path, self.comment, step=step)


@dataclass(frozen=True)
class _Record:
    """The contents of validation.json: for each checkpoint a row that `best_step` takes."""

    rows: tuple[dict[str, float], ...]


def _read_record(path: Path) -> tuple[dict[str, float], ...]:
    remedy = "restore it, or delete it; what follows is then chosen from"
    values = read_json(path, remedy)
    if isinstance(values, list):  # of an older version
        values = {"rows": values}
    rows = checked(_Record, values, str(path), remedy=remedy).rows
    if not all({"step", "accuracy"} <= row.keys() for row in rows):
        raise UserError(f"{path}: has rows without step or accuracy; {remedy}")
    return rows


def best_step(record: list[dict[str, float]]) -> int:
    """The step to keep: among those within `ACCURACY_TIE` of the best accuracy, the nearest to real.

    Args:
      record: rows of step, accuracy and (where there are real targets) feature_distance.
    """
    least = max(row["accuracy"] for row in record) - ACCURACY_TIE
    close = [row for row in record if row["accuracy"] >= least]
    chosen = min(close, key=lambda row: (row.get("feature_distance", 0.0), -row["accuracy"]))
    return int(chosen["step"])


def _next_steps(config: TrainConfig) -> str:
    folder = config.workdir
    generate = f"  python -m cmgen.generate --model={folder} --input=YOUR"
    uses = {
        "s2i": f"{generate}.wav --output=picture.png\n"
        f"  python -m cmgen.export --workdir={folder} --output=exports/s2i\n",
        "i2s": f"{generate}.jpg --output=sound.wav\n{generate}.mp4 --output=dubbed.mp4\n",
    }
    return (
        f"\nDone. Samples of the training: {folder}/samples. What next:\n"
        f"  python -m cmgen.evaluate --workdir={folder} --output=other.json --data=OTHER_VIDEOS\n"
        f"{uses[config.task]}"
        f"  tensorboard --logdir={folder}"
    )
