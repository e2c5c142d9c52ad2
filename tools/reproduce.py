"""Trains and measures everything of the paper and writes it beside the published numbers, with figures,
to OUTPUT/RESULTS.md. The same command resumes: what is done is not done again.

Every step is a command of cmgen.train, cmgen.evaluate, cmgen.generate or tools/encoder_study.py. One
that fails is named with its log, and the others go on. The whole takes many hours on 2 cores.

Examples:
  python tools/reproduce.py --output=results
  python tools/reproduce.py --output=results --only=s2i,measure_s2i
  python tools/reproduce.py --output=results --report_only
  python tools/reproduce.py --output=smoke --quick
"""

import os
import sys
from pathlib import Path
from typing import Any

from absl import flags

from cmgen.utils import cli
from cmgen.utils.errors import FAILED_WORK, UserError

ROOT = Path(__file__).resolve().parents[1]
FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "output", "results", "Receives runs, scores, logs and figures.", flag_values=FLAGS
)
flags.DEFINE_string(
    "results", None, "The page to write; OUTPUT/RESULTS.md if left out.", flag_values=FLAGS
)
flags.DEFINE_list(
    "only",
    [],
    "Names of the steps to run, and with them what they need; all if left out.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "quick",
    False,
    "A smoke run: few steps on few recordings, to see that it works, within minutes.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "report_only", False, "Run nothing; write the page of what is done.", flag_values=FLAGS
)
GROUPS = {"What": ("only", "quick", "report_only"), "Result": ("output", "results")}


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))  # tf2onnx brings a package tools, too
    from tools.reproduction import progress, table

    if FLAGS.report_only and FLAGS.only:
        raise UserError("--only: has no use with --report_only, which runs nothing; leave one out")
    output = Path(FLAGS.output)
    # As a person in this folder would write it, for the commands are shown.
    root = Path(os.path.relpath(ROOT))
    if FLAGS.quick and not FLAGS.report_only:
        table.write_quick_videos(root, output)
    steps = table.all_steps(root, output, FLAGS.quick)
    names = progress.choose(steps, FLAGS.only)
    failed = [] if FLAGS.report_only else progress.run(steps, names, output)
    place = Path(FLAGS.results) if FLAGS.results else output / "RESULTS.md"
    write_page(progress.states(steps, output), output, place)
    print(place)
    if failed:
        logs = ", ".join(str(progress.log_path(output, name)) for name in failed)
        raise UserError(f"failed: {', '.join(failed)}; see {logs}", FAILED_WORK)


def write_page(states: dict[str, Any], output: Path, place: Path) -> None:
    """Draws the figures and writes the page of the steps that are done."""
    from cmgen.utils.files import write_text
    from tools.reproduction import figures, numbers, page

    measured = numbers.Numbers(states)
    write_text(place, page.write(measured, figures.draw_all(measured, output), place, FLAGS.quick))


def console() -> None:
    cli.run(main, GROUPS, FLAGS)


if __name__ == "__main__":
    console()
