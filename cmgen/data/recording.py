"""A recording on its way from source to shard. No TensorFlow: worker processes import this."""

import dataclasses
import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import soundfile
from numpy.typing import ArrayLike

from cmgen.config import FPS, IMAGE_SIZE, SAMPLE_RATE, WINDOW_SECONDS
from cmgen.media import images
from cmgen.media.limits import LIMITS, MediaLimits

ALIGNMENTS = ("middle", "start", "end")


@dataclass(frozen=True)
class ReadOptions:
    """How recordings are read.

    Attributes:
      image_size: side of the stored pictures, in pixels.
      max_fps: pictures kept per second of video, at most.
      alignment: instant within its half second of sound that a picture of a video shows.
      limits: the most that one file may hold.
    """

    image_size: int = IMAGE_SIZE
    max_fps: float = FPS
    alignment: str = "middle"
    limits: MediaLimits = LIMITS

    @property
    def middle_offset(self) -> float:
        """Seconds from the instant of a picture to the middle of its window of sound."""
        return {"middle": 0.0, "start": WINDOW_SECONDS / 2, "end": -WINDOW_SECONDS / 2}[
            self.alignment
        ]


@dataclass(frozen=True)
class Recording:
    """A recording as stored; its sound or its pictures may be missing.

    Attributes:
      id: unique within the data.
      group: the recording or song that splits and bootstraps keep together; the pieces of a song
        share it.
      class_name: name of the instrument or other class.
      frames: JPEG files, square.
      times: float64 [frames], increasing: middle of each picture's window of sound, in seconds since
        the first sample.
      sound: FLAC file, 16 bit, mono, 44.1 kHz; empty if there is no sound.
      samples: length of the sound.
      sound_mark, frames_mark: digests of the decoded sound and pictures, which identify them
        anywhere; empty for a constant value, a single colour or nothing.
    """

    id: str
    group: str
    class_name: str
    frames: list[bytes] = field(default_factory=list)
    times: np.ndarray = field(default_factory=lambda: np.zeros(0))
    sound: bytes = b""
    samples: int = 0
    sound_mark: bytes = b""
    frames_mark: bytes = b""

    def with_sound(self, samples: np.ndarray) -> "Recording":
        """Returns the recording with this sound, int16 [n] at 44.1 kHz."""
        mark = _Mark()
        mark.add(samples)
        return dataclasses.replace(
            self, sound=encode_flac(samples), samples=len(samples), sound_mark=mark.digest()
        )

    def with_frames(self, frames: Iterable[np.ndarray], times: np.ndarray) -> "Recording":
        """Returns the recording with these pictures, uint8 [size, size, 3], at float64 [frames]."""
        mark, coded = _Mark(), []
        for frame in frames:
            mark.add(frame)
            coded.append(images.encode_jpeg(frame))
        return dataclasses.replace(self, frames=coded, times=times, frames_mark=mark.digest())


def encode_flac(samples: np.ndarray) -> bytes:
    """int16 [n] at 44.1 kHz -> a FLAC file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def to_int16(waveform: ArrayLike) -> np.ndarray:
    """float [-1, 1] of any shape -> int16 samples, rounded and clipped."""
    scaled = np.rint(np.asarray(waveform, np.float32) * 32768.0)
    return np.clip(scaled, -32768, 32767).astype(np.int16)


class _Mark:
    """Digest of 16 bytes; empty if all samples, or all pixels, are alike."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self._first: np.ndarray | None = None
        self._varied = False

    def add(self, part: np.ndarray) -> None:
        """Adds samples [n], or a picture [height, width, 3]."""
        if part.size:
            self._digest.update(np.ascontiguousarray(part).data)
            if self._first is None:
                self._first = part.reshape(-1, *part.shape[2:])[0]
            self._varied = self._varied or bool((part != self._first).any())

    def digest(self) -> bytes:
        return self._digest.digest() if self._varied else b""
