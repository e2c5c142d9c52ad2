"""The LMS against librosa, its export to ONNX, and the way back to sound."""

import librosa
import numpy as np
import pytest
import tensorflow as tf
from clips import clips

from cmgen.config import SoundConfig
from cmgen.media import griffin_lim_tf, lms, lms_tf
from tools.benchmarks.lms import librosa_db

CONFIG = SoundConfig()


def spectral_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Relative distance of magnitude spectra (spectral convergence; 0 is equal)."""
    first, second = (np.abs(librosa.stft(x, n_fft=2048, hop_length=512)) for x in (a, b))
    return float(np.linalg.norm(first - second) / np.linalg.norm(first))


@pytest.mark.parametrize("for_onnx", [False, True])
def test_lms_equals_librosa_for_every_clip_of_a_batch(for_onnx):
    batch = np.stack(list(clips().values())).astype(np.float32)
    decibels = lms_tf.log_mel_db(tf.constant(batch), CONFIG, for_onnx).numpy()
    assert decibels.shape == (len(batch), 128, 44)
    for name, ours, waveform in zip(clips(), decibels, batch, strict=True):
        np.testing.assert_allclose(
            ours, librosa_db(waveform, CONFIG), atol=1e-3, rtol=0, err_msg=name
        )


def test_mel_matrix_equals_librosa():
    ours = lms.mel_matrix(CONFIG)
    settings = {"sr": 44100, "n_fft": 2048, "n_mels": 128, "fmin": 0, "fmax": 22050}
    np.testing.assert_allclose(ours, librosa.filters.mel(**settings).T, atol=1e-8)
    # Rounded once, at the end, they are the same bits.
    precise = librosa.filters.mel(**settings, dtype=np.float64).T
    np.testing.assert_array_equal(ours, precise.astype(np.float32))


@pytest.mark.parametrize(
    "config", [SoundConfig(n_fft=1024, hop_length=256, n_mels=64), SoundConfig(hop_length=600)]
)
def test_other_settings_equal_librosa(config):
    waveform = clips()["note"].astype(np.float32)
    ours = lms_tf.log_mel_db(tf.constant(waveform[None]), config)[0]
    assert ours.shape == (config.n_mels, config.frames)
    np.testing.assert_allclose(ours, librosa_db(waveform, config), atol=1e-3, rtol=0)


def test_lms_is_scaled_and_keeps_loudness():
    batch = tf.constant(np.stack([clips()["noise"], clips()["noise"] / 10]), tf.float32)
    scaled = lms_tf.lms(batch, CONFIG)
    assert scaled.dtype == tf.float32
    assert float(tf.reduce_max(tf.abs(scaled))) <= 1.0
    # 20 dB less is 20 / 120 of the range [-1, 1], everywhere.
    np.testing.assert_allclose(scaled[0] - scaled[1], np.full((128, 44), 1 / 3), atol=1e-4)
    np.testing.assert_allclose(
        lms.unscale_db(scaled, CONFIG), lms_tf.log_mel_db(batch, CONFIG), atol=1e-3
    )


def test_lms_is_the_same_inside_tf_data_and_does_not_depend_on_neighbours():
    batch = np.stack(list(clips().values())).astype(np.float32)
    dataset = tf.data.Dataset.from_tensors(batch).map(lambda x: lms_tf.lms(x, CONFIG))
    together = next(iter(dataset)).numpy()
    alone = np.concatenate([lms_tf.lms(tf.constant(clip[None]), CONFIG) for clip in batch])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_lms_converts_to_onnx_with_any_batch_size():
    onnxruntime = pytest.importorskip("onnxruntime")
    tf2onnx = pytest.importorskip("tf2onnx")
    signature = [tf.TensorSpec([None, CONFIG.window_samples], tf.float32, name="waveform")]
    function = tf.function(lambda waveform: lms_tf.lms(waveform, CONFIG, for_onnx=True), signature)
    model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=17)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for size in (1, 3):
        batch = np.stack(list(clips().values())[:size]).astype(np.float32)
        result = session.run(None, {"waveform": batch})[0]
        np.testing.assert_allclose(result, lms_tf.lms(tf.constant(batch), CONFIG), atol=1e-5)


@pytest.mark.parametrize("samples", [22050, 30000])
def test_griffin_lim_gives_a_sound_with_that_spectrogram(samples):
    seconds = np.arange(samples) / 44100
    note = sum(np.sin(2 * np.pi * 220 * k * seconds) / k for k in range(1, 8)) * 0.2
    note = note.astype(np.float32)
    scaled = lms_tf.lms(tf.constant(note[None]), CONFIG)
    back = tf.function(griffin_lim_tf.lms_to_waveform)(scaled, CONFIG)[0].numpy()
    assert len(back) == (samples if samples == 22050 else (scaled.shape[2] - 1) * 512)
    assert spectral_distance(note[: len(back)], back) < 0.4
    again = lms_tf.lms(tf.constant(back[None]), CONFIG)
    audible = (scaled[0, :, 4:40] > -0.2).numpy()
    difference = np.abs(again[0, :, 4:40] - scaled[0, :, 4:40])[audible] * 60
    assert np.median(difference) < 2.0  # dB
    peak = np.argmax(np.abs(np.fft.rfft(back))) * 44100 / len(back)
    assert abs(peak - 220) < 5
    few = [
        griffin_lim_tf.lms_to_waveform(scaled, CONFIG, 1, *seed).numpy()
        for seed in ((), (0,), (1,))
    ]
    np.testing.assert_array_equal(few[0], few[1])
    assert np.abs(few[0] - few[2]).max() > 1e-3


def test_griffin_lim_is_reproducible():
    scaled = tf.random.stateless_uniform([1, 128, 44], [1, 2], -1.0, 0.0)
    first, second = (griffin_lim_tf.lms_to_waveform(scaled, CONFIG, 4, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_windows_cut_from_a_sound_join_to_its_lms():
    seconds = np.arange(3 * 44100) / 44100
    chirp = (0.3 * np.sin(2 * np.pi * (300 + 400 * seconds) * seconds)).astype(np.float32)
    starts = 512 * 36 * np.arange(6)
    windows = lms_tf.lms(tf.constant(chirp[starts[:, None] + np.arange(22050)]), CONFIG).numpy()
    whole = lms_tf.lms(tf.constant(chirp[None, : starts[-1] + 22050]), CONFIG)[0].numpy()
    joined = lms.join_lms(windows, starts / 512 + 21.5, whole.shape[1], CONFIG)
    assert joined.dtype == np.float32 and joined.shape == whole.shape
    # Away from the ends, which half see silence.
    np.testing.assert_allclose(joined[:, 2:-2], whole[:, 2:-2], atol=1e-3)


def test_joined_windows_fade_in_power_without_a_dip():
    windows = np.full((2, 128, 44), -1.0, np.float32)
    windows[0, :64], windows[1, 64:] = 0.5, 0.5  # one low, one high, equally strong
    joined = lms.join_lms(windows, np.array([21.5, 57.5]), 80, CONFIG)
    power = (10 ** (lms.unscale_db(joined, CONFIG) / 10)).sum(axis=0)
    np.testing.assert_allclose(power, power[0], rtol=1e-3)
    assert (joined[:64, :36] > 0.49).all() and (joined[64:, 44:] > 0.49).all()


def test_windows_ten_a_second_follow_the_middle_of_each():
    levels = np.linspace(-0.5, 0.5, 20)
    windows = np.repeat(levels, 128 * 44).reshape(20, 128, 44).astype(np.float32)
    middles = np.arange(20) * 4410 / 512
    joined = lms.join_lms(windows, middles, 173, CONFIG)
    np.testing.assert_allclose(joined[0, np.rint(middles).astype(int)], levels, atol=0.03)
    assert (np.diff(joined[0]) >= -1e-6).all()


@pytest.mark.parametrize(
    "config", [CONFIG, SoundConfig(hop_length=600), SoundConfig(n_fft=1024, hop_length=256)]
)
def test_the_spectrum_equals_librosa_and_its_inverse_gives_the_sound_back(config):
    waveform = np.stack([clips()["note"], clips()["noise"]]).astype(np.float32)
    theirs = librosa.stft(
        waveform, n_fft=config.n_fft, hop_length=config.hop_length, pad_mode="constant"
    )
    np.testing.assert_allclose(
        lms_tf.stft_magnitude(tf.constant(waveform), config), np.abs(theirs), atol=1e-3
    )
    spectrum = lms_tf.stft(tf.constant(waveform), config)
    np.testing.assert_allclose(spectrum, theirs.transpose(0, 2, 1), atol=1e-3)
    # But for a last hop that no frame's middle reaches.
    for samples in (22050, 20000, 21800):
        back = griffin_lim_tf._inverse_stft(spectrum, samples, config)
        assert back.shape == (2, samples)
        np.testing.assert_allclose(back[:, :19900], waveform[:, :19900], atol=1e-5)


def test_more_samples_than_there_are_frames_for_are_silent():
    spectrum = lms_tf.stft(tf.constant(clips()["noise"][None], tf.float32), CONFIG)
    back = griffin_lim_tf._inverse_stft(spectrum, 30000, CONFIG)[0].numpy()
    assert back.shape == (30000,) and not back[43 * 512 + 1024 :].any()


def test_a_finished_sound_fades_within_ten_milliseconds_and_is_not_above_one():
    waveform = tf.constant(np.stack([np.full(2000, 0.5), np.full(2000, 4.0)]), tf.float32)
    found = griffin_lim_tf.finish_sound(waveform, CONFIG).numpy()
    ramp = np.linspace(0.0, 1.0, 441)
    wanted = np.concatenate([ramp, np.ones(2000 - 882), ramp[::-1]])
    np.testing.assert_allclose(found, [0.5 * wanted, wanted], atol=1e-6)
    # Shorter than both fades: half of it each.
    short = griffin_lim_tf.finish_sound(tf.ones([1, 101]), CONFIG)[0]
    half = np.linspace(0.0, 1.0, 50)
    np.testing.assert_allclose(short, np.concatenate([half, [1.0], half[::-1]]), atol=1e-6)


def test_rounds_of_griffin_lim_equal_a_loop_over_librosas_transforms():
    waveform = clips()["note"].astype(np.float32)
    scaled = lms_tf.lms(tf.constant(waveform[None]), CONFIG)
    magnitude = np.sqrt(griffin_lim_tf._power_from_mel(scaled, CONFIG)[0].numpy())
    phases = tf.random.stateless_uniform(magnitude.shape, [5, 0], 0.0, 2 * np.pi).numpy()
    angles, previous = np.exp(1j * phases), 0.0
    for _ in range(3):
        sound = librosa.istft((magnitude * angles).T, hop_length=512, length=22050)
        rebuilt = librosa.stft(sound, n_fft=2048, hop_length=512, pad_mode="constant").T
        moved = rebuilt - 0.99 / 1.99 * previous
        angles, previous = moved / (np.abs(moved) + 1e-16), rebuilt
    wanted = librosa.istft((magnitude * angles).T, hop_length=512, length=22050)
    found = griffin_lim_tf.lms_to_waveform(scaled, CONFIG, iterations=3, seed=5)[0].numpy()
    inner = slice(1024, 21000)
    np.testing.assert_allclose(found[inner], wanted[inner], atol=2e-3 * np.abs(wanted).max())


def test_every_sound_of_a_batch_starts_from_the_same_phases():
    scaled = lms_tf.lms(tf.constant(np.stack(list(clips().values())[:3]), tf.float32), CONFIG)
    together = griffin_lim_tf.lms_to_waveform(scaled, CONFIG, 2)
    alone = griffin_lim_tf.lms_to_waveform(scaled[1:2], CONFIG, 2)
    np.testing.assert_allclose(together[1:2], alone, atol=1e-5)
