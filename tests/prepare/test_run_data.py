"""A run is measured on its own recordings and splits, or not at all, whatever its folder has become."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from fixtures import CLASSES, write_recording
from tiny_run import remember, write_run

from cmgen.config import DataConfig
from cmgen.data import pipeline
from cmgen.data.shards import read_info
from cmgen.evaluate import report
from cmgen.export import samples
from cmgen.models.run import load_run
from cmgen.prepare import cache, leaks, run_data
from cmgen.rate.collect import CollectConfig, collect
from cmgen.train import run as training
from cmgen.train.multiworker import WorkerGroup
from cmgen.utils import hashes
from cmgen.utils.errors import UserError

PER_CLASS = 4


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A raw folder without splits, and a run on it."""
    folder = tmp_path_factory.mktemp("trained")
    for label, name in enumerate(CLASSES):
        for number in range(PER_CLASS):
            seed = PER_CLASS * label + number
            write_recording(folder / "raw" / name / f"{number}.mp4", name, 1.5, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CMGEN_CACHE", str(folder / "cache"))
        remember(
            write_run(folder / "run", tuple(CLASSES), str(folder / "raw")), str(folder / "raw")
        )
    return folder


@pytest.fixture
def folder(trained, tmp_path, monkeypatch):
    """A copy of `trained` to change, whose run names the copied raw folder."""
    folder = shutil.copytree(trained, tmp_path / "copy")
    monkeypatch.setenv("CMGEN_CACHE", str(folder / "cache"))
    shutil.rmtree(folder / "run")
    shutil.rmtree(folder / "cache")
    raw = str(folder / "raw")
    remember(write_run(folder / "run", tuple(CLASSES), raw), raw)
    return folder


def add_videos(folder):
    for seed, name in enumerate(CLASSES, 50):
        write_recording(folder / "raw" / name / "added.mp4", name, 1.5, seed)


def splits_of(folder):
    return {split: set(rows) for split, rows in run_data.read(folder / "run").splits.items()}


def own_ids(folder):
    run = load_run(folder / "run")
    prepared = run_data.resolve(run.workdir, run.data_config, run.data_hash)
    return {
        split: set(pipeline.load_split(prepared, split, run.config.data).ids)
        for split in read_info(prepared).splits
    }


@pytest.mark.parametrize("cached", [True, False])
def test_every_command_takes_the_recordings_of_the_run_from_a_folder_that_grew(
    folder, capsys, monkeypatch, cached
):
    """Whether or not the former prepared folder is still there; what was added is named."""
    run, splits = load_run(folder / "run"), splits_of(folder)
    before = report.evaluate_run(run, run.data, folder / "before.json")
    heard = samples.test_samples(run, 20).conditions
    assert "left out" not in capsys.readouterr().err
    add_videos(folder)
    if not cached:
        shutil.rmtree(folder / "cache")
    after = report.evaluate_run(run, run.data, folder / "after.json")
    assert "bell/added.mp4, drum/added.mp4, flute/added.mp4 left out" in capsys.readouterr().err
    assert before["hashes"] == after["hashes"]
    assert own_ids(folder) == splits
    np.testing.assert_array_equal(samples.test_samples(run, 20).conditions, heard)
    manifest = collect(folder / "study", {"A": folder / "run"}, CollectConfig(2, 1.0, 1))
    assert {window.recording for window in manifest.windows} <= splits["test"]
    config = dataclasses.replace(run.config, workdir=str(folder / "run"))
    resumed = training._prepared(config, WorkerGroup(tf.distribute.get_strategy()))
    assert hashes.data_hash(read_info(resumed).checksums) == run.data_hash
    # Without the record, recordings that were trained on would be test recordings.
    anew = pipeline.load_split(cache.resolve(run.data_config), "test", run.config.data)
    assert set(anew.ids) & splits["train"]


def test_other_data_with_what_the_run_was_trained_on_are_refused_even_if_its_own_are_gone(
    folder, capsys
):
    run = load_run(folder / "run")
    add_videos(folder)
    other = shutil.move(folder / "raw", folder / "other")
    shutil.rmtree(folder / "cache")
    for measure in (
        lambda: report.evaluate_run(run, str(other), folder / "scores.json"),
        lambda: collect(folder / "x", {"A": folder / "run"}, CollectConfig(1, 1.0, 1, str(other))),
    ):
        with pytest.raises(UserError, match="which the run was trained on"):
            measure()
    assert not (folder / "scores.json").exists() and not (folder / "x").exists()


def test_a_folder_that_is_gone_is_taken_from_the_cache_or_missed(folder, capsys):
    splits = splits_of(folder)
    shutil.rmtree(folder / "raw")
    assert own_ids(folder) == splits
    assert "lacks bell/0.mp4" in capsys.readouterr().err
    shutil.rmtree(folder / "cache")
    with pytest.raises(UserError, match=r"lacks bell/0.mp4.* and 7 more, with which the run began"):
        own_ids(folder)


def test_a_missing_or_exchanged_recording_is_refused_by_name(folder):
    shutil.rmtree(folder / "cache")
    shutil.copy(folder / "raw/drum/1.mp4", folder / "kept.mp4")
    write_recording(folder / "raw/drum/1.mp4", "drum", 1.5, seed=99)
    with pytest.raises(
        UserError, match=r"raw: drum/1.mp4 \(\w+\) not as when the run began.*restore"
    ):
        own_ids(folder)
    (folder / "raw/drum/1.mp4").unlink()
    with pytest.raises(
        UserError, match=r"raw: lacks drum/1.mp4, with which the run began; put back"
    ):
        own_ids(folder)
    shutil.move(folder / "kept.mp4", folder / "raw/drum/1.mp4")
    assert own_ids(folder) == splits_of(folder)


def test_a_prepared_folder_that_was_made_anew_with_more_is_refused(folder):
    run = load_run(folder / "run")
    prepared = shutil.copytree(cache.resolve(run.data_config), folder / "prepared")
    remember(folder / "run", str(prepared))
    assert run_data.read(folder / "run").prepared == ""
    add_videos(folder)
    shutil.rmtree(prepared)
    shutil.copytree(cache.resolve(run.data_config), prepared)
    with pytest.raises(UserError, match="not as when the run began"):
        own_ids(folder)


def test_a_run_without_the_record_is_measured_with_a_note_if_its_data_changed(folder, capsys):
    (folder / "run" / run_data.RECORDINGS_FILE).unlink()
    own_ids(folder)
    assert capsys.readouterr().err == ""
    add_videos(folder)
    own_ids(folder)
    assert "recordings that it was trained on may be in test" in capsys.readouterr().err


def test_a_changed_record_is_refused(folder):
    path = folder / "run" / run_data.RECORDINGS_FILE
    path.write_text(path.read_text().replace("bell/0.mp4", "bell/9.mp4", 1))
    with pytest.raises(UserError, match=r"recordings.json: was changed since cmgen wrote it"):
        own_ids(folder)


def test_the_record_says_which_sound_and_pictures_belong_to_each_recording(folder):
    run, recorded = load_run(folder / "run"), run_data.read(folder / "run")
    train = pipeline.load_split(cache.resolve(run.data_config), "train", DataConfig(image_size=32))
    assert recorded.trained_on == leaks.contents(train)
    assert json.loads((folder / "run" / run_data.RECORDINGS_FILE).read_text())["prepared"]
