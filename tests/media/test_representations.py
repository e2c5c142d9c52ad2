"""The sound representations against librosa, and what holds for all of them."""

import librosa
import numpy as np
import pytest
import tensorflow as tf
from clips import clips

from cmgen.config import REPRESENTATIONS, SoundConfig
from cmgen.media import lms_tf, representations

CONFIG = SoundConfig()
RATE = CONFIG.sample_rate
BATCH = np.stack(list(clips().values())).astype(np.float32)
SHAPES = {"lms": (128, 44), "stft": (513, 44), "ms": (128, 44), "cqt": (84, 173), "mfcc": (20, 44)}


def theirs(name: str, waveform: np.ndarray) -> np.ndarray:
    if name == "stft":
        return np.abs(librosa.stft(waveform, n_fft=1024, hop_length=512))
    if name == "ms":
        return librosa.feature.melspectrogram(y=waveform, sr=RATE)
    return librosa.feature.mfcc(y=waveform, sr=RATE, n_mfcc=20)


@pytest.mark.parametrize("name", ["stft", "ms", "mfcc"])
def test_it_equals_librosa_for_every_clip_of_a_batch(name):
    make = {"stft": representations.stft, "ms": lms_tf.mel_power, "mfcc": representations.mfcc}
    ours = make[name](tf.constant(BATCH), CONFIG).numpy()
    for key, found, waveform in zip(clips(), ours, BATCH, strict=True):
        wanted = theirs(name, waveform)
        # Of magnitudes a millionth of the clip's highest; of mfcc, sums of dB, hundredths of one.
        atol = 0.01 if name == "mfcc" else 1e-6 * wanted.max()
        np.testing.assert_allclose(found, wanted, atol=atol, rtol=1e-4, err_msg=key)


def cqt_by_its_definition(waveform: np.ndarray) -> np.ndarray:
    """Each kernel times the waveform around each frame, summed in time."""
    room = 12000
    padded = np.pad(waveform.astype(np.float64), room)
    rows = []
    for wavelet in representations.cqt_wavelets(RATE):
        first = room - (len(wavelet) + 1) // 2
        places = [first + frame * representations.CQT_HOP for frame in range(0, 173, 8)]
        rows.append([np.vdot(wavelet, padded[p : p + len(wavelet)]) for p in places])
    return np.abs(rows)


def test_cqt_is_the_sum_of_its_kernels():
    ours = representations.cqt(tf.constant(BATCH), CONFIG).numpy()
    for key, found, waveform in zip(clips(), ours, BATCH, strict=True):
        wanted = cqt_by_its_definition(waveform)
        np.testing.assert_allclose(
            found[:, ::8], wanted, atol=0.003 * wanted.max(), rtol=0, err_msg=key
        )


def test_cqt_is_near_librosa_s():
    """Its own approximation, by resampled octaves, is the larger part of what is left."""
    ours = representations.cqt(tf.constant(BATCH), CONFIG).numpy()
    for key, found, waveform in zip(clips(), ours, BATCH, strict=True):
        if key == "high tone":  # above all bands: nothing is left but the tone's two ends
            continue
        wanted = np.abs(librosa.cqt(waveform, sr=RATE, hop_length=128, tuning=0.0))
        assert np.abs(found - wanted).max() <= 0.05 * wanted.max(), key
        assert np.linalg.norm(found - wanted) <= 0.035 * np.linalg.norm(wanted), key


@pytest.mark.parametrize("octave", range(7))
def test_cqt_finds_the_note(octave):
    note = 12 * octave + 9
    frequency = 440.0 * 2.0 ** ((note - 45) / 12)
    seconds = np.arange(CONFIG.window_samples) / RATE
    tone = np.sin(2 * np.pi * frequency * seconds).astype(np.float32)
    middle = representations.cqt(tf.constant(tone[None]), CONFIG)[0, :, 86].numpy()
    assert np.argmax(middle) == note


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_size_range_and_independence_of_neighbours(name):
    together = representations.represent(tf.constant(BATCH), name, CONFIG).numpy()
    assert together.dtype == np.float32
    assert together.shape == (len(BATCH), *SHAPES[name])
    assert representations.shape(name, CONFIG) == SHAPES[name]
    assert np.isfinite(together).all()
    music = together[list(clips()).index("note")]
    assert 0.05 < np.sqrt(np.mean(music**2)) < 20  # a loud note, and ms is of power
    if name in representations.LINEAR_SCALES:
        assert together.min() >= 0
        assert np.abs(together[list(clips()).index("silence")]).max() == 0
    alone = np.concatenate(
        [representations.represent(tf.constant(clip[None]), name, CONFIG) for clip in BATCH]
    )
    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_it_works_inside_tf_data(name):
    dataset = tf.data.Dataset.from_tensors(BATCH).map(
        lambda x: representations.represent(x, name, CONFIG)
    )
    found = next(iter(dataset))
    wanted = representations.represent(tf.constant(BATCH), name, CONFIG)
    np.testing.assert_allclose(found, wanted, atol=1e-5, rtol=1e-5)
