"""All measures of a tiny run on real files, and each part that trains."""

import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from fixtures import CLASSES as COLOURS
from fixtures import write_corpus
from PIL import Image
from tiny_run import ENCODER, edit_config, write_run

from cmgen import config
from cmgen.config import EncoderConfig
from cmgen.data import pipeline
from cmgen.evaluate import compare, pose_tracks, reference_models, report, suite, windows
from cmgen.evaluate.accuracy import score_split
from cmgen.evaluate.reference_models import ReferenceConfig
from cmgen.evaluate.score import MeasureConfig, MeasuredRun, Score, table
from cmgen.evaluate.scores import pose
from cmgen.evaluate.scores.pose_encoder import PoseRegressor
from cmgen.media.video import read_video
from cmgen.models.run import load_run
from cmgen.prepare.local import PrepareConfig, prepare
from cmgen.utils.errors import UserError

CLASSES = tuple(sorted(COLOURS))
SMALL = MeasureConfig(
    reference=ReferenceConfig(sound=ENCODER, image=ENCODER),
    classifier_steps=3,
    embedding_steps=3,
    pose_steps=3,
    galleries=3,
    sounds=4,
    pictures=3,
    shown=2,
)
HEADLINES = {
    "cas", "cas_real", "retrieval_r1", "retrieval_r1_real", "retrieval_r5", "retrieval_r5_real",
    "kid", "kid_floor", "precision", "precision_real", "recall", "recall_real",
    "diversity", "diversity_real", "diversity_pixels", "diversity_pixels_real",
    "nearest_train_distance", "nearest_train_distance_real",
    "nearest_train_distance_pixels", "nearest_train_distance_pixels_real",
    "control_nearest_sound", "control_class_mean",
    "pose_correlation_mean", "pose_correlation_shuffled", "pose_correlation_real",
    "flicker", "flicker_real",
}  # fmt: skip


def write_tracks(raw):
    """A random pose for every frame, as beside the demo's videos."""
    random = np.random.default_rng(0)
    for path in raw.glob("*/*/*.mp4"):
        frames = len(read_video(path, size=32).frames)
        table = random.uniform(size=(len(pose_tracks.COLUMNS), frames)).astype(np.float16)
        table[pose_tracks.COLUMNS.index("rest")] = 0
        np.savez(
            path.with_suffix(pose_tracks.TRACK_SUFFIX),
            table=table,
            midi=np.full(frames, 60, np.uint8),
        )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    raw = write_corpus(tmp_path_factory.mktemp("raw"), {"train": 2, "test": 2}, seconds=1.2)
    write_tracks(raw)
    folder = tmp_path_factory.mktemp("data") / "prepared"
    prepare(raw, folder, PrepareConfig(image_size=32))
    return folder


@pytest.fixture(scope="module")
def run_folder(prepared, tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "tiny", CLASSES, str(prepared))


@pytest.fixture(scope="module")
def run(run_folder):
    return load_run(run_folder)


@pytest.fixture(scope="module")
def test_windows(run, prepared):
    recordings = pipeline.load_split(prepared, "test", run.config.data)
    return windows.collect_pictures(windows.Networks.of(run), recordings, 10_000)


@pytest.fixture(scope="module")
def control(prepared, tmp_path_factory):
    """A run of the label control, with random weights as the other."""
    folder = write_run(tmp_path_factory.mktemp("runs") / "control", CLASSES, str(prepared))
    edit_config(folder, "gan", condition="label")
    return folder


@pytest.fixture(scope="module")
def reference_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reference")


@pytest.fixture(scope="module")
def report_of_all(run, prepared, control, reference_folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("scores") / "all.json"
    settings = MeasureConfig(
        **{**vars(SMALL), "label_control": control, "reference_folder": reference_folder}
    )
    return report.evaluate_run(run, str(prepared), output, settings), output


def test_every_promised_number_is_there_with_its_ceiling(report_of_all):
    found, output = report_of_all
    assert json.loads(output.read_text()) == json.loads(json.dumps(found))
    wanted = HEADLINES | {"control_class_conditional", "control_class_conditional_heard"}
    assert wanted <= found.keys() and np.isfinite([found[name] for name in wanted]).all()
    assert {"balanced_accuracy_test", "accuracy_test"} <= found.keys()
    for name in ("cas", "retrieval_r1", "kid", "precision", "recall", "diversity"):
        low, high = found[f"{name}_ci95"]
        assert low <= found[name] <= high, name
        assert found["measures"][name]["source"]
    assert found["measures"]["retrieval_r1"]["chance"] == pytest.approx(1 / len_of(found))
    assert found["measure_settings"]["seed"] == 2017
    assert found["notes"] == []


def len_of(found):
    return found["measures"]["retrieval_r1"]["gallery"]


def test_the_table_shows_all_of_them(report_of_all):
    found, _ = report_of_all
    text = report.summary(found)
    assert all(name in text for name in found["measures"])
    assert f"{found['cas_real']:.4f}" in text and "chance" in text
    assert max(map(len, text.splitlines())) <= 110


def test_nearest_pairs_are_drawn(report_of_all):
    _, output = report_of_all
    with Image.open(output.with_name("all_nearest.png")) as picture:
        assert picture.height > 8 * 32


def test_measuring_again_gives_the_same(report_of_all, run, prepared, tmp_path):
    before, _ = report_of_all
    again = suite.measure(run, prepared, tmp_path / "a.json", SMALL)["headlines"]
    assert again == {name: before[name] for name in again}


def test_settings_are_the_same_when_they_are_read_again():
    settings = suite._settings(
        dataclasses.replace(SMALL, reference_folder=Path("a"), label_control=Path("b"))
    )
    assert json.loads(json.dumps(settings)) == settings and settings["judge"]["sound"]["widths"]
    first = {"task": "s2i", "measure_settings": settings}
    other = {**first, "measure_settings": json.loads(json.dumps(settings))}
    compare.check_alike({"a.json": first, "b.json": other})


def test_weights_of_inception_count_by_their_content(tmp_path):
    marks = []
    for content in ("a", "b"):
        (tmp_path / "weights.h5").write_text(content)
        small = dataclasses.replace(SMALL, inception_weights=tmp_path / "weights.h5")
        marks.append({"task": "s2i", "measure_settings": suite._settings(small)})
    with pytest.raises(UserError, match="inception_sha256"):
        compare.check_alike({"a.json": marks[0], "b.json": marks[1]})


def test_stored_networks_give_the_same_numbers(
    report_of_all, reference_folder, run, prepared, tmp_path, monkeypatch, capsys
):
    before, _ = report_of_all
    kept = {path.name.rpartition("-")[0] for path in reference_folder.iterdir()}
    assert kept == {
        "classifier_of_real", "embedding_sound", "embedding_image", "pose_regressor",
    }  # fmt: skip
    for path in reference_folder.iterdir():
        metadata = json.loads(zipfile.ZipFile(path).comment)
        assert (
            metadata["judge"] in path.name
            and metadata["mark"] in path.name
            and metadata["versions"]
        )
        assert "seed" in json.dumps(metadata["settings"])
    settings = dataclasses.replace(SMALL, reference_folder=reference_folder)
    monkeypatch.setattr(reference_models, "train_embedding", None)
    monkeypatch.setattr(PoseRegressor, "train", None)
    again = suite.measure(run, prepared, tmp_path / "a.json", settings)["headlines"]
    assert again == {name: before[name] for name in again}
    assert capsys.readouterr().out.count(f"loaded from {reference_folder}") == 3
    monkeypatch.undo()
    more = dataclasses.replace(settings, pose_steps=4)  # other settings, another regressor
    suite.measure(run, prepared, tmp_path / "a.json", more)
    assert len(list(reference_folder.glob("pose_regressor-*"))) == 2


def test_windows_are_those_that_the_accuracy_counts(run, prepared, test_windows):
    recordings = pipeline.load_split(prepared, "test", run.config.data)
    expected = score_split(windows.Networks.of(run), recordings)
    np.testing.assert_array_equal(test_windows.labels, expected.labels[expected.sounding])
    np.testing.assert_array_equal(
        test_windows.generated_predicted, expected.generated_predicted[expected.sounding]
    )
    np.testing.assert_array_equal(
        test_windows.predicted_class, expected.predicted_class[expected.sounding]
    )
    assert test_windows.lms.dtype == np.float16 and test_windows.real.dtype == np.uint8


def test_pictures_can_be_drawn_and_looked_at_again(run, test_windows):
    noise = np.random.default_rng(2017).standard_normal((len(test_windows), 10))
    again = windows.generate(run.generator, test_windows.encodings, noise)
    # One batch, so that a window has the noise that it had.
    assert len(again) <= windows.BATCH
    np.testing.assert_allclose(again.astype(int), test_windows.generated, atol=1)
    features, named = windows.classify(run.verifier, test_windows.real)
    np.testing.assert_allclose(features, test_windows.real_features, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(named, test_windows.real_predicted)


def test_poses_are_compared_with_those_of_the_same_frames(run, prepared, test_windows, monkeypatch):
    """A regressor that knows the truth of the frames it is shown in order finds 1, shuffled not."""
    splits = [pipeline.load_split(prepared, name, run.config.data) for name in ("train", "test")]
    truth = pose_tracks.read_tracks(splits[1]).values[test_windows.frames]
    monkeypatch.setattr(PoseRegressor, "train", lambda *_: None)
    monkeypatch.setattr(PoseRegressor, "estimate", lambda *_: truth)
    shown = MeasuredRun(run, test_windows, test_windows, SMALL)
    mean, shuffled = pose.correlation(shown, *splits)
    assert mean.value == pytest.approx(1) and mean.real[1] == pytest.approx(1)
    assert abs(shuffled.value) < 0.5
    assert mean.chance == shuffled.value


def test_a_picture_that_never_changes_does_not_flicker(run, test_windows, monkeypatch):
    still = np.full_like(test_windows.real, 100)
    monkeypatch.setattr(pose, "generate", lambda *_: still)
    shown = MeasuredRun(run, test_windows, test_windows, SMALL)
    (score,) = pose.steadiness(shown)
    assert score.value == 0 and score.settings["pairs"] > 0
    brighter = still.copy()
    brighter[1::2] += 51
    monkeypatch.setattr(pose, "generate", lambda *_: brighter)
    assert pose.steadiness(shown)[0].value == pytest.approx(0.2)


def test_fewer_windows_are_spread_over_all_recordings(test_windows):
    some = test_windows.spread(12)
    assert len(some) == 12 and set(some.groups) == set(test_windows.groups)
    assert test_windows.spread(10_000) is test_windows


def test_train_and_test_are_needed(run, tmp_path, monkeypatch):
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path / "cache"))
    raw = write_corpus(tmp_path / "raw", {"test": 1})
    with pytest.raises(UserError, match=r"no train split.*--measures=paper"):
        report.evaluate_run(run, str(raw), tmp_path / "scores.json", SMALL)
    assert not (tmp_path / "scores.json").exists()


def test_a_control_must_be_one(run, run_folder, prepared):
    with pytest.raises(UserError, match="--condition=label"):
        suite.check(prepared, run, MeasureConfig(label_control=run_folder))
    with pytest.raises(UserError, match="no such file"):
        suite.check(prepared, run, MeasureConfig(inception_weights=prepared / "none.h5"))


def test_the_control_is_told_classes_alone(control, prepared):
    run = load_run(control)
    recordings = pipeline.load_split(prepared, "test", run.config.data)
    found = windows.collect_pictures(windows.Networks.of(run), recordings, 10_000)
    conditions = MeasuredRun(run, found, found, SMALL).conditions
    np.testing.assert_array_equal(conditions.sum(axis=1), 1)
    np.testing.assert_array_equal(conditions.argmax(axis=1), found.predicted_class)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--measures=most",), "must be paper or all"),
        (("--measure_steps=3",), "--measures=all"),
        (("--measures=all", "--measure_steps=0"), "at least 1"),
    ],
)
def test_flags_that_cannot_work_are_named(run_main, flags, message):
    done = run_main("cmgen.evaluate", *flags)
    assert done.returncode == 2 and message in done.stderr


def reference(**changes) -> ReferenceConfig:
    encoder = EncoderConfig(widths=(8, 16), hidden=16, batch_size=24, learning_rate=5e-3, **changes)
    return ReferenceConfig(sound=encoder, image=encoder, mixed_precision=False)


def blocks(count: int, seed: int):
    """Pictures with one bright corner, its class, and the spectrogram with the same bright part."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, count)
    pictures = random.integers(0, 90, (count, 32, 32, 3))
    lms = random.uniform(-1, -0.8, (count, 32, 16))
    for index, label in enumerate(labels):
        top, left = 16 * (label // 2), 16 * (label % 2)
        pictures[index, top : top + 16, left : left + 16] += 150
        lms[index, 8 * label : 8 * label + 8] += 1.2
    return pictures.astype(np.uint8), labels, lms.astype(np.float16)


def test_cas_is_high_for_good_pictures_and_chance_for_pictures_of_the_wrong_class():
    settings = reference(dropout=0.0, augment=False)
    pictures, labels, _ = blocks(200, 0)
    unseen, truth, _ = blocks(100, 1)
    good = reference_models.classifier(pictures, labels, 4, settings, 40, "good")
    assert np.mean(windows.classify(good, unseen)[1] == truth) > 0.9
    wrong = reference_models.classifier(pictures, (labels + 1) % 4, 4, settings, 40, "wrong")
    assert np.mean(windows.classify(wrong, unseen)[1] == truth) < 0.1


def test_the_embedding_learns_which_sound_goes_with_which_picture():
    pictures, labels, lms = blocks(240, 2)
    count = len(labels)
    shared = {"encodings": np.zeros((count, 1)), "predicted_class": labels, "generated": pictures}
    shared["frames"] = np.arange(count)
    shared |= {"real_features": np.zeros((count, 1)), "generated_features": np.zeros((count, 1))}
    shared |= {"real_predicted": labels, "generated_predicted": labels}
    groups = np.arange(count) % 40
    seen = windows.Windows(labels, groups, lms=lms, real=pictures, **shared)
    embedding = reference_models.train_embedding(seen, reference(dropout=0.0), 60)
    pictures, labels, lms = blocks(60, 3)
    similar = normalized(embedding.pictures(pictures)) @ normalized(embedding.sounds(lms)).T
    best = similar.argmax(axis=1)
    assert np.mean(labels[best] == labels) > 0.8


def normalized(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_loss_is_the_mean_of_both_cross_entropies():
    random = np.random.default_rng(0)
    sounds, pictures = random.standard_normal((2, 6, 5)).astype(np.float32)
    logits = normalized(sounds) @ normalized(pictures).T / 0.1
    matching = np.eye(6)
    expected = np.mean(
        [
            tf.nn.softmax_cross_entropy_with_logits(matching, logits),
            tf.nn.softmax_cross_entropy_with_logits(matching, logits.T),
        ]
    )
    assert float(reference_models.both_ways(sounds, pictures)) == pytest.approx(expected, rel=1e-5)


def test_a_score_tells_what_it_has_to_be_compared_with():
    score = Score("cas", 0.5, "who", (0.4, 0.6), 0.1, ("cas_real", 0.9), {"steps": 3})
    assert score.headline() == {"cas": 0.5, "cas_ci95": [0.4, 0.6], "cas_real": 0.9}
    assert score.detail()["steps"] == 3
    lines = table({"cas": score.detail(), "n": Score("n", 1.0, "x").detail()})
    assert "0.4000 to 0.6000" in lines and "0.9000" in lines


def test_pixels_round_as_in_numpy():
    from cmgen.media import images

    values = np.linspace(-1.2, 1.2, 1001, dtype=np.float32)
    np.testing.assert_array_equal(windows.to_pixels(values).numpy(), images.unscale(values))


def test_defaults_are_the_documented_protocol():
    assert config.TrainConfig().gan.condition == "sound"
    assert (MeasureConfig().gallery, MeasureConfig().embedding_steps) == (64, 1000)
