"""Runs a target in a process of its own, and counts what it did."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from cmgen.errors import FAILED_WORK, UserError
from cmgen.files import write_text
from cmgen.versions import installed

ROOT = Path(__file__).resolve().parents[2]
# Inputs of media grow to what holds a second of something, and no further.
LONGEST = 1 << 16


@dataclass(frozen=True)
class Limits:
    """Of a target's executions, seconds, seconds of one input, and megabytes."""

    runs: int
    seconds: int
    hang: int
    memory_mb: int


@dataclass(frozen=True)
class Count:
    """What one target came to.

    Attributes:
      target: its name.
      executions: inputs tried.
      seconds: of the whole process.
      reached: places in cmgen's code, at the end.
      corpus: inputs that reached something new, those it began with included.
      findings: files of inputs that are faults.
    """

    target: str
    executions: int
    seconds: int
    reached: int
    corpus: int
    findings: tuple[str, ...]

    def line(self) -> str:
        """For the terminal."""
        return (
            f"{self.target:18s} {self.executions:>10,} executions in {self.seconds:>5} s, "
            f"{self.reached} places reached, {len(self.findings)} findings"
        )


def run(name: str, corpus: Path, found: Path, limits: Limits) -> Count:
    """Fuzzes one target.

    Args:
      name: of `targets.TARGETS`.
      corpus: has a folder of inputs for each target.
      found: receives new inputs (found/name), findings and the log.
      limits: when it ends; after a finding it ends too.
    """
    new, faults, log = found / name, found / f"{name}-findings", found / f"{name}.log"
    for folder in (new, faults):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "tools.fuzzing.one", name),
        *(f"-runs={limits.runs}", f"-max_total_time={limits.seconds}", f"-timeout={limits.hang}"),
        *(f"-rss_limit_mb={limits.memory_mb}", f"-max_len={LONGEST}", "-print_final_stats=1"),
        *(f"-artifact_prefix={faults}/", str(new), *_existing(corpus / name)),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as file:
        code = subprocess.run(
            command, env=environment, stdout=file, stderr=file, check=False
        ).returncode
    said = log.read_text(errors="replace")
    findings = tuple(sorted(path.name for path in faults.iterdir()))
    if code and not findings:
        last = (said.strip().splitlines() or [""])[-1]
        raise UserError(f"{name}: could not be fuzzed ({last}); see {log}", FAILED_WORK)
    done = re.search(r"Done (\d+) runs in (\d+) second", said)
    executions = int(done[1]) if done else _last(r"^#(\d+)", said)
    return Count(
        name,
        executions,
        int(done[2]) if done else 0,
        _last(r"\bcov: (\d+)", said),
        sum(1 for folder in (new, corpus / name) if folder.is_dir() for _ in folder.iterdir()),
        findings,
    )


def write(counts: Sequence[Count], output: Path) -> None:
    """Writes the counts as JSON, with date and versions."""
    found = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": installed(),
        "targets": [asdict(count) for count in counts],
    }
    write_text(output, json.dumps(found, indent=2) + "\n")


def _existing(folder: Path) -> list[str]:
    return [str(folder)] if folder.is_dir() else []


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text, re.MULTILINE)
    return int(found[-1]) if found else 0
