"""Exports a run for others: a SavedModel for TF Serving (files in, files out), ONNX graphs of the whole
way, the encoder and the generator, a client and a model card, all checked against the run first.

Each export makes the next version, OUTPUT/1, OUTPUT/2, ...; the other files in OUTPUT are of the
newest. OUTPUT/../models.config lists all models there.

Examples:
  python -m cmgen.export --workdir=runs/s2i --output=exports/s2i
  python -m cmgen.export --workdir=runs/i2s --output=exports/i2s --float16 --int8
"""

from pathlib import Path

from absl import flags

from cmgen.config import data_folder
from cmgen.utils import cli
from cmgen.utils.paths import keep_inputs

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
flags.DEFINE_bool(
    "float16", False, "Also OUTPUT/NAME_float16.onnx, with its cost and gain.", flag_values=FLAGS
)
flags.DEFINE_bool(
    "int8", False, "Also OUTPUT/NAME_int8.onnx, with its cost and gain.", flag_values=FLAGS
)
GROUPS = {"What": ("workdir", "scores"), "Result": ("output", "float16", "int8")}


def main() -> None:
    keep_inputs({"output": FLAGS.output}, {"workdir": FLAGS.workdir, "scores": FLAGS.scores})
    # TensorFlow is imported only when the work starts.
    from cmgen.export import samples as export_data
    from cmgen.export import saved_model, writer
    from cmgen.models.run import load_run

    run = load_run(FLAGS.workdir)
    keep_inputs({"output": FLAGS.output}, {}, {"data": data_folder(run.data)})
    scores = writer.read_scores(run, FLAGS.scores)
    forms = [form for form in writer.SMALLER if FLAGS[form].value]
    samples = export_data.test_samples(run)
    written = writer.export(run, Path(FLAGS.output), samples, scores, forms)
    differences = written.parity["onnx"][written.onnx.name]
    print(f"{written.saved_model}: SavedModel, made of core operations")
    print(f"{written.onnx}: ONNX, differs by {max(differences.values()):.1e} from TensorFlow")
    print(f"{written.folder / 'README.md'}: model card, with how to call it")
    if not saved_model.has_serving_api():
        print(
            "Without warm-up requests, for which tensorflow-serving-api is missing: "
            'pip install -c requirements.lock -e ".[serving]"'
        )


def console() -> None:
    cli.run(main, GROUPS, FLAGS)


if __name__ == "__main__":
    console()
