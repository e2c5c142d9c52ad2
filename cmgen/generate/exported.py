"""Reads what cmgen.export wrote: facts at once, networks (ONNX) on first use. No TensorFlow."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cmgen.config import SoundConfig
from cmgen.export.layout import AGAIN, FACTS_FILE, FORMAT, check_sums, metadata_text, versions
from cmgen.export.onnx_session import open_session
from cmgen.utils import provenance, typed_json
from cmgen.utils.errors import UserError

Array = NDArray[np.float32]

BATCH = 32
_TASKS = {"s2i": ("waveform", "image"), "i2s": ("image", "lms")}
# What the networks must agree on with the facts; an older file under the same name would not.
_SAME = ("task", "classes", "sample_rate", "window_samples", "noise_size", "image_size", "step")


@dataclass(frozen=True)
class Facts:
    """What an exported model says of itself; the names are those of the exported file."""

    name: str
    task: str
    classes: tuple[str, ...]
    sample_rate: int
    window_samples: int
    noise_size: int
    image_size: int
    step: int
    data: str
    sound: SoundConfig
    origin: Mapping[str, str | int] = field(default_factory=dict)  # of `provenance.select_fields`


class Exported:
    """An exported model: an encoder of sounds or pictures, and a generator of the other.

    Args:
      folder: of the model, e.g. exports/s2i.
      facts: of `read_facts`.
    """

    def __init__(self, folder: Path, facts: Facts):
        self.folder, self.facts = folder, facts
        self._lock = threading.Lock()
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    def encode(self, given: Array) -> tuple[Array, Array]:
        """What the encoder makes of its input.

        Args:
          given: S2I: waveforms [n, window_samples] in [-1, 1]; I2S: pictures [n, size, size, 3] in
            [-1, 1].

        Returns:
          encoding: float32 [n, encoding size], what the generator is told.
          probabilities: float32 [n, classes].
        """
        name = _TASKS[self.facts.task][0]
        outputs = ["encoding", "probabilities"]
        encodings, probabilities = self._run("encoder", outputs, {name: given})
        return encodings, probabilities

    def generate(self, encoding: Array, noise: Array) -> Array:
        """Encodings [n, encoding size] and noise [n, noise_size] -> what the generator makes.

        Returns:
          S2I: pictures float32 [n, size, size, 3]; I2S: LMS [n, n_mels, frames]; in [-1, 1].
        """
        output = _TASKS[self.facts.task][1]
        return self._run("generator", [output], {"encoding": encoding, "noise": noise})[0]

    def _run(self, part: str, outputs: list[str], given: dict[str, Array]) -> list[Array]:
        session = self._session(part)
        given = {name: np.ascontiguousarray(value, np.float32) for name, value in given.items()}
        count = len(next(iter(given.values())))
        # Batches keep memory, and with it time, from growing with the length of a sound.
        made = [
            session.run(outputs, {name: v[at : at + BATCH] for name, v in given.items()})
            for at in range(0, count, BATCH)
        ]
        return [np.concatenate(parts) for parts in zip(*made, strict=True)]

    def _session(self, part: str) -> onnxruntime.InferenceSession:
        with self._lock:
            if part not in self._sessions:
                path = self.folder / f"{self.facts.name}_{part}.onnx"
                self._sessions[part] = _open(path, self.facts)
            return self._sessions[part]


def find_models(folder: Path) -> tuple[dict[str, Exported], list[str]]:
    """The exported models in a folder, and what is wrong with those that can't be used.

    Args:
      folder: has a folder for each model, e.g. exports; or is that of one model.

    Returns:
      models: name of its folder -> model.
      problems: a sentence for each folder that looks like a model and isn't one.

    Raises:
      UserError: there is no model at all.
    """
    if not folder.is_dir():
        raise UserError(f"--exports={folder}: no such folder; {_how_to_export(folder)}")
    models, problems = {}, []
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    for path in [folder] if _looks_like_a_model(folder) else filter(_looks_like_a_model, inside):
        try:
            models[path.resolve().name] = Exported(path, read_facts(path))
        except UserError as error:
            problems.append(str(error))
    if not models:
        found = "; ".join(problems) or "has no exported model"
        raise UserError(f"--exports={folder}: {found}; {_how_to_export(folder)}")
    return models, problems


def read_facts(folder: Path) -> Facts:
    """The facts of the newest version in a model's folder, checked."""
    numbers = versions(folder)
    if not numbers:
        raise UserError(f"{folder}: has no version (1, 2, ...); {AGAIN}")
    path = folder / str(numbers[-1]) / FACTS_FILE
    try:
        data = path.read_bytes()
        check_sums(folder, [(path.relative_to(folder).as_posix(), data)])
        values = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: can't be read ({error}); {AGAIN}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        found = values.get("format", 1) if isinstance(values, dict) else None
        raise UserError(f"{path}: is of format {found}, not {FORMAT}; {AGAIN}")
    facts = _checked(path, values)
    for part in ("encoder", "generator"):
        if not (folder / f"{facts.name}_{part}.onnx").is_file():
            raise UserError(f"{folder}: has no {facts.name}_{part}.onnx; {AGAIN}")
    return facts


def _checked(path: Path, values: dict[str, Any]) -> Facts:
    found: dict[str, Any] = {}
    for name, kind in Facts.__annotations__.items():
        if name == "origin":
            continue
        value = values.get(name)
        if name == "sound":
            value = typed_json.from_json(SoundConfig, json.dumps(value), f"{path}: sound")
        elif name == "classes":
            good = isinstance(value, list) and value and all(isinstance(v, str) for v in value)
            value = tuple(value) if good and isinstance(value, list) else None
        elif type(value) is not kind:
            value = None
        if value is None:
            raise UserError(f"{path}: {name!r} is missing or no {kind}; {AGAIN}")
        found[name] = value
    # A name becomes a file's name, so it may name no other folder.
    if found["task"] not in _TASKS or Path(found["name"]).name != found["name"]:
        raise UserError(
            f"{path}: task {found['task']!r}, name {found['name']!r}: not of an export; {AGAIN}"
        )
    return Facts(**found, origin=provenance.select_fields(values))


def _open(path: Path, facts: Facts) -> onnxruntime.InferenceSession:
    """A network, refused if it is another one's than the facts say."""
    options = onnxruntime.SessionOptions()
    # The arena never gives memory back, and spinning threads slow down the other requests.
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = open_session(path, options)
    said = session.get_modelmeta().custom_metadata_map
    for name in _SAME:
        expected = metadata_text(getattr(facts, name))
        if said.get(name) != expected:
            raise UserError(
                f"{path}: is of another export than the newest version beside it ({name} is "
                f"{said.get(name)}, not {expected}); {AGAIN}"
            )
    return session


def _looks_like_a_model(folder: Path) -> bool:
    return any(folder.glob("*.onnx")) or any(folder.glob("[0-9]*/saved_model.pb"))


def _how_to_export(folder: Path) -> str:
    return f"make one: python -m cmgen.export --workdir=runs/s2i --output={folder / 's2i'}"
