"""The sampler, on recordings made up here; no soundfont is needed."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the [orchestra] extra is not installed")

from tools.orchestra import sound, timbres
from tools.orchestra.choreography import DURATION, Note

RATE = sound.RATE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> timbres.Timbre:
    """A timbre with two recorded notes, C4 and C5: 2 s of a tone with overtones."""
    notes = tmp_path / "notes"
    notes.mkdir()
    time = np.arange(2 * RATE) / RATE
    tones = {}
    for name, frequency in (("C4", 261.63), ("C5", 523.25)):
        (notes / f"{name}.mp3").touch()
        tones[notes / f"{name}.mp3"] = sum(
            np.sin(2 * np.pi * frequency * k * time) / k for k in (1, 2, 3)
        )
    monkeypatch.setattr(sound, "_decoded", tones.__getitem__)
    return timbres.Timbre("made-up", "notes")


def level(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(samples**2) + 1e-12))


def frequency_of(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 18))
    return float(np.argmax(spectrum) * RATE / (1 << 18))


@pytest.mark.parametrize("pitch", [57, 60, 65, 69, 74])
def test_pitch(folder: timbres.Timbre, tmp_path: Path, pitch: int) -> None:
    tone = sound.recorded_note(folder, pitch, 0.5, tmp_path)
    expected = 440 * 2 ** ((pitch - 69) / 12)
    assert frequency_of(tone[4800:24000]) == pytest.approx(expected, rel=0.005)


def test_transposed_timbre_keeps_the_pitch(tmp_path: Path, folder: timbres.Timbre) -> None:
    lower = timbres.Timbre("lower", "notes", transpose=-7)
    tone = sound.recorded_note(lower, 60, 0.5, tmp_path)
    assert frequency_of(tone[4800:24000]) == pytest.approx(261.6, rel=0.005)


def test_levels_and_silence(folder: timbres.Timbre, tmp_path: Path) -> None:
    notes = [
        Note(0.5, 1.5, 60, -35, -35),
        Note(2.5, 3.5, 64, -20, -20),
        Note(5.0, 6.0, 67, -38, -18),
    ]
    played = sound.perform(notes, folder, tmp_path, 7)
    assert played.dtype == np.float32 and played.shape == (RATE * DURATION,)
    assert np.abs(played).max() < 1
    for note in notes[:2]:
        middle = played[round((note.start + 0.1) * RATE) : round((note.end - 0.1) * RATE)]
        assert level(middle) == pytest.approx(note.level_start, abs=2.0)
    grows = [level(played[round(s * RATE) : round((s + 0.2) * RATE)]) for s in (5.05, 5.4, 5.75)]
    assert grows[0] + 4 < grows[1] < grows[2] - 4
    assert level(played[round(7.5 * RATE) :]) < -55, "rests are not silent"


def test_soft_notes_are_darker(folder: timbres.Timbre, tmp_path: Path) -> None:
    def brightness(db: float) -> float:
        tone = sound.shaped_note(Note(0, 1, 60, db, db), folder, tmp_path)
        power = np.abs(np.fft.rfft(tone)) ** 2
        return float(power[len(tone) * 450 // RATE :].sum() / power.sum())

    assert brightness(-40) < 0.75 * brightness(-18)


def test_same_seed_same_bytes(folder: timbres.Timbre, tmp_path: Path) -> None:
    notes = [Note(0.5, 1.5, 60, -25, -20)]
    once = sound.perform(notes, folder, tmp_path, 7)
    assert np.array_equal(once, sound.perform(notes, folder, tmp_path, 7))
    assert not np.array_equal(once, sound.perform(notes, folder, tmp_path, 8))


def test_missing_assets_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"tools\.orchestra\.fetch"):
        sound.recorded_note(timbres.UNSEEN["flute"], 60, 0.5, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"tools\.orchestra\.fetch"):
        sound.recorded_note(timbres.SEEN["flute"][0], 60, 0.5, tmp_path)


def test_file_names_become_pitches(tmp_path: Path) -> None:
    for name in ("A4.mp3", "Cs3.mp3", "readme.mp3"):
        (tmp_path / name).touch()
    assert {p: f.name for p, f in sound._folder(tmp_path).items()} == {69: "A4.mp3", 49: "Cs3.mp3"}
