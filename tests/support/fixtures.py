"""Tiny real files for all tests: videos with sound whose class can be seen and heard."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cmgen.media.video import write_video

SAMPLE_RATE = 44100
FPS = 10.0

# Class -> colour of its square and fundamental of its tone in Hz.
CLASSES: dict[str, tuple[tuple[int, int, int], float]] = {
    "bell": ((220, 180, 40), 880.0),
    "drum": ((60, 90, 220), 110.0),
    "flute": ((60, 200, 90), 440.0),
}
SPLITS: dict[str, int] = {"train": 2, "validation": 1, "test": 1}


def tone(frequency: float, seconds: float, seed: int = 0) -> np.ndarray:
    """A note with overtones, a swell and a little noise; float32 [seconds * 44100]."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = sum(np.sin(2 * np.pi * frequency * k * time) / k for k in range(1, 5))
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * time + seed)
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return (0.2 * swell * wave + 0.002 * noise).astype(np.float32)


def picture(name: str, time: float, size: int = 96, seed: int = 0) -> np.ndarray:
    """A square in the class's colour that moves right with time; uint8 [size, size, 3]."""
    random = np.random.default_rng(seed)
    pixels = np.full((size, size, 3), random.integers(20, 60), np.uint8)
    side, left = size // 3, round((size - size // 3) * min(time / 3.0, 1.0))
    top = int(random.integers(0, size - side))
    pixels[top : top + side, left : left + side] = CLASSES[name][0]
    return pixels


def write_recording(path: Path, name: str, seconds: float = 1.5, seed: int = 0) -> None:
    """Writes an H.264 + AAC video of class `name` at 10 frames a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = (picture(name, i / FPS, seed=seed) for i in range(round(seconds * FPS)))
    write_video(path, frames, FPS, tone(CLASSES[name][1], seconds, seed), SAMPLE_RATE)


def write_corpus(
    folder: Path,
    splits: Mapping[str, int] = SPLITS,
    classes: tuple[str, ...] = tuple(CLASSES),
    seconds: float = 1.5,
) -> Path:
    """Writes split/class/name.mp4 with `splits[split]` recordings of each class; returns `folder`."""
    seed = 0
    for split, count in splits.items():
        for name in classes:
            for index in range(count):
                seed += 1
                write_recording(folder / split / name / f"{name}_{index}.mp4", name, seconds, seed)
    return folder
