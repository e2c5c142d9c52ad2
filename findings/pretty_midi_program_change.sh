#!/usr/bin/env bash
# pretty_midi: a note belongs to the program that is set when it ends, and two notes of one pitch end
# together.
#
# Versions: pretty_midi 0.2.11.post0, mido 1.3.3, numpy 2.4.6, Python 3.11.
# Expected: a note is played by the instrument that is chosen when it starts (MIDI: a program change
#   does not affect sounding notes). Of two overlapping notes of one pitch, the first note-off ends one
#   and the second the other.
# Seen on 2026-11-30: reading files it with the program at its note-off. The first note-off ends both
#   overlapping notes, and the second note-off is dropped, so that the later note is too short. A note
#   without a note-off is left out altogether, with no warning.
# Why it matters: where a file changes programs before the last notes are released, these notes end up in
#   the next instrument's part, so that labels of instruments are wrong at each change. Read notes
#   from mido where that counts.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pretty_midi==0.2.11.post0 mido==1.3.3 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import io
import sys
import warnings
from importlib.metadata import version

import mido
import pretty_midi
from mido import Message

warnings.simplefilter("error")
print(f"pretty_midi {version('pretty_midi')}, mido {version('mido')}")


def notes(*messages):
    """(program, pitch, start, end) of each note that pretty_midi reads; 960 ticks are a second."""
    track = mido.MidiTrack(messages)
    buffer = io.BytesIO()
    mido.MidiFile(tracks=[track], ticks_per_beat=480).save(file=buffer)
    buffer.seek(0)
    read = pretty_midi.PrettyMIDI(buffer)
    return [
        (int(part.program), note.pitch, float(note.start), float(note.end))
        for part in read.instruments
        for note in part.notes
    ]


def on(pitch, time):
    return Message("note_on", note=pitch, velocity=90, time=time)


def off(pitch, time):
    return Message("note_off", note=pitch, time=time)


cases = {
    "program 40, changed to 56 while the note sounds": (
        notes(
            Message("program_change", program=40),
            on(60, 0),
            Message("program_change", program=56, time=480),
            off(60, 480),
        ),
        [(40, 60, 0.0, 1.0)],
        [(56, 60, 0.0, 1.0)],
    ),
    "two overlapping notes of one pitch": (
        notes(on(60, 0), on(60, 240), off(60, 240), off(60, 480)),
        [(0, 60, 0.0, 0.5), (0, 60, 0.25, 1.0)],
        [(0, 60, 0.0, 0.5), (0, 60, 0.25, 0.5)],
    ),
    "a second note without a note-off": (
        notes(on(60, 0), off(60, 480), on(62, 0), on(64, 0), off(64, 480)),
        [(0, 60, 0.0, 0.5), (0, 62, 0.5, 1.0), (0, 64, 0.5, 1.0)],
        [(0, 60, 0.0, 0.5), (0, 64, 0.5, 1.0)],
    ),
}
for name, (seen, expected, _) in cases.items():
    print(f"{name}\n  expected (program, pitch, start, end): {expected}\n  seen: {seen}")
still = all(seen == before for seen, _, before in cases.values())
sys.exit(0 if still else "the behaviour is no longer seen")
EOF
