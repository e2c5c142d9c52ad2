"""The README's way through cmgen in real processes: train, be killed, resume, use, export, call."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from conftest import ROOT, RunMain
from PIL import Image
from test_readme import PYTHON, main_commands

from cmgen.sound_files import decode_sound_file
from cmgen.video import read_video, write_video
from tests import fixtures
from tools import make_sub_urmp_fixture

pytestmark = pytest.mark.slow

TINY = [
    "--flagfile=smoke.flags",
    "--image_size=32",
    "--batch_size=6",
    "--train_steps=24",
    "--checkpoint_steps=6",
    "--sound_encoder_train_steps=8",
    "--verifier_train_steps=8",
    "--sound_encoder_batch_size=8",
    "--sound_encoder_correspondence_instants=2",
    "--verifier_batch_size=6",
]


def first_demo(split: str) -> Path:
    return min((ROOT / "cmgen" / "demo" / split).rglob("*.mp4"))


def checkpointed(workdir: Path) -> dict[str, np.ndarray]:
    """Every number in the newest checkpoint: networks, averages, both optimizers."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(workdir / "checkpoints")))
    kinds = reader.get_variable_to_dtype_map()
    return {
        name: reader.get_tensor(name)
        for name, kind in kinds.items()
        if kind != tf.string and "save_counter" not in name
    }


def train_until_killed(arguments: list[str], workdir: Path) -> None:
    """Starts training and kills it with SIGKILL once it has a checkpoint, so between two."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "cmgen.train", *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 300
        while tf.train.latest_checkpoint(str(workdir / "checkpoints")) is None:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def test_killed_run_ends_with_the_same_weights(tmp_path, monkeypatch, run_main: RunMain) -> None:
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path / "cache"))
    data = fixtures.write_corpus(tmp_path / "videos")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for workdir in (whole, killed):
        arguments = [*TINY, f"--data={data}", f"--workdir={workdir}"]
        if workdir == killed:
            train_until_killed(arguments, workdir)
            newest = tf.train.latest_checkpoint(str(workdir / "checkpoints"))
            assert newest and not newest.endswith("-24")
        ran = run_main("cmgen.train", *arguments)
        assert ran.returncode == 0, ran.stderr[-3000:]
    wanted, found = checkpointed(whole), checkpointed(killed)
    assert wanted.keys() == found.keys()
    for name, value in wanted.items():
        np.testing.assert_array_equal(value, found[name], err_msg=name)
    with np.load(whole / "generator.npz") as a, np.load(killed / "generator.npz") as b:
        assert all(np.array_equal(a[name], b[name]) for name in a.files)


def test_sub_urmp_is_prepared_trained_on_and_evaluated(
    tmp_path, monkeypatch, run_main: RunMain
) -> None:
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path / "cache"))
    make_sub_urmp_fixture.write_tree(tmp_path / "tree", 12)
    arguments = [*TINY, "--train_steps=6", "--data=prepared", "--workdir=run"]
    for main, *flags in (
        ("cmgen.prepare", "--input=tree", "--output=prepared", "--image_size=32"),
        ("cmgen.train", *arguments),
        ("cmgen.evaluate", "--workdir=run", "--output=scores.json", "--data=tree"),
    ):
        ran = run_main(main, *flags)
        assert ran.returncode == 0, f"{main}\n{ran.stderr[-3000:]}"
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert set(scores["splits"]) == {"train", "validation", "test"}
    assert 0.0 <= scores["accuracy_test"] <= 1.0


def test_readme_from_the_demo_to_the_called_export(tmp_path, run_main: RunMain) -> None:
    """Its commands as they stand, but with few steps; its snippets in a process without cmgen."""
    wave = decode_sound_file(first_demo("test"))
    soundfile.write(tmp_path / "recording.wav", wave, 44100)
    trained = run_main("cmgen.train", "--flagfile=smoke.flags", "--workdir=runs/s2i", timeout=1200)
    assert trained.returncode == 0, trained.stderr[-3000:]
    other = ("--flagfile=smoke.flags", "--task=i2s", "--workdir=runs/i2s")
    trained = run_main("cmgen.train", *other, timeout=1200)
    assert trained.returncode == 0, trained.stderr[-3000:]
    film = read_video(first_demo("test"))
    write_video(tmp_path / "silent.mp4", film.frames, 10.0)
    Image.fromarray(film.frames[0]).save(tmp_path / "photo.jpg")
    use = [
        (main, arguments)
        for main, arguments in main_commands()
        if main in ("cmgen.generate", "cmgen.evaluate", "tools/export.py")
    ]
    assert len(use) >= 5
    for main, arguments in use:
        few = ["--measure_steps=10"] if "--measures=all" in arguments else []
        ran = run_main(main, *arguments, *few, timeout=1500)
        assert ran.returncode == 0, f"{main} {shlex.join(arguments)}\n{ran.stderr[-3000:]}"
    made = ("grid.png", "player.mp4", "players.png", "exports/s2i/s2i.onnx", "exports/i2s/i2s.onnx")
    for name in (*made, "sound.wav", "dubbed.mp4"):
        assert (tmp_path / name).stat().st_size > 1000, name
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert 0.0 <= scores["accuracy_test"] <= 1.0
    for snippet in PYTHON:
        subprocess.run([sys.executable, "-I", "-c", snippet], cwd=tmp_path, check=True, timeout=300)
        with Image.open(tmp_path / "picture.png") as picture:
            assert (picture.size, picture.mode) == ((64, 64), "RGB")
        (tmp_path / "picture.png").unlink()
