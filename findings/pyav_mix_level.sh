#!/usr/bin/env bash
# PyAV: how loud AudioResampler mixes channels depends on the sample format.
#
# Versions: av 18.1.0 (FFmpeg in its wheel), numpy 2.4.6, Python 3.11.
# Expected: layout="mono" gives the same sound whether samples are float or int16; two equal channels
#   give that channel.
# Seen on 2026-11-30: integers are mixed with weights scaled to a sum of 1, floats are not. Two equal
#   channels at 0.5 become 0.5 as s16p and 0.707 as fltp (3 dB up, beyond full scale for loud music).
#   5.1 to mono differs by 10.7 dB between the formats. And mono to stereo lowers the level by 3 dB in
#   either, so that mono -> stereo -> mono is exact in float and 3 dB too quiet in int16.
# Why it matters: FFmpeg's decoders give float for AAC, MP3 and Opus, and integers for PCM and FLAC. A data
#   set of several codecs that is brought to mono by AudioResampler(layout="mono") has levels that tell
#   the codec. Take the mean of the channels in numpy.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import sys

import av
import numpy as np

print(f"av {av.__version__}, libswresample {av.library_versions['libswresample']}")
SCALE = {"fltp": 1.0, "s16p": 32768.0}


def mixed(level, channels, before, after, form):
    """`level` in so many channels -> what the first channel of the new layout has."""
    samples = np.full((channels, 4800), level * SCALE[form])
    dtype = np.float32 if form == "fltp" else np.int16
    frame = av.AudioFrame.from_ndarray(samples.astype(dtype), form, before)
    frame.sample_rate = 48000
    resampler = av.AudioResampler(form, after, 48000)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    return float(parts[0].to_ndarray()[0, 2000] / SCALE[form])


print("expected: 0.5 for mono and stereo, and the same for both formats")
cases = {
    "stereo to mono": (0.5, 2, "stereo", "mono"),
    "mono to stereo": (0.5, 1, "mono", "stereo"),
    "5.1 to mono": (0.25, 6, "5.1", "mono"),
}
seen = {}
for name, case in cases.items():
    for form in SCALE:
        seen[name, form] = mixed(*case, form)
    print(f"seen: {name}: float {seen[name, 'fltp']:.4f}, int16 {seen[name, 's16p']:.4f}")
wanted = {
    ("stereo to mono", "fltp"): 0.7071, ("stereo to mono", "s16p"): 0.5,
    ("mono to stereo", "fltp"): 0.3536, ("mono to stereo", "s16p"): 0.3536,
    ("5.1 to mono", "fltp"): 0.25 * (2 * 0.7071 + 1 + 2 * 0.5), ("5.1 to mono", "s16p"): 0.25,
}
print("seen before:", {" as ".join(key): round(value, 4) for key, value in wanted.items()})
still = all(abs(seen[key] - value) < 2e-3 for key, value in wanted.items())
sys.exit(0 if still else "the behaviour is no longer seen")
EOF
