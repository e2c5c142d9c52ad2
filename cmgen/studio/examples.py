"""The demo corpus's test recordings to try at once: one sound and one picture of each instrument."""

import threading
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmgen.config import SAMPLE_RATE, WINDOW_SECONDS
from cmgen.media import images, video
from cmgen.media.sound import decode_sound_file


@dataclass(frozen=True)
class RealPicture:
    """A picture of a recording, uint8 [H, W, 3], at `time` seconds of its sound, float32 [n]."""

    pixels: NDArray[np.uint8]
    sound: NDArray[np.float32]
    time: float


class Examples:
    """Fixed recordings by number, so that no request can name a file.

    Args:
      folder: has a folder of videos for each instrument; the demo's test split if None.
    """

    def __init__(self, folder: Path | None = None):
        folder = folder or Path(str(resources.files("cmgen"))) / "demo" / "test"
        by_class = {path.name: sorted(path.glob("*.mp4")) for path in sorted(folder.iterdir())}
        classes = {name: paths for name, paths in by_class.items() if paths}
        self.titles = tuple(name.replace("_", " ") for name in classes)
        # A sound's own picture would be no test of the other direction.
        self._sounds = tuple(paths[0] for paths in classes.values())
        self._pictures = tuple(paths[-1] for paths in classes.values())
        self._small: dict[int, bytes] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.titles)

    def sound(self, number: int) -> NDArray[np.float32]:
        """Float32 [n], 44.1 kHz."""
        return decode_sound_file(self._sounds[number], SAMPLE_RATE)

    def picture(self, number: int) -> RealPicture:
        """The picture of the loudest moment, at which the instrument surely sounds."""
        recording = video.read_video(self._pictures[number])
        reach = round(WINDOW_SECONDS / 2 * SAMPLE_RATE)
        power = np.cumsum(np.pad(recording.sound.astype(np.float64) ** 2, (1, 0)))
        middles = np.rint(recording.times * SAMPLE_RATE).astype(int)
        inside = np.flatnonzero((middles >= reach) & (middles + reach <= len(recording.sound)))
        loudness = power[middles[inside] + reach] - power[middles[inside] - reach]
        best = inside[int(np.argmax(loudness))]
        return RealPicture(recording.frames[best], recording.sound, float(recording.times[best]))

    def thumbnail(self, number: int) -> bytes:
        """`picture` as a PNG file; decoded once."""
        with self._lock:
            if number not in self._small:
                self._small[number] = images.encode_png(self.picture(number).pixels)
            return self._small[number]
