"""The evaluation of a whole run as a JSON file with the confusion matrices as pictures beside it."""

import dataclasses
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cmgen.config import DIRECTIONS
from cmgen.data import pipeline
from cmgen.data.shards import DatasetInfo, read_info
from cmgen.evaluate import suite
from cmgen.evaluate.accuracy import SplitScores, score_split
from cmgen.evaluate.score import MeasureConfig, table
from cmgen.evaluate.windows import SEED, Networks
from cmgen.media import charts, images
from cmgen.models.run import Run
from cmgen.models.weights import weights_path
from cmgen.prepare import cache, leaks, run_data
from cmgen.utils import files, hashes, provenance
from cmgen.utils.errors import UserError
from cmgen.utils.versions import installed

# Of a split that is only a control (train), a fixed subset of about so many windows is scored.
TRAIN_WINDOWS = 2600

WORDS = {"lms": "sound", "image": "picture"}
HEADLINES = {
    "accuracy_{}": "accuracy",
    "accuracy_{}_ci95": "accuracy_ci95",
    "balanced_accuracy_{}": "balanced_accuracy",
    "balanced_accuracy_{}_ci95": "balanced_accuracy_ci95",
    "majority_rate_{}": "majority_rate",
    "sound_encoder_accuracy_{}": "sound_encoder_accuracy",
    "image_encoder_accuracy_{}": "image_encoder_accuracy",
    "verifier_accuracy_real_{}": "verifier_accuracy_real",
    "feature_distance_{}": "feature_distance",
}


def evaluate_run(
    run: Run, data: str, output: Path, measures: MeasureConfig | None = None
) -> dict[str, Any]:
    """Scores every split of some data and writes OUTPUT and OUTPUT's confusion pictures.

    Args:
      run: a run with a verifier.
      data: "demo", a prepared folder or a raw one, of the run's classes or some of them.
      output: the JSON file; the pictures are <stem>_confusion_<split>.png beside it.
      measures: how `suite` measures; None takes the paper's measure alone.

    Returns:
      what the JSON file holds.
    """
    if run_data.is_own(run.data, data):
        folder = run_data.resolve(run.workdir, run.data_config, run.data_hash)
    else:
        folder = cache.resolve(dataclasses.replace(run.config.data, data=data))
    info = read_info(folder)
    if measures is not None:
        suite.check(folder, run, measures)
    networks = Networks.of(run)
    data_hash = hashes.data_hash(info.checksums)
    trained_on = {} if data_hash == run.data_hash else _trained_on(run)
    scores, ids, contents = {}, {}, {}
    for split in _in_order(info.splits):
        recordings = pipeline.load_split(folder, split, run.config.data)
        ids[split] = recordings.ids
        contents[split] = leaks.contents(recordings)
        leaks.check_apart(contents, f"--data={data}")
        if split != "train":
            leaks.check_unseen(trained_on, contents[split], f"--data={data}")
        scores[split] = _score(networks, recordings, info)
    if not scores:
        raise UserError(f"--data={data}: has no recordings; prepare it again")
    measured_with = {
        "data": data_hash,
        "splits": hashes.splits_hash(ids),
        "windows": hashes.windows_hash({name: split.windows for name, split in scores.items()}),
        "verifier": hashes.weights_hash(weights_path(run.workdir, "verifier")),
    }
    measured = None if measures is None else suite.measure(run, folder, output, measures)
    report = compose(run, scores, info, measured_with, measured)
    comment = provenance.made_by("cmgen.evaluate", model=run.metadata, hashes=measured_with)
    for split, split_scores in scores.items():
        picture = output.with_name(f"{output.stem}_confusion_{split}.png")
        images.write_png(picture, confusion_picture(split, split_scores), comment)
    files.write_text(output, json.dumps(report, indent=2) + "\n")
    return report


def _trained_on(run: Run) -> leaks.Contents:
    """What a run that is measured on other data was trained on."""
    recorded = run_data.read(run.workdir)
    if recorded is not None:
        return recorded.trained_on
    try:
        folder = cache.resolve(run.data_config)
        return leaks.contents(pipeline.load_split(folder, "train", run.config.data))
    except UserError as error:
        print(
            f"note: whether the run was trained on any of these is not known ({error})",
            file=sys.stderr,
        )
        return {}


def compose(
    run: Run,
    scores: Mapping[str, SplitScores],
    info: DatasetInfo,
    measured_with: dict[str, str],
    measured: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The report: headline numbers first, then what they come from, then every split in full.

    A headline that can't be given is left out, and `notes` says why.
    """
    splits = {name: split.report() for name, split in scores.items()}
    measured = measured or {"headlines": {}, "notes": []}
    report = {
        name.format(split): values[source]
        for split, values in splits.items()
        for name, source in HEADLINES.items()
        if values.get(source) is not None
    }
    report |= measured["headlines"]
    report |= {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "task": run.config.task,
        "workdir": run.workdir.name,
        "step": run.step,
        "seed": run.config.seed,
        "evaluation_seed": SEED,
        "data": info.source,
        "hashes": measured_with,
        "versions": installed(),
        "notes": [*_notes(scores), *measured["notes"]],
        "splits": splits,
    }
    if "measures" in measured:
        report |= {"measures": measured["measures"], "measure_settings": measured["settings"]}
    return report


def headlines(report: Mapping[str, Any]) -> dict[str, Any]:
    """The headline numbers alone of what `evaluate_run` returned or wrote."""
    names = [name.format(split) for split in report["splits"] for name in HEADLINES]
    return {name: report[name] for name in names if name in report}


def summary(report: Mapping[str, Any]) -> str:
    """The report's main numbers as a table for the terminal."""
    direction = DIRECTIONS[report["task"]]
    columns = "{:<12}{:>11}{:>18}{:>10}{:>10}{:>9}{:>14}{:>9}{:>12}"
    lines = [
        columns.format(
            "split", "generated", "95 % interval", "balanced", "majority",
            WORDS[direction.condition], f"real {WORDS[direction.target]}s", "windows", "recordings",
        )
    ]  # fmt: skip
    for name, values in report["splits"].items():
        low, high = values["accuracy_ci95"]
        real = values["verifier_accuracy_real"]
        lines.append(
            columns.format(
                name,
                f"{values['accuracy']:.4f}",
                f"{low:.3f} to {high:.3f}",
                f"{values['balanced_accuracy']:.4f}",
                f"{values['majority_rate']:.4f}",
                f"{values[f'{direction.encoder}_accuracy']:.4f}",
                "none" if real is None else f"{real:.4f}",
                values["windows"],
                values["recordings"],
            )
        )
    if "measures" in report:
        lines += ["", table(report["measures"])]
    return "\n".join([*lines, *(f"Note: {note}" for note in report["notes"])])


def confusion_picture(split: str, scores: SplitScores) -> Any:
    """uint8 [height, width, 3]; see `charts.draw_confusion`."""
    low, high = scores.interval()
    title = f"{split}: accuracy {scores.accuracy:.3f} (95 % interval {low:.3f} to {high:.3f})"
    condition, target = WORDS[scores.direction.condition], WORDS[scores.direction.target]
    foot = f"rows: the {condition}; columns: the {target}; percent"
    return charts.draw_confusion(scores.confusion(), scores.classes, title, foot)


def _score(networks: Networks, recordings: pipeline.Recordings, info: DatasetInfo) -> SplitScores:
    frames = info.splits[recordings.split].frames
    stride = max(1, round(frames / TRAIN_WINDOWS)) if recordings.split == "train" else 1
    with pipeline.named_damage(recordings.folder):
        return score_split(networks, recordings, stride)


def _in_order(splits: Mapping[str, Any]) -> list[str]:
    """Train, validation, test, then the others by name."""
    first = ["train", "validation", "test"]
    return [name for name in first if name in splits] + sorted(set(splits) - set(first))


def _notes(scores: Mapping[str, SplitScores]) -> list[str]:
    notes = []
    if "test" not in scores:
        notes.append("the data have no test split, so there is no accuracy_test")
    for name, split in scores.items():
        if split.real_predicted is None:
            notes.append(
                f"{name} lacks pictures of some classes or of all, so there is no "
                f"verifier_accuracy_real_{name}"
            )
    return notes
