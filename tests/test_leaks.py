"""A test recording that was planted in train is found before anything is stored, trained or measured."""

import dataclasses
import shutil

import numpy as np
import pytest
from fixtures import write_corpus, write_recording
from tiny_run import write_run

from cmgen import checkpoint, report
from cmgen.config import DataConfig
from cmgen.data import leaks, pipeline
from cmgen.data.prepare import PrepareConfig, prepare
from cmgen.errors import UserError
from cmgen.video import write_video

SIZE = DataConfig(image_size=32)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("raw"), seconds=0.8)


@pytest.fixture(scope="module")
def leaky_raw(raw, tmp_path_factory):
    """Videos of which one of test is in train too, under another name."""
    folder = shutil.copytree(raw, tmp_path_factory.mktemp("leaky") / "raw")
    shutil.copy(folder / "test/drum/drum_0.mp4", folder / "train/drum/drum_7.mp4")
    return folder


@pytest.fixture(scope="module")
def leaky(leaky_raw):
    """The same, prepared by something that doesn't look."""
    folder = leaky_raw.parent / "prepared"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cmgen.data.prepare.check_shards", lambda *given: None)
        prepare(leaky_raw, folder, PrepareConfig(image_size=32))
    return folder


STREAMED = dataclasses.replace(SIZE, cache_gib=0.0)


def all_contents(folder, size=SIZE):
    return {
        split: leaks.contents(pipeline.load_split(folder, split, size))
        for split in ("train", "validation", "test")
    }


def test_preparing_refuses_it_and_leaves_nothing(leaky_raw, tmp_path):
    said = r"raw: test/drum/drum_0.mp4 in test is the same .*drum_7.mp4 in train.* one of the two"
    with pytest.raises(UserError, match=said):
        prepare(leaky_raw, tmp_path / "prepared", PrepareConfig(image_size=32))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [SIZE, STREAMED])
def test_clean_splits_share_nothing(raw, tmp_path, size):
    prepare(raw, tmp_path / "prepared", PrepareConfig(image_size=32))
    found = all_contents(tmp_path / "prepared", size)
    # A song, a sound and pictures of each.
    assert [len(part) for part in found.values()] == [18, 9, 9]
    leaks.check_apart(found, "here")


@pytest.mark.parametrize("size", [SIZE, STREAMED])
def test_a_planted_recording_is_named_with_both_splits(leaky, size):
    with pytest.raises(UserError) as refused:
        leaks.check_apart(all_contents(leaky, size), "--data=mine")
    said = str(refused.value)
    assert said.startswith("--data=mine: test/drum/drum_0.mp4 in test is the same recording as ")
    assert "train/drum/drum_7.mp4 in train" in said and "remove one of the two files" in said


def test_a_recording_of_a_song_in_train_is_found_even_in_data_that_are_streamed(raw, tmp_path):
    folder = tmp_path / "prepared"
    prepare(raw, folder, PrepareConfig(image_size=32))
    train, test = (pipeline.load_split(folder, split, STREAMED) for split in ("train", "test"))
    assert train.sound is None and test.sound is None
    found = {"train": leaks.contents(train), "test": leaks.contents(test)}
    leaks.check_apart(found, "here")
    songs = train.groups.copy()
    songs[3] = test.groups[1]
    found["train"] = leaks.contents(dataclasses.replace(train, groups=songs))
    with pytest.raises(UserError, match=rf"{test.ids[1]} in test is .* as {train.ids[3]} in train"):
        leaks.check_apart(found, "here")


@pytest.mark.parametrize("size", [SIZE, STREAMED])
def test_silence_and_plain_pictures_are_no_sign_of_a_leak(raw, tmp_path, size):
    folder = shutil.copytree(raw, tmp_path / "raw")
    blue = [np.full((48, 64, 3), (20, 40, 200), np.uint8)] * 8
    for split, number in (("train", 8), ("test", 9)):
        write_video(folder / split / "drum" / f"{number}.mp4", blue, 10.0, np.zeros(35280))
    prepare(folder, tmp_path / "prepared", PrepareConfig(image_size=32))
    found = all_contents(tmp_path / "prepared", size)
    assert [len(part) for part in found.values()] == [19, 9, 10]  # one more song each
    leaks.check_apart(found, "here")


def test_other_data_that_the_run_was_trained_on_are_refused(raw, tmp_path, capsys):
    classes = ("bell", "drum", "flute")
    prepare(raw, tmp_path / "own", PrepareConfig(image_size=32))
    other = shutil.copytree(raw, tmp_path / "other")
    run = checkpoint.load_run(write_run(tmp_path / "run", classes, str(tmp_path / "own")))
    # The same names, and as test split what was one before: nothing to be said against.
    write_recording(other / "train/drum/drum_0.mp4", "drum", 0.8, seed=77)
    prepare(other, tmp_path / "clean", PrepareConfig(image_size=32))
    report.evaluate_run(run, str(tmp_path / "clean"), tmp_path / "scores.json")
    shutil.copy(raw / "train/bell/bell_1.mp4", other / "test/bell/new.mp4")
    (other / "train/bell/bell_1.mp4").unlink()
    prepare(other, tmp_path / "seen", PrepareConfig(image_size=32))
    said = r"test/bell/new.mp4 is train/bell/bell_1.mp4, which the run was trained on"
    with pytest.raises(UserError, match=said):
        report.evaluate_run(run, str(tmp_path / "seen"), tmp_path / "again.json")
    shutil.rmtree(tmp_path / "own")
    report.evaluate_run(run, str(tmp_path / "clean"), tmp_path / "scores.json")
    assert "whether the run was trained on any of these is not known" in capsys.readouterr().err


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
