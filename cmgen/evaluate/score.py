"""Scores with what to compare them with, and the run that is measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmgen.evaluate.reference_models import ReferenceConfig
from cmgen.evaluate.windows import Windows
from cmgen.models.encoder import Encoder, one_hot
from cmgen.models.run import Run


@dataclass(frozen=True)
class Score:
    """One measure of a run.

    Attributes:
      name: its key in the JSON file.
      value: of the generated pictures or sounds.
      source: of the formula.
      interval: 95 %, by bootstrap over recordings; None where that makes no sense.
      chance: the same measure of a guess; None where there is no such thing.
      real: (key, value) of the same measure of real data, the best that can be expected.
      settings: what the number depends on: extractor, n, steps ...
    """

    name: str
    value: float
    source: str
    interval: tuple[float, float] | None = None
    chance: float | None = None
    real: tuple[str, float] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def headline(self) -> dict[str, Any]:
        """The number, its interval and that of real pictures, by their keys."""
        headline: dict[str, Any] = {self.name: self.value}
        if self.interval is not None:
            headline[f"{self.name}_ci95"] = list(self.interval)
        if self.real is not None:
            headline[self.real[0]] = self.real[1]
        return headline

    def detail(self) -> dict[str, Any]:
        """All of it, of JSON types."""
        return {
            "value": self.value,
            "ci95": None if self.interval is None else list(self.interval),
            "chance": self.chance,
            "real": None if self.real is None else self.real[1],
            "source": self.source,
            **self.settings,
        }


def table(details: Mapping[str, Mapping[str, Any]]) -> str:
    """The scores as text, from name -> `Score.detail`."""
    columns = "{:<36}{:>10}{:>22}{:>9}{:>12}"
    lines = [columns.format("measure (test)", "generated", "95 % interval", "chance", "real data")]
    for name, score in details.items():
        interval = "" if score["ci95"] is None else "{:.4f} to {:.4f}".format(*score["ci95"])
        chance, real = ("" if score[k] is None else f"{score[k]:.4f}" for k in ("chance", "real"))
        lines.append(columns.format(name, f"{score['value']:.4f}", interval, chance, real))
    return "\n".join(lines)


@dataclass(frozen=True)
class MeasureConfig:
    """How much work measuring may be; the numbers depend on it.

    Attributes:
      train_windows, test_windows: of each split about so many are used; every n-th of each recording.
      reference: how the networks for the CAS and for retrieval are trained.
      classifier_steps: for the CAS; None takes the number of `reference`.
      embedding_steps: for retrieval.
      pose_steps: for the regressor that reads poses; None takes its usual number.
      gallery: sounds among which each picture has to retrieve the right one.
      galleries: how many are drawn.
      cloud: pictures of each side for KID, precision and recall.
      sounds, pictures: for diversity, so many sounds with so many pictures each.
      inception_pictures: of each side, for Inception's features.
      shown: pairs in the picture of nearest training pictures.
      inception_weights: file of keras.applications' InceptionV3; None leaves these features out.
      label_control: folder of a run trained with --condition=label; None leaves that control out.
      reference_folder: stores what is trained on real recordings alone for the next run; None stores
        nothing.
    """

    train_windows: int = 10_000
    test_windows: int = 10_000
    reference: ReferenceConfig = field(default_factory=ReferenceConfig)
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
    reference_folder: Path | None = None


@dataclass
class MeasuredRun:
    """A run with the windows of its train and test recordings."""

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

    @property
    def conditions(self) -> NDArray[np.float32]:
        """The generator's condition for each window of the test split."""
        if self.run.config.gan.condition == "sound":
            return self.test.encodings
        return one_hot(self.test.predicted_class, self.run.config.sound_encoder).numpy()
