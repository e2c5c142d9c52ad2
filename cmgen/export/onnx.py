"""Functions as ONNX graphs, compared with TensorFlow before anything is written."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx

from cmgen.utils.errors import FAILED_WORK, UserError

# 17 is the newest opset that goes into an IR 8 file, which runtimes since 2022 can read.
OPSET = 17
IR_VERSION = 8
TOLERANCE = 1e-4

Inputs = Mapping[str, np.ndarray]


def convert(
    function: tf.types.experimental.GenericFunction, name: str, metadata: Mapping[str, str]
) -> onnx.ModelProto:
    """The ONNX form of a tf.function, with its own names and a symbolic `batch`.

    Args:
      function: with an input_signature of named specs [None, ...], returning a dict.
      name: of the graph.
      metadata: becomes metadata_props, read with `get_modelmeta().custom_metadata_map`.
    """
    model, _ = tf2onnx.convert.from_function(
        function, input_signature=function.input_signature, opset=OPSET
    )
    # tf2onnx calls every unknown dimension unk__N; ours are all the batch.
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param:
                dimension.dim_param = "batch"
    model.graph.name = name
    model.ir_version = IR_VERSION
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    return model


def session(serialized: bytes, threads: int = 0) -> onnxruntime.InferenceSession:
    """A session on the processor; `threads` of 0 takes all cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(serialized, options, providers=["CPUExecutionProvider"])


def parity(serialized: bytes, function: Any, inputs: Inputs) -> dict[str, float]:
    """Output -> largest absolute difference between onnxruntime and TensorFlow.

    Run on the whole batch and on its first item alone, since a batch size frozen into the graph
    shows only then.

    Args:
      serialized: an ONNX file's content.
      function: the tf.function that it stands for.
      inputs: input name -> float32 [batch, ...] with at least 2 items, in the function's order.
    """
    running = session(serialized)
    worst: dict[str, float] = {}
    for size in (None, 1):
        part = {name: value[:size] for name, value in inputs.items()}
        expected = {name: value.numpy() for name, value in function(*part.values()).items()}
        outputs = dict(zip(expected, running.run(list(expected), part), strict=True))
        for name, value in expected.items():
            if outputs[name].shape != value.shape:
                raise UserError(
                    f"ONNX output {name} has shape {outputs[name].shape}, TensorFlow's has "
                    f"{value.shape}",
                    FAILED_WORK,
                )
            worst[name] = max(worst.get(name, 0.0), difference(outputs[name], value))
    return worst


def check_parity(serialized: bytes, function: Any, inputs: Inputs) -> dict[str, float]:
    """`parity`, refused above TOLERANCE (or when it isn't a number)."""
    differences = parity(serialized, function, inputs)
    for name, value in differences.items():
        if not value <= TOLERANCE:
            raise UserError(
                f"onnxruntime's {name} differs from TensorFlow's by {value:.2g}, more than "
                f"{TOLERANCE:g}; nothing was written; use the tested versions of onnx, tf2onnx and "
                "onnxruntime",
                FAILED_WORK,
            )
    return differences


def difference(actual: np.ndarray, expected: np.ndarray) -> float:
    """Largest absolute difference of two arrays of one shape."""
    return float(np.abs(actual - expected).max())
