"""A test recording that was planted in train is found before anything is stored, trained or measured."""

import dataclasses
import shutil

import av
import numpy as np
import pytest
import soundfile
from fixtures import write_corpus, write_recording
from tiny_run import write_run

from cmgen.config import DataConfig
from cmgen.data import pipeline
from cmgen.evaluate import report
from cmgen.media.video import write_video
from cmgen.models.run import load_run
from cmgen.prepare import leaks
from cmgen.prepare.local import PrepareConfig, prepare
from cmgen.utils.errors import UserError

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
        for check in ("check_read", "check_files"):
            patch.setattr(leaks, check, lambda *given: None)
        prepare(leaky_raw, folder, PrepareConfig(image_size=32))
    return folder


STREAMED = dataclasses.replace(SIZE, cache_gib=0.0)


def all_contents(folder, size=SIZE):
    return {
        split: leaks.contents(pipeline.load_split(folder, split, size))
        for split in ("train", "validation", "test")
    }


PLANTED = r"raw: test/drum/drum_0.mp4 in test is the same .*drum_7.m.. in train.* one of the two"


def test_preparing_refuses_a_copied_file_before_it_decodes_any(leaky_raw, tmp_path, monkeypatch):
    def decode(*given):
        raise AssertionError

    monkeypatch.setattr("cmgen.prepare.local.read_in_order", decode)
    with pytest.raises(UserError, match=PLANTED):
        prepare(leaky_raw, tmp_path / "prepared", PrepareConfig(image_size=32))
    assert list(tmp_path.iterdir()) == []


def test_preparing_refuses_a_repacked_recording_and_leaves_nothing(raw, tmp_path):
    folder = shutil.copytree(raw, tmp_path / "raw")
    repack(folder / "test/drum/drum_0.mp4", folder / "train/drum/drum_7.mkv")
    with pytest.raises(UserError, match=PLANTED):
        prepare(folder, tmp_path / "prepared", PrepareConfig(image_size=32))
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def repack(source, target):
    """The same pictures and sound in another container."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        streams = {s.index: new.add_stream_from_template(s) for s in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)


def test_a_file_that_cannot_be_opened_is_left_to_its_reader(raw, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(raw, tmp_path / "raw")
    for split in ("train", "test"):
        (folder / split / "drum" / "text.mp4").write_text(f"{split:10s} is no video")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(leaks, "file_hash", refuse)
    prepare(folder, tmp_path / "out", PrepareConfig(image_size=32, skip_bad_files=True))
    assert capsys.readouterr().err.count("text.mp4: not a readable") == 2


def test_other_splits_may_hold_the_same_and_are_evaluated(raw, tmp_path):
    folder = shutil.copytree(raw, tmp_path / "raw")
    shutil.copytree(folder / "test", folder / "probe")
    prepare(folder, tmp_path / "out", PrepareConfig(image_size=32))
    classes = ("bell", "drum", "flute")
    run = load_run(write_run(tmp_path / "run", classes, str(tmp_path / "out")))
    scores = report.evaluate_run(run, str(tmp_path / "out"), tmp_path / "scores.json")
    assert scores["accuracy_probe"] == scores["accuracy_test"]


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("extra", ["holdout", "eval"])
def test_no_other_split_holds_what_is_learned_or_chosen_from(raw, tmp_path, split, extra):
    folder = shutil.copytree(raw, tmp_path / "raw")
    shutil.copytree(folder / split, folder / extra)
    with pytest.raises(UserError, match=rf"in {extra} is the same recording as .* in {split}"):
        prepare(folder, tmp_path / "out", PrepareConfig(image_size=32))
    assert not (tmp_path / "out").exists()


def test_all_pairs_are_counted_and_the_first_are_named():
    train = {f"sound {number}": f"train/{number}" for number in range(8)}
    test = {f"sound {number}": f"test/{number}" for number in range(1, 9)}
    with pytest.raises(UserError) as refused:
        leaks.check_apart({"train": train, "test": test}, "here")
    said = str(refused.value)
    assert said.count("is the same recording as") == 5 and "(and 2 pairs more)" in said
    assert "here: test/1 in test is the same recording as train/1 in train; test/2 in test" in said


def test_a_click_in_silence_is_enough(raw, tmp_path):
    """Coded, it is hardly longer than silence, which is in both splits, too."""
    folder = shutil.copytree(raw, tmp_path / "raw")
    for name, value in (("silence", 0.0), ("click", 0.5)):
        sound = np.zeros(44100)
        sound[20000] = value
        for split, subtype in (("train", "PCM_16"), ("test", "PCM_24")):
            soundfile.write(folder / split / "drum" / f"{name}.wav", sound, 44100, subtype)
    with pytest.raises(UserError) as refused:
        prepare(folder, tmp_path / "prepared", PrepareConfig(image_size=32))
    said = str(refused.value)
    assert "test/drum/click.wav in test is the same recording as train/drum/click.wav" in said
    assert said.count("is the same recording as") == 1


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
    run = load_run(write_run(tmp_path / "run", classes, str(tmp_path / "own")))
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
    run = load_run(write_run(tmp_path / "run", ("bell", "drum", "flute"), str(leaky)))
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
