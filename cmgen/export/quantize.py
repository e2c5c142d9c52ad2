"""Smaller forms of an ONNX graph, float16 and int8, and what they cost in accuracy and time."""

import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from cmgen.export import onnx as onnx_export

# The spectrogram's powers go down to 1e-10, which float16 can't hold and 8 bits can't resolve.
_FIRST_KEPT_APART = "Conv"
_INT8_OPERATIONS = ["Conv", "Gemm", "MatMul"]
_TIMED_CALLS = 50
_BATCH = 65


def to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights and arithmetic of the networks in float16; inputs, outputs and the LMS in float32."""
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers import float16

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # weights below float16's smallest number become 0
        converted = float16.convert_float_to_float16(
            copy, keep_io_types=True, node_block_list=before_networks(model)
        )
    _drop_round_trips(converted)
    ONNXModel(converted).topological_sort()  # the converter appends its casts
    onnx.checker.check_model(converted)
    return converted


def to_int8(model: onnx.ModelProto, inputs: onnx_export.Inputs) -> onnx.ModelProto:
    """The networks' convolutions and matrix products in 8 bits, calibrated on `inputs`.

    Transposed convolutions stay as they are: onnxruntime multiplies them in float32 only.

    Args:
      model: in float32, with named nodes.
      inputs: input name -> float32 [n, ...], of training data.
    """
    from onnxruntime import quantization

    count = len(next(iter(inputs.values())))
    feeds = iter([{name: v[i : i + 1] for name, v in inputs.items()} for i in range(count)])

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> Any:
            return next(feeds, None)

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(model, before)
        level = logging.root.level
        logging.root.setLevel(logging.ERROR)  # it advises on graph preparation by warnings
        try:
            quantization.quantize_static(
                before,
                after,
                Reader(),
                per_channel=True,
                # Weights of 7 bits: processors without VNNI add up pairs of products in 16 bits.
                reduce_range=True,
                op_types_to_quantize=_INT8_OPERATIONS,
                nodes_to_exclude=before_networks(model),
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        finally:
            logging.root.setLevel(level)
        quantized = onnx.load(after)
    quantized.ir_version = model.ir_version
    return quantized


def before_networks(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that lie before the first convolution: the LMS."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    first = next(node for node in model.graph.node if node.op_type == _FIRST_KEPT_APART)
    names: set[str] = set()
    waiting = [first.input[0]]
    while waiting:
        node = made_by.get(waiting.pop())
        if node is not None and node.name not in names:
            names.add(node.name)
            waiting += node.input
    return sorted(names)


def _drop_round_trips(model: onnx.ModelProto) -> None:
    """Takes out the casts to float16 and back that the converter puts between float32 nodes."""
    nodes = model.graph.node
    casts = {n.output[0]: n for n in nodes if n.op_type == "Cast"}
    kinds = {name: node.attribute[0].i for name, node in casts.items()}
    small, large = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    same = {
        name: casts[node.input[0]].input[0]
        for name, node in casts.items()
        if kinds[name] == large and kinds.get(node.input[0]) == small
    }
    for node in nodes:
        for index, name in enumerate(node.input):
            node.input[index] = same.get(name, name)
    for kind in (large, small):  # the ways back first, then those to where nothing is wanted
        used = {name for node in nodes for name in node.input}
        used |= {output.name for output in model.graph.output}
        for name in [n for n, to in kinds.items() if to == kind and n not in used]:
            nodes.remove(casts[name])


def measure(
    forms: dict[str, bytes],
    inputs: onnx_export.Inputs,
    accuracy: Callable[[np.ndarray], float] | None,
) -> dict[str, dict[str, float]]:
    """Measures the forms of one graph.

    Args:
      forms: name -> serialized graph of one output; "float32" is what the others are compared with.
      inputs: input name -> float32 [n, ...].
      accuracy: of the outputs [n, ...]; None leaves it out.

    Returns:
      name -> bytes, accuracy, mean and largest difference from float32, and the median time of a
      single item on one thread in ms.
    """
    measured: dict[str, dict[str, float]] = {}
    expected: np.ndarray | None = None
    for name, serialized in forms.items():
        outputs = _run(serialized, inputs)
        expected = outputs if expected is None else expected
        measured[name] = {
            "bytes": len(serialized),
            "largest_difference": onnx_export.difference(outputs, expected),
            "mean_difference": float(np.abs(outputs - expected).mean()),
        }
        if accuracy is not None:
            measured[name]["verifier_accuracy"] = accuracy(outputs)
    for name, median in _median_times(forms, inputs).items():
        measured[name]["p50_ms"] = median
    return measured


def _median_times(forms: dict[str, bytes], inputs: onnx_export.Inputs) -> dict[str, float]:
    """Name -> median of calls with a single item on one thread, in ms.

    The forms take turns, so that other work on the machine disturbs all of them.
    """
    sessions = {name: onnx_export.session(data, threads=1) for name, data in forms.items()}
    one = {name: value[:1] for name, value in inputs.items()}
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(_TIMED_CALLS):
        for name, running in sessions.items():
            start = time.perf_counter()
            running.run(None, one)
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(some)) for name, some in times.items()}


def _run(serialized: bytes, inputs: onnx_export.Inputs) -> np.ndarray:
    running = onnx_export.session(serialized)
    count = len(next(iter(inputs.values())))
    parts: Sequence[np.ndarray] = [
        running.run(None, {name: v[i : i + _BATCH] for name, v in inputs.items()})[0]
        for i in range(0, count, _BATCH)
    ]
    return np.concatenate(parts)
