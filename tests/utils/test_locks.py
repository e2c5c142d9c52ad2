"""Two processes never write one run folder."""

import errno
import os
import re
import subprocess
import sys

import pytest
from checkout import ROOT

from cmgen.utils import locks
from cmgen.utils.errors import UserError
from cmgen.utils.locks import OWNER_FILE, one_after_another, only_writer

HOLD = """
import sys, time
from pathlib import Path
from cmgen.utils.locks import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
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


WAIT = """
import sys, time
from pathlib import Path
from cmgen.utils.locks import one_after_another
with one_after_another(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def test_who_comes_second_waits_and_finds_no_leftovers(tmp_path):
    path = tmp_path / "raw.1-0123"
    ours, of_another = ".raw.cmgen-0123abcd.partial.1-0123", ".raw.cmgen-0123abce.partial.1-4567"
    of_others = ".raw.film.partial.1-0123"
    for name in (ours, of_another, of_others):
        (tmp_path / name / "train").mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    commands = [[sys.executable, "-c", WAIT, str(path), seconds] for seconds in ("600", "0")]
    options = {"env": environment, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(commands[0], **options) as first:
        assert first.stdout.readline() == "held\n"
        (tmp_path / ".raw.cmgen-0123abcf.partial.1-0123").mkdir()
        with subprocess.Popen(commands[1], **options) as second:
            said = second.stdout.readline()
            assert said == f"waiting for another process to write {path}\n"
            assert second.poll() is None
            first.kill()
            assert second.stdout.readline() == "held\n" and second.wait(300) == 0
    leftovers = sorted(p.name for p in tmp_path.iterdir())
    assert leftovers == [".raw.1-0123.lock", of_another, of_others]


@pytest.mark.parametrize(
    "error", [NotImplementedError(), OSError(errno.ENOLCK, "No locks available")]
)
def test_where_there_are_no_locks_the_work_is_done_all_the_same(tmp_path, monkeypatch, error):
    def acquire(*_, **__):
        raise error

    monkeypatch.setattr(locks.FileLock, "acquire", acquire)
    (tmp_path / ".raw.cmgen-0123abcd.partial").mkdir()  # perhaps another process is at work in it
    with one_after_another(tmp_path / "raw"):
        (tmp_path / "raw").mkdir()
    assert {p.name for p in tmp_path.iterdir()} == {".raw.cmgen-0123abcd.partial", "raw"}
    with pytest.warns(RuntimeWarning, match="no locks"), only_writer(tmp_path / "run"):
        pass
    monkeypatch.setattr(error, "errno", errno.EIO, raising=False)
    if isinstance(error, OSError):
        with pytest.raises(OSError), one_after_another(tmp_path / "raw"):
            pass


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
