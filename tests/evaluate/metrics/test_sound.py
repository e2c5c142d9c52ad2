"""Measures of spectrograms on tones whose pitch is known."""

import math

import librosa
import numpy as np
import pytest

from cmgen.config import SoundConfig
from cmgen.evaluate.metrics import sound
from cmgen.evaluate.scores import sound as of_sound
from cmgen.evaluate.windows import Sounds
from cmgen.media import lms_tf
from cmgen.media.lms import unscale_db

CONFIG = SoundConfig()


def tones(*frequencies: float) -> np.ndarray:
    """LMS of notes with overtones."""
    time = np.arange(CONFIG.window_samples) / CONFIG.sample_rate
    waves = [
        sum(0.2 / k * np.sin(2 * np.pi * f * k * time) for k in range(1, 4)) for f in frequencies
    ]
    return lms_tf.lms(np.array(waves, np.float32), CONFIG).numpy()


def test_distance_is_in_decibels():
    first = np.zeros((2, 128, 44))
    second = first + 0.1
    second[1, :64] = 0.0
    # 0.1 of a span of 60 dB to either side; over half of the bands, by the root of a half.
    np.testing.assert_allclose(
        sound.lms_distance(first, second, CONFIG), [6.0, 6.0 * 0.5**0.5], rtol=1e-9
    )


def test_distance_of_single_precision_is_computed_in_double():
    first, second = np.random.default_rng(0).uniform(-1, 1, (2, 3, 128, 44)).astype(np.float32)
    apart = 60.0 * (first.astype(np.float64) - second.astype(np.float64))
    wanted = [math.sqrt(np.square(window).mean()) for window in apart]
    np.testing.assert_allclose(sound.lms_distance(first, second, CONFIG), wanted, rtol=1e-12)


def chroma_by_hand(lms: np.ndarray) -> np.ndarray:
    """Of one window, band by band and pitch class by pitch class."""
    edges = librosa.mel_frequencies(CONFIG.n_mels + 2, fmin=CONFIG.f_min, fmax=CONFIG.f_max)
    found = np.zeros(12)
    for band, row in enumerate(lms.tolist()):
        low, centre, high = edges[band : band + 3].tolist()
        if not 130.0 <= centre <= 4200.0:
            continue
        power = sum(10 ** ((-80 + 60 * (value + 1)) / 10) for value in row) / len(row)
        note = 69 + 12 * math.log2(centre / 440)
        width = max(0.5, 12 * math.log2(1 + (high - low) / 4 / centre))
        ways = [(note - pitch) % 12 for pitch in range(12)]
        weights = [math.exp(-((min(way, 12 - way) / width) ** 2) / 2) for way in ways]
        found += power * np.array(weights) / sum(weights)
    return found / found.sum()


def test_chroma_equals_a_loop_over_bands():
    random = np.random.default_rng(1)
    noise = random.uniform(-0.9, -0.5, (2, 128, 44)).astype(np.float32)
    lms = np.concatenate([tones(440.0, 987.77), noise])
    wanted = [chroma_by_hand(window) for window in lms]
    np.testing.assert_allclose(sound.chroma(lms, CONFIG), wanted, rtol=1e-9)


def test_agreement_is_the_correlation_of_each_row():
    first, second = np.random.default_rng(2).random((2, 4, 12)).astype(np.float32)
    first *= np.array([[1], [2], [3], [4]], np.float32)
    wanted = [
        np.corrcoef(a.astype(np.float64), b.astype(np.float64))[0, 1]
        for a, b in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose(sound.chroma_agreement(first, second), wanted, rtol=1e-12)


@pytest.mark.parametrize("note", range(60, 96))
def test_the_pitch_class_of_a_note_is_the_strongest(note):
    found = sound.chroma(tones(440 * 2 ** ((note - 69) / 12)), CONFIG)[0]
    assert found.sum() == pytest.approx(1)
    # The mel bands below 500 Hz are wider than a semitone.
    off = abs((found.argmax() - note + 6) % 12 - 6)
    assert off == 0 if note >= 74 else off <= 1


def test_chroma_resembles_that_of_librosa():
    frequencies = 440 * 2 ** (np.arange(0, 24, 3) / 12)
    own = sound.chroma(tones(*frequencies), CONFIG)
    time = np.arange(CONFIG.window_samples) / CONFIG.sample_rate
    for frequency, mine in zip(frequencies, own, strict=True):
        wave = sum(0.2 / k * np.sin(2 * np.pi * frequency * k * time) for k in range(1, 4))
        theirs = librosa.feature.chroma_stft(y=wave, sr=CONFIG.sample_rate, tuning=0.0).mean(axis=1)
        assert np.corrcoef(mine, theirs)[0, 1] > 0.7


def test_agreement_ignores_octaves_and_loudness_and_tells_notes_apart():
    first, octave, other = sound.chroma(tones(880.0, 1760.0, 554.37 * 2), CONFIG)
    assert sound.chroma_agreement([first], [octave])[0] > 0.8
    assert sound.chroma_agreement([first], [other])[0] < 0.3
    quiet = sound.chroma(lms_tf.scale_db(unscale_db(tones(880.0), CONFIG) - 20, CONFIG), CONFIG)
    assert sound.chroma_agreement([first], quiet)[0] == pytest.approx(1, abs=1e-3)
    assert sound.chroma_agreement([first], [np.full(12, 1 / 12)])[0] == 0.0


def test_shuffled_partners_are_of_the_class_and_of_another_recording():
    groups = np.repeat(["a", "b", "c", "d"], 5)
    labels = np.repeat([0, 0, 0, 1], 5)
    partners = sound.shuffled_within(labels, groups, seed=0)
    assert (groups[partners] != groups).all()
    assert (labels[partners][:15] == 0).all()
    assert all(len(set(partners[at : at + 5])) > 1 for at in range(0, 20, 5))
    np.testing.assert_array_equal(partners, sound.shuffled_within(labels, groups, seed=0))
    assert not np.array_equal(partners, sound.shuffled_within(labels, groups, seed=1))
    with pytest.raises(ValueError, match=r"^shuffled pairs need at least two recordings$"):
        sound.shuffled_within([0, 0], ["a", "a"], seed=0)


def test_sounds_stand_between_shuffled_and_real_ones():
    """Generated ones are the real ones with some noise: better than chance, not perfect."""
    notes = 523.25 * 2 ** (np.array([0, 4, 7, 11, 2, 9]) / 12)
    real = tones(*notes)
    random = np.random.default_rng(0)
    features = random.standard_normal((6, 2))
    found = of_sound.compare(
        Sounds(
            labels=np.zeros(6, int),
            frames=np.arange(6),
            groups=np.arange(6),
            generated=np.clip(real + 0.03 * random.standard_normal(real.shape), -1, 1),
            real=real,
            generated_features=features + 3.0,
            real_features=features,
            train_features=random.standard_normal((8, 2)),
        ),
        CONFIG,
    )
    scores = {score.name: score for score in found}
    distance, agreement = scores["lms_distance"], scores["chroma_agreement"]
    assert 0 < distance.value < 3 < distance.chance
    assert agreement.chance < 0.5 < 0.9 < agreement.value < 1
    assert scores["frechet_sound"].value == pytest.approx(18, rel=1e-6)
    assert scores["frechet_sound"].real[1] < 5
