"""tools/export.py: what it leaves on disk, its versions, its card, and what happens on failure."""

import json
import re

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from tiny_run import STEP, sounds, write_run, write_scores

from cmgen import checkpoint, exporting, generation, onnx_export
from cmgen.config import SoundConfig
from cmgen.errors import UserError

CLASSES = ("bell", "drum", "flute")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("runs") / "tiny", CLASSES)
    write_scores(folder)
    return folder


@pytest.fixture(scope="module")
def run(run_folder):
    return checkpoint.load_run(run_folder)


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    output = tmp_path_factory.mktemp("exports") / "s2i"
    return exporting.export(run, output, sounds(4), exporting.read_scores(run, None))


def test_a_run_of_pictures_to_sound_is_refused(tmp_path, run_main):
    write_run(tmp_path / "i2s", CLASSES, task="i2s")
    done = run_main("tools/export.py", "--workdir=i2s", "--output=exports/i2s")
    assert done.returncode == 2 and "a run of --task=i2s" in done.stderr
    assert not (tmp_path / "exports").exists()


def test_everything_is_where_it_was_promised(exported):
    output = exported.saved_model.parent
    assert sorted(p.name for p in output.iterdir()) == ["1", "README.md", "s2i.onnx"]
    assert exported.saved_model_difference <= 1e-6
    assert exported.onnx_difference <= 1e-4


def test_run_saved_model_and_onnx_draw_the_same_pictures(run_folder, exported):
    waveform, noise = sounds(3), generation.seed_noise([0, 1, 2], 10)
    places = (run_folder, exported.saved_model, exported.saved_model.parent, exported.onnx)
    models = [generation.load_model(place) for place in places]
    made = [model.generate(waveform, noise) for model in models]
    for other in made[1:]:
        np.testing.assert_allclose(other, made[0], atol=1e-4)
    assert {(m.window_samples, m.noise_size, m.sample_rate) for m in models} == {(22050, 10, 44100)}


def test_onnx_metadata_say_how_to_use_it(exported):
    facts = onnxruntime.InferenceSession(exported.onnx).get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes"]) == list(CLASSES)
    assert (facts["sample_rate"], facts["window_samples"]) == ("44100", "22050")
    assert facts["step"] == str(STEP)
    assert json.loads(facts["scores"])["accuracy_test"] == 0.875


def test_the_card_has_the_scores_and_the_interface(exported):
    card = exported.card.read_text()
    assert "| `accuracy_test` | 0.8750 |" in card
    assert "| `accuracy_test_ci95` | 0.7500 to 0.9500 |" in card
    assert "`seed`" not in card
    assert "bell, drum, flute" in card and "[batch, 22050]" in card
    assert not re.search(r"{[a-z_]+}", card)


def test_the_card_s_example_runs(exported, monkeypatch):
    monkeypatch.chdir(exported.onnx.parent)
    example = exported.card.read_text().partition("```python\n")[2].partition("```")[0]
    names = {}
    exec(example, names)
    assert names["pixels"].shape == (32, 32, 3) and names["pixels"].dtype == np.uint8


def test_every_export_gets_the_next_version(tmp_path):
    for name in ("1", "7", "10", "old", "12.txt"):
        (tmp_path / name).mkdir()
    assert exporting._next_version(tmp_path) == 11


def test_the_served_signatures_have_names(exported):
    signatures = tf.saved_model.load(str(exported.saved_model)).signatures
    found = {
        name: (sorted(s.structured_input_signature[1]), sorted(s.structured_outputs))
        for name, s in signatures.items()
    }
    assert found == {
        "serving_default": (["noise", "waveform"], ["image"]),
        "generate_png": (["noise", "waveform"], ["image_bytes"]),
        "encode": (["waveform"], ["encoding", "probabilities"]),
    }


def test_a_failed_check_leaves_nothing_behind(run, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "TOLERANCE", -1.0)
    with pytest.raises(UserError, match="differs"):
        exporting.export(run, tmp_path / "s2i", sounds(2), {})
    assert list(tmp_path.iterdir()) == []


def test_scores_of_another_step_stay_off_the_card(run, tmp_path):
    other = write_scores(tmp_path, step=STEP + 1)
    with pytest.raises(UserError, match="--scores="):
        exporting.read_scores(run, str(other))
    with pytest.raises(UserError, match="not a file of"):
        exporting.read_scores(run, str(tmp_path / "nothing.json"))
    assert exporting.read_scores(run, None)["accuracy_test"] == 0.875


def test_tones_stand_in_for_missing_data(run, capsys):
    windows = exporting.parity_windows(run)
    assert "can't be read" in capsys.readouterr().out
    assert windows.shape == (exporting.PARITY_WINDOWS, SoundConfig().window_samples)
    assert 0.01 < np.abs(windows).max() <= 1


def test_the_command_exports(run_folder, run_main, tmp_path):
    done = run_main("tools/export.py", f"--workdir={run_folder}", "--output=exports/s2i")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "exports/s2i/1/saved_model.pb").is_file()
    assert "ONNX, differs by" in done.stdout
    assert "Traceback" not in done.stderr and "WARNING" not in done.stderr
