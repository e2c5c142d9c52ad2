#!/usr/bin/env bash
# tensorflow-io: audio.resample delays sound by 32 samples of the lower rate, and loses as much at the
# end.
#
# Versions: tensorflow-io 0.37.1 with tensorflow 2.16.2 (the last that it loads on), numpy 1.26.4,
#   Python 3.11; about 2 GB installed.
# Expected: as with other resamplers, what was at a time is at that time afterwards: a click at 1.0 s
#   stays there, and sound begins at sample 0.
# Seen on 2026-11-30: the output has as many samples as expected, but its first 32 (at the lower of the
#   two rates) are zeros, everything comes later by as much (4 ms at 8 kHz), and the last 32 are gone.
#   The filter itself is good: its delay is the only error.
# Why it matters: pictures and sound of one instant no longer belong together, the delay depends on
#   the rate that a file had, and results differ from librosa's and soxr's at every sample. Pad 32
#   samples of the lower rate at the end, and cut what comes out of the first ones.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tensorflow-io==0.37.1 tensorflow==2.16.2 numpy==1.26.4
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'EOF'
import sys
from importlib.metadata import version

import numpy as np
import tensorflow_io as tfio

print(f"tensorflow-io {version('tensorflow-io')}, tensorflow {version('tensorflow')}")


def resampled(samples, rate, new_rate):
    return tfio.audio.resample(samples.astype(np.float32)[:, None], rate, new_rate).numpy()[:, 0]


print("expected: a click at 1 s stays at 1 s; a constant 0.5 is 0.5 from the first sample on")
still = True
for rate, new_rate in ((48000, 16000), (44100, 48000), (8000, 44100), (48000, 44100)):
    click = np.zeros(2 * rate)
    click[rate] = 1.0
    late = int(np.abs(resampled(click, rate, new_rate)).argmax()) - new_rate
    constant = resampled(np.full(2 * rate, 0.5), rate, new_rate)
    quiet = int((np.abs(constant) > 0.25).argmax())
    delay = 32 * new_rate / min(rate, new_rate)
    print(
        f"seen: {rate} to {new_rate} Hz: {len(constant)} samples, click {late} samples late "
        f"({1000 * late / new_rate:.2f} ms), the first {quiet} of the constant are silent"
    )
    still = still and len(constant) == 2 * new_rate and abs(late - delay) < 1.5
    still = still and abs(quiet - delay) < 3

sine = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(96000) / 48000)
found, wanted = resampled(sine, 48000, 16000), sine[::3]
error = np.abs(found[64:] - wanted[32:-32]).max()
print(f"a sine, moved back by 32 samples, is right within {error:.1e}")
sys.exit(0 if still and error < 1e-4 else "the behaviour is no longer seen")
EOF
