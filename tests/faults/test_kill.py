"""Training is killed at random moments, again and again: the same command always goes on.

`CMGEN_KILLS=20 python -m pytest -m slow -n0 -s tests/faults/test_kill.py` prints the table of
docs/reliability.md; without the variable there are few kills.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, RunMain
from tiny_training import TINY, checkpointed, results

from tests import fixtures

KILLS = int(os.environ.get("CMGEN_KILLS", "3"))
SECONDS = 3600  # of each process; more than that is a hang, on however busy a machine
(BATCH,), (STEPS,), (INTERVAL,) = (
    [int(flag.partition("=")[2]) for flag in TINY if flag.startswith(name)]
    for name in ("--batch_size", "--train_steps", "--checkpoint_steps")
)
EXAMPLES = BATCH * STEPS  # as the progress bar of the GAN counts
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


def train_until_killed(
    arguments: list[str], workdir: Path, changes: int, pause: float
) -> tuple[str, int] | None:
    """Kills training `pause` seconds after its folder has changed so often.

    Returns:
      what changed last, and the last step of the GAN on the progress bar; None if it ended before.
    """
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
        time.sleep(pause)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        assert process.stderr is not None
        errors = process.stderr.read().decode()
        code = process.wait()
    assert code in (0, -signal.SIGKILL), errors[-3000:]
    shown = re.findall(rf"(\d+)/{EXAMPLES} \[", errors)
    return (last, int(shown[-1]) // BATCH if shown else 0) if code else None


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return fixtures.write_corpus(tmp_path_factory.mktemp("data") / "videos")


@pytest.fixture(autouse=True)
def cache(data, monkeypatch):
    monkeypatch.setenv("CMGEN_CACHE", str(data.parent / "cache"))


@pytest.fixture
def train(data, run_main: RunMain) -> Callable[[Path], dict[str, np.ndarray]]:
    """Trains to the end, in a process of its own; gives what is in the newest checkpoint."""

    def run(workdir: Path) -> dict[str, np.ndarray]:
        arguments = [*TINY, f"--data={data}", f"--workdir={workdir}"]
        ran = run_main("cmgen.train", *arguments, timeout=SECONDS)
        assert ran.returncode == 0, ran.stderr[-3000:]
        return checkpointed(workdir)

    return run


def assert_same_numbers(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert wanted.keys() == found.keys()
    for name, value in wanted.items():
        np.testing.assert_array_equal(value, found[name], err_msg=name)


def assert_same_results(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    assert [name for name, value in wanted.items() if found[name] != value] == []


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_weights(data, train, tmp_path) -> None:
    """And the same pictures and scores; and so does a run that nobody killed, once more."""
    # Files say their run's name, so all have the same.
    whole, again = tmp_path / "whole" / "run", tmp_path / "again" / "run"
    killed = tmp_path / "killed"
    wanted, rows, moments = train(whole), [], random.Random(1)
    assert_same_numbers(train(again), wanted)
    expected = results(whole)
    assert len([name for name in expected if name.endswith((".png", ".npz"))]) >= 12
    assert_same_results(results(again), expected)
    run = 0
    while len(rows) < KILLS:
        workdir = killed / str(run) / "run"
        arguments = [*TINY, f"--data={data}", f"--workdir={workdir}"]
        kept = steps_kept(workdir)
        # Some moments lie in the midst of a write, others between two, where it computes.
        pause = moments.choice([0.0, moments.uniform(0.0, 1.0)])
        found = train_until_killed(arguments, workdir, moments.randint(1, MOST_CHANGES), pause)
        if found is None:
            run += 1  # it came to its end; on with another
            continue
        (last, reached), now = found, max(steps_kept(workdir), default=0)
        assert now >= max(kept, default=0)  # nothing that was kept is lost
        assert reached - now <= INTERVAL
        rows.append((run, last, now))
        print(f"\n| {len(rows)} | {run} | {reached} | {now} | `{last}` | {pause:.1f} s |")
    for folder in sorted(killed.iterdir()):
        assert_same_numbers(train(folder / "run"), wanted)
        assert_same_results(results(folder / "run"), expected)
        # No rests of files that were being written.
        assert [name for name in look(folder) if ".partial" in name] == []
