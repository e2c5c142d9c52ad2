"""The LMS in numpy against the same as functions of tensors, and back to sound."""

import librosa
import numpy as np
import pytest
import tensorflow as tf
from fixtures import tone

from cmgen.config import SoundConfig
from cmgen.generate import image_to_sound
from cmgen.media import griffin_lim_tf, lms_tf
from cmgen.media.lms import (
    _hz_to_mel,
    _mel_to_hz,
    _overlap_add,
    _power_from_mel,
    frame_count,
    griffin_lim,
    hann,
    join_lms,
    lms_of_sound,
    mel_edges,
    mel_matrix,
    scale_db,
    sound_of_lms,
    unscale_db,
)

CONFIG = SoundConfig()


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return tone(440.0, 1.5)[: 512 * 100]


def test_lms_of_a_whole_sound_equals_the_tensors(sound: np.ndarray) -> None:
    expected = lms_tf.lms(tf.constant(sound[None]), CONFIG)[0].numpy()
    found = lms_of_sound(sound, CONFIG)
    assert (found.dtype, found.shape) == (np.float32, (128, 101))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_silence_is_the_floor() -> None:
    assert np.all(lms_of_sound(np.zeros(5000, np.float32), CONFIG) == -1.0)


def test_griffin_lim_equals_the_tensors_from_the_same_phases(
    sound: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    lms = lms_of_sound(sound, CONFIG)
    magnitude = np.sqrt(_power_from_mel(lms, CONFIG))
    phases = np.random.default_rng(3).uniform(0.0, 2.0 * np.pi, magnitude.shape)
    monkeypatch.setattr(
        tf.random, "stateless_uniform", lambda *_: tf.constant(phases[None], tf.float32)
    )
    expected = griffin_lim_tf.lms_to_waveform(tf.constant(lms[None]), CONFIG, 8)[0].numpy()
    found = griffin_lim(magnitude, phases, CONFIG, 8)
    assert found.shape == expected.shape
    # Rounding grows from round to round; a thousandth of the loudest sample is not heard.
    assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()


def test_sound_of_an_lms_has_that_lms_as_nearly_as_the_tensors_do(sound: np.ndarray) -> None:
    lms = lms_of_sound(sound, CONFIG)

    def error_db(back: np.ndarray) -> float:
        loud = lms[:, 4:-4] > -0.2
        again = lms_of_sound(back, CONFIG)
        return float(np.abs(again - lms)[:, 4:-4][loud].mean() * 60)

    back = sound_of_lms(lms, CONFIG)
    assert (back.dtype, back.shape) == (np.float32, sound.shape)
    assert np.array_equal(back, sound_of_lms(lms, CONFIG))
    tensors = tf.function(griffin_lim_tf.lms_to_waveform)(tf.constant(lms[None]), CONFIG)[0].numpy()
    # The phases to start from differ, so the sounds do; both have the spectrogram equally well.
    assert error_db(back) < 2.0 and abs(error_db(back) - error_db(tensors)) < 0.2


def test_audible_takes_no_louder_sound_than_a_file_can_hold() -> None:
    made = image_to_sound.audible(np.full((128, 40), 0.7, np.float32), 16000, CONFIG)
    assert (made.dtype, made.shape) == (np.float32, (16000,))
    assert np.abs(made).max() <= 1.0 and made[0] == made[-1] == 0.0


def test_window_and_mel_scale_are_those_of_librosa() -> None:
    np.testing.assert_allclose(hann(CONFIG), librosa.filters.get_window("hann", 2048))
    edges = librosa.mel_frequencies(n_mels=130, fmin=0.0, fmax=22050.0)
    np.testing.assert_allclose(mel_edges(CONFIG), edges, rtol=1e-12, atol=1e-9)
    # Both sides of 1 kHz, where the scale turns from linear to logarithmic, at mel 15.
    hertz = np.array([0.0, 200.0, 999.9, 1000.0, 1000.1, 6400.0, 20000.0])
    mels = librosa.hz_to_mel(hertz)
    assert mels[3] == pytest.approx(15.0) and mels[5] == pytest.approx(42.0)
    np.testing.assert_allclose(_hz_to_mel(hertz), mels)
    np.testing.assert_allclose(_mel_to_hz(mels), hertz, atol=1e-9)


def test_decibels_are_scaled_by_hand() -> None:
    # [-80, 40] dB to [-1, 1], and nothing beyond.
    decibels = np.array([-100.0, -80.0, -50.0, -20.0, 40.0, 60.0])
    scaled = [-1.0, -1.0, -0.5, 0.0, 1.0, 1.0]
    np.testing.assert_allclose(scale_db(decibels, CONFIG), scaled)
    np.testing.assert_allclose(lms_tf.scale_db(tf.constant(decibels), CONFIG), scaled)
    back = unscale_db(np.array([-1.0, -0.5, 0.0, 1.0]), CONFIG)
    np.testing.assert_allclose(back, [-80.0, -50.0, -20.0, 40.0])


@pytest.mark.parametrize(("samples", "frames"), [(0, 1), (511, 1), (512, 2), (22050, 44)])
def test_frames_are_one_and_the_whole_hops(samples: int, frames: int) -> None:
    assert frame_count(samples, CONFIG) == frames


@pytest.mark.parametrize("hop", [2, 3])
def test_frames_are_added_where_they_overlap(hop: int) -> None:
    frames = np.arange(1.0, 13.0, dtype=np.float32).reshape(3, 4)
    wanted = np.zeros(2 * hop + 4)
    for index, frame in enumerate(frames):
        wanted[index * hop : index * hop + 4] += frame
    found = _overlap_add(frames, hop)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, wanted)


def test_the_power_of_mel_bands_is_fitted_without_negative_bins(sound: np.ndarray) -> None:
    lms = lms_of_sound(sound, CONFIG)[:, 20:24]
    found = _power_from_mel(lms, CONFIG)
    assert (found.dtype, found.shape) == (np.float32, (4, 1025))
    assert (found >= 0).all()
    # The rule by Lee and Seung, eq. 4, in double precision: h <- h * W^T v / (W^T W h).
    matrix = mel_matrix(CONFIG).astype(np.float64)
    target = 10.0 ** (unscale_db(lms.T.astype(np.float64), CONFIG) / 10.0) @ matrix.T
    power = target / np.maximum(matrix @ matrix.sum(axis=0), 1e-12)
    for _ in range(50):
        power *= target / (power @ matrix @ matrix.T + 1e-20)
    np.testing.assert_allclose(found, power, rtol=1e-2, atol=1e-6 * power.max())
    tensors = griffin_lim_tf._power_from_mel(tf.constant(lms[None]), CONFIG)[0]
    np.testing.assert_allclose(tensors, power, rtol=1e-2, atol=1e-6 * power.max())


def test_true_phases_give_the_sound_back(sound: np.ndarray) -> None:
    spectrum = librosa.stft(sound, n_fft=2048, hop_length=512, pad_mode="constant").T
    found = griffin_lim(np.abs(spectrum), np.angle(spectrum), CONFIG, 0)
    assert (found.dtype, found.shape) == (np.float32, sound.shape)
    np.testing.assert_allclose(found, sound, atol=1e-5)
    # They are consistent, so that rounds keep them.
    again = griffin_lim(np.abs(spectrum), np.angle(spectrum), CONFIG, 3)
    np.testing.assert_allclose(again, sound, atol=1e-4)


def test_griffin_lim_comes_as_near_as_librosa_s(sound: np.ndarray) -> None:
    stft = {"n_fft": 2048, "hop_length": 512, "pad_mode": "constant"}
    magnitude = np.abs(librosa.stft(sound, **stft))

    def distance(back: np.ndarray) -> float:
        assert back.shape == sound.shape
        again = np.abs(librosa.stft(back, **stft))
        return float(np.linalg.norm(again - magnitude) / np.linalg.norm(magnitude))

    ours, theirs = [], []
    for seed in range(3):
        phases = np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, magnitude.T.shape)
        ours.append(distance(griffin_lim(magnitude.T, phases, CONFIG, 32)))
        theirs.append(distance(librosa.griffinlim(magnitude, n_iter=32, random_state=seed, **stft)))
    assert np.mean(ours) < 1.2 * np.mean(theirs)


def test_a_single_window_is_joined_to_itself() -> None:
    window = np.linspace(-0.9, 0.9, 128 * 44, dtype=np.float32).reshape(1, 128, 44)
    joined = join_lms(window, np.array([21.5]), 44, CONFIG)
    np.testing.assert_allclose(joined, window[0], atol=1e-5)


def test_neighbours_fade_halfway_between_their_middles() -> None:
    # Of 44 frames 40 count; middles 30 apart leave a fade of 10 frames about frame 37.
    windows = np.full((2, 128, 44), -0.5, np.float32)
    windows[1] = 0.5
    joined = join_lms(windows, np.array([22.0, 52.0]), 74, CONFIG)[0]
    np.testing.assert_allclose(joined[2:32], -0.5, atol=1e-5)
    np.testing.assert_allclose(joined[42:72], 0.5, atol=1e-5)
    power = 10 ** (unscale_db(joined[[34, 37, 40]].astype(np.float64), CONFIG) / 10)
    low, high = (10 ** (unscale_db(x, CONFIG) / 10) for x in (-0.5, 0.5))
    shares = (power - low) / (high - low)
    np.testing.assert_allclose(shares, [0.2, 0.5, 0.8], atol=1e-4)


def test_joined_frames_stand_where_they_were_cut() -> None:
    whole = np.linspace(-0.9, 0.9, 55, dtype=np.float32)
    windows = np.stack([np.tile(whole[at : at + 44], (128, 1)) for at in (0, 11)])
    joined = join_lms(windows, np.array([21.5, 32.5]), 55, CONFIG)
    np.testing.assert_allclose(joined[0], whole, atol=1e-5)
    with pytest.raises(ValueError):
        join_lms(windows, np.array([21.5]), 55, CONFIG)


def test_outermost_frames_count_alike_where_there_is_nothing_else() -> None:
    windows = np.full((2, 128, 44), -0.5, np.float32)
    windows[1] = 0.5
    joined = join_lms(windows, np.array([21.5, 63.5]), 86, CONFIG)[0].astype(np.float64)
    power = 10 ** (unscale_db(joined, CONFIG) / 10)
    np.testing.assert_allclose(power[42:44], (power[0] + power[-1]) / 2, rtol=1e-4)
    np.testing.assert_allclose(joined[:42], -0.5, atol=1e-5)
    np.testing.assert_allclose(joined[44:], 0.5, atol=1e-5)


def test_a_sound_starts_from_phases_of_its_seed(sound: np.ndarray) -> None:
    lms = lms_of_sound(sound, CONFIG)[:, 20:28]
    magnitude = np.sqrt(_power_from_mel(lms, CONFIG))
    for options, seed, rounds in (({}, 0, 64), ({"rounds": 2, "seed": 5}, 5, 2)):
        phases = np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, magnitude.shape)
        wanted = griffin_lim(magnitude, phases, CONFIG, rounds)
        np.testing.assert_array_equal(sound_of_lms(lms, CONFIG, **options), wanted)
