"""The curve over training: fixed windows, rows of later steps dropped, a picture at the end."""

import dataclasses
import json

import numpy as np
import pytest
from fixtures import CLASSES as COLOURS
from fixtures import write_corpus
from PIL import Image
from tiny_run import write_run

from cmgen.data import pipeline
from cmgen.evaluate.accuracy import score_split
from cmgen.evaluate.windows import Networks
from cmgen.media import images
from cmgen.models.run import load_run
from cmgen.prepare.local import PrepareConfig, prepare
from cmgen.train import learning_curve

CLASSES = tuple(sorted(COLOURS))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    raw = write_corpus(tmp_path_factory.mktemp("raw"), {"train": 1, "test": 1}, seconds=1.2)
    folder = tmp_path_factory.mktemp("data") / "prepared"
    prepare(raw, folder, PrepareConfig(image_size=32))
    return load_run(write_run(folder.parent / "run", CLASSES, str(folder)))


def make(run, workdir, start=0):
    splits = {
        name: pipeline.load_split(run.workdir.parent / "prepared", name, run.config.data)
        for name in ("train", "test")
    }
    networks = run.encoder, run.generator, run.verifier
    return learning_curve.Curve(workdir, splits, *networks, run.config, start), splits


def test_rows_are_the_accuracies_that_evaluation_gives(run, tmp_path):
    follow, splits = make(run, tmp_path)
    found = follow(3)
    # The same noise, since few windows are one batch.
    networks = Networks.of(run)
    for name, recordings in splits.items():
        assert found[name] == pytest.approx(score_split(networks, recordings).accuracy)
    assert json.loads((tmp_path / "curve.json").read_text()) == [{"step": 3, **found}]


def test_weights_of_later_are_seen(run, tmp_path):
    follow, _ = make(run, tmp_path)
    classify = run.verifier.classify
    before = classify.bias.numpy()
    classify.bias.assign([0.0, 1e6, 0.0])
    drum = follow(1)
    classify.bias.assign(before)
    assert drum["test"] == pytest.approx(1 / 3, abs=0.1)


def test_a_killed_run_goes_on_where_it_was_saved(run, tmp_path):
    follow, _ = make(run, tmp_path)
    for step in (3, 6, 9):
        follow(step)
    again, _ = make(run, tmp_path, start=6)
    again(9)
    assert [row["step"] for row in json.loads((tmp_path / "curve.json").read_text())] == [3, 6, 9]


def test_the_picture_shows_moments(run, tmp_path):
    follow, _ = make(run, tmp_path)
    for step in (3, 6):
        follow(step)
    sheet = images.grid(np.full((12, 32, 32, 3), (9, 8, 7), np.uint8), 3)
    images.write_png(tmp_path / "samples" / "000006.png", sheet)
    learning_curve.draw(dataclasses.replace(run, workdir=tmp_path, step=6))
    with Image.open(tmp_path / "curve.png") as picture:
        assert (np.asarray(picture) == (9, 8, 7)).all(axis=-1).sum() == 3 * 32 * 32


def test_a_run_without_curve_is_left_alone(run, tmp_path):
    learning_curve.draw(dataclasses.replace(run, workdir=tmp_path))
    assert not (tmp_path / "curve.png").exists()
