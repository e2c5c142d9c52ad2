"""What all benchmarks share: timed calls, the machine, the table and the JSON file. No TensorFlow."""

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from cmgen.prepare.reading import processors
from cmgen.utils.files import write_text
from cmgen.utils.versions import installed

WARM_UP_CALLS = 10
T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """Calls of one case, each of `batch` items on `threads` threads.

    Attributes:
      p50_ms, p99_ms: median and 99th percentile of a call.
      fastest_ms: the fastest call, which other work on the machine disturbed least.
      items_per_second: by the median.
    """

    case: str
    batch: int
    threads: int
    calls: int
    p50_ms: float
    p99_ms: float
    fastest_ms: float
    items_per_second: float


def timed(
    call: Callable[[], object], case: str, batch: int, threads: int, calls: int, seconds: float
) -> Timing:
    """Times `calls` calls one after the other, fewer if `seconds` are over; some go before."""
    for _ in range(min(WARM_UP_CALLS, calls)):
        call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < calls and (not times or time.perf_counter() < end):
        times.append(_milliseconds(call))
    p50, p99 = (float(np.percentile(times, q)) for q in (50, 99))
    return Timing(case, batch, threads, len(times), p50, p99, min(times), 1e3 * batch / p50)


@dataclass(frozen=True)
class Ratio:
    """How many times as long a baseline takes, both run in turns; quartiles over the rounds.

    Attributes:
      what, baseline: the two, in words.
      median, low, high: of baseline / ours, round by round: median, first and third quartile.
      ours_ms, baseline_ms: medians of a call.
      rounds: number of turns.
    """

    what: str
    baseline: str
    median: float
    low: float
    high: float
    ours_ms: float
    baseline_ms: float
    rounds: int


def in_turns(
    ours: Callable[[], object],
    baseline: Callable[[], object],
    what: str,
    against: str,
    rounds: int,
    seconds: float,
) -> Ratio:
    """Calls both alternately, so that what else the machine does meets both alike.

    Args:
      ours, baseline: do the same work; each is called twice before it counts.
      what, against: their names.
      rounds: of one call each, fewer if `seconds` are over.
      seconds: after which no round begins.
    """
    for call in (ours, baseline, ours, baseline):
        call()
    times: list[tuple[float, float]] = []
    end = time.perf_counter() + seconds
    while len(times) < rounds and (not times or time.perf_counter() < end):
        times.append((_milliseconds(ours), _milliseconds(baseline)))
    mine, other = zip(*times, strict=True)
    return ratio_of(what, against, mine, other)


def ratio_of(what: str, against: str, mine: Sequence[float], other: Sequence[float]) -> Ratio:
    """other / mine, round by round; both in milliseconds."""
    low, median, high = np.percentile(np.array(other) / np.array(mine), [25, 50, 75])
    return Ratio(
        what=what,
        baseline=against,
        median=float(median),
        low=float(low),
        high=float(high),
        ours_ms=float(np.median(mine)),
        baseline_ms=float(np.median(other)),
        rounds=len(mine),
    )


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def in_process(work: Callable[..., T], threads: int, *arguments: object) -> T:
    """`work(threads, *arguments)` in a new process, since libraries fix their threads at the start."""
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(threads)))
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(work, threads, *arguments).result()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def machine() -> dict[str, Any]:
    """Processor, cores and load, which a time means nothing without."""
    return {
        "processor": _processor(),
        "cores": processors(),
        "system": platform.platform(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def report(benchmark: str, settings: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    """Everything that is known of a benchmark, of JSON types; its figures first."""
    return {
        **figures,
        "benchmark": benchmark,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": settings,
        "machine": machine(),
        "versions": installed(),
    }


def ratio_line(ratio: Ratio) -> str:
    """A ratio in words."""
    return (
        f"{ratio.what}: {ratio.median:.2f} times as fast as {ratio.baseline} (quartiles "
        f"{ratio.low:.2f} to {ratio.high:.2f}, {ratio.rounds} rounds; medians {ratio.ours_ms:.1f} and "
        f"{ratio.baseline_ms:.1f} ms)"
    )


def table(timings: Sequence[Timing]) -> str:
    """Timings as text in columns."""
    head = ("case", "batch", "threads", "calls", "p50 ms", "p99 ms", "fastest ms", "items/s")
    rows = [
        (
            t.case,
            *(str(n) for n in (t.batch, t.threads, t.calls)),
            *(f"{n:.2f}" for n in (t.p50_ms, t.p99_ms, t.fastest_ms, t.items_per_second)),
        )
        for t in timings
    ]
    return in_columns(head, rows)


def in_columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text in columns, the first to the left and all others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def finish(figures: dict[str, Any], path: str | None) -> None:
    """Prints the machine, and writes the JSON file if one is asked for."""
    about = figures["machine"]
    load = ", ".join(map(str, about["load_average"]))
    print(f"{about['processor']}, {about['cores']} cores; load average {load}")
    if path:
        write_text(Path(path), json.dumps(figures, indent=2) + "\n")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
