"""The run folder: its config, the checkpoints of everything that moves, and finished weights."""

import dataclasses
import math
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cmgen.config import DIRECTIONS, TrainConfig
from cmgen.media import representations
from cmgen.models.build import build_encoder, make_generator
from cmgen.models.encoder import Encoder
from cmgen.models.generator import Generator
from cmgen.utils import provenance, typed_json
from cmgen.utils.errors import FAILED_WORK, UserError
from cmgen.utils.files import (
    TooLargeError,
    atomic_file,
    explained_disk_errors,
    read_arrays,
    read_json,
    write_text,
)
from cmgen.utils.versions import installed

FACTS_FILE = "data.json"
_FACT = "fact/"  # what the names of facts in a file of weights begin with
# What may change between one start of a run and the next.
CHANGEABLE = ("train_steps", "checkpoint_steps", "keep_checkpoints", "strategy", "workdir")


@dataclass(frozen=True)
class Run:
    """A trained run, for inference in float32.

    Attributes:
      step: of the generator's weights.
      encoder: of the condition: the sound encoder of an s2i run, the image encoder of an i2s run.
      generator: with the averaged weights.
      verifier: names the instrument in a target; None where the run has none.
      data_hash: of what it was trained on; "" of a run of an older version.
    """

    workdir: Path
    config: TrainConfig
    classes: tuple[str, ...]
    data: str
    step: int
    encoder: Encoder
    generator: Generator
    verifier: Encoder | None
    data_hash: str = ""

    @property
    def facts(self) -> dict[str, str | int]:
        """What its exports and the files made by it say of it; names are those of `origin.FACTS`."""
        trained = _trained(self.config, self.data, self.data_hash)
        return {"name": self.workdir.name, "step": self.step, **trained}


def _trained(config: TrainConfig, data: str, data_hash: str) -> dict[str, str | int]:
    """How and on what a run was trained, as `origin.FACTS` names it."""
    return {
        "task": config.task,
        "seed": config.seed,
        "data": Path(data).name,
        "data_hash": data_hash,
    }


def weights_path(workdir: Path, name: str) -> Path:
    """Where the finished weights of "sound_encoder", "verifier", "generator" ... are kept."""
    return workdir / f"{name}.npz"


def _named(network: keras.layers.Layer) -> dict[str, Any]:
    named = {v.path.split("/", 1)[1]: v for v in network.variables}
    if len(named) != len(network.variables):
        raise ValueError(f"{network.name}: two variables share a name; name the layers")
    return named


def save_weights(network: keras.Model, path: Path, comment: str = "", **facts: int | float) -> None:
    """Writes all variables by name into one .npz, with facts (e.g. the step) beside them.

    The comment, what made them, is the archive's: `unzip -z` shows it.
    """
    arrays = {name: keras.ops.convert_to_numpy(v) for name, v in _named(network).items()}
    arrays |= {f"{_FACT}{name}": np.asarray(value) for name, value in facts.items()}
    # As np.savez does it, which leaves its archive open when the disk is full.
    with atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.comment = comment.encode()
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def load_weights(network: keras.Model, path: Path) -> dict[str, float]:
    """Reads what `save_weights` wrote; names or shapes that differ are an error that lists both.

    Returns:
      the facts.
    """
    variables = _named(network)
    try:
        stored = read_arrays(path, _bytes_of(variables.values()))
        facts = {name: array for name, array in stored.items() if name.startswith(_FACT)}
        arrays = {name: array for name, array in stored.items() if name not in facts}
        _check_numbers(facts, arrays)
    except FileNotFoundError as error:
        raise UserError(f"{path}: not found; train the run first, or check --workdir") from error
    except TooLargeError as error:
        raise UserError(
            f"{path}: does not fit the network {network.name} ({error}); use the settings that the "
            "weights were trained with (config.json of their run)"
        ) from error
    except Exception as error:  # damaged bytes make zipfile and NumPy raise nearly anything
        raise UserError(
            f"{path}: damaged, or not a weights file of cmgen ({error}); delete it and train again"
        ) from error
    wanted = {name: tuple(v.shape) for name, v in variables.items()}
    found = {name: tuple(a.shape) for name, a in arrays.items()}
    if wanted != found:
        missing = [f"{n} {s}" for n, s in wanted.items() if found.get(n) != s]
        extra = [f"{n} {s}" for n, s in found.items() if wanted.get(n) != s]
        raise UserError(
            f"{path}: does not fit the network {network.name}\n"
            f"  missing from the file: {', '.join(missing) or 'nothing'}\n"
            f"  not in the network:    {', '.join(extra) or 'nothing'}\n"
            "use the settings that the weights were trained with (config.json of their run)"
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return {name.removeprefix(_FACT): fact.item() for name, fact in facts.items()}


def _bytes_of(variables: Iterable[Any]) -> int:
    """More than a file of them can hold, in their widest type."""
    return sum(8 * math.prod(v.shape) + 4096 for v in variables) + (1 << 20)


def _check_numbers(facts: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray]) -> None:
    """Refuses what `save_weights` never writes."""
    for name, array in {**facts, **arrays}.items():
        fact = name in facts
        if array.dtype.kind not in "fiub" or (fact and (array.ndim or not np.isfinite(array))):
            raise ValueError(f"{name} holds {array.dtype} of shape {array.shape}")


def open_run_folder(config: TrainConfig, resolved_precision: bool) -> TrainConfig:
    """Makes the run folder or takes an earlier run up again.

    Args:
      config: what the flags say.
      resolved_precision: what `mixed_precision=None` means on this machine; an earlier run keeps
        the arithmetic that it began with.

    Returns:
      the config to run with.
    """
    path = Path(config.workdir) / "config.json"
    if not path.exists():
        if config.mixed_precision is None:
            config = dataclasses.replace(config, mixed_precision=resolved_precision)
        write_text(path, typed_json.to_json(config))
        return config
    old = typed_json.from_json(TrainConfig, path.read_bytes(), str(path))
    if config.mixed_precision is None:
        config = dataclasses.replace(config, mixed_precision=old.mixed_precision)
    differences = [
        f"{name} was {was}, now {now}"
        for name, was, now in find_differences(old, config)
        if name not in CHANGEABLE
    ]
    # An encoder may be trained in the folder of the GAN that uses it, before or after; the folder
    # stays the GAN's.
    gan_task = next((task for task in (old.task, config.task) if task in DIRECTIONS), config.task)
    if config.task not in DIRECTIONS or config.task == gan_task:
        differences = [d for d in differences if not d.startswith("task ")]
    if differences:
        raise UserError(
            f"--workdir={config.workdir}: holds a run with other settings ({'; '.join(differences)});"
            " give the same flags to go on with it, or another --workdir"
        )
    write_text(path, typed_json.to_json(dataclasses.replace(config, task=gan_task)))
    return config


def find_differences(one: Any, other: Any, prefix: str = "") -> list[tuple[str, Any, Any]]:
    """(name, value in one, value in the other) of settings that differ; names like `data.data`."""
    found = []
    for item in dataclasses.fields(one):
        pair = getattr(one, item.name), getattr(other, item.name)
        if dataclasses.is_dataclass(pair[0]):
            found += find_differences(*pair, f"{prefix}{item.name}.")
        elif pair[0] != pair[1]:
            found.append((f"{prefix}{item.name}", *pair))
    return found


def _trackable(part: Any) -> Any:
    """A network or layer as its variables by name; anything else as it is.

    tf.train.Checkpoint walks through attributes, but not through Keras's lists of layers: weights
    of layers in lists that no optimizer holds (averages, batch statistics) would be left out.
    """
    if not isinstance(part, keras.layers.Layer):
        return part
    return tf.train.Checkpoint(variables={name: v.value for name, v in _named(part).items()})


class Checkpoints:
    """Saves and restores everything that moves, so that the same command goes on exactly.

    Args:
      folder: where.
      keep: how many of the newest.
      writes: False leaves the folder as it is: of several workers, only the chief writes.
      parts: trackable objects by name (networks, optimizers, iterators).
    """

    def __init__(self, folder: Path, keep: int, writes: bool = True, **parts: Any):
        self.folder = folder
        self.writes = writes
        self.checkpoint = tf.train.Checkpoint(**{k: _trackable(v) for k, v in parts.items()})
        try:
            self.manager = tf.train.CheckpointManager(self.checkpoint, str(folder), keep)
        except (ValueError, IndexError):
            # Its list of what is in the folder is damaged; the next checkpoint begins a new one.
            (folder / "checkpoint").unlink()
            self.manager = tf.train.CheckpointManager(self.checkpoint, str(folder), keep)
        self.variables = [v for part in parts.values() for v in getattr(part, "variables", ())]

    def save(self, step: int) -> None:
        """Writes checkpoint number `step`; older ones stay until it is complete."""
        if not self.writes:
            return
        try:
            with explained_disk_errors(self.folder):
                self.manager.save(checkpoint_number=step)
        except tf.errors.OpError as error:
            raise UserError(
                f"{self.folder}: the checkpoint could not be written ({error.message}); free some "
                "space and run the same command again",
                FAILED_WORK,
            ) from error

    def restore(self) -> int:
        """Restores the newest whole checkpoint; returns its step, 0 if there is none.

        Raises:
          UserError: a checkpoint is of other networks, or all are damaged.
        """
        damaged = []
        # Not TensorFlow's list of them, which is a file that may be damaged too.
        for step in sorted(self._steps(), reverse=True):
            path = str(self.folder / f"ckpt-{step}")
            if reason := _damage(path):
                damaged.append(path)
                print(f"{path}: damaged ({reason}); an earlier one will do", flush=True)
                continue
            try:
                self.checkpoint.restore(path).assert_existing_objects_matched()
                return step
            except (AssertionError, ValueError, tf.errors.OpError) as error:
                raise UserError(
                    f"{path}: does not fit this run's networks ({_first_line(error)}); delete "
                    f"{self.folder} to start afresh, or use the version and flags that wrote it"
                ) from error
        if damaged:
            raise UserError(
                f"{', '.join(damaged)}: damaged, and there is no other checkpoint; delete "
                f"{self.folder} to start afresh",
                FAILED_WORK,
            )
        return 0

    def _steps(self) -> Iterator[int]:
        for path in self.folder.glob("ckpt-*.index"):
            number = path.stem.rpartition("-")[2]
            if number.isdecimal():
                yield int(number)


def _damage(path: str) -> str | None:
    """What is wrong with a checkpoint's files; all their numbers have checksums."""
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, IndexError, RuntimeError) as error:
        return _first_line(error)
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


@dataclass(frozen=True)
class RunFacts:
    """What a run is of, besides its config: the contents of FACTS_FILE.

    Attributes:
      classes: in the order of the labels.
      data: "demo" or a folder.
      data_hash: of `hashes.data_hash`; "" of a run of an older version.
      versions: that it was begun with.
      resumed_with: other versions that it went on with, in order.
    """

    classes: tuple[str, ...]
    data: str
    data_hash: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    resumed_with: tuple[dict[str, str], ...] = ()


def write_facts(workdir: Path, classes: tuple[str, ...], data: str, data_hash: str) -> None:
    """Remembers the classes and the data of a run beside its config, and what it was made with.

    Refuses data that have changed since the run began, and tells versions that have.
    """
    path, now = workdir / FACTS_FILE, installed()
    before = read_facts(path) if path.exists() else RunFacts(classes, data, data_hash, now)
    if before.data_hash and before.data_hash != data_hash:
        raise UserError(
            f"--workdir={workdir}: its data, or the format that cmgen prepares them in, have changed "
            f"since it began (hash {data_hash}, was {before.data_hash}); give the former data to the "
            "former version, or train in another --workdir"
        )
    known = [before.versions or now, *before.resumed_with]
    changed = [
        f"{name} was {known[-1].get(name, 'missing')}, now {now.get(name, 'missing')}"
        for name in sorted(known[-1].keys() | now)
        if known[-1].get(name) != now.get(name)
    ]
    if changed:
        print(f"note: --workdir={workdir}: goes on with other versions: {'; '.join(changed)}")
        known.append(now)
    facts = RunFacts(classes, data, data_hash, known[0], tuple(known[1:]))
    write_text(path, typed_json.to_json(facts))


def origin_of(workdir: Path, config: TrainConfig) -> str:
    """The comment in what a run writes: its task and seed, its data, and versions."""
    facts = read_facts(workdir / FACTS_FILE)
    return provenance.made_by("cmgen.train", model=_trained(config, facts.data, facts.data_hash))


def read_facts(path: Path) -> RunFacts:
    """FACTS_FILE of a run; a damaged or foreign one is a UserError."""
    remedy = "restore it, or delete it and start the run's training again, which writes it anew"
    values = read_json(path, remedy)
    return typed_json.checked(RunFacts, values, str(path), whole=False, remedy=remedy)


def load_run(workdir: Path | str) -> Run:
    """Loads a finished (or well begun) s2i or i2s run for inference.

    Args:
      workdir: a run folder of `python -m cmgen.train`.
    """
    workdir = Path(workdir)
    path = workdir / "config.json"
    if not path.exists():
        raise UserError(f"--workdir={workdir}: no config.json there; give a folder of cmgen.train")
    config = typed_json.from_json(TrainConfig, path.read_bytes(), str(path))
    facts_path = workdir / FACTS_FILE
    if not facts_path.exists():
        raise UserError(
            f"--workdir={workdir}: no {FACTS_FILE} there; the run has not begun training"
        )
    facts = read_facts(facts_path)
    classes = facts.classes
    direction = config.direction
    encoder = load_encoder(workdir, direction.encoder, classes, config)
    generator = make_generator(config.gan, config.shape_of(direction.target), name="average")
    generator((tf.zeros([1, encoder.config.encoding_size]), tf.zeros([1, config.gan.noise_size])))
    path = weights_path(workdir, "generator")
    step = load_weights(generator, path).get("step")
    if step is None:
        raise UserError(f"{path}: doesn't say after which step; delete it and train again")
    has_verifier = weights_path(workdir, "verifier").exists()
    verifier = load_encoder(workdir, "verifier", classes, config) if has_verifier else None
    weights = encoder, generator, verifier
    return Run(workdir, config, classes, facts.data, int(step), *weights, facts.data_hash)


def load_encoder(
    workdir: Path, name: str, classes: tuple[str, ...], config: TrainConfig
) -> Encoder:
    """A trained "sound_encoder", "image_encoder" or "verifier" of a run, in float32."""
    encoder = make_encoder(name, len(classes), config, "float32")
    load_weights(encoder, weights_path(workdir, name))
    return encoder


def make_encoder(name: str, num_classes: int, config: TrainConfig, policy: str) -> Encoder:
    """An untrained "sound_encoder", "image_encoder" or "verifier" as the config has it."""
    kind = config.kind_seen_by(name)
    shape = config.shape_of(kind) if kind == "image" else representations.shape(kind, config.sound)
    return build_encoder(kind, num_classes, getattr(config, name), shape, policy)
