"""cmgen.export: what it leaves on disk, its versions, its card, and what happens on failure."""

import hashlib
import json
import re

import fixtures
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from tiny_run import STEP, sounds, write_run, write_scores

from cmgen.export import layout, saved_model, writer
from cmgen.export.onnx import IR_VERSION
from cmgen.export.samples import PARITY_WINDOWS, Samples, calibration_samples
from cmgen.export.samples import test_samples as read_test_samples
from cmgen.generate import sound_to_image
from cmgen.generate.model import load
from cmgen.models.run import load_run
from cmgen.utils import provenance
from cmgen.utils.errors import UserError

CLASSES = ("bell", "drum", "flute")
SAMPLES = Samples(sounds(4), np.array([0, 1, 2, 0]), "test tones")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("runs") / "tiny", CLASSES)
    write_scores(folder)
    return folder


@pytest.fixture(scope="module")
def run(run_folder):
    return load_run(run_folder)


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    output = tmp_path_factory.mktemp("exports") / "s2i"
    return writer.export(run, output, SAMPLES, writer.read_scores(run, None))


@pytest.fixture(scope="module")
def i2s_exported(tmp_path_factory):
    root = tmp_path_factory.mktemp("i2s")
    run = load_run(write_run(root / "run", CLASSES, task="i2s"))
    samples = Samples(photos(4), np.array([0, 1, 2, 0]), "synthetic pictures")
    return writer.export(run, root / "exports" / "i2s", samples, {}, writer.SMALLER)


def photos(count):
    return np.random.default_rng(0).uniform(-1, 1, (count, 32, 32, 3)).astype(np.float32)


def test_everything_is_where_it_was_promised(exported):
    parts = ["s2i.onnx", "s2i_encoder.onnx", "s2i_generator.onnx"]
    found = sorted(p.name for p in exported.folder.iterdir())
    assert found == ["1", "README.md", "SHA256SUMS", "client.py", "parity.json", *parts]
    assert (exported.folder.parent / "models.config").is_file()
    parity = json.loads((exported.folder / "parity.json").read_text())
    assert parity == exported.parity and parity["windows"] == 4
    assert parity["compared_on"] == "test tones" and "RFFT" in parity["operations"]
    assert parity["saved_model"]["image"] <= 1e-6
    assert sorted(parity["onnx"]) == parts
    assert all(v <= 1e-4 for outputs in parity["onnx"].values() for v in outputs.values())


def test_run_saved_model_and_onnx_draw_the_same_pictures(run_folder, exported):
    waveform, noise = sounds(3), sound_to_image.seed_noise([0, 1, 2], 10)
    places = (run_folder, exported.saved_model, exported.folder, exported.onnx)
    models = [load(place) for place in places]
    made = [model(waveform, noise) for model in models]
    for other in made[1:]:
        np.testing.assert_allclose(other, made[0], atol=1e-4)
    described = {(m.metadata.window_samples, m.metadata.noise_size, m.sample_rate) for m in models}
    assert described == {(22050, 10, 44100)}
    said = [{**model.metadata.provenance, "name": "s2i"} for model in models]
    assert said == [said[0]] * 4 and said[0].keys() == set(provenance.FIELDS)


def test_models_of_sounds_are_loaded_from_all_their_forms(i2s_exported):
    noise = sound_to_image.seed_noise([0, 1], 10)
    folder = i2s_exported.folder
    models = [load(place) for place in (folder, folder / "i2s.onnx")]
    made = [model(photos(2), noise) for model in models]
    assert made[0].shape == (2, 128, 44)
    np.testing.assert_allclose(made[1], made[0], atol=1e-4)
    assert [(m.metadata.image_size, m.metadata.sound.n_mels) for m in models] == [(32, 128)] * 2


def test_every_file_has_its_checksum(exported):
    lines = (exported.folder / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    files = {p.relative_to(exported.folder).as_posix() for p in exported.folder.rglob("*")}
    files = {name for name in files if (exported.folder / name).is_file()} - {"SHA256SUMS"}
    assert sums.keys() == files and "1/saved_model.pb" in files
    for name, digest in sums.items():
        assert hashlib.sha256((exported.folder / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("part", ["encoder", "generator"])
def test_a_part_is_no_model_to_generate_with(exported, part):
    with pytest.raises(UserError, match="a part of a model"):
        load(exported.folder / f"s2i_{part}.onnx")


def test_metadata_are_those_of_the_saved_model(exported):
    written = json.loads((exported.saved_model / "assets.extra/cmgen.json").read_text())
    for path in exported.folder.glob("*.onnx"):
        stored = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
        assert stored.keys() == written.keys()
        for key, value in written.items():
            assert value == (stored[key] if isinstance(value, str) else json.loads(stored[key]))
    assert written["classes"] == list(CLASSES) and written["step"] == STEP
    assert (written["format"], written["name"], written["task"]) == (2, "s2i", "s2i")
    assert (written["pose"], written["condition"], written["image_size"]) == (False, "sound", 32)
    sizes = [written[key] for key in ("sample_rate", "window_samples", "noise_size")]
    assert sizes == [44100, 22050, 10]
    assert written["sound"]["n_mels"] == 128 and written["scores"]["accuracy_test"] == 0.875


def test_smaller_forms_take_and_make_the_same_tensors(i2s_exported):
    """How near they are is the networks' affair, and random ones know no classes."""
    measured = i2s_exported.parity["smaller"]
    assert measured["windows"] == 4
    for form in writer.SMALLER:
        path = i2s_exported.folder / f"i2s_{form}.onnx"
        session = onnxruntime.InferenceSession(path)
        given = {"image": photos(2), "noise": sound_to_image.seed_noise([0, 1], 10)}
        (lms,) = session.run(["lms"], given)
        assert lms.shape == (2, 128, 44) and lms.dtype == np.float32
        assert set(measured[form]) == set(measured["float32"])
        assert 0 < measured[form]["mean_difference"] < 0.05
        assert 0 <= measured[form]["verifier_accuracy"] <= 1 and measured[form]["p50_ms"] > 0
        assert onnx.load(path).ir_version == IR_VERSION
        assert session.get_modelmeta().custom_metadata_map["task"] == "i2s"
    model = onnx.load(i2s_exported.folder / "i2s_int8.onnx")
    weights = [
        numpy_helper.to_array(one)
        for one in model.graph.initializer
        if one.data_type == onnx.TensorProto.INT8
    ]
    # Of 7 bits, or products overflow on processors without VNNI.
    assert len(weights) > 3 and max(np.abs(one.astype(int)).max() for one in weights) <= 64
    assert measured["float16"]["bytes"] < 0.7 * measured["float32"]["bytes"]


def test_smaller_forms_leave_the_spectrogram_as_it_is(run, tmp_path):
    written = writer.export(run, tmp_path / "s2i", SAMPLES, {}, writer.SMALLER)
    quiet = 1e-4 * sounds(3)
    for form in writer.SMALLER:
        assert written.parity["smaller"][form]["mean_difference"] < 0.05
        session = onnxruntime.InferenceSession(written.folder / f"s2i_{form}.onnx")
        given = {"waveform": quiet, "noise": sound_to_image.seed_noise([0, 1, 2], 10)}
        assert np.isfinite(session.run(["image"], given)[0]).all()
    # Exported again without them, those of the old version are gone.
    again = writer.export(run, tmp_path / "s2i", SAMPLES, {})
    assert again.saved_model.name == "2" and (tmp_path / "s2i" / "1" / "saved_model.pb").is_file()
    assert not list(tmp_path.glob("s2i/*_int8.onnx"))


def test_the_card_has_the_scores_and_the_interface(exported, i2s_exported):
    card = (exported.folder / "README.md").read_text()
    assert "| `accuracy_test` | 0.8750 |" in card
    assert "| `accuracy_test_ci95` | 0.7500 to 0.9500 |" in card
    assert "`seed` |" not in card
    assert "bell, drum, flute" in card and "[batch, 22050]" in card
    other = (i2s_exported.folder / "README.md").read_text()
    assert "[batch, 128, 44]" in other and "has not been evaluated" in other
    assert "| `i2s_int8.onnx` |" in other
    for text in (card, other):
        assert not re.search(r"{[a-z_]+}", text.replace("${", ""))
        assert max(map(len, text.splitlines())) < 400


def test_the_card_s_front_matter_is_what_hubs_read(exported, i2s_exported):
    """Keys and nesting, by hand: a YAML parser for this alone would be one more dependency."""
    card = (exported.folder / "README.md").read_text()
    front = card.split("---")[1].strip().splitlines()
    assert front[0] == "license: apache-2.0"
    assert front[4:7] == ["model-index:", '- name: "s2i"', "  results:"]
    assert front[7:9] == [
        "  - task: {type: audio-to-image}",
        '    dataset: {name: "nowhere", type: "nowhere", split: test}',
    ]
    assert front[9].startswith("    metrics: [{type: accuracy, value: 0.8750, name: ")
    assert "95 % interval 0.7500 to 0.9500" in front[9]
    assert "  results: []" in (i2s_exported.folder / "README.md").read_text().split("---")[1]


def test_a_failed_check_leaves_nothing_behind(run, tmp_path, monkeypatch):
    monkeypatch.setattr("cmgen.export.onnx.TOLERANCE", -1.0)
    with pytest.raises(UserError, match="differs"):
        writer.export(run, tmp_path / "s2i", SAMPLES, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["README.md", "client.py", "1/saved_model.pb"])
def test_an_export_replaces_nothing_that_no_export_wrote(run, tmp_path, name):
    path = tmp_path / "project" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(UserError, match="did not write"):
        writer.export(run, tmp_path / "project", SAMPLES, {})
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


def test_a_models_config_changed_by_hand_stays(tmp_path, capsys):
    path = tmp_path / "models.config"
    (tmp_path / "s2i" / "1").mkdir(parents=True)
    (tmp_path / "s2i" / "1" / "saved_model.pb").write_bytes(b"")
    for ours in ("model_config_list {\n}\n", saved_model.models_config(tmp_path)):
        path.write_text(ours)
        writer._write_models_config(tmp_path)
        assert path.read_text() == saved_model.models_config(tmp_path)
    for theirs in (path.read_text().replace("  }", "    model_version_policy { all {} }\n  }"), ""):
        path.write_text(theirs)
        writer._write_models_config(tmp_path)
        assert path.read_text() == theirs and "left as it is" in capsys.readouterr().out


def test_every_export_gets_the_next_version(tmp_path):
    for name in ("1", "7", "10", "old"):
        (tmp_path / name).mkdir()
    (tmp_path / "12").write_text("a file")
    assert layout.versions(tmp_path) == [1, 7, 10]


def test_scores_of_another_step_stay_off_the_card(run, tmp_path):
    other = write_scores(tmp_path, step=STEP + 1)
    with pytest.raises(UserError, match="--scores="):
        writer.read_scores(run, str(other))
    with pytest.raises(UserError, match="not a file of"):
        writer.read_scores(run, str(tmp_path / "nothing.json"))
    assert writer.read_scores(run, None)["accuracy_test"] == 0.875


@pytest.mark.parametrize("task", ["s2i", "i2s"])
def test_made_up_input_stands_in_for_missing_data(task, tmp_path, capsys):
    run = load_run(write_run(tmp_path / "run", CLASSES, task=task))
    samples = read_test_samples(run)
    assert "can't be read" in capsys.readouterr().out
    shape = (22050,) if task == "s2i" else (32, 32, 3)
    assert samples.conditions.shape == (PARITY_WINDOWS, *shape)
    assert samples.labels is None and "synthetic" in samples.source
    assert 0.01 < np.abs(samples.conditions).max() <= 1


def test_sounding_windows_of_the_test_split_are_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path / "cache"))
    data = fixtures.write_corpus(tmp_path / "videos", seconds=2.5)
    run = load_run(write_run(tmp_path / "run", CLASSES, data=str(data)))
    samples = read_test_samples(run, 12)
    assert (
        samples.conditions.shape == (12, 22050)
        and samples.source == "sounding test windows of videos"
    )
    assert sorted(set(samples.labels)) == [0, 1, 2]
    assert len(samples.spread(5)) == 5 and len(samples.spread(50)) == 12
    assert "train" in calibration_samples(run).source


def test_the_command_exports(run_folder, run_main, tmp_path):
    done = run_main("cmgen.export", f"--workdir={run_folder}", "--output=exports/s2i")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "exports/s2i/1/saved_model.pb").is_file()
    assert "ONNX, differs by" in done.stdout
    # TensorFlow 2.21 says this at every start, whatever its log level.
    said = done.stderr.replace("WARNING: All log messages before absl::InitializeLog()", "")
    assert "Traceback" not in said and "WARNING" not in said
