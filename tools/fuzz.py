"""Feeds cmgen's readers of foreign bytes with inputs that are changed at random, guided by what of
cmgen they reach (atheris; decoders in C are not seen into). A reader may refuse, and must do so by its
own error; every other exception, a hang or too much memory is a finding, whose input is kept.

Without --targets all are fuzzed, one after the other. Inputs that reach something new are collected in
--corpus and go on next time.

Examples:
  python tools/fuzz.py --targets=config,names --runs=1000000
  python tools/fuzz.py --seconds=600 --output=fuzz.json
"""

import sys
from pathlib import Path

from absl import flags

from cmgen.utils import cli
from cmgen.utils.errors import FAILED_WORK, UserError
from cmgen.utils.paths import keep_inputs

FLAGS = flags.FlagValues()
flags.DEFINE_list("targets", [], "Names of readers; all if left out.", flag_values=FLAGS)
flags.DEFINE_integer(
    "runs", 1_000_000, "Executions of each target.", lower_bound=1, flag_values=FLAGS
)
flags.DEFINE_integer(
    "seconds",
    600,
    "Processor time after which each target ends, too.",
    lower_bound=1,
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "hang", 20, "Seconds that one input may take.", lower_bound=1, flag_values=FLAGS
)
flags.DEFINE_integer(
    "memory_mb", 4096, "Memory that a process may take.", lower_bound=64, flag_values=FLAGS
)
flags.DEFINE_string(
    "corpus",
    "tests/fuzz",
    "A folder of inputs for each target: those that the search begins with.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "found", "fuzz", "Receives new inputs, and those that are findings.", flag_values=FLAGS
)
flags.DEFINE_string("output", None, "Also write the counts to this JSON file.", flag_values=FLAGS)
GROUPS = {
    "What": ("targets", "corpus"),
    "How long": ("runs", "seconds", "hang", "memory_mb"),
    "Result": ("found", "output"),
}


def main() -> None:
    keep_inputs({"found": FLAGS.found, "output": FLAGS.output}, {}, {"corpus": FLAGS.corpus})
    sys.path.insert(0, str(Path(__file__).parents[1]))  # tf2onnx brings a package tools, too
    from tools.fuzzing import running
    from tools.fuzzing.targets import TARGETS

    unknown = [name for name in FLAGS.targets if name not in TARGETS]
    if unknown:
        raise UserError(f"--targets={unknown[0]}: no target; there are {', '.join(TARGETS)}")
    with cli.extra("fuzz"):
        import atheris  # noqa: F401
    limits = running.Limits(FLAGS.runs, FLAGS.seconds, FLAGS.hang, FLAGS.memory_mb)
    counts = []
    for name in FLAGS.targets or TARGETS:
        counts.append(running.run(name, Path(FLAGS.corpus), Path(FLAGS.found), limits))
        print(counts[-1].line(), flush=True)
        if FLAGS.output:
            running.write(counts, Path(FLAGS.output))
    bad = [count.target for count in counts if count.findings]
    if bad:
        raise UserError(
            f"findings in {', '.join(bad)}: their inputs and logs are in {FLAGS.found}", FAILED_WORK
        )


def console() -> None:
    cli.run(main, GROUPS, FLAGS)


if __name__ == "__main__":
    console()
