import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fixtures import CLASSES, write_corpus
from tiny_run import write_run

from cmgen.data import pipeline
from cmgen.media import images
from cmgen.prepare import cache
from cmgen.rate.collect import CollectConfig, collect
from cmgen.rate.study import Study, picture_path, read_study
from cmgen.utils.errors import UserError

PER_CLASS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, two runs on them, and a study."""
    folder = tmp_path_factory.mktemp("collect")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CMGEN_CACHE", str(folder / "cache"))
        data = write_corpus(folder / "data", {"train": 1, "test": 2}, seconds=2.0)
        for name in ("first", "second"):
            write_run(folder / name, tuple(CLASSES), str(data), upsampling="resize")
        make(folder, "study")
    return folder


def make(folder: Path, name: str, per_class: int = PER_CLASS, seconds: float = 1.0) -> None:
    runs = {"S2I-C": folder / "first", "S2I-N": folder / "second"}
    collect(folder / name, runs, CollectConfig(per_class, seconds, seed=4))


@pytest.fixture
def study(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("CMGEN_CACHE", str(folder / "cache"))
    return read_study(folder / "study")


def test_classes_and_sources_are_balanced(study: Study) -> None:
    manifest = study.manifest
    assert manifest.sources == ("real", "S2I-C", "S2I-N")
    found = [window.class_name for window in manifest.windows]
    assert found == [name for name in CLASSES for _ in range(PER_CLASS)]
    assert len(manifest.items) == len(manifest.sources) * len(manifest.windows)


def test_windows_come_from_all_test_recordings_and_do_not_overlap(study: Study) -> None:
    for name in CLASSES:
        mine = [window for window in study.manifest.windows if window.class_name == name]
        recordings = {window.recording for window in mine}
        assert len(recordings) == 2 and all(r.startswith("test/") for r in recordings)
        for recording in recordings:
            times = sorted(w.seconds for w in mine if w.recording == recording)
            assert len(times) == PER_CLASS / 2 and min(np.diff(times)) >= 0.5 - 1e-3


def test_real_pictures_are_those_of_the_moment(study: Study, folder: Path) -> None:
    from cmgen.models.run import load_run

    config = load_run(folder / "first").config.data
    recordings = pipeline.load_split(cache.resolve(config), "test", config)
    assert recordings.frames is not None
    item = next(item for item in study.manifest.items if item.source == "real")
    window = study.manifest.windows[item.window]
    index = list(recordings.groups).index(window.recording)
    first, end = recordings.frame_offsets[index : index + 2]
    times = recordings.frame_times[first:end] / recordings.info.sample_rate
    expected = recordings.frames.numpy()[first + np.argmin(np.abs(times - window.seconds))]
    path = picture_path(folder / "study", item.picture)
    np.testing.assert_array_equal(images.read_image(path), expected)


def test_the_same_weights_make_the_same_pictures(study: Study) -> None:
    """Both runs have the same random weights: sound and noise must be the same, too."""
    items = study.manifest.item_at()
    for window in range(len(study.manifest.windows)):
        first, second = (items[window, name] for name in ("S2I-C", "S2I-N"))
        assert study.pictures[first.picture] == study.pictures[second.picture]


def test_sounds_have_the_length_that_was_asked_for(study: Study) -> None:
    for data in study.sounds.values():
        samples, rate = soundfile.read(io.BytesIO(data))
        assert (len(samples), rate) == (44100, 44100)
        assert samples[0] == 0 and abs(samples[-1]) < 1e-3 and np.std(samples) > 0.01


def test_sounds_longer_than_a_recording_are_the_whole_recording(study: Study, folder: Path) -> None:
    make(folder, "long", per_class=1, seconds=30.0)
    for data in read_study(folder / "long").sounds.values():
        assert 1.9 < soundfile.info(io.BytesIO(data)).duration < 2.2


def test_the_same_seed_makes_the_same_study(study: Study, folder: Path) -> None:
    make(folder, "again")
    again = read_study(folder / "again")
    assert (again.manifest.windows, again.manifest.items) == (
        study.manifest.windows, study.manifest.items,
    )  # fmt: skip


def test_the_manifest_says_what_was_made_of_what(study: Study) -> None:
    facts = study.manifest.facts
    assert facts["runs"]["S2I-C"]["step"] == 7
    assert len(facts["runs"]["S2I-C"]["generator_sha256"]) == 64
    assert facts["data"]["split"] == "test" and len(facts["data"]["fingerprint"]) == 16
    assert facts["settings"]["per_class"] == PER_CLASS
    assert json.loads(study.manifest.to_json())["seed"] == 4


def test_bad_requests_leave_nothing_behind(study: Study, folder: Path) -> None:
    with pytest.raises(UserError, match="--per_class=99: the test recordings of 'bell' have"):
        make(folder, "many", per_class=99)
    assert not (folder / "many").exists()
    with pytest.raises(UserError, match="exists and is not an empty folder"):
        make(folder, "study")
    other = write_run(folder / "other", ("bell", "drum"), str(folder / "data"))
    with pytest.raises(UserError, match="not trained on: flute"):
        collect(folder / "x", {"A": other}, CollectConfig(1, 1.0, 1))
    elsewhere = write_run(folder / "elsewhere", tuple(CLASSES), "other_data")
    with pytest.raises(UserError, match="choose with --data"):
        collect(folder / "x", {"A": folder / "first", "B": elsewhere}, CollectConfig(1, 1.0, 1))
