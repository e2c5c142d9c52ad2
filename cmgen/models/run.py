"""Trained runs: their networks and what they were trained on."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import tensorflow as tf

from cmgen.config import DataConfig, TrainConfig
from cmgen.media import representations
from cmgen.models.build import build_encoder, make_generator
from cmgen.models.encoder import Encoder
from cmgen.models.generator import Generator
from cmgen.models.weights import load_weights, weights_path
from cmgen.utils import provenance, typed_json
from cmgen.utils.errors import UserError
from cmgen.utils.files import read_json

METADATA_FILE = "data.json"


@dataclass(frozen=True)
class Run:
    """A trained run, for inference in float32.

    Attributes:
      step: of the generator's weights.
      encoder: of the condition: the sound encoder of an s2i run, the image encoder of an i2s run.
      generator: with the averaged weights.
      verifier: predicts the instrument in a target; None where the run has none.
      data_hash: of what it was trained on; "" of a run of an older version.
    """

    workdir: Path
    config: TrainConfig
    classes: tuple[str, ...]
    data: str
    step: int
    encoder: Encoder
    generator: Generator
    verifier: Encoder | None
    data_hash: str = ""

    @property
    def data_config(self) -> DataConfig:
        """Settings of its data, with their place as seen from any folder."""
        return dataclasses.replace(self.config.data, data=self.data)

    @property
    def metadata(self) -> dict[str, str | int]:
        """What its exports and generated files say of it; names are those of `provenance.FIELDS`."""
        trained = _training_metadata(self.config, self.data, self.data_hash)
        return {"name": self.workdir.name, "step": self.step, **trained}


def _training_metadata(config: TrainConfig, data: str, data_hash: str) -> dict[str, str | int]:
    """How and on what a run was trained, named as in `provenance.FIELDS`."""
    return {
        "task": config.task,
        "seed": config.seed,
        "data": Path(data).name,
        "data_hash": data_hash,
    }


@dataclass(frozen=True)
class RunMetadata:
    """What a run was made from, besides its config: the contents of METADATA_FILE.

    Attributes:
      classes: in the order of the labels.
      data: "demo" or a folder.
      data_hash: of `hashes.data_hash`; "" of a run of an older version.
      versions: that it was begun with, and "threads": how many TensorFlow computed with.
      resumed_with: other versions that it went on with, in order.
    """

    classes: tuple[str, ...]
    data: str
    data_hash: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    resumed_with: tuple[dict[str, str], ...] = ()


def provenance_of(workdir: Path, config: TrainConfig) -> str:
    """The comment in what a run writes: its task and seed, its data, and versions."""
    metadata = read_metadata(workdir / METADATA_FILE)
    return provenance.made_by(
        "cmgen.train", model=_training_metadata(config, metadata.data, metadata.data_hash)
    )


def read_metadata(path: Path) -> RunMetadata:
    """METADATA_FILE of a run; a damaged or foreign one is a UserError."""
    remedy = "restore it, or delete it and start the run's training again, which writes it anew"
    values = read_json(path, remedy)
    return typed_json.checked(RunMetadata, values, str(path), whole=False, remedy=remedy)


def load_run(workdir: Path | str) -> Run:
    """Loads a finished (or well begun) s2i or i2s run for inference.

    Args:
      workdir: a run folder of `python -m cmgen.train`.
    """
    workdir = Path(workdir)
    path = workdir / "config.json"
    if not path.exists():
        raise UserError(f"--workdir={workdir}: no config.json there; give a folder of cmgen.train")
    config = typed_json.from_json(TrainConfig, path.read_bytes(), str(path))
    metadata_path = workdir / METADATA_FILE
    if not metadata_path.exists():
        raise UserError(
            f"--workdir={workdir}: no {METADATA_FILE} there; the run has not begun training"
        )
    metadata = read_metadata(metadata_path)
    classes = metadata.classes
    direction = config.direction
    encoder = load_encoder(workdir, direction.encoder, classes, config)
    generator = make_generator(config.gan, config.shape_of(direction.target), name="average")
    generator((tf.zeros([1, encoder.config.encoding_size]), tf.zeros([1, config.gan.noise_size])))
    path = weights_path(workdir, "generator")
    step = load_weights(generator, path).get("step")
    if step is None:
        raise UserError(f"{path}: doesn't say after which step; delete it and train again")
    has_verifier = weights_path(workdir, "verifier").exists()
    verifier = load_encoder(workdir, "verifier", classes, config) if has_verifier else None
    weights = encoder, generator, verifier
    return Run(workdir, config, classes, metadata.data, int(step), *weights, metadata.data_hash)


def load_encoder(
    workdir: Path, name: str, classes: tuple[str, ...], config: TrainConfig
) -> Encoder:
    """A trained "sound_encoder", "image_encoder" or "verifier" of a run, in float32."""
    encoder = make_encoder(name, len(classes), config, "float32")
    load_weights(encoder, weights_path(workdir, name))
    return encoder


def make_encoder(name: str, num_classes: int, config: TrainConfig, policy: str) -> Encoder:
    """An untrained "sound_encoder", "image_encoder" or "verifier" as the config has it."""
    modality = config.modality_of(name)
    is_image = modality == "image"
    shape = config.shape_of(modality) if is_image else representations.shape(modality, config.sound)
    return build_encoder(modality, num_classes, getattr(config, name), shape, policy)
