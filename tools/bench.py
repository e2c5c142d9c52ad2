"""Measures how long cmgen takes, for the machine it runs on: tables, and JSON with --output. What is
compared runs in turns in one process, and the figure is their ratio, for absolute times differ from
hour to hour. It states machine, versions and load, and judges nothing.

Examples:
  python tools/bench.py all --model=exports/s2i --output=bench.json
  python tools/bench.py train --rounds=20
  python tools/bench.py serve --model=exports/i2s --threads=1,2,4
  python tools/bench.py growth --output=growth.json
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags

from cmgen.utils import cli
from cmgen.utils.errors import UserError
from cmgen.utils.paths import keep_inputs

POLICIES = ("float32", "mixed_bfloat16")


# How a flag is made, its default, its help, and its least value.
_KNOWN: dict[str, tuple[Callable[..., Any], Any, str, dict[str, float]]] = {
    "model": (flags.DEFINE_string, "exports/s2i", "A folder of cmgen.export.", {}),
    "threads": (flags.DEFINE_list, "1,2", "Numbers of threads, each in a process of its own.", {}),
    "batches": (flags.DEFINE_list, "1,32", "Items in a call.", {}),
    "calls": (flags.DEFINE_integer, 200, "Timed calls of each case.", {"lower_bound": 1}),
    "rounds": (flags.DEFINE_integer, 20, "Turns of what is compared.", {"lower_bound": 1}),
    "steps": (flags.DEFINE_integer, 60, "Training steps that count.", {"lower_bound": 1}),
    "seconds": (
        *(flags.DEFINE_float, 60.0, "A case with slow calls ends after this."),
        {"lower_bound": 0.1},
    ),
    "batch_size": (flags.DEFINE_integer, 64, "Examples in a training step.", {"lower_bound": 2}),
    "sizes": (flags.DEFINE_list, "1,10,100", "How many times the recordings.", {}),
    "recordings": (flags.DEFINE_integer, 12, "Recordings at size 1.", {"lower_bound": 3}),
    "batch_sizes": (flags.DEFINE_list, "16,32,64,128,256,512", "Examples in a training step.", {}),
    "data": (flags.DEFINE_string, "demo", "What is trained on, as for cmgen.train.", {}),
    "output": (flags.DEFINE_string, None, "Also write everything to this JSON file.", {}),
}


def _flags(*names: str) -> flags.FlagValues:
    """The flags of one command; those of the same name mean the same in all."""
    values = flags.FlagValues()
    for name in names:
        define, default, text, least = _KNOWN[name]
        define(name, default, text, flag_values=values, **least)
    return values


SERVE = _flags("model", "threads", "batches", "calls", "seconds", "output")
LMS = _flags("rounds", "seconds", "output")
TRAIN = _flags("batch_size", "rounds", "seconds", "output")
INPUT = _flags("data", "steps", "output")
GROWTH = _flags("sizes", "recordings", "batch_sizes", "output")
ALL = _flags(*{n: None for f in (SERVE, LMS, TRAIN, INPUT) for n in f})


def _keep_inputs(values: flags.FlagValues) -> None:
    """Refuses an --output that would replace what is measured."""
    inputs = {name: values[name].value for name in ("model", "data") if name in values}
    keep_inputs({"output": values.output}, inputs)


def serve() -> None:
    """An exported model's answers: ONNX and SavedModel, p50 and p99 of calls."""
    _keep_inputs(SERVE)
    _finish("serve", SERVE, _serve(SERVE))


def lms() -> None:
    """The LMS of half-second clips against librosa, and how far they are apart."""
    _keep_inputs(LMS)
    _finish("lms", LMS, _lms(LMS))


def train() -> None:
    """A training step against a textbook one at the same networks, in float32 and bfloat16."""
    _keep_inputs(TRAIN)
    _finish("train", TRAIN, _train(TRAIN))


def input_() -> None:
    """How long training waits for its data, the data pipeline alone, and memory of a run."""
    _keep_inputs(INPUT)
    _finish("input", INPUT, _input(INPUT))


def all_() -> None:
    """Everything, one after the other; without the folder of --model, all but serve."""
    _keep_inputs(ALL)
    figures: dict[str, Any] = {}
    for part in (_lms, _train, _input):
        figures |= part(ALL)
    if Path(ALL.model).is_dir():
        figures |= _serve(ALL)
    else:
        why = f"--model={ALL.model}: no such folder"
        figures |= {name: None for name in _SERVED} | {"serve": {"not_measured": why}}
    _finish("all", ALL, figures)


def growth() -> None:
    """How preparing, input, memory and step grow with recordings and batch; with a figure."""
    _keep_inputs(GROWTH)
    sizes, batches = (_numbers(GROWTH, name) for name in ("sizes", "batch_sizes"))
    for count in batches:
        if count % 2:
            raise UserError(f"--batch_sizes={count}: must be even, as in training")
    from dataclasses import asdict

    from cmgen.config import TrainConfig
    from tools.benchmarks import growth as work

    with tempfile.TemporaryDirectory() as folder:
        results = work.measure(Path(folder), GROWTH.recordings, sizes)
    steps = work.measure_steps(TrainConfig(), batches)
    print(work.table(results, steps))
    figures = work.keys(results) | {
        "recordings": [asdict(one) for one in results],
        "steps": [asdict(one) for one in steps],
    }
    _finish("growth", GROWTH, figures)
    if GROWTH.output:
        work.draw_figure(Path(GROWTH.output).with_suffix(".png"), results, steps)


_SERVED = ("onnx_batch1_p50_ms", "savedmodel_batch1_p50_ms")


def _serve(values: flags.FlagValues) -> dict[str, Any]:
    from tools.benchmarks import serve as work
    from tools.benchmarks import timing

    folder = Path(values.model)
    threads, batches = (_numbers(values, name) for name in ("threads", "batches"))
    work.newest_version(folder)
    arguments = (folder, batches, values.calls, values.seconds)
    timings = [t for count in threads for t in timing.in_process(work.measure, count, *arguments)]
    print(timing.table(timings))
    return work.headlines(timings) | {"serve": [vars(t) for t in timings]}


def _lms(values: flags.FlagValues) -> dict[str, Any]:
    with cli.extra("test"):
        from tools.benchmarks import lms as work
    from tools.benchmarks import timing

    ratio, difference = work.measure(values.rounds, values.seconds)
    print(timing.ratio_line(ratio), f"largest difference {difference:.1e} dB", sep="\n")
    return {
        "lms_vs_librosa": ratio.median,
        "lms": vars(ratio) | {"largest_difference_db": difference},
    }


def _train(values: flags.FlagValues) -> dict[str, Any]:
    from cmgen.config import TrainConfig
    from cmgen.models import precision
    from tools.benchmarks import timing
    from tools.benchmarks import train as work

    figures: dict[str, Any] = {"train": {}}
    for policy in POLICIES:
        key = f"train_vs_textbook_{policy.removeprefix('mixed_')}"
        if policy != "float32" and not precision.has_fast_bfloat16():
            figures[key] = None
            figures["train"][policy] = {"not_measured": "no bfloat16 units in this machine"}
            continue
        config = TrainConfig(batch_size=values.batch_size)
        step = work.measure(config, policy, values.rounds, values.seconds)
        for ratio in filter(None, (step.ratio, step.torch)):
            print(timing.ratio_line(ratio))
        details = work.as_json(step)
        figures[key] = (step.torch or step.ratio).median
        figures["train"][policy] = details
        print(
            f"a step has {step.gflop:.0f} GFLOP (the textbook's {step.textbook_gflop:.0f}), done at "
            f"{details['share_of_matrix_rate']:.0%} of the {step.matrix_gflops:.0f} GFLOP/s of large "
            "matrices"
        )
    return figures


def _input(values: flags.FlagValues) -> dict[str, Any]:
    from dataclasses import asdict

    from cmgen.models import precision
    from tools.benchmarks import input as work
    from tools.benchmarks import timing

    config, memory = work.short_run(("--flagfile=s2i.flags", f"--data={values.data}"), values.steps)
    result = work.measure(config, precision.policy(config.mixed_precision), values.steps)
    wait, rate = result.wait_share, result.vs_training
    print(
        f"waits for input: {wait.median:.2%} of a step of {wait.ours_ms:.0f} ms (quartiles "
        f"{wait.low:.2%} to {wait.high:.2%}, {wait.rounds} turns)",
        timing.ratio_line(rate),
        f"peak memory of a short run: {memory:.2f} GiB",
        sep="\n",
    )
    return {
        "input_wait_share": wait.median,
        "input_vs_training_rate": rate.median,
        "peak_memory_gib": memory,
        "input": asdict(result),
    }


def _finish(name: str, values: flags.FlagValues, figures: dict[str, Any]) -> None:
    from tools.benchmarks import timing

    settings = {flag: values[flag].value for flag in values if flag not in ("output", "flagfile")}
    timing.finish(timing.report(name, settings, figures), values.output)


def _numbers(values: flags.FlagValues, name: str) -> tuple[int, ...]:
    given = values[name].value or []
    if not given or not all(value.isdecimal() and int(value) for value in given):
        raise UserError(f"--{name}={','.join(given)}: needs whole numbers of at least 1, as 1,2")
    return tuple(int(value) for value in given)


def _groups(values: flags.FlagValues) -> dict[str, tuple[str, ...]]:
    return {"What": tuple(n for n in values if n != "output"), "Result": ("output",)}


COMMANDS = {
    name: cli.Command(work, _groups(values), values)
    for name, work, values in (
        ("lms", lms, LMS),
        ("input", input_, INPUT),
        ("train", train, TRAIN),
        ("serve", serve, SERVE),
        ("all", all_, ALL),
        ("growth", growth, GROWTH),
    )
}


def console() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))  # tf2onnx brings a package tools, too
    cli.run_commands(COMMANDS)


if __name__ == "__main__":
    console()
