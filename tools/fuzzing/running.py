"""Runs a target in a separate process and counts executions and findings."""

import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from cmgen.utils.errors import FAILED_WORK, UserError
from cmgen.utils.files import write_text
from cmgen.utils.versions import installed

ROOT = Path(__file__).resolve().parents[2]
# Inputs of media grow to what holds a second of something, and no further.
LONGEST = 1 << 16


@dataclass(frozen=True)
class Limits:
    """Of a target's executions, processor seconds, seconds of one input, and megabytes."""

    runs: int
    seconds: int
    hang: int
    memory_mb: int


@dataclass(frozen=True)
class Count:
    """Results of one target.

    Attributes:
      target: its name.
      executions: inputs tried.
      seconds: from start to end.
      processor_seconds: of all its processes.
      reached: number of places in cmgen's code.
      corpus: number of inputs that reached something new, seeds included.
      findings: names of the files with inputs that fail.
    """

    target: str
    executions: int
    seconds: int
    processor_seconds: int
    reached: int
    corpus: int
    findings: tuple[str, ...]

    def line(self) -> str:
        """Returns the line for the terminal."""
        return (
            f"{self.target:18s} {self.executions:>10,} executions in {self.seconds:>5} s "
            f"({self.processor_seconds} of a processor), "
            f"{self.reached} places reached, {len(self.findings)} findings"
        )


def run(name: str, corpus: Path, output: Path, limits: Limits) -> Count:
    """Fuzzes one target, until executions or processor time are spent, or something is a finding.

    Args:
      name: of `targets.TARGETS`.
      corpus: has a folder of inputs for each target.
      output: receives new inputs (output/name), findings and the log.
      limits: when it ends.
    """
    new, faults, log = output / name, output / f"{name}-findings", output / f"{name}.log"
    for folder in (new, faults):
        folder.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    inputs = [str(new), *_existing(corpus / name)]
    began, before = time.monotonic(), _processor_seconds()
    executions, used, log_text = 0, 0.0, ""
    while executions < limits.runs and used < limits.seconds:
        left = [
            f"-runs={limits.runs - executions}",
            f"-max_total_time={math.ceil(limits.seconds - used)}",
            f"-artifact_prefix={faults}/",
        ]
        code, part = _start(name, [*left, *inputs], limits, log)
        executions, log_text = executions + _executions(part), log_text + part
        used = _processor_seconds() - before
        for path in faults.glob("timeout-*"):
            # The fuzzer's clock runs on while a busy machine, or someone, pauses its process.
            if not _start(name, [str(path)], limits, log)[0]:
                path.unlink()
                code = 0
        findings = tuple(sorted(path.name for path in faults.iterdir()))
        if findings:
            break
        if code or not _executions(part):
            last = (part.strip().splitlines() or [""])[-1]
            raise UserError(f"{name}: could not be fuzzed ({last}); see {log}", FAILED_WORK)
    return Count(
        name,
        executions,
        round(time.monotonic() - began),
        round(used),
        _last(r"\bcov: (\d+)", log_text),
        sum(1 for folder in (new, corpus / name) if folder.is_dir() for _ in folder.iterdir()),
        findings,
    )


def _start(name: str, options: Sequence[str], limits: Limits, log: Path) -> tuple[int, str]:
    """Runs one process; returns its exit code and its output, which is appended to the log."""
    command = [
        *(sys.executable, "-m", "tools.fuzzing.one", name),
        *(f"-timeout={limits.hang}", f"-report_slow_units={limits.hang}"),
        *(f"-rss_limit_mb={limits.memory_mb}", f"-max_len={LONGEST}"),
        *("-print_final_stats=1", *options),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = log.stat().st_size if log.exists() else 0
    with log.open("ab") as file:
        done = subprocess.run(command, env=environment, stdout=file, stderr=file, check=False)
    return done.returncode, log.read_bytes()[start:].decode(errors="replace")


def _executions(output: str) -> int:
    return max(
        _last(r"^Done (\d+) runs in", output),
        _last(r"^stat::number_of_executed_units:\s*(\d+)", output),
        _last(r"^#(\d+)", output),
    )


def _processor_seconds() -> float:
    """Of all processes that were started here and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def write(counts: Sequence[Count], output: Path) -> None:
    """Writes the counts as JSON, with date and versions."""
    report = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": installed(),
        "targets": [asdict(count) for count in counts],
    }
    write_text(output, json.dumps(report, indent=2) + "\n")


def _existing(folder: Path) -> list[str]:
    return [str(folder)] if folder.is_dir() else []


def _last(pattern: str, text: str) -> int:
    numbers = re.findall(pattern, text, re.MULTILINE)
    return int(numbers[-1]) if numbers else 0
