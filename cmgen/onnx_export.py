"""The exported function as one ONNX graph, compared with TensorFlow before anything is written."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx

from cmgen.errors import FAILED_WORK, UserError

# 17 is the newest opset that goes into an IR 8 file, which runtimes since 2022 can read.
OPSET = 17
IR_VERSION = 8
TOLERANCE = 1e-4


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


def parity(serialized: bytes, function: Any, inputs: Mapping[str, np.ndarray]) -> float:
    """Largest absolute difference between onnxruntime and TensorFlow over all outputs.

    Run on the whole batch and on its first item alone, since a batch size frozen into the graph
    shows only then.

    Args:
      serialized: an ONNX file's content.
      function: the tf.function it was made from.
      inputs: input name -> float32 [batch, ...] with at least 2 items.
    """
    session = onnxruntime.InferenceSession(serialized, providers=["CPUExecutionProvider"])
    worst = 0.0
    for size in (None, 1):
        part = {name: value[:size] for name, value in inputs.items()}
        expected = {name: value.numpy() for name, value in function(**part).items()}
        found = dict(zip(expected, session.run(list(expected), part), strict=True))
        for name, value in expected.items():
            if found[name].shape != value.shape:
                raise UserError(
                    f"ONNX output {name} has shape {found[name].shape}, TensorFlow's has "
                    f"{value.shape}",
                    FAILED_WORK,
                )
            worst = max(worst, float(np.abs(found[name] - value).max()))
    return worst


def check_parity(serialized: bytes, function: Any, inputs: Mapping[str, np.ndarray]) -> float:
    """`parity`, refused above TOLERANCE (or when it isn't a number)."""
    difference = parity(serialized, function, inputs)
    if not difference <= TOLERANCE:
        raise UserError(
            f"onnxruntime differs from TensorFlow by {difference:.2g}, more than {TOLERANCE:g}; "
            "nothing was written; use the tested versions of onnx, tf2onnx and onnxruntime",
            FAILED_WORK,
        )
    return difference
