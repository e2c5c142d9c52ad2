"""What the golden tests look at: here alone they import cmgen and the helpers of other tests."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx
from absl import flags
from fixtures import tone
from tensorflow.core.protobuf import saved_model_pb2
from tiny_run import sounds, write_run

from cmgen.config import TrainConfig
from cmgen.data import pipeline
from cmgen.data.recording import to_int16
from cmgen.data.shards import DatasetInfo
from cmgen.export import writer
from cmgen.export.samples import Samples
from cmgen.media import lms_tf
from cmgen.models.run import load_run, make_encoder
from cmgen.models.weights import named_variables
from cmgen.train import __main__ as train
from cmgen.train import encoders, loop
from cmgen.train import run as training
from cmgen.train.multiworker import WorkerGroup
from cmgen.utils import cli, typed_json

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PRESETS = [name.removesuffix(".flags") for name in cli.preset_names()]
CLASSES = 13
STEPS = 3
# The presets' own are up to 12 times as large; correspondence needs a multiple of twice its 8 instants.
SMALL_BATCHES = (
    "--batch_size=8",
    "--sound_encoder_batch_size=16",
    "--image_encoder_batch_size=16",
    "--verifier_batch_size=8",
)
# Main -> its commands, "" for none. tools/export.py will be cmgen.export: its name is left out.
MAINS = {
    "cmgen.train": ("",),
    "cmgen.evaluate": ("",),
    "cmgen.generate": ("",),
    "cmgen.prepare": ("",),
    "cmgen.rate": ("", "collect", "serve", "report"),
    "cmgen.studio": ("",),
    "tools/export.py": ("",),
    "tools/reproduce.py": ("",),
    "tools/bench.py": ("", "serve", "lms", "train", "input", "growth", "all"),
}
NAMELESS = "tools/export.py"
# Runs mains one after the other in one process, each as `python -m MAIN` or `python MAIN` would be.
RUN_MAINS = """
import contextlib, io, json, runpy, sys
texts = []
for main, *arguments in json.load(sys.stdin):
    sys.argv = [main, *arguments]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        if main.endswith(".py"):
            runpy.run_path(main, run_name="__main__")
        else:
            runpy.run_module(main, run_name="__main__", alter_sys=True)
    texts.append(printed.getvalue())
json.dump(texts, sys.stdout)
"""


def stored(name: str) -> Any:
    """What record.py wrote to NAME.json."""
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


def store(name: str, values: Any) -> None:
    """Writes NAME.json."""
    text = json.dumps(values, indent=1, ensure_ascii=False)
    # Lists of numbers on one line.
    text = re.sub(r"\[[^\[\]{}\"]*\]", lambda found: " ".join(found[0].split()), text)
    (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def settings(preset: str, *others: str) -> TrainConfig:
    """The settings of `cmgen.train --flagfile=PRESET.flags` with other flags."""
    values = flags.FlagValues()
    train.define_flags(values)
    cli.parse(values, ["cmgen.train", f"--flagfile={preset}.flags", *others])
    return train.config_from_flags(values)


def configuration(preset: str) -> dict[str, Any]:
    """config.json of a preset, without its checksum."""
    values = json.loads(typed_json.to_json(settings(preset)))
    del values[typed_json.CHECKSUM]
    return values


def trainer(
    name: str, config: TrainConfig, policy: str = "float32"
) -> tuple[keras.Model, keras.Model, dict[str, keras.layers.Layer]]:
    """An encoder, what trains it, and what is trained beside it, as training makes them."""
    encoder = make_encoder(name, CLASSES, config, policy)
    model, beside = encoders.make_trainer(encoder, name, config, policy)
    model.compile()
    return encoder, model, beside


def gan(config: TrainConfig, policy: str = "float32") -> Any:
    """A GAN with an encoder of its own, as training makes them."""
    encoder = make_encoder(config.direction.encoder, CLASSES, config, policy)
    return training._build_gan(encoder, config, policy)


@cache
def networks(preset: str) -> tuple[dict[str, dict[str, list[int]]], dict[str, str]]:
    """(network -> variable -> shape, network -> hash of the initial weights) of a preset's run.

    All are made in the order of training, and then the encoder that this direction has no need of.
    """
    config = settings(preset)
    keras.utils.set_random_seed(config.seed)
    made: dict[str, keras.layers.Layer] = {}
    for name in (config.direction.encoder, "verifier"):
        made[name], _, beside = trainer(name, config)
        made |= {f"{name}/{part}": network for part, network in beside.items()}
    model = gan(config)
    made |= {"generator": model.generator, "discriminator": model.discriminator}
    made["average"] = model.generator_ema
    (other,) = {"sound_encoder", "image_encoder"} - {config.direction.encoder}
    made[other] = make_encoder(other, CLASSES, config, "float32")
    weights = {name: arrays(network) for name, network in made.items()}
    shapes = {
        name: {path: list(array.shape) for path, array in some.items()}
        for name, some in weights.items()
    }
    return shapes, {name: digest(some) for name, some in weights.items()}


def arrays(network: keras.layers.Layer) -> dict[str, np.ndarray]:
    """All variables by the names under which checkpoints and .npz files hold them."""
    return {path: np.asarray(value) for path, value in named_variables(network).items()}


def digest(weights: dict[str, np.ndarray]) -> str:
    """SHA-256 of names and values."""
    whole = hashlib.sha256()
    for path, array in weights.items():
        whole.update(path.encode() + array.tobytes())
    return whole.hexdigest()


def trained(preset: str, policy: str = "float32") -> dict[str, dict[str, dict[str, list[float]]]]:
    """Part -> network -> variable -> fingerprint after `STEPS` steps, of all that a preset trains.

    Parts are the encoder, the verifier and the GAN, each from its own initial weights.
    """
    config = settings(preset, *SMALL_BATCHES)
    parts = {
        name: _trained_encoder(name, _alone(name, config), policy)
        for name in (config.direction.encoder, "verifier")
    }
    return parts | {"gan": _trained_gan(config, policy)}


def trained_once() -> dict[str, dict[str, Any]]:
    """`trained` of all presets; in place of a part that equals an earlier preset's stands its name."""
    parts: dict[str, dict[str, Any]] = {}
    for preset in PRESETS:
        parts[preset] = {
            part: next((other for other in parts if parts[other].get(part) == networks), networks)
            for part, networks in trained(preset).items()
        }
    return parts


def _alone(name: str, config: TrainConfig) -> TrainConfig:
    """The settings that count for an encoder, so that presets that share it train it once."""
    names = ["verifier"] if name == "verifier" else ["sound_encoder", "image_encoder"]
    kept = ["task", "seed", "sound", "data", *names]
    return TrainConfig(**{name: getattr(config, name) for name in kept})


@cache
def _trained_encoder(
    name: str, config: TrainConfig, policy: str
) -> dict[str, dict[str, list[float]]]:
    keras.utils.set_random_seed(config.seed)
    encoder, model, beside = trainer(name, config, policy)
    return _after_steps(
        {"encoder": encoder, **beside},
        model,
        config,
        encoders._batches(name, config, "partner" in beside),
    )


@cache
def _trained_gan(config: TrainConfig, policy: str) -> dict[str, dict[str, list[float]]]:
    keras.utils.set_random_seed(config.seed)
    model = gan(config, policy)
    parts = {name: getattr(model, name) for name in ("encoder", "generator", "discriminator")}
    parts["average"] = model.generator_ema
    return _after_steps(parts, model, config, loop.pairs(config))


def _after_steps(
    parts: Mapping[str, keras.layers.Layer],
    model: keras.Model,
    config: TrainConfig,
    batches: pipeline.BatchConfig,
) -> dict[str, dict[str, list[float]]]:
    before = {name: arrays(network) for name, network in parts.items()}
    group = WorkerGroup(tf.distribute.get_strategy())
    step = loop.step_function(model, group.strategy)
    stream = iter(loop.batches(_recordings(), config, batches, 0, group))
    for _ in range(STEPS):
        step(next(stream), False)
    return {
        name: {
            path: fingerprint(before[name][path], array) for path, array in arrays(network).items()
        }
        for name, network in parts.items()
    }


def fingerprint(before: np.ndarray, after: np.ndarray) -> list[float]:
    """An array's mean, standard deviation and projection; its change's root mean square and projection.

    A projection is the sum with fixed random signs over the square root of the size: about as large as
    the root mean square, and another one for any other order or direction.
    """
    after, before = after.astype(np.float64).ravel(), before.astype(np.float64).ravel()
    # Of this generator NumPy promises the bits.
    signs = 1.0 - 2.0 * (np.random.PCG64(after.size).random_raw(after.size) >> 63)
    signs /= np.sqrt(after.size)
    change = after - before
    values = after.mean(), after.std(), signs @ after, np.sqrt((change**2).mean()), signs @ change
    return [float(f"{value:.7g}") for value in values]


@cache
def _recordings() -> pipeline.Recordings:
    """Two recordings of each class in memory, of 1.5 s: no decoder's version counts."""
    count, rate, seconds, size = 2 * CLASSES, 44100, 1.5, 64
    draw = np.random.default_rng(0)
    pitches = np.geomspace(80, 2000, count)
    waves = [to_int16(tone(pitch, seconds, seed)) for seed, pitch in enumerate(pitches)]
    times = np.arange(0, seconds, 0.1)
    pixels = draw.integers(0, 256, (count * len(times), 8, 8, 3), np.uint8)
    names = np.array([f"recording_{number}" for number in range(count)])
    info = DatasetInfo(
        classes=tuple(f"class_{number:02d}" for number in range(CLASSES)),
        image_size=size,
        fps=10.0,
        alignment="middle",
        splits={},
        source={},
        versions={},
    )
    places = np.arange(count + 1)
    with tf.device("CPU:0"):
        return pipeline.Recordings(
            folder=Path("memory"),
            split="train",
            info=info,
            ids=names,
            groups=names,
            labels=np.arange(count) % CLASSES,
            sound_offsets=places * len(waves[0]),
            frame_offsets=places * len(times),
            frame_times=np.tile(np.rint(times * rate).astype(np.int64), count),
            sound=tf.constant(np.concatenate(waves)),
            frames=tf.constant(pixels.repeat(size // 8, axis=1).repeat(size // 8, axis=2)),
            marks={},
        )


@cache
def exported(task: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the export of an untrained run promises, and its targets by every way.

    Returns:
      "signatures" of the SavedModel -> tensors and operations; "onnx" -> file -> tensors, and how
        often it has each operation.
      "eager", "saved_model", "onnx" -> float32 [3, ...], of the same inputs.
    """
    # It numbers names through a whole process, and merges operations in the order of their names.
    tf2onnx.utils.INTERNAL_NAME = 1
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source = load_run(write_run(folder / "run", ("bell", "drum", "flute"), task=task))
        draw = np.random.default_rng(0)
        noise = draw.standard_normal((3, source.config.gan.noise_size)).astype(np.float32)
        pictures = draw.uniform(-1, 1, (3, *source.config.shape_of("image"))).astype(np.float32)
        given = sounds(3) if task == "s2i" else pictures
        seen = lms_tf.lms(given, source.config.sound) if task == "s2i" else given
        targets = {"eager": source.generator((source.encoder.encode(seen), noise)).numpy()}
        made = writer.export(source, folder / task, Samples(given, None, "test"), {})
        generate = tf.saved_model.load(str(made.saved_model)).signatures["generate"]
        inputs = {"waveform" if task == "s2i" else "image": given, "noise": noise}
        (targets["saved_model"],) = (
            value.numpy()
            for value in generate(**{k: tf.constant(v) for k, v in inputs.items()}).values()
        )
        (targets["onnx"],) = onnxruntime.InferenceSession(made.onnx).run(None, inputs)
        promised = {
            "signatures": _signatures(made.saved_model / "saved_model.pb"),
            "onnx": {
                path.name: _graph(onnx.load(path)) for path in sorted(made.folder.glob("*.onnx"))
            },
        }
    return promised, targets


def _signatures(path: Path) -> dict[str, Any]:
    """Signature -> its inputs and outputs, as type and shape, and the operations behind them."""
    (meta,) = saved_model_pb2.SavedModel.FromString(path.read_bytes()).meta_graphs
    graph = meta.graph_def
    nodes = {node.name: node for node in graph.node}
    bodies = {body.signature.name: body.node_def for body in graph.library.function}
    return {
        name: {
            "inputs": {key: _tensor(info) for key, info in sorted(signature.inputs.items())},
            "outputs": {key: _tensor(info) for key, info in sorted(signature.outputs.items())},
            "operations": sorted(_operations(signature.outputs.values(), nodes, bodies)),
        }
        for name, signature in sorted(meta.signature_def.items())
        if signature.inputs
    }


def _tensor(info: Any) -> list[Any]:
    """Type and shape; -1 is any size."""
    return [tf.dtypes.as_dtype(info.dtype).name, *(side.size for side in info.tensor_shape.dim)]


def _operations(
    outputs: Iterable[Any], nodes: Mapping[str, Any], bodies: Mapping[str, Any]
) -> set[str]:
    """Names of all operations that the tensors need, with those of the functions called."""
    left = [nodes[info.name.partition(":")[0]] for info in outputs]
    names: set[str] = set()
    operations: set[str] = set()
    while left:
        node = left.pop()
        operations.add(node.op)
        sources = [name.lstrip("^").partition(":")[0] for name in node.input]
        called = [function.name for value in node.attr.values() for function in _called(value)]
        for name in {*sources, *called} - names:
            names.add(name)
            left += bodies[name] if name in bodies else [nodes[name]] if name in nodes else []
    return operations


def _called(value: Any) -> list[Any]:
    """The functions that a node's attribute names."""
    return [value.func] if value.HasField("func") else list(value.list.func)


def _graph(model: onnx.ModelProto) -> dict[str, Any]:
    """Inputs and outputs of an ONNX file, as type and shape, and how often it has each operation."""

    def tensors(values: Iterable[Any]) -> dict[str, list[Any]]:
        return {
            value.name: [
                onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower(),
                *(side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim),
            ]
            for value in values
        }

    counts = Counter(node.op_type for node in model.graph.node)
    return {
        "inputs": tensors(model.graph.input),
        "outputs": tensors(model.graph.output),
        "operations": dict(sorted(counts.items())),
    }


@cache
def helps() -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """(command -> flag -> its default and help, command -> usage line), of all mains."""
    commands = [(main, command) for main, some in MAINS.items() for command in some]
    calls = [
        [main, *filter(None, [command]), option]
        for main, command in commands
        for option in ("--helpfull", "--help")
    ]
    ran = subprocess.run(
        [sys.executable, "-c", RUN_MAINS],
        cwd=ROOT,
        input=json.dumps(calls),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    texts = iter(json.loads(ran.stdout))
    full, usage = {}, {}
    for main, command in commands:
        name = f"{main} {command}".strip()
        entries = _flags(next(texts))
        line = next(texts).partition("\n")[0]
        if command or len(MAINS[main]) == 1:
            full[name] = entries
        usage[name] = re.sub(r"^usage: \S+ ", "", line) if main == NAMELESS else line
    return full, usage


def _flags(text: str) -> dict[str, str]:
    """Flag -> default and help, of the text of --helpfull; the modules' headings are left out."""
    lines = text.partition("\nflags:\n")[2].splitlines()
    body = "\n".join(line for line in lines if line.startswith("  "))
    found = {}
    for entry in re.split(r"^  (?=-)", body, flags=re.MULTILINE)[1:]:
        name, _, rest = entry.partition(":")
        found[name] = " ".join(rest.split())
    return dict(sorted(found.items()))
