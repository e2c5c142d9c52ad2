"""Scores of a split, and the whole evaluation of a run on real files."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile
from fixtures import CLASSES as COLOURS
from fixtures import picture, tone, write_corpus, write_recording
from PIL import Image
from tiny_run import STEP, write_run

from cmgen import config
from cmgen.data import pipeline
from cmgen.evaluate import compare, report
from cmgen.evaluate.accuracy import SplitScores, score_split
from cmgen.evaluate.score import MeasureConfig
from cmgen.evaluate.windows import Networks, class_indices
from cmgen.media import images
from cmgen.models.run import load_run
from cmgen.models.weights import weights_path
from cmgen.prepare.local import PrepareConfig, prepare
from cmgen.utils.errors import UserError

CLASSES = tuple(sorted(COLOURS))


def split_scores(**changes):
    """Two recordings of class 0 and one of class 1; the last window of each is silent."""
    values = {
        "direction": config.DIRECTIONS["s2i"],
        "classes": ("bell", "drum", "flute"),
        "groups": np.array(["a", "a", "a", "b", "b", "c", "c"]),
        "frames": np.arange(7),
        "labels": np.array([0, 0, 0, 0, 0, 1, 1]),
        "sounding": np.array([1, 1, 0, 1, 0, 1, 0], bool),
        "generated_predicted": np.array([0, 1, 2, 0, 2, 1, 2]),
        "predicted_class": np.array([0, 0, 2, 2, 2, 2, 2]),
        "real_predicted": np.array([0, 0, 0, 0, 0, 1, 2]),
        "feature_distance": 1.5,
    }
    return SplitScores(**(values | changes))


def test_silent_windows_are_counted_apart():
    scores = split_scores()
    assert scores.accuracy == pytest.approx(3 / 4)
    assert scores.encoder_accuracy == pytest.approx(2 / 4)
    assert scores.report()["accuracy_silent_windows"] == 0.0
    assert (scores.report()["windows"], scores.report()["silent_windows"]) == (4, 3)


def test_real_pictures_count_whether_or_not_anything_sounds():
    assert split_scores().real_accuracy == pytest.approx(6 / 7)
    assert split_scores(real_predicted=None).real_accuracy is None


def test_the_report_lists_classes_and_recordings_worst_first():
    found = split_scores().report()
    assert found["per_class_accuracy"] == {"bell": pytest.approx(2 / 3), "drum": 1.0, "flute": None}
    assert list(found["per_recording_accuracy"].items()) == [("a", 0.5), ("b", 1.0), ("c", 1.0)]
    assert found["confusion"] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert found["recordings"] == 3
    assert found["majority_rate"] == pytest.approx(3 / 4)
    low, high = found["accuracy_ci95"]
    assert 0.5 <= low < 0.75 < high <= 1.0
    json.dumps(found)


def test_classes_are_matched_by_name():
    np.testing.assert_array_equal(class_indices(["flute", "bell"], CLASSES), [2, 0])
    with pytest.raises(UserError, match="organ"):
        class_indices(["bell", "organ"], CLASSES)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    raw = write_corpus(tmp_path_factory.mktemp("raw"))
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
def recordings(prepared):
    return pipeline.load_split(prepared, "test", config.DataConfig(image_size=32))


def test_every_window_is_scored_once_and_the_same_again(run, recordings):
    scores, again = (score_split(Networks.of(run), recordings) for _ in range(2))
    counts = dict(zip(*np.unique(scores.groups, return_counts=True), strict=True))
    assert len(counts) == 3 and all(9 <= count <= 11 for count in counts.values())
    assert scores.sounding.all()
    assert scores.report() == again.report()
    assert scores.feature_distance > 0


def test_a_stride_takes_a_subset(run, recordings):
    networks = Networks.of(run)
    whole, third = score_split(networks, recordings), score_split(networks, recordings, 3)
    assert len(whole.labels) / 3 == pytest.approx(len(third.labels), abs=3)


def test_new_weights_are_seen_without_tracing_again(run_folder, recordings):
    run = load_run(run_folder)
    networks = Networks.of(run)
    before = score_split(networks, recordings)
    classify = run.verifier.classify
    classify.kernel.assign(classify.kernel * 0)
    classify.bias.assign([0.0, 5.0, 0.0])
    after = score_split(networks, recordings)
    assert (after.generated_predicted == 1).all() and (after.real_predicted == 1).all()
    np.testing.assert_array_equal(before.predicted_class, after.predicted_class)


def test_a_run_without_verifier_is_refused(run_folder, tmp_path):
    folder = write_run(tmp_path / "half", CLASSES)
    weights_path(folder, "verifier").unlink()
    with pytest.raises(UserError, match="no verifier"):
        Networks.of(load_run(folder))


def test_the_command_writes_all_promised_numbers(run_folder, prepared, run_main, tmp_path):
    done = run_main("cmgen.evaluate", f"--workdir={run_folder}", "--output=out/scores.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out/scores.json").read_text())
    assert list(found["splits"]) == ["train", "validation", "test"]
    for key in (
        "verifier_accuracy_real_test",
        "accuracy_train",
        "accuracy_test",
        "majority_rate_test",
        "sound_encoder_accuracy_test",
    ):
        assert 0 <= found[key] <= 1
    low, high = found["accuracy_test_ci95"]
    assert low <= found["accuracy_test"] <= high
    assert (found["step"], found["seed"], found["notes"]) == (STEP, 1, [])
    kinds = ("data", "splits", "windows", "verifier")
    assert {len(found["hashes"][kind]) for kind in kinds} == {16}
    assert found["versions"]["tensorflow"].startswith("2.")
    for split in found["splits"]:
        with Image.open(tmp_path / f"out/scores_confusion_{split}.png") as picture:
            assert picture.format == "PNG"
    assert "accuracy" not in done.stderr and "test" in done.stdout


def test_runs_that_count_other_windows_do_not_stand_side_by_side(run, prepared, tmp_path):
    fewer = dataclasses.replace(run.config, only_classes=("drum", "flute"))
    other = dataclasses.replace(run, config=fewer)
    found = {
        f"{index}.json": report.evaluate_run(one, str(prepared), tmp_path / f"{index}.json")
        for index, one in enumerate((run, other))
    }
    with pytest.raises(UserError, match=r"1\.json was measured with other windows than 0\.json"):
        compare.check_alike(found)


def test_other_data_without_pictures_and_with_fewer_classes(run, tmp_path, monkeypatch):
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path / "cache"))
    for name in ("flute", "drum"):
        folder = tmp_path / "mine" / "test" / name
        folder.mkdir(parents=True)
        soundfile.write(folder / f"{name}.wav", tone(COLOURS[name][1], 1.0), 44100)
    found = report.evaluate_run(run, str(tmp_path / "mine"), tmp_path / "mine.json")
    assert found["majority_rate_test"] == pytest.approx(0.5)
    assert "verifier_accuracy_real_test" not in found and "feature_distance_test" not in found
    assert found["splits"]["test"]["per_class_accuracy"]["bell"] is None
    assert "lacks pictures" in found["notes"][0]


def test_real_pictures_are_left_out_where_a_class_has_none(run, tmp_path, monkeypatch):
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path / "cache"))
    for name in CLASSES:
        folder = tmp_path / "unpaired" / "sounds" / "test" / name
        folder.mkdir(parents=True)
        soundfile.write(folder / "a.wav", tone(COLOURS[name][1], 1.0), 44100)
    folder = tmp_path / "unpaired" / "images" / "test" / "bell"
    folder.mkdir(parents=True)
    images.write_png(folder / "b.png", picture("bell", 0.0))
    found = report.evaluate_run(run, str(tmp_path / "unpaired"), tmp_path / "scores.json")
    assert "accuracy_test" in found and "verifier_accuracy_real_test" not in found
    assert "lacks pictures" in found["notes"][0]


def test_other_data_of_unknown_classes_are_refused(run, tmp_path, monkeypatch):
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path / "cache"))
    raw = write_corpus(tmp_path / "raw", {"test": 1}, ("bell",))
    (raw / "test" / "bell").rename(raw / "test" / "organ")
    with pytest.raises(UserError, match="organ"):
        report.evaluate_run(run, str(raw), tmp_path / "scores.json")
    assert not (tmp_path / "scores.json").exists()


def test_only_validation_is_enough(run, tmp_path, monkeypatch):
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path / "cache"))
    raw = tmp_path / "raw"
    for name in CLASSES:
        write_recording(raw / "validation" / name / "other.mp4", name, seed=90)
    found = report.evaluate_run(run, str(raw), tmp_path / "scores.json")
    assert "accuracy_validation" in found and "accuracy_test" not in found
    assert "no test split" in found["notes"][0]


def test_a_workdir_that_is_no_run_is_named(run_main, tmp_path):
    done = run_main("cmgen.evaluate", f"--workdir={tmp_path}", "--output=scores.json")
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr and "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def i2s_run(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "i2s"
    return load_run(write_run(folder, CLASSES, str(prepared), task="i2s"))


def test_sounds_made_from_pictures_are_scored_by_a_verifier_of_sounds(i2s_run, tmp_path):
    found = report.evaluate_run(i2s_run, i2s_run.data, tmp_path / "scores.json")
    for key in (
        "accuracy_test",
        "accuracy_train",
        "image_encoder_accuracy_test",
        "verifier_accuracy_real_test",
        "majority_rate_test",
    ):
        assert 0 <= found[key] <= 1
    assert not [key for key in found if key.startswith("sound_encoder")]
    assert found["task"] == "i2s" and found["feature_distance_test"] > 0
    table = report.summary(found)
    assert "picture" in table and "real sounds" in table


def test_sounds_made_from_pictures_are_compared_with_real_ones(i2s_run, tmp_path):
    few = MeasureConfig(train_windows=20, test_windows=20)
    found = report.evaluate_run(i2s_run, i2s_run.data, tmp_path / "all.json", few)
    assert found["lms_distance"] > 1 and found["lms_distance_real"] == 0
    assert found["frechet_sound"] > found["frechet_sound_floor"] > 0
    assert -1 <= found["chroma_agreement"] <= 1
    low, high = found["lms_distance_ci95"]
    assert low <= found["lms_distance"] <= high
    assert found["measures"]["lms_distance"]["chance"] > 0
    assert "chroma_agreement" in report.summary(found)


def test_controls_of_pictures_are_refused_for_sounds(i2s_run, tmp_path):
    for wrong in ({"label_control": tmp_path}, {"inception_weights": tmp_path / "none.h5"}):
        with pytest.raises(UserError, match="makes sounds"):
            report.evaluate_run(
                i2s_run, i2s_run.data, tmp_path / "all.json", MeasureConfig(**wrong)
            )


def test_real_sounds_count_where_anything_sounds():
    scores = split_scores(direction=config.DIRECTIONS["i2s"])
    assert scores.real_accuracy == pytest.approx(4 / 4)
    assert "image_encoder_accuracy" in scores.report()


def test_pictures_are_needed_to_make_sounds_from(i2s_run, tmp_path, monkeypatch):
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "mine" / "test" / "flute"
    folder.mkdir(parents=True)
    soundfile.write(folder / "flute.wav", tone(440.0, 1.0), 44100)
    with pytest.raises(UserError, match="lacks pictures"):
        report.evaluate_run(i2s_run, str(tmp_path / "mine"), tmp_path / "mine.json")
