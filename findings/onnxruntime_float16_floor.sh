#!/usr/bin/env bash
# onnxruntime's float16 converter raises small constants, so that a logarithm's floor moves from -100
# to -72 dB, or stays, depending on how the floor is written.
#
# Versions: onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6, Python 3.11.
# Expected: 1e-10 is below what float16 holds (6e-8), so it becomes 0 and log(0 + 1e-10) becomes
#   -inf: easily noticed.
# Seen on 2026-11-30: convert_float_to_float16 rounds nothing to 0. Every constant other than 0 below 6e-8
#   becomes 6e-8 with its sign: in 10 * log10(x + 1e-10) silence is -72 dB instead of -100. In
#   10 * log10(max(x, 1e-10)) it stays -100 dB, because Max and Min are on the converter's list of
#   operators that are left in float32.
# Why it matters: nothing fails and loud sounds agree. A network that was trained with a floor of
#   -100 dB is fed with another value for silence. Keep spectrograms out of the conversion
#   (node_block_list), or write the floor as a maximum.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16

print(f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}")
POWERS = np.array([0.0, 1e-4, 1.0], np.float32)


def decibels(floor):
    """A graph of 10 * log10(floor(power, 1e-10)), floor being an operator's name."""
    constants = [
        numpy_helper.from_array(np.array(1e-10, np.float32), "amin"),
        numpy_helper.from_array(np.array(10 / np.log(10), np.float32), "scale"),
    ]
    nodes = [
        helper.make_node(floor, ["power", "amin"], ["floored"]),
        helper.make_node("Log", ["floored"], ["log"]),
        helper.make_node("Mul", ["log", "scale"], ["db"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ("power", "db")]
    graph = helper.make_graph(nodes, "db", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"power": POWERS})[0]


print(f"powers: {POWERS.tolist()}; expected: -100, -40 and 0 dB, or -inf for the first")
seen = {}
for floor in ("Add", "Max"):
    model = decibels(floor)
    seen[floor] = run(convert_float_to_float16(model, keep_io_types=True))
    print(f"seen, {floor}: float32 {run(model).round(1)}, float16 {seen[floor].round(1)}")
still = (
    abs(seen["Add"][0] + 72.2) < 0.3
    and abs(seen["Max"][0] + 100) < 0.3
    and all(np.abs(db[1:] - (-40, 0)).max() < 0.3 for db in seen.values())
)
sys.exit(0 if still else "the behaviour is no longer seen")
EOF
