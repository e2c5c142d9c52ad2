"""Writes one recording as an MP4 (H.264 and Opus) that stays below a size."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from cmgen.utils.files import write_bytes

SOUND_BIT_RATE = 32_000
# x264's constant rate factors, tried in this order until the clip is small enough.
RATE_FACTORS = (24, 27, 30, 33, 36, 40)


def write_clip(
    path: Path, frames: Sequence[np.ndarray], fps: int, sound: np.ndarray, rate: int, limit: int
) -> int:
    """Writes `path` whole or not at all, at the first of RATE_FACTORS within `limit` bytes.

    frames: uint8 [height, width, 3] of one even size. sound: float32 [n] in -1..1 at `rate`.
    Returns the rate factor that was used. The same input gives the same bytes.
    """
    for factor in RATE_FACTORS:
        data = encode(frames, fps, sound, rate, factor)
        if len(data) <= limit:
            write_bytes(path, data)
            return factor
    raise ValueError(f"{path}: {len(data)} bytes at the worst quality, limit {limit}: raise it")


def encode(
    frames: Sequence[np.ndarray], fps: int, sound: np.ndarray, rate: int, quality: int
) -> bytes:
    """The bytes of the MP4 at one rate factor."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=fps)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.options = {
            "crf": str(quality),
            "preset": "medium",
            "tune": "animation",
            # Threads, and x264's AVX-512 code at this size, give other bytes from run to run.
            "x264-params": "threads=1:asm=avx2",
        }
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
