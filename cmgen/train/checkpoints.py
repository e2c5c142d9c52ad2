"""The run folder in training: its config, its metadata, and checkpoints."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from cmgen.config import DIRECTIONS, TrainConfig
from cmgen.models.run import METADATA_FILE, RunMetadata, read_metadata
from cmgen.models.weights import named_variables
from cmgen.prepare.reading import processors
from cmgen.train.multiworker import WorkerGroup
from cmgen.utils import typed_json
from cmgen.utils.errors import FAILED_WORK, UserError
from cmgen.utils.files import (
    explained_disk_errors,
    remove_leftovers,
    remove_unfinished_checkpoints,
    write_text,
)
from cmgen.utils.versions import installed

# What may change between one start of a run and the next.
CHANGEABLE = ("train_steps", "checkpoint_steps", "keep_checkpoints", "strategy", "workdir")

# Folders inside a run's that training writes to.
_NETWORKS = ("sound_encoder", "image_encoder", "verifier")
_CHECKPOINTS = ("checkpoints", *(f"{name}/checkpoints" for name in _NETWORKS))
_FOLDERS = (".", "samples", *_NETWORKS, *_CHECKPOINTS)
# What training would go on with, and change, wherever it finds it.
_STATE = (*_CHECKPOINTS, METADATA_FILE, "metrics.jsonl", "validation.json", "curve.json")


def open_run_folder(config: TrainConfig, resolved_precision: bool) -> TrainConfig:
    """Creates the run folder or resumes an earlier run, of which it removes what a kill left behind.

    Nothing else is removed, and a folder in which something else has a run's names is refused.

    Args:
      config: of the flags.
      resolved_precision: what `mixed_precision=None` means on this machine; a resumed run keeps
        the arithmetic that it began with.

    Returns:
      the config to run with.
    """
    path = Path(config.workdir) / "config.json"
    if not path.exists():
        for name in _STATE:
            if (path.parent / name).exists():
                raise UserError(
                    f"--workdir={config.workdir}: holds {name}, but no config.json of a run that it "
                    "could belong to; name a new folder"
                )
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
    _remove_leftovers(path.parent)
    # --train_steps of an encoder is not the GAN's.
    steps = (config if config.task == gan_task else old).train_steps
    write_text(
        path, typed_json.to_json(dataclasses.replace(config, task=gan_task, train_steps=steps))
    )
    return config


def _remove_leftovers(workdir: Path) -> None:
    """Cleans the folders of a run; one inside it that has a config.json is another run's."""
    others = {path.parent.name for path in workdir.glob("*/config.json")}
    for name in _FOLDERS:
        if name.partition("/")[0] not in others:
            remove_leftovers(workdir / name)
            if name in _CHECKPOINTS:
                remove_unfinished_checkpoints(workdir / name)


def find_differences(one: Any, other: Any, prefix: str = "") -> list[tuple[str, Any, Any]]:
    """(name, value in one, value in the other) of settings that differ; names like `data.data`."""
    differences = []
    for item in dataclasses.fields(one):
        pair = getattr(one, item.name), getattr(other, item.name)
        if dataclasses.is_dataclass(pair[0]):
            differences += find_differences(*pair, f"{prefix}{item.name}.")
        elif pair[0] != pair[1]:
            differences.append((f"{prefix}{item.name}", *pair))
    return differences


def write_metadata(workdir: Path, classes: tuple[str, ...], data: str, data_hash: str) -> None:
    """Writes the classes, data and versions of a run beside its config.

    Refuses data that have changed since the run began; prints a note about versions or a number of
    threads that have.
    """
    path = workdir / METADATA_FILE
    now = installed() | {"threads": str(_threads())}
    before = read_metadata(path) if path.exists() else RunMetadata(classes, data, data_hash, now)
    if before.data_hash and before.data_hash != data_hash:
        raise UserError(
            f"--workdir={workdir}: its data, or the format that cmgen prepares them in, have changed "
            f"since it began (hash {data_hash}, was {before.data_hash}); give the former data to the "
            "former version, or train in another --workdir"
        )
    versions = [before.versions or now, *before.resumed_with]
    changed = [
        f"{name} was {versions[-1].get(name, 'missing')}, now {now.get(name, 'missing')}"
        for name in sorted(versions[-1].keys() | now)
        if versions[-1].get(name) != now.get(name)
    ]
    if changed:
        print(f"note: --workdir={workdir}: resumes with other versions: {'; '.join(changed)}")
        versions.append(now)
    metadata = RunMetadata(classes, data, data_hash, versions[0], tuple(versions[1:]))
    write_text(path, typed_json.to_json(metadata))


def _threads() -> int:
    """How many threads share an operation; sums, and so weights, depend on it."""
    return tf.config.threading.get_intra_op_parallelism_threads() or processors()


def _trackable(part: Any) -> Any:
    """A network or layer as its variables by name; anything else as it is.

    tf.train.Checkpoint walks through attributes, but not through Keras's lists of layers: weights
    of layers in lists that no optimizer holds (averages, batch statistics) would be left out.
    """
    if not isinstance(part, keras.layers.Layer):
        return part
    return tf.train.Checkpoint(
        variables={name: v.value for name, v in named_variables(part).items()}
    )


class Checkpoints:
    """Saves and restores everything that changes in training, so that a run resumes exactly.

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
    """The damage to a checkpoint's files, None if there is none; all their numbers have checksums."""
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, IndexError, RuntimeError) as error:
        return _first_line(error)
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def resume(saved: Checkpoints, group: WorkerGroup) -> int:
    """Restores the chief's newest checkpoint on all workers; returns its step, 0 if there is none.

    Call it outside the strategy's scope: inside, the counter that TensorFlow creates for a checkpoint
    would be a variable of all workers, and the chief would wait for them to create it too.
    """
    start = int(group.from_chief(saved.restore() if group.is_chief else None))
    if start:
        group.share(saved.variables)
    return start
