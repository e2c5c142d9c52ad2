"""The README's way through cmgen in real processes: train, use, export, call."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from checkout import ROOT, RunMain
from PIL import Image
from readme import PYTHON, main_commands
from tiny_training import TINY

from cmgen.media.sound import decode_sound_file
from cmgen.media.video import read_video, write_video
from tools import make_sub_urmp_fixture

pytestmark = pytest.mark.slow


def first_demo(split: str) -> Path:
    return min((ROOT / "cmgen" / "demo" / split).rglob("*.mp4"))


def write_few(folder: Path) -> None:
    """The first of the demo's recordings of each split and class."""
    demo = ROOT / "cmgen" / "demo"
    for path in sorted(demo.glob("*/*")):
        if path.is_dir():
            (folder / path.relative_to(demo)).mkdir(parents=True)
            for file in path.glob(f"{min(path.glob('*.mp4')).stem}.*"):
                shutil.copy(file, folder / file.relative_to(demo))


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
        ran = run_main(main, *flags, timeout=1200)
        assert ran.returncode == 0, f"{main}\n{ran.stderr[-3000:]}"
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert set(scores["splits"]) == {"train", "validation", "test"}
    assert 0.0 <= scores["accuracy_test"] <= 1.0


def test_readme_from_the_demo_to_the_called_export(tmp_path, run_main: RunMain) -> None:
    """Its commands as they stand, but with few steps and, after the first, few recordings; its
    snippets in a process without cmgen.
    """
    wave = decode_sound_file(first_demo("test"))
    soundfile.write(tmp_path / "recording.wav", wave, 44100)
    trained = run_main("cmgen.train", "--flagfile=smoke.flags", "--workdir=runs/s2i", timeout=1200)
    assert trained.returncode == 0, trained.stderr[-3000:]
    write_few(tmp_path / "few")
    other = ("--flagfile=smoke.flags", "--task=i2s", "--workdir=runs/i2s", "--data=few")
    trained = run_main("cmgen.train", *other, timeout=1200)
    assert trained.returncode == 0, trained.stderr[-3000:]
    film = read_video(first_demo("test"))
    write_video(tmp_path / "silent.mp4", film.frames, 10.0)
    Image.fromarray(film.frames[0]).save(tmp_path / "photo.jpg")
    use = [
        (main, arguments)
        for main, arguments in main_commands()
        if main in ("cmgen.generate", "cmgen.evaluate", "cmgen.export")
    ]
    assert len(use) >= 5
    for main, arguments in use:
        few = ["--data=few"] if main == "cmgen.evaluate" else []
        few += ["--measure_steps=10"] if "--measures=all" in arguments else []
        ran = run_main(main, *arguments, *few, timeout=1500)
        assert ran.returncode == 0, f"{main} {shlex.join(arguments)}\n{ran.stderr[-3000:]}"
    made = ("grid.png", "player.mp4", "players.png", "exports/s2i/s2i.onnx", "exports/i2s/i2s.onnx")
    for name in (*made, "sound.wav", "dubbed.mp4"):
        assert (tmp_path / name).stat().st_size > 1000, name
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert 0.0 <= scores["accuracy_test"] <= 1.0
    for snippet in (snippet for snippet in PYTHON if "import cmgen" not in snippet):
        subprocess.run([sys.executable, "-I", "-c", snippet], cwd=tmp_path, check=True, timeout=300)
        with Image.open(tmp_path / "picture.png") as picture:
            assert (picture.size, picture.mode) == ((64, 64), "RGB")
        (tmp_path / "picture.png").unlink()
