"""Every measure of a finished run, each with its floor and its ceiling."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from cmgen.data import pipeline
from cmgen.data.shards import read_info
from cmgen.evaluate import inception
from cmgen.evaluate.score import MeasureConfig, MeasuredRun, Score
from cmgen.evaluate.scores import controls, pose, realism, retrieval, sound
from cmgen.evaluate.windows import SEED, Networks, collect_pictures, collect_sounds
from cmgen.models.run import Run, load_run
from cmgen.utils import hashes
from cmgen.utils.errors import UserError


def check(folder: Path, run: Run, config: MeasureConfig) -> None:
    """Raises a UserError for what would stop `measure`, before any work is done."""
    splits = read_info(folder).splits
    for split in ("train", "test"):
        if split not in splits:
            raise UserError(
                f"--measures=all: {folder} has no {split} split, and train is compared with test; "
                "measure with --measures=paper"
            )
    weights = config.inception_weights
    for name in ("inception_weights", "label_control"):
        if getattr(config, name) is not None and run.config.task != "s2i":
            raise UserError(
                f"--{name}={getattr(config, name)}: is for pictures, and {run.workdir} makes "
                "sounds; leave it out"
            )
    if weights is not None and not weights.is_file():
        raise UserError(f"--inception_weights={weights}: no such file")
    if config.label_control is not None:
        _load_control(config.label_control, run)


def measure(run: Run, folder: Path, output: Path, config: MeasureConfig) -> dict[str, Any]:
    """Measures a run on the train and test splits of prepared data; no choice depends on it.

    Args:
      run: a finished run with a verifier.
      folder: prepared data of the run's classes.
      output: the JSON file of the evaluation; pictures are put beside it.
      config: how much work it may be.

    Returns:
      {"headlines": key -> number, "measures": name -> details, "notes": [str], "settings": ...}.
    """
    # So that measuring again gives the same numbers, also of networks that are trained.
    tf.config.experimental.enable_op_determinism()
    train, test = (_load(folder, split, run) for split in ("train", "test"))
    notes: list[str] = []
    if run.config.task == "i2s":
        sounds = collect_sounds(
            Networks.of(run), train, test, config.train_windows, config.test_windows
        )
        scores = sound.compare(sounds, run.config.sound)
    else:
        scores, notes = _measure_pictures(run, train, test, output, config)
    return {
        "headlines": {k: v for score in scores for k, v in score.headline().items()},
        "measures": {score.name: score.detail() for score in scores},
        "notes": notes,
        "settings": _settings(config),
    }


def _measure_pictures(
    run: Run,
    train: pipeline.Recordings,
    test: pipeline.Recordings,
    output: Path,
    config: MeasureConfig,
) -> tuple[list[Score], list[str]]:
    """All scores of a run that makes pictures, and notes on what could not be measured."""
    weights = config.inception_weights
    extractor = None if weights is None else inception.load(weights)
    control = None if config.label_control is None else _load_control(config.label_control, run)
    networks = Networks.of(run)
    measured = MeasuredRun(
        run,
        collect_pictures(networks, train, config.train_windows),
        collect_pictures(networks, test, config.test_windows),
        config,
    )
    scores: list[Score] = [
        *retrieval.classification_accuracy_score(measured),
        *retrieval.retrieval(measured, train.paired and test.paired),
        *pose.correlation(measured, train, test),
        *pose.steadiness(measured),
        *realism.feature_clouds(measured),
        *realism.variety(measured),
        *realism.memory(measured, output),
        *controls.without_training(measured),
    ]
    if control is not None:
        scores += controls.label_control(measured, control)
    if extractor is not None:
        scores += realism.inception_clouds(measured, extractor, str(weights))
    return scores, measured.notes


def _settings(config: MeasureConfig) -> dict[str, Any]:
    """What the numbers depend on, as it will be read again from JSON."""
    values = {k: v for k, v in asdict(config).items() if k != "reference_folder"}
    values["judge"] = values.pop("reference")
    if config.inception_weights is not None:
        values["inception_sha256"] = hashes.file_hash(config.inception_weights)
    settings: dict[str, Any] = json.loads(json.dumps(values | {"seed": SEED}, default=str))
    return settings


def _load(folder: Path, split: str, run: Run) -> pipeline.Recordings:
    recordings = pipeline.load_split(folder, split, run.config.data)
    pictured = np.isin(recordings.labels, recordings.labels[recordings.has_frames])
    if not pictured.all():
        raise UserError(
            f"--measures=all: the {split} recordings of {folder} lack pictures of some classes or "
            "of all; measure with --measures=paper, or on data with pictures"
        )
    return recordings


def _load_control(folder: Path, run: Run) -> Run:
    control = load_run(folder)
    if control.config.gan.condition != "label":
        raise UserError(f"--label_control={folder}: was not trained with --condition=label")
    expected, actual = (
        (r.classes, r.config.data.image_size, r.config.sound_encoder.encoding_size)
        for r in (run, control)
    )
    if actual != expected:
        raise UserError(
            f"--label_control={folder}: has other classes or sizes ({actual}) than the run "
            f"({expected})"
        )
    if run.data_hash and control.data_hash and run.data_hash != control.data_hash:
        raise UserError(
            f"--label_control={folder}: was trained on other data (hash {control.data_hash}) than the "
            f"run ({run.data_hash}); train it on the same"
        )
    return control
