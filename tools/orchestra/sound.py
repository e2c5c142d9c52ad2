"""Recorded notes become a performance: every note at its own loudness, in a small room.

Notes come from soundfonts (by tinysoundfont) or from a folder with one recording per pitch. Each
note is rendered alone and brought to the loudness that the choreography asks for, softer notes
also darker, as on real instruments; nothing later changes the recording's gain by more than
GAIN_DB, so that loudness stays audible.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage, signal

from tools.orchestra.choreography import DURATION, LOUDEST_DB, SOFTEST_DB, Note
from tools.orchestra.timbres import CORRECTED_PITCHES, Timbre

RATE = 48000
# A soundfont note is struck at one velocity; loudness is set afterwards, by measuring.
VELOCITY = 96
RELEASE_SECONDS = 0.05
# Every note begins with an accent that dies away, so that the time since its onset can be heard.
ACCENT_DB, ACCENT_SECONDS = 8.0, 0.15
ATTACK_SECONDS = 0.008
GAIN_DB = 1.0
PEAK = 0.89
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def perform(notes: list[Note], timbre: Timbre, assets: Path, seed: int | list[int]) -> np.ndarray:
    """Renders notes as float32 [RATE * DURATION] in -1..1, room and noise included."""
    rng = np.random.default_rng(seed)
    dry = np.zeros(round(RATE * DURATION))
    for note in notes:
        first = round(note.start * RATE)
        tone = shaped_note(note, timbre, assets)[: len(dry) - first]
        dry[first : first + len(tone)] += tone
    return in_room(dry, rng).astype(np.float32)


def shaped_note(note: Note, timbre: Timbre, assets: Path) -> np.ndarray:
    """One note at its loudness: float64, a little longer than end - start by its release."""
    held = round((note.end - note.start) * RATE)
    tone = recorded_note(timbre, note.pitch, note.end - note.start, assets)
    level = np.interp(np.arange(len(tone)), [0, held], [note.level_start, note.level_end])
    middle = (note.level_start + note.level_end) / 2
    tone = _darken(tone, (middle - SOFTEST_DB) / (LOUDEST_DB - SOFTEST_DB), note.pitch)
    speaking = np.sqrt(np.mean(tone[:held] ** 2)) + 1e-9
    tone = tone / speaking * 10.0 ** (level / 20.0)
    # Crescendo, plucked-like attacks and the like must not clip; that one note is then softer.
    return tone * min(1.0, PEAK / (np.abs(tone).max() + 1e-9))


def _darken(tone: np.ndarray, loudness: float, pitch: int) -> np.ndarray:
    """Takes up to 10 dB from the overtones of a soft note; loudness 0..1."""
    fundamental = 440.0 * 2.0 ** ((pitch - 69) / 12.0)
    corner = min(2.0 * fundamental, 0.45 * RATE)
    low = signal.lfilter(*signal.butter(1, corner, fs=RATE), tone)
    kept = 10.0 ** (-10.0 * (1.0 - np.clip(loudness, 0.0, 1.0)) / 20.0)
    return low + kept * (tone - low)


def recorded_note(timbre: Timbre, pitch: int, seconds: float, assets: Path) -> np.ndarray:
    """The bare recording of one note, held for `seconds` and then released (float64)."""
    held, release = round(seconds * RATE), round(RELEASE_SECONDS * RATE)
    if timbre.program >= 0:
        tone = _soundfont_note(timbre, pitch, held, release, assets)
    else:
        tone = _folder_note(timbre, pitch, held + release, assets)
    edge = np.ones(held + release)
    edge[held:] = np.cos(np.linspace(0.0, np.pi / 2, release)) ** 2
    attack = round(ATTACK_SECONDS * RATE)
    edge[:attack] *= np.linspace(0.0, 1.0, attack)
    time = np.arange(held + release) / RATE
    accent = 10.0 ** (ACCENT_DB * np.exp(-time / ACCENT_SECONDS) / 20.0)
    return tone * edge * accent


@cache
def _synthesizer(path: Path) -> tuple[Any, int]:
    """A synthesizer with one soundfont loaded (seconds of work, so once per process)."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: fetch it with `python -m tools.orchestra.fetch`")
    import tinysoundfont

    synthesizer = tinysoundfont.Synth(samplerate=RATE)
    return synthesizer, synthesizer.sfload(str(path))


def _soundfont_note(
    timbre: Timbre, pitch: int, held: int, release: int, assets: Path
) -> np.ndarray:
    """Plays one note of a soundfont: float64 [held + release]."""
    synthesizer, font = _synthesizer(assets / timbre.source)
    synthesizer.program_select(0, font, timbre.bank, timbre.program)
    synthesizer.noteon(0, pitch, VELOCITY)
    sounding = bytes(synthesizer.generate(held))
    synthesizer.noteoff(0, pitch)
    sounding += bytes(synthesizer.generate(release))
    # Nothing of this note may be left when the next begins, or clips would depend on their order.
    synthesizer.sounds_off()
    synthesizer.generate(RATE // 10)
    return np.frombuffer(sounding, np.float32).reshape(-1, 2).mean(axis=1).astype(np.float64)


@cache
def _folder(path: Path) -> dict[int, Path]:
    """MIDI pitch -> file, of a folder with files such as `As3.mp3` (A sharp of octave 3)."""
    files = {}
    for file in sorted(path.rglob("*.mp3")):
        match = re.fullmatch(r"([A-G])(s?)(\d)", file.stem)
        if match:
            step, sharp, octave = match.groups()
            pitch_by_name = 12 * (int(octave) + 1) + SEMITONES[step] + len(sharp)
            pitch = CORRECTED_PITCHES.get(f"{path.name}/{file.name}", pitch_by_name)
            if pitch:
                files[pitch] = file
    if not files:
        raise FileNotFoundError(f"{path}: fetch it with `python -m tools.orchestra.fetch`")
    return files


@cache
def _decoded(path: Path) -> np.ndarray:
    """A recorded note from where it begins to speak, float64 at RATE."""
    import av

    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
        frames = [
            out.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for out in resampler.resample(frame)
        ]
    sound = np.concatenate(frames).astype(np.float64)
    loud = np.abs(sound) > 0.1 * np.abs(sound).max()
    return sound[max(0, int(np.argmax(loud)) - RATE // 100) :]


def _folder_note(timbre: Timbre, pitch: int, samples: int, assets: Path) -> np.ndarray:
    """Plays the nearest recording of a folder, resampled to the pitch: float64 [samples]."""
    files = _folder(assets / timbre.source)
    nearest = min(files, key=lambda recorded: abs(recorded - (pitch - timbre.transpose)))
    sound = _decoded(files[nearest])
    speed = 2.0 ** ((pitch - nearest) / 12.0)
    positions = np.arange(samples) * speed
    return ndimage.map_coordinates(sound, [positions], order=3, mode="constant")


def in_room(dry: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Adds a small room's echo, a tilt of the tone and a little noise; keeps the loudness."""
    before = np.sqrt(np.mean(dry**2)) + 1e-9
    seconds = rng.uniform(0.15, 0.45)
    tail = round(seconds * RATE)
    # -60 dB after `seconds`.
    echo = rng.normal(size=tail) * np.exp(-6.9 * np.arange(tail) / tail)
    echo *= rng.uniform(0.04, 0.12) / np.sqrt(np.sum(echo**2))
    wet = dry + signal.fftconvolve(dry, echo)[: len(dry)]
    spectrum = np.fft.rfft(wet)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(wet), 1 / RATE), 60.0) / 800.0)
    wet = np.fft.irfft(spectrum * 10.0 ** (rng.uniform(-1.0, 1.0) * octaves / 20.0), len(wet))
    wet *= before / np.sqrt(np.mean(wet**2) + 1e-12) * 10.0 ** (rng.uniform(-GAIN_DB, GAIN_DB) / 20)
    wet *= min(1.0, PEAK / np.abs(wet).max())
    return wet + _room_noise(len(wet), 10.0 ** (rng.uniform(-70.0, -60.0) / 20.0), rng)


def _room_noise(samples: int, level: float, rng: np.random.Generator) -> np.ndarray:
    """Noise that falls by 3 dB an octave, as of a quiet room, with RMS `level`."""
    spectrum = np.fft.rfft(rng.normal(size=samples))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 30.0))
    noise = np.fft.irfft(spectrum, samples)
    return noise * level / np.sqrt(np.mean(noise**2))
