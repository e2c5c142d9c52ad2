"""Mains run as processes of their own: how long they took, and their largest resident memory."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cmgen.utils.errors import FAILED_WORK, UserError


@dataclass(frozen=True)
class Spent:
    """What a main took; peak_gib: the largest resident memory of it or of one of its processes."""

    seconds: float
    peak_gib: float


def run_main(module: str, arguments: tuple[str, ...], log: Path) -> Spent:
    """Runs `python -m module arguments...` to its end.

    Args:
      module: cmgen.train, for instance.
      arguments: its flags.
      log: receives what it prints.
    """
    began = time.monotonic()
    with log.open("wb") as file:
        command = [sys.executable, "-m", module, *arguments]
        child = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        what = f"python -m {module} {' '.join(arguments)}"
        raise UserError(f"{what}: failed ({' '.join(last)})", FAILED_WORK)
    return Spent(time.monotonic() - began, _gib(used.ru_maxrss))


def peak_of_this_process() -> float:
    """Largest resident memory so far, in GiB."""
    import resource

    return _gib(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _gib(largest: int) -> float:
    """Linux counts in kilobytes, macOS in bytes."""
    return largest / (2**30 if sys.platform == "darwin" else 2**20)
