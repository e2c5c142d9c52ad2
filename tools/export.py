"""Exports a run's sound-to-image function: a SavedModel for TF Serving and one ONNX graph, waveform
and noise in, picture out, checked against each other before anything is written.

Each export makes the next version, OUTPUT/1, OUTPUT/2, ...; OUTPUT/NAME.onnx and OUTPUT/README.md
are of the newest.

Examples:
  python tools/export.py --workdir=runs/s2i --output=exports/s2i
"""

from pathlib import Path

from absl import flags

from cmgen import cli

FLAGS = flags.FlagValues()
flags.DEFINE_string("workdir", "runs/s2i", "The run's folder.", flag_values=FLAGS)
flags.DEFINE_string(
    "output", "exports/s2i", "The model's folder; its last part names the model.", flag_values=FLAGS
)
flags.DEFINE_string(
    "scores",
    None,
    "What cmgen.evaluate wrote, for the model card; WORKDIR/evaluation.json if left out.",
    flag_values=FLAGS,
)
GROUPS = {"What": ("workdir", "scores"), "Result": ("output",)}


def main() -> None:
    from cmgen import checkpoint, exporting  # TensorFlow is imported only when the work starts

    run = checkpoint.load_run(FLAGS.workdir)
    exporting.check_exportable(run)
    scores = exporting.read_scores(run, FLAGS.scores)
    windows = exporting.parity_windows(run)
    written = exporting.export(run, Path(FLAGS.output), windows, scores)
    print(
        f"{written.saved_model}: SavedModel, differs from the run by "
        f"{written.saved_model_difference:.1e}\n"
        f"{written.onnx}: ONNX, differs by {written.onnx_difference:.1e}\n"
        f"{written.card}: model card"
    )


def console() -> None:
    cli.run(main, GROUPS, FLAGS)


if __name__ == "__main__":
    console()
