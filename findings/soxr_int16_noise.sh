#!/usr/bin/env bash
# soxr: resampling int16 adds noise, so that digital silence comes out as noise.
#
# Versions: soxr 1.1.0 (libsoxr 0.1.3), numpy 2.4.6, Python 3.11.
# Expected: int16 is computed like float and rounded. Zeros stay zeros, equal rates change nothing,
#   and feeding a ResampleStream in chunks gives the samples of one call.
# Seen on 2026-11-30: int16 output is dithered, always. A quarter of the samples of silence are +1 or
#   -1, equal rates alter the samples, and chunks differ from one call by up to 2. float32
#   and int32 behave as expected. Nothing in the Python interface turns dither off.
# Why it matters: resampled digital silence is no longer detected by `x == 0`, compresses badly, and
#   has a noise floor of its own in a log spectrogram; caches keyed by content miss. Resample in
#   float32 and round afterwards.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q soxr==1.1.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import sys

import numpy as np
import soxr

print(f"soxr {soxr.__version__}, numpy {np.__version__}")
silence = np.zeros(48000, np.int16)
tone = np.round(1000 * np.sin(np.arange(48000) / 30)).astype(np.int16)


def in_chunks(samples):
    stream = soxr.ResampleStream(48000, 44100, 1, dtype=samples.dtype.name)
    ends = range(1000, len(samples) + 1, 1000)
    return np.concatenate(
        [stream.resample_chunk(samples[end - 1000 : end], last=end == len(samples)) for end in ends]
    )


def difference(a, b):
    return float(np.abs(a.astype(np.float64) - b).max())


print("expected: 0 everywhere")
seen = {}
for dtype in (np.int16, np.int32, np.float32):
    wave = tone.astype(dtype)
    seen[dtype] = (
        float((soxr.resample(silence.astype(dtype), 48000, 16000) != 0).mean()),
        difference(soxr.resample(wave, 48000, 48000), wave),
        difference(in_chunks(wave), soxr.resample(wave, 48000, 44100)),
    )
    print(
        f"seen: {np.dtype(dtype).name}: share of silence that is not 0: {seen[dtype][0]:.3f}; "
        f"equal rates differ by {seen[dtype][1]:g}; chunks differ by {seen[dtype][2]:g}"
    )
still = (
    0.1 < seen[np.int16][0] < 0.5
    and min(seen[np.int16][1:]) >= 1
    and max(seen[np.int32]) == max(seen[np.float32]) == 0
)
sys.exit(0 if still else "the behaviour is no longer seen")
EOF
