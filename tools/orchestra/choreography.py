"""From a melody to notes, and from notes and their sound to the player's pose.

The rule of the corpus: a pose is a function of what the half second of sound around its frame
lets one hear. Pitch is the sounding pitch; the bow's place follows the time since the note began
and how loud it is, every note starting at the frog; loudness is measured from the sound itself;
in rests the instrument is lowered. Only the slight sway means nothing, as in life.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.orchestra.pose import Pose
from tools.orchestra.scores import Melody

DURATION = 10.0
FPS = 10
# Lowest and highest MIDI pitch that is asked of each instrument: where all its timbres have
# recordings near by, no wider than 33 semitones so that a step stays visible, and not so low that
# a mel spectrum of half a second can't tell one note's overtones from the next one's.
RANGES = {
    "bassoon": (34, 65),
    "cello": (36, 67),
    "clarinet": (50, 82),
    "double_bass": (36, 62),
    "flute": (60, 91),
    "horn": (41, 72),
    "oboe": (58, 85),
    "sax": (49, 79),
    "trombone": (40, 70),
    "trumpet": (54, 82),
    "tuba": (34, 62),
    "viola": (48, 79),
    "violin": (55, 86),
}
INSTRUMENTS = tuple(sorted(RANGES))
BOWED = ("cello", "double_bass", "viola", "violin")

SHORTEST_NOTE = 0.18
LONGEST_NOTE = 1.2
SOFTEST_DB = -42.0
LOUDEST_DB = -17.0
# The bow covers most of its way early in the note, while the onset still lies in the window.
BOW_SECONDS = 0.15
LOUDNESS_WINDOW = 0.3
GLIDE_SECONDS = 0.08
LOWERING_SECONDS = 0.12
SWAY_RADIANS = 0.02


@dataclass(frozen=True)
class Note:
    """One note as it is to sound.

    start, end: seconds of its onset and of its release.
    pitch: MIDI number. level_start, level_end: loudness in dBFS (RMS) at its two ends.
    """

    start: float
    end: float
    pitch: int
    level_start: float
    level_end: float


def compose(melody: Melody, instrument: str, rng: np.random.Generator) -> list[Note]:
    """Plays an excerpt of a melody as phrases of some notes with rests between them.

    Every phrase has its own register, tempo and swell: the registers visit all of the
    instrument's range, the tempo pushes or drags, and loudness runs from one level to another.
    """
    low, high = RANGES[instrument]
    steps = [step for step in melody.steps if step[1]]
    typical = float(np.median([quarters for quarters, _ in steps]))
    position = int(rng.integers(0, len(steps)))
    registers: list[float] = []
    now = float(rng.uniform(0.1, 0.5))
    notes: list[Note] = []
    while now < DURATION - 2 * SHORTEST_NOTE:
        count = int(rng.integers(5, 10))
        phrase = [steps[(position + index) % len(steps)] for index in range(count)]
        position += count
        if not registers:
            registers = list(rng.permutation(np.linspace(low + 4, high - 4, 4)))
        centre = registers.pop() + rng.uniform(-2, 2)
        shift = round(centre - float(np.median([pitch for _, pitch in phrase])))
        lengths = _lengths(phrase, typical, rng)
        levels = _swell(count + 1, rng)
        for index, (_, pitch) in enumerate(phrase):
            release = float(np.clip(0.16 * lengths[index], 0.05, 0.11))
            notes.append(
                Note(
                    now,
                    now + lengths[index] - release,
                    fold(pitch + shift, low, high),
                    levels[index],
                    levels[index + 1],
                )
            )
            now += lengths[index]
        now += float(rng.uniform(0.4, 0.75))
    return [note for note in notes if note.start < DURATION - SHORTEST_NOTE]


def fold(pitch: int, low: int, high: int) -> int:
    """Moves a pitch by octaves until it lies in low..high."""
    while pitch < low:
        pitch += 12
    while pitch > high:
        pitch -= 12
    return pitch


def _lengths(
    phrase: list[tuple[float, int]], typical: float, rng: np.random.Generator
) -> list[float]:
    """Seconds of each note of a phrase, whose tempo ends up to a third faster or slower."""
    beat = rng.uniform(0.26, 0.46)
    tempo = np.linspace(1.0, rng.uniform(0.72, 1.4), len(phrase))
    return [
        float(np.clip(quarters / typical * beat * slow, SHORTEST_NOTE, LONGEST_NOTE))
        for (quarters, _), slow in zip(phrase, tempo, strict=True)
    ]


def _swell(count: int, rng: np.random.Generator) -> list[float]:
    """Levels in dBFS along a phrase: from soft to loud or back, or up and down again."""
    span = LOUDEST_DB - SOFTEST_DB
    soft = SOFTEST_DB + rng.uniform(0.0, 0.35) * span
    loud = LOUDEST_DB - rng.uniform(0.0, 0.35) * span
    along = np.linspace(0.0, 1.0, count)
    shape = int(rng.integers(0, 3))
    curve = (along, 1.0 - along, np.sin(np.pi * along))[shape]
    return [float(level) for level in soft + (loud - soft) * curve]


def loudness_curve(sound: np.ndarray, rate: int, times: np.ndarray) -> np.ndarray:
    """Loudness 0..1 at each time: the level of the LOUDNESS_WINDOW seconds around it.

    sound [samples] in -1..1; SOFTEST_DB and below give 0, LOUDEST_DB and above give 1.
    """
    power = np.concatenate([[0.0], np.cumsum(sound.astype(np.float64) ** 2)])
    half = LOUDNESS_WINDOW / 2
    first = np.clip(((times - half) * rate).astype(int), 0, len(sound))
    last = np.clip(((times + half) * rate).astype(int), 0, len(sound))
    mean = (power[last] - power[first]) / np.maximum(last - first, 1)
    level = 10.0 * np.log10(mean + 1e-12)
    return np.clip((level - SOFTEST_DB) / (LOUDEST_DB - SOFTEST_DB), 0.0, 1.0)


@dataclass(frozen=True)
class Moment:
    """What is heard at one frame, and the pose that follows from it.

    pitch: sounding MIDI pitch, 0 in silence. since_onset: seconds since the last note began,
    -1 before the first.
    """

    time: float
    pitch: int
    since_onset: float
    loudness: float
    pose: Pose


def moments(
    notes: list[Note], sound: np.ndarray, rate: int, instrument: str, sway_phase: float
) -> list[Moment]:
    """The pose at every frame of a recording; frame k is at k / FPS seconds."""
    times = np.arange(round(DURATION * FPS)) / FPS
    loudness = loudness_curve(sound, rate, times)
    return [
        _moment(notes, float(time), float(loud), instrument, sway_phase)
        for time, loud in zip(times, loudness, strict=True)
    ]


def _moment(
    notes: list[Note], time: float, loudness: float, instrument: str, sway_phase: float
) -> Moment:
    """The pose of one instant."""
    current = max((k for k, note in enumerate(notes) if note.start <= time), default=-1)
    rest = _rest(notes, current, time)
    sway = SWAY_RADIANS * float(np.sin(1.3 * time + sway_phase))
    if current < 0:
        return Moment(time, 0, -1.0, loudness, Pose(0.5, 0.0, loudness, rest, sway))
    note = notes[current]
    since = time - note.start
    height = _height(notes, current, time, instrument)
    reach = 0.35 + 0.65 * loudness
    stroke = 1.0 - np.exp(-min(since, note.end - note.start) / BOW_SECONDS)
    back = np.clip((time - note.end) / 0.06, 0.0, 1.0)
    pose = Pose(
        # In a rest no pitch is heard, so no pitch is shown: the hand goes to the middle.
        pitch=float(height + (0.5 - height) * rest),
        bow=float(reach * stroke * (1.0 - back)),
        loudness=float(loudness * (1.0 - rest)),
        rest=rest,
        sway=sway,
    )
    return Moment(time, note.pitch if time < note.end else 0, since, loudness, pose)


def _height(notes: list[Note], current: int, time: float, instrument: str) -> float:
    """Pitch as 0..1 of the range, gliding from the note before unless a rest lay between."""
    low, high = RANGES[instrument]
    here = (notes[current].pitch - low) / (high - low)
    since = time - notes[current].start
    if current == 0 or since >= GLIDE_SECONDS or _gap(notes, current) > 2 * LOWERING_SECONDS:
        return here
    before = (notes[current - 1].pitch - low) / (high - low)
    return before + (here - before) * since / GLIDE_SECONDS


def _gap(notes: list[Note], current: int) -> float:
    """Seconds of silence before a note."""
    return notes[current].start - notes[current - 1].end


def _rest(notes: list[Note], current: int, time: float) -> float:
    """0 while playing .. 1 lowered; gaps between notes of a phrase are too short to lower."""
    end = notes[current].end if current >= 0 else -np.inf
    start = notes[current + 1].start if current + 1 < len(notes) else np.inf
    if time < end or start - end <= 2 * LOWERING_SECONDS:
        return 0.0
    return float(np.clip(min(time - end, start - time) / LOWERING_SECONDS, 0.0, 1.0))
