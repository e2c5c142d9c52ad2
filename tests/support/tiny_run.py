"""A run's folder with small, untrained networks: what cmgen.train would leave, in a second."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from cmgen.config import DataConfig, EncoderConfig, GanConfig, SoundConfig, TrainConfig
from cmgen.data.shards import read_info
from cmgen.export import writer
from cmgen.export.samples import Samples
from cmgen.models.build import make_generator
from cmgen.models.run import METADATA_FILE, load_run, make_encoder
from cmgen.models.weights import save_weights, weights_path
from cmgen.prepare import cache, run_data
from cmgen.train.checkpoints import write_metadata
from cmgen.utils import hashes, typed_json
from cmgen.utils.files import write_text

STEP = 7
ENCODER = EncoderConfig(widths=(4, 8), hidden=16)


def make_config(
    data: str, upsampling: str = "resize", task: str = "s2i", size: int = 32
) -> TrainConfig:
    """Settings of networks that take milliseconds."""
    return TrainConfig(
        task=task,
        data=DataConfig(data=data, image_size=size),
        sound_encoder=ENCODER,
        image_encoder=ENCODER,
        verifier=ENCODER,
        gan=GanConfig(generator_channels=4, upsampling=upsampling),
    )


def write_run(
    folder: Path,
    classes: tuple[str, ...],
    data: str = "nowhere",
    upsampling: str = "resize",
    task: str = "s2i",
    size: int = 32,
) -> Path:
    """Writes config, metadata and random weights; returns `folder`."""
    keras.utils.set_random_seed(3)
    settings = make_config(data, upsampling, task, size)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "config.json", typed_json.to_json(settings))
    write_metadata(folder, classes, data, "0" * 16)
    for name in (settings.direction.encoder, "verifier"):
        encoder = make_encoder(name, len(classes), settings, "float32")
        save_weights(encoder, weights_path(folder, name), step=STEP)
    generator = make_generator(
        settings.gan, settings.shape_of(settings.direction.target), name="average"
    )
    generator((tf.zeros([1, 128]), tf.zeros([1, settings.gan.noise_size])))
    save_weights(generator, weights_path(folder, "generator"), step=STEP)
    return folder


def remember(folder: Path, data: str) -> None:
    """Makes a run of `write_run` one that was trained on `data`, prepared or raw."""
    run = load_run(folder)
    config = dataclasses.replace(run.config.data, data=data)
    prepared = cache.resolve(config)
    (folder / METADATA_FILE).unlink()
    (folder / run_data.RECORDINGS_FILE).unlink(missing_ok=True)
    data_hash = hashes.data_hash(read_info(prepared).checksums)
    write_metadata(folder, run.classes, data, data_hash)
    run_data.write(folder, prepared, config, [])


def edit_config(folder: Path, section: str, **changes: object) -> None:
    """Changes settings of a run's config.json, as nobody should, and with them drops its checksum."""
    path = folder / "config.json"
    values = json.loads(path.read_text())
    del values[typed_json.CHECKSUM]
    values[section] |= changes
    path.write_text(json.dumps(values))


def write_exports(folder: Path, classes: tuple[str, ...], count: int) -> Path:
    """Exports untrained runs of both directions, compared on `count` inputs: FOLDER/exports."""
    pictures = np.random.default_rng(0).uniform(-1, 1, (count, 32, 32, 3)).astype(np.float32)
    for task, given in (("s2i", sounds(count)), ("i2s", pictures)):
        run = load_run(write_run(folder / task, classes, task=task))
        writer.export(run, folder / "exports" / task, Samples(given, None, "test"), {})
    return folder / "exports"


def sounds(count: int, seed: int = 0) -> np.ndarray:
    """Decaying tones from loud to nearly silent; float32 [count, 22050]."""
    random = np.random.default_rng(seed)
    time = np.arange(SoundConfig().window_samples) / SoundConfig().sample_rate
    pitch, decay = random.uniform(60, 3000, (count, 1)), random.uniform(0, 12, (count, 1))
    level = np.geomspace(0.8, 0.003, count)[:, None]
    return (level * np.exp(-decay * time) * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


def write_scores(folder: Path, step: int = STEP) -> Path:
    """What matters to a card of the file that cmgen.evaluate writes."""
    path = folder / "evaluation.json"
    scores = {"accuracy_test": 0.875, "accuracy_test_ci95": [0.75, 0.95], "step": step}
    write_text(path, json.dumps(scores | {"seed": 1, "splits": {"test": {}}}))
    return path
