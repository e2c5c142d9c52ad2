"""Two processes never write one run folder."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

from cmgen.errors import UserError
from cmgen.run_lock import OWNER_FILE, only_writer

HOLD = """
import sys, time
from pathlib import Path
from cmgen.run_lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_of_the_first_and_a_killed_one_lets_go(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None and first.stdout.readline() == "held\n"
        with pytest.raises(UserError) as refused, only_writer(tmp_path / "run"):
            pass
        first.kill()
    said = str(refused.value)
    assert f"process {first.pid} on " in said and f"kill {first.pid}" in said
    assert re.search(r"since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d", said)
    assert refused.value.exit_code == 1
    with only_writer(tmp_path / "run"):
        assert str(os.getpid()) in (tmp_path / "run" / OWNER_FILE).read_text()
    assert not (tmp_path / "run" / OWNER_FILE).exists()


def test_one_process_may_come_again(tmp_path):
    for _ in range(2):
        with only_writer(tmp_path):
            assert str(os.getpid()) in (tmp_path / OWNER_FILE).read_text()
        assert not (tmp_path / OWNER_FILE).exists()


def test_the_command_refuses_a_run_that_is_at_work(tmp_path, run_main):
    with only_writer(tmp_path / "run"):
        ran = run_main("cmgen.train", "--flagfile=smoke.flags", "--workdir=run")
    assert ran.returncode == 1 and "Traceback" not in ran.stderr
    assert f"process {os.getpid()} on " in ran.stderr
    assert not (tmp_path / "run" / "config.json").exists()


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    rests = (
        ".a.0123abcd.partial.npz",
        "checkpoints/ckpt-6_temp/part.tempstate12",
        "samples/.b.1.partial",
    )
    for name in (*rests, "a.npz", "checkpoints/ckpt-6.index"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    with only_writer(tmp_path):
        kept = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert kept == {"a.npz", "checkpoints/ckpt-6.index", ".lock", OWNER_FILE}
