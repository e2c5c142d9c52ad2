"""Poses follow what can be heard around their frame."""

import dataclasses
import itertools

import numpy as np
import pytest

from tools.orchestra import choreography as ch
from tools.orchestra.scores import Melody, load_melodies

RATE = 8000


def tones(notes: list[ch.Note]) -> np.ndarray:
    """Sine tones of the notes' levels: a stand-in for the sampler."""
    sound = np.zeros(round(RATE * ch.DURATION))
    for note in notes:
        time = np.arange(round((note.end - note.start) * RATE)) / RATE
        level = np.interp(time, [0, time[-1]], [note.level_start, note.level_end])
        tone = np.sqrt(2) * 10 ** (level / 20) * np.sin(2 * np.pi * 330 * time)
        first = round(note.start * RATE)
        sound[first : first + len(tone)] += tone[: len(sound) - first]
    return sound


@pytest.fixture(scope="module")
def melody() -> Melody:
    return load_melodies()[0]


@pytest.fixture(params=ch.INSTRUMENTS)
def notes(request: pytest.FixtureRequest, melody: Melody) -> list[ch.Note]:
    return ch.compose(melody, request.param, np.random.default_rng(3))


def test_notes_are_playable(notes: list[ch.Note], request: pytest.FixtureRequest) -> None:
    low, high = ch.RANGES[request.node.callspec.params["notes"]]
    pitches = [note.pitch for note in notes]
    assert low <= min(pitches) and max(pitches) <= high
    assert max(pitches) - min(pitches) > 0.6 * (high - low)
    for before, after in itertools.pairwise(notes):
        assert before.start < before.end < after.start
    gaps = [after.start - before.end for before, after in itertools.pairwise(notes)]
    assert max(gaps) > 0.4, "no rest"
    levels = [note.level_start for note in notes]
    assert max(levels) - min(levels) > 10, "hardly any dynamics"
    assert min(levels) >= ch.SOFTEST_DB and max(levels) <= ch.LOUDEST_DB


def test_moments_follow_the_sound(melody: Melody) -> None:
    notes = ch.compose(melody, "violin", np.random.default_rng(5))
    moments = ch.moments(notes, tones(notes), RATE, "violin", 0.0)
    assert [moment.time for moment in moments] == pytest.approx([k / 10 for k in range(100)])
    low, high = ch.RANGES["violin"]
    for moment in moments:
        pose = moment.pose
        assert all(0 <= value <= 1 for value in (pose.pitch, pose.bow, pose.loudness, pose.rest))
        sounding = [note for note in notes if note.start <= moment.time < note.end]
        assert moment.pitch == (sounding[0].pitch if sounding else 0)
        if sounding and moment.since_onset >= ch.GLIDE_SECONDS:
            assert pose.pitch == pytest.approx((moment.pitch - low) / (high - low))
        if sounding:
            assert pose.rest == 0
    resting = [moment for moment in moments if moment.pose.rest == 1]
    assert resting
    assert all(moment.pose.pitch == 0.5 and moment.pose.loudness == 0 for moment in resting)


def test_bow_starts_at_the_frog_and_returns() -> None:
    note = ch.Note(1.0, 2.0, 60, -20, -20)
    following = ch.Note(2.06, 3.0, 62, -20, -20)
    sound = tones([note, following])
    bows = [m.pose.bow for m in ch.moments([note, following], sound, RATE, "cello", 0.0)]
    assert bows[10] == pytest.approx(0, abs=1e-6)
    assert bows[10] < bows[11] < bows[12] < bows[13] < bows[15]
    assert bows[20] > 0.6 and bows[21] < 0.3


def test_louder_means_more_bow_and_more_loudness() -> None:
    def at(level: float) -> ch.Moment:
        note = ch.Note(1.0, 2.0, 60, level, level)
        return ch.moments([note], tones([note]), RATE, "cello", 0.0)[15]

    soft, loud = at(-38.0), at(-18.0)
    assert soft.pose.loudness < 0.25 and loud.pose.loudness > 0.9
    assert loud.pose.bow > soft.pose.bow + 0.3


def test_pose_depends_on_the_half_second_alone() -> None:
    """Other music more than a quarter of a second away changes nothing but the sway."""
    note = ch.Note(4.0, 4.9, 60, -25, -25)
    early, late = ch.Note(1.0, 1.5, 70, -18, -18), ch.Note(8.0, 8.5, 50, -40, -40)
    alone = ch.moments([note], tones([note]), RATE, "cello", 0.0)
    among = ch.moments([early, note, late], tones([early, note, late]), RATE, "cello", 0.0)
    for frame in range(41, 48):
        here, there = (dataclasses.astuple(m[frame].pose) for m in (among, alone))
        assert here == pytest.approx(there)


def test_fold() -> None:
    assert [ch.fold(pitch, 55, 86) for pitch in (40, 55, 86, 100)] == [64, 55, 86, 76]
