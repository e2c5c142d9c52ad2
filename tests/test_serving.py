"""The exported functions: same numbers as the networks, from core operations, without cmgen."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import sounds, write_run

from cmgen import audio, checkpoint, images, serving
from cmgen.errors import UserError

CLASSES = ("bell", "drum", "flute")


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("run"), CLASSES)
    return serving.SoundToImage.of(checkpoint.load_run(folder))


@pytest.fixture(scope="module")
def saved(module, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "1"
    serving.save(module, folder, {"sample_rate": 44100, "classes": list(CLASSES)})
    return folder


def test_generate_is_lms_then_encoder_then_generator(module):
    waveform, noise = serving.example_inputs(module, sounds(4))
    encoding = module.sound_encoder.encode(audio.lms(waveform, checkpoint.TrainConfig().sound))
    expected = module.generator((encoding, noise))
    found = module.generate(waveform, noise)["image"]
    assert found.shape == (4, 32, 32, 3)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found).max() <= 1.0


def test_no_picture_depends_on_its_neighbours(module):
    waveform, noise = serving.example_inputs(module, sounds(4))
    whole = module.generate(waveform, noise)["image"]
    alone = [module.generate(waveform[i : i + 1], noise[i : i + 1])["image"][0] for i in range(4)]
    np.testing.assert_allclose(whole, np.stack(alone), atol=1e-5)


def test_png_files_hold_the_same_pixels(module):
    waveform, noise = serving.example_inputs(module, sounds(2))
    files = module.generate_png(waveform, noise)["image_bytes"]
    decoded = np.stack([tf.io.decode_png(file) for file in files])
    expected = images.unscale(module.generate(waveform, noise)["image"].numpy())
    assert np.abs(decoded.astype(int) - expected).max() <= 1


def test_encode_gives_encoding_and_probabilities(module):
    found = module.encode(sounds(3))
    assert found["encoding"].shape == (3, 128)
    np.testing.assert_allclose(tf.reduce_sum(found["probabilities"], axis=-1), 1, rtol=1e-5)


def test_saved_model_gives_the_same_pictures_for_any_batch(module, saved):
    generate, metadata = serving.load(saved)
    assert metadata["classes"] == list(CLASSES)
    for count in (1, 5):
        waveform, noise = serving.example_inputs(module, sounds(count))
        found = generate(waveform=tf.constant(waveform), noise=tf.constant(noise))["image"]
        np.testing.assert_allclose(found, module.generate(waveform, noise)["image"], atol=1e-6)


def test_saved_model_loads_where_cmgen_is_not_installed(module, saved, tmp_path):
    waveform, noise = serving.example_inputs(module, sounds(2))
    np.savez(tmp_path / "in.npz", waveform=waveform, noise=noise)
    program = f"""
import sys
sys.modules["cmgen"] = None  # importing it would fail
import numpy as np, tensorflow as tf
signatures = tf.saved_model.load({str(saved)!r}).signatures
given = np.load("in.npz")
waveform, noise = (tf.constant(given[name]) for name in ("waveform", "noise"))
np.savez(
    "out.npz",
    names=sorted(signatures),
    image=signatures["serving_default"](waveform=waveform, noise=noise)["image"],
    encoding=signatures["encode"](waveform=waveform)["encoding"],
)
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=120)
    found = np.load(tmp_path / "out.npz")
    assert list(found["names"]) == ["encode", "generate_png", "serving_default"]
    np.testing.assert_allclose(found["image"], module.generate(waveform, noise)["image"], atol=1e-6)
    np.testing.assert_allclose(found["encoding"], module.encode(waveform)["encoding"], atol=1e-5)


def test_graphs_are_made_of_core_operations(module):
    ops = serving.graph_ops(module.generate.get_concrete_function())
    assert {"Conv2D", "RFFT", "Tanh"} <= ops
    for name, function in module.signatures().items():
        serving.check_core_ops(name, function.get_concrete_function())


def test_a_graph_that_calls_python_is_refused():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def with_python(x):
        return tf.numpy_function(lambda v: v, [x], tf.float32)

    with pytest.raises(UserError, match="PyFunc"):
        serving.check_core_ops("generate", with_python.get_concrete_function())


def test_a_graph_with_a_foreign_operation_is_refused():
    tfio = pytest.importorskip("tensorflow_io")

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def with_tensorflow_io(data):
        return tfio.audio.decode_flac(data, dtype=tf.int16)

    with pytest.raises(UserError, match="IO>"):
        serving.check_core_ops("decode", with_tensorflow_io.get_concrete_function())


def test_a_folder_that_is_no_export_is_refused(tmp_path):
    with pytest.raises(UserError, match="not a SavedModel"):
        serving.load(tmp_path)
