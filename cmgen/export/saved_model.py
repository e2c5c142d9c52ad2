"""SavedModels as TensorFlow Serving takes them: version folders, metadata, warm-up, models.config."""

import importlib.util
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from cmgen.export import functions
from cmgen.export.allowed_ops import check_saved_model
from cmgen.export.layout import EXTRA, FORMAT, METADATA_FILE, SUMS_FILE, check_sums, newest
from cmgen.media import images
from cmgen.media.sound import encode_wav
from cmgen.utils.errors import UserError

WARMUP_FILE = EXTRA / "tf_serving_warmup_requests"
# Where the official image looks for models.
SERVER_FOLDER = "/models"

Request = tuple[str, dict[str, Any]]


def save(module: functions.ServingModule, folder: Path, metadata: Mapping[str, Any]) -> list[str]:
    """Writes a SavedModel made of core operations only, with `metadata` and warm-up requests.

    Args:
      module: what to save.
      folder: the new folder; TF Serving wants its name to be an integer.
      metadata: of JSON types; `load` gives it back. Its `name` is the served model's.

    Returns:
      names of all operations in its graphs.
    """
    operations: set[str] = set()
    for name, function in module.signatures().items():
        graph = function.get_concrete_function()
        functions.check_core_ops(name, graph)
        operations |= functions.graph_ops(graph)
    tf.saved_model.save(_weights(module), str(folder), signatures=module.signatures())
    (folder / EXTRA).mkdir(exist_ok=True)
    (folder / METADATA_FILE).write_text(json.dumps(metadata, indent=2) + "\n")
    if has_serving_api():
        write_warmup(folder / WARMUP_FILE, metadata["name"], warmup_requests(module))
    return sorted(operations)


def _weights(module: functions.ServingModule) -> tf.Module:
    """Only TensorFlow's own variables, which a server restores by name.

    A Keras variable is saved as a copy that is restored in its place, which Python's loader knows how to
    wire to the functions and a server doesn't: there the functions would find no weights.
    """
    weights = tf.Module()
    layers = (module.encoder, module.generator)
    weights.kept = [variable.value for layer in layers for variable in layer.variables]
    weights.kept += list(module.folded)
    return weights


def load(folder: Path) -> tuple[dict[str, Callable[..., Any]], dict[str, Any]]:
    """Reads what `save` wrote.

    Returns:
      signatures: of tensors, "generate" and "encode": keyword arguments -> dict of tensors.
      metadata: of JSON types.

    Raises:
      UserError: a file was changed since the export, or it is no SavedModel of cmgen.export.
    """
    with _explained(folder):
        _check_sums(folder.resolve())
        metadata = read_values(folder)
        check_saved_model(folder)
        loaded = tf.saved_model.load(str(folder))
        signatures = {name: loaded.signatures[name] for name in ("generate", "encode")}
    for signature in signatures.values():
        signature.owner = loaded  # its variables live as long as the object that owns them
    return signatures, metadata


def read_values(folder: Path) -> dict[str, Any]:
    """The metadata that `save` wrote beside a SavedModel; not checked."""
    with _explained(folder):
        metadata = json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))
        if not isinstance(metadata, dict):
            raise ValueError(f"{METADATA_FILE.name} holds no object")
        if metadata.get("format") != FORMAT:
            raise ValueError(f"of format {metadata.get('format', 1)}, not {FORMAT}")
    return metadata


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, RecursionError, tf.errors.OpError) as error:
        raise UserError(
            f"{folder}: not a SavedModel that cmgen.export wrote ({error}); export it again"
        ) from error


def _check_sums(version: Path) -> None:
    """Refuses a version of which a file was changed; one that stands alone has no checksums."""
    model = version.parent
    if not (model / SUMS_FILE).is_file():
        return
    paths = sorted(path for path in version.rglob("*") if path.is_file())
    check_sums(model, ((p.relative_to(model).as_posix(), p.read_bytes()) for p in paths))


def models_config(exports: Path) -> str:
    """What `--model_config_file` takes: every model in `exports`, as the official image sees it."""
    folders = sorted(p for p in exports.iterdir() if p.is_dir() and newest(p))
    entries = [
        f"  config {{\n    name: {json.dumps(folder.name)}\n"
        f"    base_path: {json.dumps(f'{SERVER_FOLDER}/{folder.name}')}\n"
        '    model_platform: "tensorflow"\n  }\n'
        for folder in folders
    ]
    return "model_config_list {\n" + "".join(entries) + "}\n"


def is_models_config(text: bytes) -> bool:
    """Whether a file has nothing but what `models_config` writes."""
    settings = rb'name: ".*"\n +base_path: ".*"\n +model_platform: "tensorflow"\n'
    entries = rb"( +config \{\n +" + settings + rb" +\}\n)*"
    return bool(re.fullmatch(rb"model_config_list \{\n" + entries + rb"\}\n", text))


def has_serving_api() -> bool:
    """Whether the extra [serving], without which there is no warm-up, is installed."""
    return importlib.util.find_spec("tensorflow_serving") is not None


def warmup_requests(module: functions.ServingModule) -> list[Request]:
    """(signature, inputs by name) of requests that go through every signature's graphs."""
    files = (
        [_wav(module, 44100), _wav(module, 48000)] if module.condition == "waveform" else [_png()]
    )
    shape = (1, *module.condition_spec.shape[1:])
    condition = np.zeros(shape, np.float32)
    noise = functions.example_noise(module, 1)
    bytes_name = module.condition_bytes
    return [
        *((functions.SERVING_DEFAULT, {bytes_name: [file]}) for file in files),
        ("from_seed", {bytes_name: files, "seed": np.arange(len(files), dtype=np.int64)}),
        ("generate", {module.condition: condition, "noise": noise}),
        ("encode", {module.condition: condition}),
    ]


def predict_request(name: str, signature: str, inputs: Mapping[str, Any]) -> Any:
    """A PredictRequest of tensorflow-serving-api."""
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


def write_warmup(path: Path, name: str, requests: list[Request]) -> None:
    """Writes requests as a server plays them to itself before it serves a version."""
    from tensorflow_serving.apis import prediction_log_pb2

    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            log = prediction_log_pb2.PredictionLog()
            log.predict_log.request.CopyFrom(predict_request(name, signature, inputs))
            writer.write(log.SerializeToString())


def _wav(module: functions.ServingModule, rate: int) -> bytes:
    """Half a second of a tone as a stereo WAV file."""
    samples = round(module.config.sound.window_seconds * rate)
    tone = 0.1 * np.sin(2 * np.pi * 440.0 * np.arange(samples) / rate)
    return encode_wav(np.stack([tone, tone], axis=1), rate)


def _png() -> bytes:
    return images.encode_png(np.full((96, 128, 3), 127, np.uint8))
