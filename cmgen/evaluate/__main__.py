"""Scores a trained run: does the picture show the instrument that sounds?

Writes a JSON file, and the confusion matrices as pictures beside it. The verifier, a classifier trained
on real training pictures only, names the instrument in each generated picture; for an i2s run, one
trained on real sounds names it in each generated spectrogram. Silent windows are counted apart. Report
the scores of the test split; those of the demo's `shifted` split are on timbres not in training.

--measures=all adds the Classification Accuracy Score, retrieval, KID, precision and recall, diversity,
distance to training pictures, and controls, each beside chance and real pictures. It trains two
classifiers, an embedding and a pose regressor. For an i2s run it adds the distance of spectrograms, the
Frechet distance and the agreement in pitch, and trains nothing.

Examples:
  python -m cmgen.evaluate --workdir=runs/s2i --output=scores.json
  python -m cmgen.evaluate --workdir=runs/s2i --output=all.json --measures=all
  python -m cmgen.evaluate --workdir=runs/s2i --output=mine.json --data=/videos
  python -m cmgen.evaluate --workdir=runs/s2i_n --output=n.json --compare=scores.json
"""

from pathlib import Path

from absl import flags

from cmgen.config import data_folder
from cmgen.evaluate import compare
from cmgen.utils import cli
from cmgen.utils.errors import UserError
from cmgen.utils.paths import keep_inputs

FLAGS = flags.FlagValues()
flags.DEFINE_string("workdir", "runs/s2i", "The run's folder.", flag_values=FLAGS)
flags.DEFINE_string("output", "scores.json", "The JSON file to write.", flag_values=FLAGS)
flags.DEFINE_string(
    "data",
    None,
    "Other data of the same classes, prepared or raw, with or without pictures (an i2s run needs "
    "them); the run's own if left out.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "measures",
    "paper",
    "`paper`: the verifier's accuracy, within a minute or two. `all`: every measure.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "measure_steps",
    None,
    "Training steps of each classifier, of the embedding and of the reader of poses that `all` trains; "
    "their usual numbers if left out. For trying out: few steps give low scores.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "label_control",
    None,
    "For `all`: a run trained with label_control.flags, to be put beside this one.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "judges",
    None,
    "For `all`: a folder that keeps what is trained on real recordings alone (classifier, embedding, "
    "reader of poses), so that the next run measured on the same data has the same judges at once.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "inception_weights",
    None,
    "For `all`: weights file of keras.applications' InceptionV3; KID, precision and recall are then "
    "also given on its features. Nothing is downloaded.",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "compare",
    [],
    "What this command wrote of other runs: their scores are printed beside this one's. Refused where "
    "data, splits, windows, verifier or measuring differ.",
    flag_values=FLAGS,
)
GROUPS = {
    "What": ("workdir", "data", "compare"),
    "How": ("measures", "measure_steps", "label_control", "judges", "inception_weights"),
    "Result": ("output",),
}


def main() -> None:
    output = Path(FLAGS.output)
    _check(output)
    others = {path: compare.read(Path(path)) for path in FLAGS.compare}
    from cmgen.evaluate import report  # TensorFlow is imported only when the work starts
    from cmgen.evaluate.score import MeasureConfig
    from cmgen.models.run import load_run

    measures = None
    if FLAGS.measures == "all":
        steps = FLAGS.measure_steps
        measures = MeasureConfig(
            classifier_steps=steps,
            embedding_steps=steps or MeasureConfig.embedding_steps,
            pose_steps=steps,
            label_control=_path(FLAGS.label_control),
            inception_weights=_path(FLAGS.inception_weights),
            reference_folder=_path(FLAGS.judges),
        )
    run = load_run(FLAGS.workdir)
    _keep_data(run.data)
    if measures is not None and run.config.task == "s2i":
        print("--measures=all takes minutes: it trains four small networks", flush=True)
    scores = report.evaluate_run(run, FLAGS.data or run.data, output, measures)
    print(report.summary(scores))
    print(f"\nAll scores: {output}")
    if others:
        beside = {str(output): scores} | others
        notes = compare.check_alike(beside)
        print("\n".join(["", compare.table(beside), *(f"Note: {note}" for note in notes)]))


def _path(value: str | None) -> Path | None:
    return None if value is None else Path(value).expanduser()


def _keep_data(data: str | None) -> None:
    outputs = {"output": FLAGS.output, "judges": FLAGS.judges}
    keep_inputs(outputs, {}, {"data": data_folder(data)})


def _check(output: Path) -> None:
    if output.suffix != ".json":
        raise UserError(f"--output={output}: must end in .json")
    inputs = ("workdir", "label_control", "inception_weights")
    for name, value in [(n, FLAGS[n].value) for n in inputs] + [
        ("compare", p) for p in FLAGS.compare
    ]:
        keep_inputs({"output": output, "judges": FLAGS.judges}, {name: value})
    keep_inputs({"output": output}, {"judges": FLAGS.judges})
    _keep_data(FLAGS.data)
    if output.exists() and not compare.is_report(output):
        raise UserError(
            f"--output={output}: is there and was not written by cmgen.evaluate; name another file"
        )
    if FLAGS.measures not in ("paper", "all"):
        raise UserError(f"--measures={FLAGS.measures}: must be paper or all")
    if FLAGS.measure_steps is not None and FLAGS.measure_steps < 1:
        raise UserError(f"--measure_steps={FLAGS.measure_steps}: must be at least 1")
    for name in ("measure_steps", "label_control", "judges", "inception_weights"):
        if FLAGS[name].value is not None and FLAGS.measures != "all":
            raise UserError(f"--{name}: is for --measures=all; add that, or leave it out")


def console() -> None:
    cli.run(main, GROUPS, FLAGS)


if __name__ == "__main__":
    console()
