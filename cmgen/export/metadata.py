"""What an exported model says of itself, beside its files and inside them. No TensorFlow."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmgen.config import DIRECTIONS, SoundConfig
from cmgen.export.layout import AGAIN, FORMAT
from cmgen.utils import provenance
from cmgen.utils.errors import UserError
from cmgen.utils.typed_json import build
from cmgen.utils.versions import installed

if TYPE_CHECKING:  # imports TensorFlow
    from cmgen.models.run import Run


@dataclass(frozen=True)
class Metadata:
    """What a model is, under the names of the exported files.

    Attributes:
      name: of the model: its folder's.
      task: "s2i" or "i2s".
      classes: instruments, in the order of the probabilities.
      sample_rate: in Hz.
      window_samples: length of a window of sound.
      noise_size: length of the noise.
      image_size: side of a picture in pixels.
      step: training step of the generator's weights.
      data: name of the data that it was trained on.
      sound: the window and its log-mel spectrogram (LMS).
      provenance: of `provenance.FIELDS`, for the files that it makes.
    """

    name: str
    task: str
    classes: tuple[str, ...]
    sample_rate: int
    window_samples: int
    noise_size: int
    image_size: int
    step: int
    data: str
    sound: SoundConfig
    provenance: Mapping[str, str | int] = field(default_factory=dict)


def describe(run: "Run", name: str, scores: Mapping[str, Any]) -> dict[str, Any]:
    """What a user of a run's exported functions has to know, of JSON types.

    Args:
      run: of `load_run`.
      name: of the model.
      scores: of cmgen.evaluate, for the card.
    """
    config = run.config
    return {
        **run.metadata,
        "format": FORMAT,
        "name": name,
        "pose": config.gan.mismatch == "recording",
        "condition": config.gan.condition,
        "classes": list(run.classes),
        "sample_rate": config.sound.sample_rate,
        "window_samples": config.sound.window_samples,
        "noise_size": config.gan.noise_size,
        "image_size": config.data.image_size,
        "sound": dataclasses.asdict(config.sound),
        "scores": dict(scores),
        "versions": installed(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def read_metadata(values: Any, where: Path) -> Metadata:
    """Checks what `describe` gave.

    Args:
      values: of JSON types, as they were found.
      where: the file they come from, for messages.

    Raises:
      UserError: one is missing, of another type or out of range.
    """
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        number = values.get("format", 1) if isinstance(values, dict) else None
        raise UserError(f"{where}: is of format {number}, not {FORMAT}; {AGAIN}")
    picked = {name: values[name] for name in Metadata.__annotations__ if name in values}
    picked["provenance"] = provenance.select_fields(values)
    metadata = build(Metadata, picked, str(where), remedy=AGAIN)
    for name in ("sample_rate", "window_samples", "noise_size", "image_size"):
        if getattr(metadata, name) < 1:
            raise UserError(f"{where}: {name}: is {values[name]}, must be at least 1; {AGAIN}")
    if metadata.task not in DIRECTIONS or not metadata.classes:
        raise UserError(
            f"{where}: task: {metadata.task!r} is neither s2i nor i2s, or there are no classes; {AGAIN}"
        )
    # A name becomes a file's name, so it may name no other folder.
    if Path(metadata.name).name != metadata.name:
        raise UserError(f"{where}: name: {metadata.name!r} is no name of a file; {AGAIN}")
    return metadata


def to_text(value: object) -> str:
    """A value as ONNX metadata, which are strings: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def from_texts(texts: Mapping[str, str]) -> dict[str, Any]:
    """The values that `to_text` wrote, those of `read_metadata` alone.

    Raises:
      ValueError, RecursionError: a text is no JSON.
    """
    names = {"format", *Metadata.__annotations__, *provenance.FIELDS}
    written_as_text = {"name", "task", "data", "data_hash"}
    return {
        name: text if name in written_as_text else json.loads(text)
        for name, text in texts.items()
        if name in names
    }
