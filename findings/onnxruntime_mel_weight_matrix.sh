#!/usr/bin/env bash
# ONNX's MelWeightMatrix ends below its upper edge, so that all of its filters lie too low.
#
# Versions: onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6, Python 3.11.
# Expected: the specification describes tf.signal.linear_to_mel_weight_matrix almost word for word:
#   n triangles between n + 2 points, evenly spaced in mel from lower_edge_hertz to upper_edge_hertz.
# Seen on 2026-11-30: the points are (upper - lower) / (n + 2) apart instead of / (n + 1), so that the
#   last triangle ends one step early (20 bands up to 8000 Hz: at 7047 Hz, with a peak 11 % too low),
#   and a tone at 7.5 kHz reaches no band. Points are rounded down to bins of the DFT, too.
#   onnxruntime and onnx's reference give the same matrix bit for bit, so that comparing the two shows
#   nothing.
# Why it matters: a log-mel spectrogram that is built of ONNX's own operators is not the one that the
#   network was trained with. Store the matrix of the training code as a constant.
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
from onnx.reference import ReferenceEvaluator

BANDS, N_FFT, RATE, LOW, HIGH = 20, 2048, 16000, 0.0, 8000.0
print(f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}")


def mel_step(points):
    """Where triangles begin, peak and end, in Hz, for a range that is cut into so many steps."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (LOW, HIGH))
    mel = low + np.arange(BANDS + 2) * (high - low) / points
    return 700 * (10 ** (mel / 2595) - 1)


values = (("bands", BANDS), ("n_fft", N_FFT), ("rate", RATE), ("low", LOW), ("high", HIGH))
constants = [
    numpy_helper.from_array(np.array(value, np.float32 if "." in str(value) else np.int64), name)
    for name, value in values
]
node = helper.make_node("MelWeightMatrix", [name for name, _ in values], ["weights"])
output = helper.make_tensor_value_info("weights", TensorProto.FLOAT, ["bins", "bands"])
graph = helper.make_graph([node], "mel", [], [output], constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
session = onnxruntime.InferenceSession(model.SerializeToString())
(weights,) = session.run(None, {})
(reference,) = ReferenceEvaluator(model).run(None, {})

hertz = np.arange(N_FFT // 2 + 1) * RATE / N_FFT
end, tone = hertz[np.nonzero(weights[:, -1])[0][-1]], round(7500 * N_FFT / RATE)
print(f"expected: the last of {BANDS} bands peaks at {mel_step(BANDS + 1)[-2]:.0f} Hz and ends at 8000")
print(f"seen: it peaks at {hertz[weights[:, -1].argmax()]:.0f} Hz and ends at {end:.0f}")
print("expected: a tone at 7500 Hz is seen by the last band")
print(f"seen: by {int((weights[tone] > 0).sum())} bands")
peaks, points = weights.argmax(axis=0), np.floor((N_FFT + 1) * mel_step(BANDS + 2) / RATE)
print(f"as with n + 2 steps: {np.array_equal(peaks, points[1:-1])}; "
      f"as onnx's reference: {np.array_equal(weights, reference)}")
still = (
    np.array_equal(peaks, points[1:-1])
    and np.array_equal(weights, reference)
    and end < 7100
    and not weights[tone].any()
)
sys.exit(0 if still else "the behaviour is no longer seen")
EOF
