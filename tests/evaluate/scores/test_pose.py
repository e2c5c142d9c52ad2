"""Pose tracks are read right, poses are read off pictures, and correlations are what they say."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from cmgen.config import DataConfig
from cmgen.data import pipeline
from cmgen.evaluate import pose_tracks
from cmgen.evaluate.pose_tracks import Tracks
from cmgen.evaluate.scores import pose_encoder
from cmgen.evaluate.scores.pose_encoder import (
    PoseRegressor,
    correlations,
    mean_correlation,
    shuffled_rows,
)
from cmgen.prepare import cache
from cmgen.prepare.local import PrepareConfig, prepare
from cmgen.utils.errors import UserError
from tools.orchestra.truth import read_truth


@pytest.fixture(scope="module")
def some_of_the_demo(tmp_path_factory):
    """Links to one recording of two instruments in each split, with their tracks, prepared."""
    folder = tmp_path_factory.mktemp("tracks")
    for split in ("train", "validation", "test"):
        for name in ("oboe", "violin"):
            video = min((cache.demo_folder() / split / name).glob("*.mp4"))
            for path in (video, video.with_suffix(pose_tracks.TRACK_SUFFIX)):
                link = folder / "raw" / split / name / path.name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path)
    prepare(folder / "raw", folder / "prepared", PrepareConfig())
    return pipeline.load_split(folder / "prepared", "test", DataConfig())


def test_tracks_are_those_beside_the_videos(some_of_the_demo):
    recordings = some_of_the_demo
    found = pose_tracks.read_tracks(recordings)
    raw = Path(recordings.info.source["path"])
    for index, name in enumerate(recordings.ids):
        truth = read_truth(raw / str(name))
        rows = slice(*recordings.frame_offsets[index : index + 2])
        np.testing.assert_array_equal(found.values[rows, 0], truth.pitch)
        np.testing.assert_array_equal(found.values[rows, 1], truth.bow)
        playing = (truth.midi > 0) & (truth.rest < 0.3)
        np.testing.assert_array_equal(found.counts[rows, 0], playing)
        bowed = "violin" in str(name)
        np.testing.assert_array_equal(found.counts[rows, 1], playing & bowed)


def test_missing_and_wrong_tracks_are_named(some_of_the_demo, tmp_path):
    info = some_of_the_demo.info
    elsewhere = dataclasses.replace(info, source={**info.source, "path": str(tmp_path)})
    recordings = dataclasses.replace(some_of_the_demo, info=elsewhere)
    assert pose_tracks.read_tracks(recordings) is None
    first = (tmp_path / str(recordings.ids[0])).with_suffix(pose_tracks.TRACK_SUFFIX)
    first.parent.mkdir(parents=True)
    first.write_bytes(b"nothing")
    with pytest.raises(UserError, match="missing, though other"):
        pose_tracks.read_tracks(recordings)
    for name in recordings.ids:
        path = (tmp_path / str(name)).with_suffix(pose_tracks.TRACK_SUFFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"truth\.npz: not a pose track"):
        pose_tracks.read_tracks(recordings)


def test_the_regressor_learns_where_a_bar_is(some_of_the_demo, monkeypatch):
    monkeypatch.setattr(pose_encoder, "BATCH", 64)
    random = np.random.default_rng(1)
    frames, half = 512, 256
    height = random.uniform(0.1, 0.9, frames).astype(np.float32)
    pictures = np.zeros((frames, 64, 64, 3), np.uint8)
    for row, place in enumerate(height):
        pictures[row, int(place * 60) : int(place * 60) + 4] = 255
    recordings = dataclasses.replace(
        some_of_the_demo,
        frames=tf.constant(pictures),
        frame_offsets=np.array([0, half, frames]),
    )
    # The second instrument's pitch goes the other way.
    values = np.stack([height, height], axis=1)
    values[half:, 0] = 1 - height[half:]
    known = Tracks(values, np.ones((frames, 2), bool))
    regressor = PoseRegressor(2, 64)
    regressor.train(recordings, known, seed=1, steps=60)
    labels = np.repeat([0, 1], half)
    found = regressor.estimate(pictures / 127.5 - 1, labels)
    scores = correlations(found, values, known.counts, labels, ("oboe", "violin"))
    assert min(min(own.values()) for own in scores.values()) > 0.8


def test_correlations_by_hand():
    truth = np.tile(np.arange(20.0)[:, None], (2, 2))
    estimates = np.concatenate([2 * truth[:20] + 1, -truth[20:]])
    counts = np.ones((40, 2), bool)
    counts[:20, 1] = False
    labels = np.repeat([0, 1], 20)
    found = correlations(estimates, truth, counts, labels, ("oboe", "viola"))
    assert found["pitch"] == pytest.approx({"oboe": 1.0, "viola": -1.0})
    assert found["bow"] == pytest.approx({"viola": -1.0})
    assert mean_correlation(found) == pytest.approx(0.0)
    still = correlations(0 * estimates, truth, counts, labels, ("oboe", "viola"))
    assert still["pitch"] == {"oboe": 0.0, "viola": 0.0}


def test_shuffling_keeps_the_instrument():
    labels = np.repeat([0, 1, 2], 50)
    other = shuffled_rows(labels, seed=4)
    assert sorted(other) == list(range(150))
    assert (labels[other] == labels).all()
    assert (other == np.arange(150)).mean() < 0.1
