"""The LMS in numpy against the same as functions of tensors, and back to sound."""

import numpy as np
import pytest
import tensorflow as tf
from fixtures import tone

from cmgen import audio, mel, sound_generation
from cmgen.config import SoundConfig

CONFIG = SoundConfig()


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return tone(440.0, 1.5)[: 512 * 100]


def test_lms_of_a_whole_sound_equals_the_tensors(sound: np.ndarray) -> None:
    expected = audio.lms(tf.constant(sound[None]), CONFIG)[0].numpy()
    found = mel.lms_of_sound(sound, CONFIG)
    assert (found.dtype, found.shape) == (np.float32, (128, 101))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_silence_is_the_floor() -> None:
    assert np.all(mel.lms_of_sound(np.zeros(5000, np.float32), CONFIG) == -1.0)


def test_griffin_lim_equals_the_tensors_from_the_same_phases(
    sound: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    lms = mel.lms_of_sound(sound, CONFIG)
    magnitude = np.sqrt(mel._power_from_mel(lms, CONFIG))
    phases = np.random.default_rng(3).uniform(0.0, 2.0 * np.pi, magnitude.shape)
    monkeypatch.setattr(
        tf.random, "stateless_uniform", lambda *_: tf.constant(phases[None], tf.float32)
    )
    expected = audio.lms_to_waveform(tf.constant(lms[None]), CONFIG, 8)[0].numpy()
    found = mel.griffin_lim(magnitude, phases, CONFIG, 8)
    assert found.shape == expected.shape
    # Rounding grows from round to round; a thousandth of the loudest sample is not heard.
    assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()


def test_sound_of_an_lms_has_that_lms_as_nearly_as_the_tensors_do(sound: np.ndarray) -> None:
    lms = mel.lms_of_sound(sound, CONFIG)

    def error_db(back: np.ndarray) -> float:
        loud = lms[:, 4:-4] > -0.2
        again = mel.lms_of_sound(back, CONFIG)
        return float(np.abs(again - lms)[:, 4:-4][loud].mean() * 60)

    back = mel.sound_of_lms(lms, CONFIG)
    assert (back.dtype, back.shape) == (np.float32, sound.shape)
    assert np.array_equal(back, mel.sound_of_lms(lms, CONFIG))
    tensors = tf.function(audio.lms_to_waveform)(tf.constant(lms[None]), CONFIG)[0].numpy()
    # The phases to start from differ, so the sounds do; both have the spectrogram equally well.
    assert error_db(back) < 2.0 and abs(error_db(back) - error_db(tensors)) < 0.2


def test_audible_takes_no_louder_sound_than_a_file_can_hold() -> None:
    made = sound_generation.audible(np.full((128, 40), 0.7, np.float32), 16000, CONFIG)
    assert (made.dtype, made.shape) == (np.float32, (16000,))
    assert np.abs(made).max() <= 1.0 and made[0] == made[-1] == 0.0
