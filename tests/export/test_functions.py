"""The exported functions: same numbers as the networks, files in and out, core operations alone."""

import io

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from PIL import Image
from tiny_run import edit_config, sounds, write_run

from cmgen.config import SoundConfig
from cmgen.export import saved_model
from cmgen.export.functions import check_core_ops, example_noise, graph_ops, serving_module
from cmgen.media import images, lms_tf
from cmgen.models.run import load_run
from cmgen.utils.errors import UserError

CLASSES = ("bell", "drum", "flute")
SOUND = SoundConfig()
SIZE = 32


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("run"), CLASSES)
    return serving_module(load_run(folder))


@pytest.fixture(scope="module")
def i2s_module(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("run"), CLASSES, task="i2s")
    return serving_module(load_run(folder))


def pictures(count, size=SIZE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def wav_files(count, rate=44100):
    files = []
    for sound in sounds(count):
        buffer = io.BytesIO()
        soundfile.write(buffer, sound, rate, format="WAV", subtype="PCM_16")
        files.append(buffer.getvalue())
    return files


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data.numpy()))).astype(int)


def test_generate_is_lms_then_encoder_then_generator(module):
    waveform, noise = sounds(4), example_noise(module, 4)
    encoding = module.encoder.encode(lms_tf.lms(tf.constant(waveform), SOUND))
    expected = module.generator((encoding, noise))
    found = module.generate(waveform, noise)["image"]
    assert found.shape == (4, SIZE, SIZE, 3)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found).max() <= 1.0


def test_pictures_are_encoded_and_become_spectrograms(i2s_module):
    given = images.scale(pictures(3).astype(np.float32))
    noise = example_noise(i2s_module, 3)
    expected = i2s_module.generator((i2s_module.encoder.encode(given), noise))
    found = i2s_module.generate(given, noise)["lms"]
    assert found.shape == (3, 128, 44)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_kernel_of_inference_is_computed_once(module, tmp_path):
    """Folding changes no number: the layers compute the same where they aren't folded."""
    plain = load_run(write_run(tmp_path / "run", CLASSES)).generator
    encoding, noise = (
        tf.random.stateless_uniform([2, 128], [1, 2]),
        example_noise(module, 2),
    )
    np.testing.assert_allclose(
        module.generator((encoding, noise)), plain((encoding, noise)), atol=1e-6
    )
    assert module.folded and all(v.shape[:2] == (4, 4) for v in module.folded)


def test_no_picture_depends_on_its_neighbours(module):
    waveform, noise = sounds(4), example_noise(module, 4)
    whole = module.generate(waveform, noise)["image"]
    alone = [module.generate(waveform[i : i + 1], noise[i : i + 1])["image"][0] for i in range(4)]
    np.testing.assert_allclose(whole, np.stack(alone), atol=1e-5)


def test_a_file_gives_what_its_waveform_gives(module):
    files = wav_files(3)
    noise = np.repeat([module._noise(tf.constant(0, tf.int64))], 3, axis=0)
    stored = np.stack([soundfile.read(io.BytesIO(f), dtype="float32")[0] for f in files])
    expected = images.unscale(module.generate(stored, noise)["image"].numpy())
    found = module.from_bytes(files)["image_bytes"]
    assert np.abs(np.stack([pixels(data) for data in found]) - expected).max() <= 1


@pytest.mark.parametrize("kind", ["module", "i2s_module"])
def test_an_answer_depends_on_its_file_and_seed_alone(kind, request):
    module = request.getfixturevalue(kind)
    made = module.target_bytes
    files = wav_files(3) if kind == "module" else [images.encode_png(p) for p in pictures(3, 80)]
    together = module.from_seed(files, np.array([5, 0, 5]))[made].numpy()
    alone = [
        module.from_seed([file], np.array([seed]))[made].numpy()[0]
        for file, seed in zip(files, (5, 0, 5), strict=True)
    ]
    for one, other in zip(together, alone, strict=True):
        assert close(one, other, made)
    assert close(module.from_bytes(files[1:2])[made].numpy()[0], together[1], made)
    other_seed = module.from_seed(files[:1], np.array([6]))[made].numpy()[0]
    assert other_seed != together[0]


def close(one, other, made):
    """A convolution of a batch may round otherwise than of one item: a level of 255, or of 16 bits."""
    if made == "image_bytes":
        return np.abs(pixels(tf.constant(one)) - pixels(tf.constant(other))).max() <= 1
    first, second = (soundfile.read(io.BytesIO(data))[0] for data in (one, other))
    return np.corrcoef(first, second)[0, 1] > 0.99


def test_sounds_of_pictures_are_half_a_second_of_wav(i2s_module):
    (data,) = i2s_module.from_bytes([images.encode_png(pictures(1, 100)[0])])["audio_bytes"].numpy()
    sound, rate = soundfile.read(io.BytesIO(data))
    assert (len(sound), rate) == (22050, 44100)
    assert np.abs(sound).max() <= 1 and np.abs(sound[0]) < 1e-3 > np.abs(sound[-1])


def test_the_sound_has_the_spectrogram_that_was_made(i2s_module):
    """Of a spectrogram that a sound can have; untrained networks make others."""
    lms = lms_tf.lms(tf.constant(sounds(2)), SOUND)
    (data, _) = i2s_module._write(lms).numpy()
    again = lms_tf.lms(
        tf.constant(soundfile.read(io.BytesIO(data), dtype="float32")[0][None]), SOUND
    )
    loud = (lms[0] > 0).numpy() & (np.arange(44) > 3) & (np.arange(44) < 40)
    assert np.median(np.abs(again[0] - lms[0])[loud]) * 60 < 2.0  # dB


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(module, i2s_module, bad):
    waveform, noise = sounds(2), example_noise(module, 2)
    image = images.scale(pictures(2).astype(np.float32))
    waveform[1, 100], image[1, 0, 0, 0] = bad, bad
    for call in (module.encode, lambda w: module.generate(w, noise)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="waveform must be finite"):
            call(waveform)
    with pytest.raises(tf.errors.InvalidArgumentError, match="image must be finite"):
        i2s_module.generate(image, noise)
    noise[0, 0] = bad
    with pytest.raises(tf.errors.InvalidArgumentError, match="noise must be finite"):
        module.generate(sounds(2), noise)


def test_one_bad_file_fails_its_request(module):
    with pytest.raises(tf.errors.InvalidArgumentError, match="audio_bytes is no WAV file"):
        module.from_bytes([*wav_files(1), b"abc"])


def test_encode_gives_encoding_and_probabilities(module):
    found = module.encode(sounds(3))
    assert set(found) == {"encoding", "probabilities"} and found["encoding"].shape == (3, 128)
    np.testing.assert_allclose(tf.reduce_sum(found["probabilities"], axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize("condition", ["sound", "label"])
def test_encoder_and_generator_make_the_whole(condition, tmp_path):
    folder = write_run(tmp_path / "run", CLASSES)
    edit_config(folder, "gan", condition=condition)
    module = serving_module(load_run(folder))
    waveform, noise = sounds(2), example_noise(module, 2)
    functions = module.functions(for_onnx=True)
    encoding = functions["_encoder"](waveform)["encoding"]
    assert (condition == "label") == (np.unique(encoding).tolist() == [0.0, 1.0])
    joined = functions["_generator"](encoding, noise)["image"]
    np.testing.assert_allclose(joined, module.generate(waveform, noise)["image"], atol=1e-5)


@pytest.mark.parametrize("name", ["module", "i2s_module"])
def test_no_items_get_no_answers(name, request, tmp_path):
    """By every signature, of the module and of the file that a server loads."""
    made = request.getfixturevalue(name)
    saved_model.save(made, tmp_path / "1", {"name": name})
    loaded = tf.saved_model.load(str(tmp_path / "1")).signatures
    for signature, function in made.signatures().items():
        nothing = {spec.name: _none(spec) for spec in function.input_signature}
        answers = loaded[signature](**nothing)
        assert answers and all(len(value) == 0 for value in answers.values()), signature


def _none(spec):
    return tf.reshape(tf.constant([], spec.dtype), [0, *spec.shape[1:]])


def test_graphs_are_made_of_core_operations(module, i2s_module):
    ops = graph_ops(module.from_bytes.get_concrete_function())
    assert {"Conv2D", "RFFT", "Tanh", "EncodePng", "Substr"} <= ops
    for served in (module, i2s_module):
        for name, function in served.signatures().items():
            check_core_ops(name, function.get_concrete_function())


def test_a_graph_that_calls_python_is_refused():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def with_python(x):
        return tf.numpy_function(lambda v: v, [x], tf.float32)

    with pytest.raises(UserError, match="PyFunc"):
        check_core_ops("generate", with_python.get_concrete_function())


def test_a_graph_with_a_foreign_operation_is_refused():
    tfio = pytest.importorskip("tensorflow_io")

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def with_tensorflow_io(data):
        return tfio.audio.decode_flac(data, dtype=tf.int16)

    try:
        graph = with_tensorflow_io.get_concrete_function()
    except NotImplementedError as error:
        pytest.skip(f"tensorflow-io's operations don't load with this TensorFlow ({error})")
    with pytest.raises(UserError, match="IO>"):
        check_core_ops("decode", graph)
