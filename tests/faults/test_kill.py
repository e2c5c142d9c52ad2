"""Training is killed at random moments, again and again: the same command always goes on.

`CMGEN_KILLS=20 python -m pytest -m slow -n0 -s tests/faults/test_kill.py` prints the table of
docs/reliability.md; without the variable there are few kills.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, RunMain
from tiny_training import TINY, checkpointed

from tests import fixtures

KILLS = int(os.environ.get("CMGEN_KILLS", "3"))
SECONDS = 3600  # of each process; more than that is a hang, on however busy a machine
# What changes in a run's folder before its process is killed, counted; a tiny run changes it 100 times.
MOST_CHANGES = 40


def look(folder: Path) -> dict[str, int]:
    """Every file of a run's folder and its size; files may go while one looks."""
    found = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place) / name for name in names):
            with contextlib.suppress(OSError):
                found[path.relative_to(folder).as_posix()] = path.stat().st_size
    return found


def steps_kept(folder: Path) -> set[int]:
    """Steps of the GAN's whole checkpoints."""
    return {int(path.stem.split("-")[1]) for path in (folder / "checkpoints").glob("*.index")}


def train_until_killed(arguments: list[str], workdir: Path, changes: int) -> str | None:
    """Kills training once its folder has changed so often; says what changed last. None: it ended."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "cmgen.train", *arguments]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + SECONDS
        before, last = look(workdir), "start"
        while process.poll() is None and changes:
            assert time.monotonic() < deadline
            time.sleep(0.002)  # looking without a pause takes a processor from what is looked at
            now = look(workdir)
            if now != before:
                changes -= 1
                last = min(
                    name for name in before.keys() | now if before.get(name) != now.get(name)
                )
                before = now
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        assert process.stderr is not None
        errors = process.stderr.read().decode()
        code = process.wait()
    assert code in (0, -signal.SIGKILL), errors[-3000:]
    return last if code else None


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_weights(
    tmp_path, monkeypatch, run_main: RunMain
) -> None:
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path / "cache"))
    data = fixtures.write_corpus(tmp_path / "videos")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    ran = run_main("cmgen.train", *TINY, f"--data={data}", f"--workdir={whole}", timeout=SECONDS)
    assert ran.returncode == 0, ran.stderr[-3000:]
    wanted, rows, moments = checkpointed(whole), [], random.Random(1)
    run = 0
    while len(rows) < KILLS:
        workdir = killed / str(run)
        arguments = [*TINY, f"--data={data}", f"--workdir={workdir}"]
        kept = steps_kept(workdir)
        moment = train_until_killed(arguments, workdir, moments.randint(1, MOST_CHANGES))
        if moment is None:
            run += 1  # it came to its end; on with another
            continue
        now = steps_kept(workdir)
        assert max(now, default=0) >= max(kept, default=0)  # nothing that was kept is lost
        rows.append((run, moment, max(now, default=0)))
        print(f"\nkill {len(rows)} of run {run}, step {rows[-1][2]} kept, while writing {moment}")
    for folder in sorted(killed.iterdir()):
        arguments = [*TINY, f"--data={data}", f"--workdir={folder}"]
        ran = run_main("cmgen.train", *arguments, timeout=SECONDS)
        assert ran.returncode == 0, ran.stderr[-3000:]
        found = checkpointed(folder)
        assert wanted.keys() == found.keys()
        for name, value in wanted.items():
            np.testing.assert_array_equal(value, found[name], err_msg=f"{folder.name} {name}")
        with np.load(whole / "generator.npz") as a, np.load(folder / "generator.npz") as b:
            assert all(np.array_equal(a[name], b[name]) for name in a.files)
        # No rests of files that were being written.
        assert [name for name in look(folder) if ".partial" in name] == []
