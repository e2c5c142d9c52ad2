"""The examples in docstrings, of README.md and docs/, and docs/notebook.py, run as they stand."""

import doctest
import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from checkout import ROOT
from fixtures import tone
from PIL import Image
from readme import PYTHON
from tiny_run import write_run

import cmgen

MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "cmgen").rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, two seconds of sound and a picture, as the examples name them."""
    folder = tmp_path_factory.mktemp("examples")
    for task in ("s2i", "i2s"):
        write_run(folder / "runs" / task, ("bell", "drum", "flute"), task=task, size=64)
    for name in ("a.wav", "recording.wav"):
        soundfile.write(folder / name, tone(440.0, 2.0), 44100)
    Image.new("RGB", (80, 64)).save(folder / "photo.jpg")
    return folder


def test_there_are_examples() -> None:
    assert {"cmgen", "cmgen.generate.model"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    globs = {"cmgen": cmgen, "np": np, "model": cmgen.load("runs/s2i")}
    failed, attempted = doctest.testmod(importlib.import_module(name), extraglobs=globs)
    assert attempted and not failed


@pytest.mark.parametrize("snippet", [text for text in PYTHON if "import cmgen" in text])
def test_snippets_of_the_documents(
    snippet: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    exec(compile(snippet, "snippet", "exec"), {})


def test_the_notebook_draws_a_grid_and_makes_a_sound(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "notebook.py"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Image.open(folder / "grid.png").height == 3 * 3 * 64
    sound, rate = soundfile.read(folder / "sound.wav")
    assert (len(sound), rate) == (3 * 44100, 44100)


def test_importing_cmgen_imports_no_numerical_library() -> None:
    program = "import sys, cmgen; print(dir(cmgen), {'numpy', 'tensorflow'} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "'load'" in done.stdout and done.stdout.endswith("set()\n")
