"""A full disk and a read-only one, at each kind of write: said clearly, and nothing lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT

KINDS = (
    "checkpoint", "weights", "samples", "scores", "metrics", "prepare", "export", "run folder",
)  # fmt: skip
SAID = {"full": "the disk is full", "read-only": "may not be written here (Read-only file system)"}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What small_disk.py found, in a name space where it may mount a disk of its own."""
    own = ["unshare", "--map-root-user", "--mount"]
    try:
        subprocess.run([*own, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs unshare(1) and the right to mount in a name space of one's own")
    folder = tmp_path_factory.mktemp("small")
    (folder / "disk").mkdir()
    places = (ROOT, ROOT / "tests" / "support")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}
    script = Path(__file__).with_name("small_disk.py")
    command = [*own, sys.executable, str(script), str(folder / "disk"), str(folder / "report.json")]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "report.json").read_text())


def test_every_kind_of_write_was_tried(report):
    assert set(report) == set(KINDS)


@pytest.mark.parametrize("state", SAID)
@pytest.mark.parametrize("kind", KINDS)
def test_the_error_names_the_file_and_nothing_is_lost(report, kind, state):
    code, message, whole, new = report[kind][state]
    assert code == 1 and SAID[state] in message and "/disk" in message
    assert whole
    # An empty lock is no harm: the system, not the file, knows who holds it.
    assert [name for name in new if not name.endswith(".lock")] == []
