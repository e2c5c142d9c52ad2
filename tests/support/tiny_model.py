"""Models whose networks are functions of the test's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cmgen.config import SoundConfig
from cmgen.export.metadata import Metadata
from cmgen.generate.model import Model

CLASSES = ("bell", "drum", "flute")
SIZE = 32
SOUND = SoundConfig()

Function = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass
class Stub:
    """`generate` and `from_encoding` call the function; an encoding is the condition itself."""

    generate: Function

    def encode(self, condition: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        probabilities = np.full((len(condition), len(CLASSES)), 1 / len(CLASSES), np.float32)
        return condition.reshape(len(condition), -1), probabilities

    def from_encoding(self, encoding: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return self.generate(encoding, noise)


def make_model(
    generate: Function,
    task: str = "s2i",
    sound: SoundConfig = SOUND,
    size: int = SIZE,
    provenance: Mapping[str, str | int] | None = None,
) -> Model:
    """A model of pictures of SIZE, of windows as `sound` has them, and of 10 numbers of noise."""
    sizes = sound.sample_rate, sound.window_samples, 10, size
    metadata = Metadata(task, task, CLASSES, *sizes, 7, "demo", sound, provenance or {})
    return Model(metadata, Stub(generate))
