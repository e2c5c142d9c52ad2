"""Exported models by hand, of a few nodes: what cmgen.export would leave, in milliseconds."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cmgen.config import SoundConfig

CLASSES = ("bell", "drum", "flute")
SIZE = 32
SOUND = SoundConfig()
_ENCODING, _NOISE = 128, 10


def write_export(
    folder: Path, task: str = "s2i", seed: int = 0, version: int = 1, **facts: Any
) -> Path:
    """Writes encoder, generator and facts of a model named like its folder; returns `folder`."""
    values = make_facts(folder.name, task, **facts)
    assets = folder / str(version) / "assets.extra"
    assets.mkdir(parents=True)
    (assets / "cmgen.json").write_text(json.dumps(values), encoding="utf-8")
    (folder / str(version) / "saved_model.pb").write_bytes(b"")
    draw = np.random.default_rng(seed)
    parts = {"encoder": _encoder(task, draw), "generator": _generator(task, draw)}
    for part, model in parts.items():
        props = {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
        helper.set_model_props(model, props)
        onnx.checker.check_model(model, full_check=True)
        (folder / f"{values['name']}_{part}.onnx").write_bytes(model.SerializeToString())
    return folder


def make_facts(name: str, task: str, **others: Any) -> dict[str, Any]:
    """The facts of an export, of which `others` take the place of some."""
    return {
        "format": 2,
        "name": name,
        "task": task,
        "pose": False,
        "condition": "sound",
        "classes": list(CLASSES),
        "sample_rate": SOUND.sample_rate,
        "window_samples": SOUND.window_samples,
        "noise_size": _NOISE,
        "image_size": SIZE,
        "sound": dataclasses.asdict(SOUND),
        "step": 7,
        "seed": 1,
        "data": "demo",
        "scores": {},
        "versions": {},
        "created": "2026-11-23T00:00:00+00:00",
    } | others


def _encoder(task: str, draw: np.random.Generator) -> onnx.ModelProto:
    """encoding = tanh(given @ weights), probabilities = softmax(encoding @ weights)."""
    given = "waveform" if task == "s2i" else "image"
    shape = [SOUND.window_samples] if task == "s2i" else [SIZE, SIZE, 3]
    # Of the sound only its middle, for the weights' size.
    width = 1000 if task == "s2i" else SIZE * SIZE * 3
    weights = draw.standard_normal((width, _ENCODING)) / (2 if task == "s2i" else 30)
    nodes = (
        [helper.make_node("Slice", [given, "first", "last", "axis"], ["flat"])]
        if task == "s2i"
        else [helper.make_node("Flatten", [given], ["flat"], axis=1)]
    )
    nodes += [
        helper.make_node("MatMul", ["flat", "weights"], ["mixed"]),
        helper.make_node("Tanh", ["mixed"], ["encoding"]),
        helper.make_node("MatMul", ["encoding", "classify"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = {
        "weights": weights.astype(np.float32),
        "classify": draw.standard_normal((_ENCODING, len(CLASSES))).astype(np.float32),
    }
    if task == "s2i":
        for name, value in {"first": 10000, "last": 11000, "axis": 1}.items():
            constants[name] = np.array([value], np.int64)
    outputs = {"encoding": [_ENCODING], "probabilities": [len(CLASSES)]}
    return _model(nodes, {given: shape}, outputs, constants)


def _generator(task: str, draw: np.random.Generator) -> onnx.ModelProto:
    """tanh([encoding, noise] @ weights)."""
    output, shape = ("image", [SIZE, SIZE, 3]) if task == "s2i" else ("lms", [128, SOUND.frames])
    weights = draw.standard_normal((_ENCODING + _NOISE, int(np.prod(shape)))) / 12
    nodes = [
        helper.make_node("Concat", ["encoding", "noise"], ["joined"], axis=1),
        helper.make_node("MatMul", ["joined", "weights"], ["mixed"]),
        helper.make_node("Tanh", ["mixed"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], [output]),
    ]
    constants = {"weights": weights.astype(np.float32), "shape": np.array([-1, *shape], np.int64)}
    inputs = {"encoding": [_ENCODING], "noise": [_NOISE]}
    return _model(nodes, inputs, {output: shape}, constants)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, list[int]],
    outputs: dict[str, list[int]],
    constants: dict[str, np.ndarray],
) -> onnx.ModelProto:
    def described(values: dict[str, list[int]]) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
            for name, shape in values.items()
        ]

    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", described(inputs), described(outputs), initializers)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
