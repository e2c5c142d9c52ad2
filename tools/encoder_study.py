"""Trains the sound encoders of the paper's Table 1: five representations of sound, 3 and 4
convolutions; and the recommended encoder beside them. The same command resumes.

OUTPUT/encoder_study.json and .md have each one's share of test windows named, beside the published
one; OUTPUT/<name> is its run.

Examples:
  python tools/encoder_study.py --output=runs/encoder_study
  python tools/encoder_study.py --output=runs/encoder_study_quick --quick
"""

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from absl import flags

from cmgen.config import REPRESENTATIONS, DataConfig, TrainConfig, data_folder
from cmgen.utils import cli, files
from cmgen.utils.errors import FAILED_WORK, UserError
from cmgen.utils.paths import keep_inputs
from cmgen.utils.typed_json import from_json

FLAGS = flags.FlagValues()
flags.DEFINE_string("output", "runs/encoder_study", "Receives everything.", flag_values=FLAGS)
flags.DEFINE_string(
    "data", "demo", "`demo`, a prepared folder or a raw one, with a test split.", flag_values=FLAGS
)
flags.DEFINE_integer("seed", 1, "Of every training.", flag_values=FLAGS)
flags.DEFINE_integer(
    "train_steps", None, "Steps of every encoder; those of the presets if left out.",
    lower_bound=1, flag_values=FLAGS,
)  # fmt: skip
flags.DEFINE_list("only", [], "Names of rows to run, such as lms_4; all.", flag_values=FLAGS)
flags.DEFINE_bool("quick", False, "A few steps each, to see that it works.", flag_values=FLAGS)
GROUPS = {"What": ("data", "seed", "train_steps", "quick"), "Result": ("output",)}

# In the order of the paper's Table 1.
ORDER = ("lms", "mfcc", "cqt", "stft", "ms")
WIDTHS = {3: "4,8,16", 4: "4,8,16,16"}  # Fig. 4, without its last convolution and with it
QUICK_STEPS = 5


@dataclass(frozen=True)
class Study:
    """One encoder: its name, the flags that make it, and the paper's accuracy in percent, if any."""

    name: str
    flags: tuple[str, ...]
    published: float | None


def studies() -> list[Study]:
    """The paper's ten encoders, then the recommended one."""
    rows = []
    for representation in REPRESENTATIONS:
        for convolutions in (3, 4):
            options = (
                "--flagfile=s2i_paper.flags",
                f"--sound_encoder_representation={representation}",
                f"--sound_encoder_widths={WIDTHS[convolutions]}",
                f"--sound_encoder_strides={','.join('2' * convolutions)}",
            )
            name = f"{representation}_{convolutions}"
            rows.append(Study(name, options, _published(name)))
    return [*rows, Study("recommended", ("--flagfile=s2i.flags",), None)]


def _published(name: str) -> float:
    """The paper's accuracy in percent of an encoder such as lms_4."""
    from tools.reproduction.published import PUBLISHED

    return float(PUBLISHED[f"encoder/{name}"].value.removesuffix(" %"))


def arguments(study: Study, output: Path) -> list[str]:
    """What `python -m cmgen.train` is called with."""
    steps = QUICK_STEPS if FLAGS.quick else FLAGS.train_steps
    return [
        *study.flags,
        "--task=sound_encoder",
        f"--data={FLAGS.data}",
        f"--seed={FLAGS.seed}",
        f"--workdir={output / study.name}",
        *([] if steps is None else [f"--sound_encoder_train_steps={steps}"]),
    ]


def measure(workdir: Path) -> dict[str, Any]:
    """Scores of a trained encoder on the sounding windows of the test split, of JSON types."""
    from cmgen.data import pipeline
    from cmgen.evaluate.metrics import classification
    from cmgen.models.run import METADATA_FILE, load_encoder, read_metadata
    from cmgen.prepare import cache
    from cmgen.train import encoders
    from cmgen.utils import hashes

    config = from_json(TrainConfig, (workdir / "config.json").read_text())
    classes = read_metadata(workdir / METADATA_FILE).classes
    folder = cache.resolve(config.data)
    recordings = pipeline.load_split(folder, "test", config.data)
    encoder = load_encoder(workdir, "sound_encoder", classes, config)
    right, places = encoders.windows_correct(
        encoder, config.sound_encoder.representation, recordings, config
    )
    low, high = classification.bootstrap_interval(right, places)
    return {
        "accuracy_test": float(right.mean()),
        "accuracy_test_ci95": [low, high],
        "windows": len(right),
        "recordings": len(set(places.tolist())),
        "parameters": encoder.count_params(),
        "train_steps": config.sound_encoder.train_steps,
        "data_hash": hashes.data_hash(recordings.info.checksums),
    }


def run_study(study: Study, output: Path) -> dict[str, Any]:
    """Trains (or goes on with) one encoder and measures it: a row of the JSON file."""
    given = arguments(study, output)
    if subprocess.run([sys.executable, "-m", "cmgen.train", *given], check=False).returncode:
        raise UserError(f"{output / study.name}: training failed, see above", FAILED_WORK)
    return {
        "name": study.name,
        **measure(output / study.name),
        "published_percent": study.published,
        "command": shlex.join(["python", "-m", "cmgen.train", *given]),
        "seed": FLAGS.seed,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def check_same_data(rows: dict[str, dict[str, Any]], data_hash: str) -> None:
    """Refuses to go on beside rows of other data; of older rows the data aren't known."""
    for name, row in rows.items():
        if row.get("data_hash", data_hash) != data_hash:
            raise UserError(
                f"--data={FLAGS.data}: are other data (hash {data_hash}) than those of row {name} "
                f"({row['data_hash']}); give the former data, or another --output"
            )


def table(rows: dict[str, dict[str, Any]], data: str) -> str:
    """The Markdown page: the paper's Table 1 beside ours."""
    lines = [
        "# Sound encoders",
        "",
        "Percent of windows whose instrument is named, with the 95 % interval by bootstrap over",
        f"recordings. Here: test windows of `{data}` in which something sounds. Published: Chen et",
        "al. 2017, Table 1, on Sub-URMP. **The data differ**: compare the orders, not the numbers.",
        "",
        "| representation | 3 convolutions | published | 4 convolutions | published |",
        "|---|---|---|---|---|",
    ]
    for representation in ORDER:
        cells = []
        for name in (f"{representation}_{n}" for n in (3, 4)):
            cells += [_cell(rows.get(name)), f"{_published(name):.2f}"]
        lines.append(f"| {representation} | {' | '.join(cells)} |")
    lines += ["", f"The recommended encoder (`s2i.flags`, lms): {_cell(rows.get('recommended'))}."]
    lines += [
        "",
        "| row | steps | parameters | seed | date | command |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows.values():
        lines.append(
            f"| {row['name']} | {row['train_steps']} | {row['parameters']:,} | {row['seed']} | "
            f"{row['date'][:10]} | `{row['command']}` |"
        )
    return "\n".join(lines) + "\n"


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "not run"
    low, high = (100 * bound for bound in row["accuracy_test_ci95"])
    return f"{100 * row['accuracy_test']:.2f} ({low:.1f} to {high:.1f})"


def main() -> None:
    keep_inputs({"output": FLAGS.output}, {}, {"data": data_folder(FLAGS.data)})
    from cmgen.data.shards import read_info
    from cmgen.prepare import cache
    from cmgen.utils import hashes  # TensorFlow is imported only when the work starts

    folder = cache.resolve(DataConfig(data=FLAGS.data))
    info = read_info(folder)
    if "test" not in info.splits:
        raise UserError(f"--data={FLAGS.data}: has no test split to measure on; give one that has")
    names = [study.name for study in studies()]
    for name in FLAGS.only:
        if name not in names:
            raise UserError(f"--only={name}: no such row; the rows are {', '.join(names)}")
    output = Path(FLAGS.output)
    path = output / "encoder_study.json"
    stored = json.loads(path.read_text())["rows"] if path.exists() else []
    rows: dict[str, dict[str, Any]] = {row["name"]: row for row in stored}
    check_same_data(rows, hashes.data_hash(info.checksums))
    for study in studies():
        if FLAGS.only and study.name not in FLAGS.only:
            continue
        command = shlex.join(["python", "-m", "cmgen.train", *arguments(study, output)])
        if rows.get(study.name, {}).get("command") == command:
            print(f"{study.name}: done already", flush=True)
            continue
        rows[study.name] = run_study(study, output)
        files.write_text(path, json.dumps({"rows": list(rows.values())}, indent=2) + "\n")
        files.write_text(path.with_suffix(".md"), table(rows, FLAGS.data))
    print(table(rows, FLAGS.data))


def console() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))  # tf2onnx brings a package tools, too
    cli.run(main, GROUPS, FLAGS)


if __name__ == "__main__":
    console()
