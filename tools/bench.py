"""Measures how long cmgen takes, for the machine it runs on: a table, and JSON with --json. It states
machine, versions, threads, batch and load, and judges nothing.

Examples:
  python tools/bench.py serve --model=exports/s2i
  python tools/bench.py serve --model=exports/i2s --threads=1,2,4 --json=bench.json
"""

from pathlib import Path

from absl import flags

from cmgen import cli
from cmgen.errors import UserError

SERVE = flags.FlagValues()
flags.DEFINE_string("model", "exports/s2i", "A folder of tools/export.py.", flag_values=SERVE)
flags.DEFINE_list(
    "threads", ["1", "2"], "Numbers of threads, each in a process of its own.", flag_values=SERVE
)
flags.DEFINE_list("batches", ["1", "32"], "Items in a call.", flag_values=SERVE)
flags.DEFINE_integer("calls", 200, "Timed calls of each case.", lower_bound=1, flag_values=SERVE)
flags.DEFINE_float(
    "seconds", 60.0, "A case with slow calls ends after this.", lower_bound=0.1, flag_values=SERVE
)
flags.DEFINE_string("json", None, "Also write everything to this file.", flag_values=SERVE)
GROUPS = {"What": ("model", "threads", "batches", "calls", "seconds"), "Result": ("json",)}


def serve() -> None:
    """An exported model's answers: ONNX and SavedModel, p50 and p99 of calls."""
    from cmgen.benchmarks import serve as work
    from cmgen.benchmarks import timing

    folder = Path(SERVE.model)
    threads, batches = (_numbers(name) for name in ("threads", "batches"))
    work.newest_version(folder)
    arguments = (folder, batches, SERVE.calls, SERVE.seconds)
    timings = [t for count in threads for t in timing.in_process(work.measure, count, *arguments)]
    settings = {"model": SERVE.model, "calls": SERVE.calls, "seconds": SERVE.seconds}
    timing.finish(timing.report("serve", settings, timings), timings, SERVE.json)


def _numbers(name: str) -> tuple[int, ...]:
    values = SERVE[name].value or []
    if not values or not all(value.isdecimal() and int(value) for value in values):
        raise UserError(f"--{name}={','.join(values)}: needs whole numbers of at least 1, as 1,2")
    return tuple(int(value) for value in values)


COMMANDS = {"serve": cli.Command(serve, GROUPS, SERVE)}


def console() -> None:
    cli.run_commands(COMMANDS)


if __name__ == "__main__":
    console()
