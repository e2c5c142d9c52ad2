"""The programs that exports ship, where neither TensorFlow nor cmgen can be imported."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from fixtures import tone
from PIL import Image
from tiny_run import sounds, write_exports

from cmgen.config import SoundConfig
from cmgen.export.clients import i2s, s2i
from cmgen.generate import grids, sound_to_image
from cmgen.generate.model import load
from cmgen.media import images, lms_tf
from cmgen.media.lms import mel_matrix
from cmgen.media.sound import decode_sound_file

CLASSES = ("bell", "drum", "flute")
SOUND = SoundConfig()
# Put before the client's own code: an environment in which these were never installed.
HIDDEN = (
    "tensorflow",
    "keras",
    "cmgen",
    "tensorflow_io",
    "tf2onnx",
    "onnx",
    "librosa",
    "av",
)


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    return write_exports(tmp_path_factory.mktemp("work"), CLASSES, 2)


def run_client(folder, *arguments, cwd):
    """Runs FOLDER/client.py with the packages of HIDDEN out of reach."""
    program = (
        f"import runpy, sys\nfor name in {HIDDEN}: sys.modules[name] = None\n"
        f"sys.argv[0] = {str(folder / 'client.py')!r}\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize(("name", "client"), [("s2i", s2i), ("i2s", i2s)])
def test_a_model_that_was_changed_is_refused(exports, tmp_path, name, client):
    folder = shutil.copytree(exports / name, tmp_path / name)
    path = folder / f"{name}.onnx"
    assert client.load(path).get_inputs()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"{name}.onnx: damaged or changed since the export"):
        client.load(path)


@pytest.mark.parametrize("rate", [44100, 48000])
def test_a_sound_becomes_the_picture_of_cmgen_generate(exports, tmp_path, rate):
    wave = tone(330.0, 3.0)[: 2 * rate]
    soundfile.write(tmp_path / "a.flac", np.stack([wave, 0.5 * wave], 1), rate)
    done = run_client(exports / "s2i", "a.flac", "a.png", "--seed=3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    model = load(exports / "s2i" / "s2i.onnx")
    sound = decode_sound_file(tmp_path / "a.flac")
    middle = grids.grid_times(len(sound) / 44100, 1)
    expected = next(sound_to_image.pictures(model, model.metadata, sound, middle, [3]))
    found = np.asarray(Image.open(tmp_path / "a.png")).astype(int)
    assert np.abs(found - expected[0, 0]).max() <= 1


def test_a_picture_becomes_a_sound(exports, tmp_path):
    Image.fromarray(np.full((90, 120, 3), 99, np.uint8)).save(tmp_path / "photo.jpg")
    done = run_client(exports / "i2s", "photo.jpg", "sound.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    sound, rate = soundfile.read(tmp_path / "sound.wav")
    assert (len(sound), rate) == (22050, 44100) and 0 < np.abs(sound).max() <= 1


@pytest.mark.parametrize("samples", [22049, 0])
def test_a_short_sound_is_refused(exports, tmp_path, samples):
    soundfile.write(tmp_path / "short.wav", np.zeros(samples), 44100)
    done = run_client(exports / "s2i", "short.wav", "a.png", cwd=tmp_path)
    assert done.returncode == 2 and "needs 0.5 s" in done.stderr
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(("task", "made"), [("s2i", "a.png"), ("i2s", "a.wav")])
@pytest.mark.parametrize("source", ["missing", "text"])
def test_what_can_t_be_read_is_an_error_without_a_traceback(exports, tmp_path, task, made, source):
    (tmp_path / "text").write_text("neither a sound nor a picture")
    done = run_client(exports / task, source, made, cwd=tmp_path)
    assert done.returncode == 2 and source in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / made).exists()


@pytest.mark.parametrize(("task", "made"), [("s2i", "a.png"), ("i2s", "a.wav")])
def test_no_input_is_replaced(exports, tmp_path, task, made):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / made).symlink_to("mine")
    done = run_client(exports / task, "mine", made, cwd=tmp_path)
    assert done.returncode == 2 and f"{made}: is mine, which it would replace" in done.stderr
    assert (tmp_path / "mine").read_text() == "mine"


def test_numbers_that_are_none_are_refused(exports, tmp_path):
    soundfile.write(tmp_path / "nan.wav", np.full(44100, np.nan), 44100, subtype="FLOAT")
    assert "NaN" in run_client(exports / "s2i", "nan.wav", "a.png", cwd=tmp_path).stderr
    session = s2i.load(exports / "s2i" / "s2i.onnx")
    with pytest.raises(ValueError, match="NaN"):
        s2i.generate(session, np.full((1, 22050), np.nan, np.float32))
    session = i2s.load(exports / "i2s" / "i2s.onnx")
    with pytest.raises(ValueError, match="NaN"):
        i2s.generate(session, np.full((1, 32, 32, 3), np.nan, np.float32))


@pytest.mark.parametrize("rate", [48000, 22050, 96000])
def test_the_client_s_resampling_keeps_tones(tmp_path, rate):
    for hertz in (100.0, 0.4 * min(rate, 44100)):
        wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(2 * rate) / rate)
        soundfile.write(tmp_path / "a.wav", wave, rate, subtype="FLOAT")
        found = s2i.read_window(tmp_path / "a.wav", 44100, 22050, time=0.5)
        expected = 0.5 * np.sin(2 * np.pi * hertz * (0.25 + np.arange(22050) / 44100))
        assert np.abs(found - expected).max() < 5e-5


def test_the_client_s_metadata_and_formulas_are_ours(exports):
    known = i2s.metadata(i2s.load(exports / "i2s" / "i2s.onnx"))
    assert known["classes"] == list(CLASSES) and known["task"] == "i2s"
    assert known["data_hash"] == "0" * 16
    np.testing.assert_allclose(i2s.mel_matrix(known["sound"]), mel_matrix(SOUND), atol=1e-8)


def test_the_client_s_sound_has_the_spectrogram(exports):
    known = i2s.metadata(i2s.load(exports / "i2s" / "i2s.onnx"))
    lms = lms_tf.lms(tf.constant(sounds(1)), SOUND).numpy()[0]
    wave = i2s.to_sound(lms, known["sound"])
    again = lms_tf.lms(tf.constant(wave[None]), SOUND).numpy()[0]
    loud = (lms > 0) & (np.arange(44) > 3) & (np.arange(44) < 40)
    assert wave.shape == (22050,) and np.median(np.abs(again - lms)[loud]) * 60 < 2.0  # dB


def test_the_client_reads_pictures_as_cmgen_does(tmp_path):
    pixels = np.asarray(
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)).resize(
            (200, 150), Image.Resampling.BICUBIC
        )
    )
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = i2s.read_picture(tmp_path / "a.png", 64)
    assert np.abs(images.unscale(found).astype(int) - images.square(pixels, 64)).max() <= 1
