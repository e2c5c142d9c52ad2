#!/usr/bin/env bash
# PyAV: whether the first decoded sample is the first that was encoded depends on the container, and
# frame.time does not tell.
#
# Versions: av 18.1.0 (FFmpeg in its wheel), numpy 2.4.6, Python 3.11.
# Expected: sound that is encoded from pts 0 comes back with its samples where frame.time puts them,
#   whatever the container.
# Seen on 2026-11-30, for a click at 1 s, by frame.time: MP4 and Matroska are exact. The same AAC or MP3
#   in AVI, MPEG-TS, FLV or ADTS is late by the encoder's delay (1024 or 1105 samples), with a first
#   time of 0. An .mp3 file is late as well, but otherwise: its samples are trimmed and begin with the
#   first that was encoded, yet the first frame's time is 1105 samples (23 ms), so that only those who
#   trust the time are late.
# Why it matters: audio and pictures of a data set drift apart by up to a frame when videos come in
#   several containers, and MP3 decoded by PyAV and placed by time is 23 ms behind the same MP3
#   decoded by libsndfile.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import io
import sys

import av
import numpy as np

RATE = 48000
print(f"av {av.__version__}, libavcodec {av.library_versions['libavcodec']}")
sound = np.zeros(2 * RATE, np.float32)
sound[RATE : RATE + 480] = 0.5 * np.hanning(480) * np.sin(2 * np.pi * np.arange(480) / 24)


def encoded(container, codec):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream(codec, rate=RATE, layout="mono")
        size = stream.codec_context.frame_size
        resampler = av.AudioResampler(stream.codec_context.format, "mono", RATE, size)
        frame = av.AudioFrame.from_ndarray(sound[None], "fltp", "mono")
        frame.sample_rate, frame.pts = RATE, 0
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    buffer.seek(0)
    return buffer


def place(file):
    """Samples by which the click comes late in what is decoded, and the first frame's time."""
    with av.open(file) as container:
        frames = list(container.decode(audio=0))
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    length = 2 ** int(np.ceil(np.log2(len(samples) + len(sound))))
    spectra = np.fft.rfft(samples, length) * np.conj(np.fft.rfft(sound, length))
    late = int(np.argmax(np.fft.irfft(spectra, length)))
    return late, round(float(frames[0].time) * RATE)


print("expected: 0 samples late by frame.time, in every container")
seen = {}
for container, codec in (
    ("mp4", "aac"), ("matroska", "aac"), ("avi", "aac"), ("mpegts", "aac"), ("flv", "aac"),
    ("adts", "aac"), ("matroska", "libmp3lame"), ("avi", "libmp3lame"), ("mp3", "libmp3lame"),
):
    late, first = seen[container, codec] = place(encoded(container, codec))
    print(
        f"seen: {codec} in {container}: {late} samples late among the decoded, first frame at "
        f"{first}: late by {late + first}"
    )
still = (
    all(seen[key] == (0, 0) for key in (("mp4", "aac"), ("matroska", "aac")))
    and all(seen[key, "aac"] == (1024, 0) for key in ("avi", "mpegts", "flv", "adts"))
    and seen["matroska", "libmp3lame"] == (0, 0)
    and seen["avi", "libmp3lame"] == (1105, 0)
    and seen["mp3", "libmp3lame"] == (0, 1105)
)
sys.exit(0 if still else "the behaviour is no longer seen")
EOF
