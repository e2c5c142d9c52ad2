"""A test recording that was planted in train is found before anything is trained or measured."""

import shutil

import pytest
from fixtures import write_corpus
from tiny_run import write_run

from cmgen import checkpoint, report
from cmgen.config import DataConfig
from cmgen.data import leaks, pipeline
from cmgen.data.prepare import PrepareConfig, prepare
from cmgen.errors import UserError

SIZE = DataConfig(image_size=32)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("raw"), seconds=0.8)


@pytest.fixture(scope="module")
def leaky(raw, tmp_path_factory):
    """Prepared data of which one test recording is in train too, under another name."""
    folder = tmp_path_factory.mktemp("leaky")
    shutil.copytree(raw, folder / "raw")
    shutil.copy(folder / "raw/test/drum/drum_0.mp4", folder / "raw/train/drum/drum_7.mp4")
    prepare(folder / "raw", folder / "prepared", PrepareConfig(image_size=32))
    return folder / "prepared"


def all_contents(folder):
    return {
        split: leaks.contents(pipeline.load_split(folder, split, SIZE))
        for split in ("train", "validation", "test")
    }


def test_clean_splits_share_nothing(raw, tmp_path):
    prepare(raw, tmp_path / "prepared", PrepareConfig(image_size=32))
    found = all_contents(tmp_path / "prepared")
    assert [len(part) for part in found.values()] == [12, 6, 6]  # a sound and pictures of each
    leaks.check_apart(found, "here")


def test_a_planted_recording_is_named_with_both_splits(leaky):
    with pytest.raises(UserError) as refused:
        leaks.check_apart(all_contents(leaky), "--data=mine")
    said = str(refused.value)
    assert said.startswith("--data=mine: test/drum/drum_0.mp4 in test is the same recording as ")
    assert "train/drum/drum_7.mp4 in train" in said and "remove it from train" in said


def test_evaluation_refuses_it(leaky, tmp_path):
    run = checkpoint.load_run(write_run(tmp_path / "run", ("bell", "drum", "flute"), str(leaky)))
    with pytest.raises(UserError, match=r"drum_0.mp4 in test is the same .*drum_7.mp4 in train"):
        report.evaluate_run(run, str(leaky), tmp_path / "scores.json")
    assert not (tmp_path / "scores.json").exists()


def test_training_refuses_it_before_its_first_step(leaky, run_main, tmp_path):
    ran = run_main(
        "cmgen.train",
        "--flagfile=smoke.flags",
        "--workdir=run",
        f"--data={leaky}",
        "--image_size=32",
    )
    assert ran.returncode == 2 and "Traceback" not in ran.stderr
    assert "drum_7.mp4 in train" in ran.stderr
    assert not list((tmp_path / "run").glob("*.npz"))
