"""Training is killed at random moments, again and again: the same command always resumes.

`CMGEN_KILLS=20 python -m pytest -m slow -n0 -s tests/faults/test_kill.py` prints the table of
results/reliability.md; without the variable there are few kills.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fixtures
import numpy as np
import pytest
from checkout import ROOT, RunMain
from tiny_training import TINY, checkpointed, results

from cmgen.data.shards import read_info

KILLS = int(os.environ.get("CMGEN_KILLS", "3"))
SECONDS = 3600  # of each process; more than that is a hang, on however busy a machine
(INTERVAL,) = (
    int(flag.partition("=")[2]) for flag in TINY if flag.startswith("--checkpoint_steps")
)
# What changes in a run's folder before its process is killed, counted; a tiny run changes it 100 times.
MOST_CHANGES = 40
TELLING = Path(__file__).with_name("telling.py")
GAN = "GAN"  # what a run's own folder holds; those in it are named like their network
STAGES = ("sound_encoder", "verifier", GAN)


class Told:
    """What a process says of the steps that it has done."""

    def __init__(self, path: Path, workdir: Path):
        self.path, self._workdir = path, workdir

    def steps(self) -> dict[str, int]:
        """Stage -> its last step, in the order in which they were begun."""
        text = self.path.read_text() if self.path.exists() else ""
        pairs = [line.split("\t") for line in text.splitlines()]
        return {self._stage(Path(folder)): int(step) for folder, step in pairs}

    def _stage(self, folder: Path) -> str:
        return GAN if folder == self._workdir else folder.name


def look(folder: Path) -> dict[str, int]:
    """Every file of a run's folder and its size; files may go while one looks."""
    found = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place) / name for name in names):
            with contextlib.suppress(OSError):
                found[path.relative_to(folder).as_posix()] = path.stat().st_size
    return found


def newest_kept(workdir: Path, stage: str) -> int:
    """Step of a stage's newest whole checkpoint; 0 if there is none."""
    folder = (workdir if stage == GAN else workdir / stage) / "checkpoints"
    return max((int(path.stem.split("-")[1]) for path in folder.glob("*.index")), default=0)


def train_until_killed(
    arguments: list[str], workdir: Path, told: Told, changes: int, pause: float, stage: str = ""
) -> str | None:
    """Kills training `pause` seconds after its folder has changed so often, since the stage began.

    Returns:
      what changed last; None if it ended before.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TOLD": str(told.path)}
    with subprocess.Popen(
        [sys.executable, str(TELLING), *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        deadline = time.monotonic() + SECONDS
        before, last = look(workdir), "start"
        while process.poll() is None and changes:
            assert time.monotonic() < deadline
            time.sleep(0.002)  # looking without a pause takes a processor from what is looked at
            now = look(workdir)
            if now != before:
                changes -= not stage or stage in told.steps()
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
    return last if code else None


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
        kept = {stage: newest_kept(workdir, stage) for stage in STAGES}
        # Some moments lie in the midst of a write, others between two, where it computes.
        pause = moments.choice([0.0, moments.uniform(0.0, 1.0)])
        # Every third is killed in the GAN, which most moments of a run come before.
        stage = GAN if len(rows) % 3 == 2 else ""
        changes = moments.randint(1, MOST_CHANGES // 4 if stage else MOST_CHANGES)
        told = Told(tmp_path / f"told-{len(rows)}-{run}", workdir)
        last = train_until_killed(arguments, workdir, told, changes, pause, stage)
        if last is None:
            run += 1  # it came to its end; on with another
            continue
        steps = told.steps()
        assert steps.keys() <= kept.keys()
        for name, before in kept.items():
            now = newest_kept(workdir, name)
            assert now >= before  # nothing that was kept is lost
            assert steps.get(name, now) - now <= INTERVAL
        at = next(reversed(steps), "before")
        rows.append((at, steps.get(at, 0)))
        now = newest_kept(workdir, at)
        print(
            f"\n| {len(rows)} | {run} | {at} | {steps.get(at, 0)} | {now} | `{last}` | {pause:.1f} s |"
        )
    assert max(step for at, step in rows if at == GAN) > 0
    for folder in sorted(killed.iterdir()):
        assert_same_numbers(train(folder / "run"), wanted)
        assert_same_results(results(folder / "run"), expected)
        # No leftovers of files that were being written.
        assert [name for name in look(folder) if ".partial" in name] == []


PREPARE = """
import os, signal, sys
from cmgen.config import DataConfig
from cmgen.prepare import cache, local

made, left = local.make_shard, int(sys.argv[2])

def make_shard(*arguments):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return made(*arguments)

local.make_shard = make_shard
if __name__ == "__main__":
    print(cache.resolve(DataConfig(data=sys.argv[1], image_size=32)))
"""


def children_of(program: Path) -> list[int]:
    """Processes that were started for this program, its own excepted."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"PREPARED_BY={program}\0" in (folder / "environ").read_text(errors="replace"):
                found.append(int(folder.name))
    return found


def test_killed_during_preparation_it_restarts_cleanly_and_leaves_no_stray_files(
    tmp_path, monkeypatch
) -> None:
    data, cache, program = (tmp_path / name for name in ("many", "cache", "program.py"))
    fixtures.write_corpus(data, {"train": 2, "validation": 1, "test": 1})
    program.write_text(PREPARE)
    monkeypatch.setenv("CMGEN_CACHE", str(cache))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PREPARED_BY": str(program)}
    for shard in (1, 5, 0):
        command = [sys.executable, str(program), str(data), str(shard)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if shard:
            assert done.returncode == -signal.SIGKILL, done.stderr
            assert len(list(cache.glob("*.partial*"))) == 1  # of the last one alone
    folder = Path(done.stdout.splitlines()[-1])
    assert sorted(cache.iterdir()) == [folder.with_name(f".{folder.name}.lock"), folder]
    assert read_info(folder).splits["train"].recordings == 6
    end = time.monotonic() + 300
    while children_of(program):  # those that read for it end, too
        assert time.monotonic() < end
        time.sleep(0.05)
