"""What is measured, and how much work that may be."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cmgen.evaluate.stored_models import JudgeConfig
from cmgen.evaluate.windows import Windows
from cmgen.models.encoder import Encoder, one_hot
from cmgen.models.run import Run

FEATURES = "verifier, last hidden layer, 128 features"
PIXELS = "root mean square of pixels in [0, 1], at 32 x 32"
_SIDE = 32


@dataclass(frozen=True)
class MeasureConfig:
    """How much work measuring may be; the numbers depend on it.

    Attributes:
      train_windows, test_windows: of each split about so many are used; every n-th of each recording.
      judge: the networks for the CAS and for retrieval.
      classifier_steps: for the CAS; None takes the judge's own number.
      embedding_steps: for retrieval.
      pose_steps: for the regressor that reads poses; None takes its own number.
      gallery: sounds among which a picture's own is sought.
      galleries: how many are drawn.
      cloud: pictures of each side for KID, precision and recall.
      sounds, pictures: for diversity, so many sounds with so many pictures each.
      inception_pictures: of each side, for Inception's features.
      shown: pairs in the picture of nearest training pictures.
      inception_weights: file of keras.applications' InceptionV3; None leaves its features out.
      label_control: folder of a run trained with --condition=label; None leaves that control out.
      judges: keeps what is trained on real recordings alone for the next run; None keeps nothing.
    """

    train_windows: int = 10_000
    test_windows: int = 10_000
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    classifier_steps: int | None = None
    embedding_steps: int = 1000
    pose_steps: int | None = None
    gallery: int = 64
    galleries: int = 50
    cloud: int = 4000
    sounds: int = 65
    pictures: int = 8
    inception_pictures: int = 1000
    shown: int = 12
    inception_weights: Path | None = None
    label_control: Path | None = None
    judges: Path | None = None


@dataclass
class Subject:
    """What is measured: a run and the windows of its train and test recordings."""

    run: Run
    train: Windows
    test: Windows
    config: MeasureConfig
    notes: list[str] = field(default_factory=list)

    @property
    def classes(self) -> int:
        return len(self.run.classes)

    @property
    def verifier(self) -> Encoder:
        assert self.run.verifier is not None
        return self.run.verifier


def told(run: Run, windows: Windows) -> NDArray[np.float32]:
    """What the run's generator is told of each window."""
    if run.config.gan.condition == "sound":
        return windows.encodings
    return one_hot(tf.constant(windows.heard), run.config.sound_encoder).numpy()


def spread(windows: Windows, number: int) -> Windows:
    """So many windows, evenly from the first to the last."""
    if len(windows) <= number:
        return windows
    return windows.take(np.linspace(0, len(windows) - 1, number).round().astype(np.int64))


def pixel_vectors(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pictures as vectors whose Euclidean distance is the root mean square of pixel differences.

    Args:
      pictures: uint8 [n, size, size, 3], size a power of two of at least 32.

    Returns:
      float32 [n, 32 * 32 * 3], the pictures averaged down to 32 x 32.
    """
    side = pictures.shape[1] // _SIDE
    blocks = pictures.reshape(len(pictures), _SIDE, side, _SIDE, side, 3)
    flat = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(len(pictures), -1)
    return flat / np.float32(255.0 * np.sqrt(flat.shape[1]))
