#!/usr/bin/env bash
# tf2onnx: a spectrogram that converts well at opset 13 becomes an invalid file at 15 and above, and
# convert returns as if nothing had happened.
#
# Versions: tf2onnx 1.17.0, tensorflow 2.21.0, onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6, Python 3.11;
#   about 2 GB installed.
# Expected: newer opsets convert at least what older ones do. What can't be converted raises an error.
# Seen on 2026-11-30: tf.abs(tf.signal.stft(x)) with a batch of any size converts at opset 13, and
#   agrees with TensorFlow. At 15, 17 and 18 an error is logged, from_function returns a model in which
#   TensorFlow's own ComplexAbs is left, and onnxruntime refuses it. With a fixed batch size all of
#   them work.
# Why it matters: an export that isn't opened and compared after it is made ships a broken file.
#   Stay at opset 13, fix the batch, or write the transform as a matrix product.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tf2onnx==1.17.0 tensorflow==2.21.0 onnx==1.23.2 \
  onnxruntime==1.32.0 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'EOF'
import logging
import sys
from importlib.metadata import version

import numpy as np
import onnxruntime
import tensorflow as tf
import tf2onnx

logging.disable(logging.CRITICAL)  # the error that is logged is 20 lines long
for name in ("tf2onnx", "tensorflow", "onnx", "onnxruntime"):
    print(name, version(name))
SOUND = np.random.default_rng(0).standard_normal((2, 4000)).astype(np.float32)


def spectrogram(x):
    return tf.abs(tf.signal.stft(x, frame_length=512, frame_step=256, fft_length=512))


def outcome(opset, batch):
    spec = [tf.TensorSpec([batch, 4000], tf.float32, name="x")]
    function = tf.function(spectrogram)  # a new one, for a trace of other shapes would be taken
    model, _ = tf2onnx.convert.from_function(function, spec, opset=opset)
    left = sorted({node.op_type for node in model.graph.node} & {"ComplexAbs", "RFFT"})
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        return f"converted with {left} left in it, refused: {type(error).__name__}"
    (found,) = session.run(None, {"x": SOUND})
    error = np.abs(found - spectrogram(SOUND).numpy()).max()
    return "runs" if error < 1e-3 else f"differs by {error}"


print("expected: runs, or an error while it is converted")
seen = {}
for batch in (None, 2):
    for opset in (13, 15, 17, 18):
        seen[batch, opset] = outcome(opset, batch)
        print(f"seen: batch {batch or 'of any size'}, opset {opset}: {seen[batch, opset]}")
still = all(
    ("refused: InvalidGraph" in said) if batch is None and opset > 13 else said == "runs"
    for (batch, opset), said in seen.items()
)
sys.exit(0 if still else "the behaviour is no longer seen")
EOF
