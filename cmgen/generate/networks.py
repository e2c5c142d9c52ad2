"""The networks of a trained model, run by Keras, TensorFlow (SavedModel) or ONNX Runtime."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cmgen.export.layout import AGAIN, METADATA_FILE, check_sums, versions
from cmgen.export.metadata import Metadata, describe, from_texts, read_metadata, to_text
from cmgen.export.onnx_session import open_session
from cmgen.utils.errors import UserError

if TYPE_CHECKING:  # imports TensorFlow
    from cmgen.models.run import Run

Array = NDArray[np.float32]

# What the encoder takes and what the generator makes, as the networks' tensors are named.
TENSORS = {"s2i": ("waveform", "image"), "i2s": ("image", "lms")}
# What the networks must agree on with the metadata; an older file under the same name would not.
_SAME = ("task", "classes", "sample_rate", "window_samples", "noise_size", "image_size", "step")


class Networks(Protocol):
    """An encoder of sounds or pictures and a generator of the other; float32 in, float32 out.

    s2i: waveforms [n, window_samples] -> pictures [n, size, size, 3]; i2s: pictures -> LMS [n,
    n_mels, frames]; all in [-1, 1]. Encodings are [n, encoding size], noise is [n, noise_size].
    """

    def generate(self, condition: Array, noise: Array) -> Array:
        """Conditions and noise -> targets."""
        ...

    def encode(self, condition: Array) -> tuple[Array, Array]:
        """Conditions -> (encodings, probabilities [n, classes])."""
        ...

    def from_encoding(self, encoding: Array, noise: Array) -> Array:
        """Encodings and noise -> targets."""
        ...


class RunNetworks:
    """The networks of a run of `load_run`, as they are exported."""

    def __init__(self, run: "Run"):
        from cmgen.export import functions

        self._module = functions.serving_module(run)
        self._generator = self._module.functions(for_onnx=False)["_generator"]

    def generate(self, condition: Array, noise: Array) -> Array:
        return self._module.generate(condition, noise)[self._module.target].numpy()

    def encode(self, condition: Array) -> tuple[Array, Array]:
        encoded = self._module.encode(condition)
        return encoded["encoding"].numpy(), encoded["probabilities"].numpy()

    def from_encoding(self, encoding: Array, noise: Array) -> Array:
        return self._generator(encoding, noise)[self._module.target].numpy()


class SavedModelNetworks:
    """The signatures of a SavedModel of cmgen.export.

    Args:
      folder: of one version.
      signatures: by name, of `saved_model.load`.
      task: "s2i" or "i2s".
    """

    def __init__(self, folder: Path, signatures: dict[str, Callable[..., Any]], task: str):
        self._folder, self._signatures = folder, signatures
        self._condition, self._target = TENSORS[task]

    def generate(self, condition: Array, noise: Array) -> Array:
        return self._run("generate", **{self._condition: condition, "noise": noise})[self._target]

    def encode(self, condition: Array) -> tuple[Array, Array]:
        encoded = self._run("encode", **{self._condition: condition})
        return encoded["encoding"], encoded["probabilities"]

    def from_encoding(self, encoding: Array, noise: Array) -> Array:
        raise UserError(
            f"{self._folder}: a SavedModel has no signature that begins at an encoding; load the "
            "export's folder, which holds the ONNX files, or the run"
        )

    def _run(self, signature: str, **inputs: Array) -> dict[str, Array]:
        import tensorflow as tf

        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        return {name: v.numpy() for name, v in self._signatures[signature](**tensors).items()}


class OnnxNetworks:
    """The ONNX files of cmgen.export; each is opened on first use. Threads may share it.

    Args:
      folder: of the files.
      metadata: of the model.
      whole: the network of the whole way; None joins the encoder and the generator.
    """

    def __init__(
        self, folder: Path, metadata: Metadata, whole: onnxruntime.InferenceSession | None = None
    ):
        self._folder, self._metadata, self._whole = folder, metadata, whole
        self._condition, self._target = TENSORS[metadata.task]
        self._lock = threading.Lock()
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    def generate(self, condition: Array, noise: Array) -> Array:
        if self._whole is None:
            return self.from_encoding(self.encode(condition)[0], noise)
        return self._whole.run([self._target], {self._condition: condition, "noise": noise})[0]

    def encode(self, condition: Array) -> tuple[Array, Array]:
        encoder = self._session("encoder")
        outputs = encoder.run(["encoding", "probabilities"], {self._condition: condition})
        return outputs[0], outputs[1]

    def from_encoding(self, encoding: Array, noise: Array) -> Array:
        inputs = {"encoding": encoding, "noise": noise}
        return self._session("generator").run([self._target], inputs)[0]

    def _session(self, part: str) -> onnxruntime.InferenceSession:
        with self._lock:
            if part not in self._sessions:
                path = self._folder / f"{self._metadata.name}_{part}.onnx"
                session = open_session(path)
                _check_same(path, session, self._metadata)
                self._sessions[part] = session
            return self._sessions[part]


def of_run(run: "Run") -> tuple[Metadata, Networks]:
    """The networks of a run of `load_run`."""
    metadata = read_metadata(describe(run, run.workdir.name, {}), run.workdir)
    return metadata, RunNetworks(run)


def of_saved_model(path: Path) -> tuple[Metadata, Networks]:
    """The networks of one version of an export."""
    from cmgen.export import saved_model

    signatures, values = saved_model.load(path)
    metadata = read_metadata(values, path)
    return metadata, SavedModelNetworks(path, signatures, metadata.task)


def of_export(folder: Path) -> tuple[Metadata, Networks]:
    """The networks of an export's folder: the ONNX files, which are of its newest version."""
    numbers = versions(folder)
    if not numbers:
        raise UserError(f"{folder}: has no version (1, 2, ...); {AGAIN}")
    path = folder / str(numbers[-1]) / METADATA_FILE
    try:
        data = path.read_bytes()
        check_sums(folder, [(path.relative_to(folder).as_posix(), data)])
        values = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: can't be read ({error}); {AGAIN}") from error
    metadata = read_metadata(values, path)
    for part in ("encoder", "generator"):
        if not (folder / f"{metadata.name}_{part}.onnx").is_file():
            raise UserError(f"{folder}: has no {metadata.name}_{part}.onnx; {AGAIN}")
    return metadata, OnnxNetworks(folder, metadata)


def of_onnx(path: Path) -> tuple[Metadata, Networks]:
    """The network of the whole way in an .onnx file; its parts are those beside it."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; write it with cmgen.export")
    session = open_session(path)
    try:
        values = from_texts(session.get_modelmeta().custom_metadata_map)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not an ONNX file of cmgen.export ({error}); {AGAIN}") from error
    metadata = read_metadata(values, path)
    needed = (TENSORS[metadata.task][0], "noise")
    missing = sorted(set(needed) - {tensor.name for tensor in session.get_inputs()})
    if missing:
        raise UserError(
            f"{path}: a part of a model, which takes no {' and no '.join(missing)}; name the file "
            "without _encoder or _generator"
        )
    return metadata, OnnxNetworks(path.parent, metadata, session)


def _check_same(path: Path, session: onnxruntime.InferenceSession, metadata: Metadata) -> None:
    """Refuses a network of another export than the metadata are of."""
    texts = session.get_modelmeta().custom_metadata_map
    for name in _SAME:
        expected = to_text(getattr(metadata, name))
        if texts.get(name) != expected:
            raise UserError(
                f"{path}: is of another export than the newest version beside it ({name} is "
                f"{texts.get(name)}, not {expected}); {AGAIN}"
            )
