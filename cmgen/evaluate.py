"""Scores a trained run: does the picture show the instrument that sounds? Writes a JSON file, and
the confusion matrices as pictures beside it.

A classifier that was trained on real training pictures alone (the verifier) names the instrument in
each generated picture; for an i2s run one that was trained on real sounds names it in each generated
spectrogram. Windows in which nothing sounds are counted apart. Scores of the test split
are those to report, those of `shifted` tell how the run does on timbres that it never heard.

Examples:
  python -m cmgen.evaluate --workdir=runs/s2i --output=scores.json
  python -m cmgen.evaluate --workdir=runs/s2i --output=mine.json --data=/videos
"""

from pathlib import Path

from absl import flags

from cmgen import cli
from cmgen.errors import UserError

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
GROUPS = {"What": ("workdir", "data"), "Result": ("output",)}


def main() -> None:
    output = Path(FLAGS.output)
    if output.suffix != ".json":
        raise UserError(f"--output={output}: must end in .json")
    from cmgen import checkpoint, report  # TensorFlow is imported only when the work starts

    run = checkpoint.load_run(FLAGS.workdir)
    scores = report.evaluate_run(run, FLAGS.data or run.data, output)
    print(report.summary(scores))
    print(f"\nAll scores: {output}")


def console() -> None:
    cli.run(main, GROUPS, FLAGS)


if __name__ == "__main__":
    console()
