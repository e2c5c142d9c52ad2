"""Writes one recording as an MP4 (H.264 and Opus) that stays below a size."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from cmgen.files import write_bytes

SOUND_BIT_RATE = 32_000
# x264's constant rate factor.
BEST_QUALITY, WORST_QUALITY = 18, 38


def write_clip(
    path: Path, frames: Sequence[np.ndarray], fps: int, sound: np.ndarray, rate: int, limit: int
) -> int:
    """Writes `path` whole or not at all, at the best picture quality within `limit` bytes.

    frames: uint8 [height, width, 3] of one even size. sound: float32 [n] in -1..1 at `rate`.
    Returns the rate factor that was used. The same input gives the same bytes.
    """
    # The smallest factor (best quality) that fits, by bisection: sizes fall as the factor grows.
    best, worst = BEST_QUALITY, WORST_QUALITY
    while best < worst:
        middle = (best + worst) // 2
        if len(encode(frames, fps, sound, rate, middle)) <= limit:
            worst = middle
        else:
            best = middle + 1
    data = encode(frames, fps, sound, rate, best)
    if len(data) > limit:
        raise ValueError(f"{path}: {len(data)} bytes at the worst quality, limit {limit}: raise it")
    write_bytes(path, data)
    return best


def encode(
    frames: Sequence[np.ndarray], fps: int, sound: np.ndarray, rate: int, quality: int
) -> bytes:
    """The bytes of the MP4 at one rate factor."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=fps)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        # More than one thread would make the bytes depend on the machine.
        video.codec_context.thread_count = 1
        video.options = {"crf": str(quality), "preset": "slower", "tune": "animation"}
        audio = container.add_stream("libopus", rate=rate, layout="mono")
        audio.bit_rate = SOUND_BIT_RATE
        audio.options = {"vbr": "on", "application": "audio", "frame_duration": "60"}
        for number, pixels in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            picture.pts = number
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        samples = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(sound[None], np.float32), format="flt", layout="mono"
        )
        samples.sample_rate, samples.pts, samples.time_base = rate, 0, Fraction(1, rate)
        container.mux(audio.encode(samples))
        container.mux(audio.encode(None))
    return buffer.getvalue()
