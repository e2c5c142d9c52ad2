#!/usr/bin/env bash
# tinysoundfont: velocity has half the range that SoundFont 2 asks for, volume and expression have
# half as much again.
#
# Versions: tinysoundfont 0.3.7 (TinySoundFont), numpy 2.4.6, Python 3.11.
# Expected: the default modulators of SoundFont 2.04 (section 8.4): velocity, volume (controller 7) and
#   expression (11) attenuate alike, by 40 log10(127 / value) dB, so 64 is 11.9 dB below 127.
# Seen on 2026-11-30: velocity attenuates by 20 log10 (64 is 6.0 dB below 127), volume and expression by
#   60 log10 (17.7 dB). The font's own attenuation (generator 48) is right.
# Why it matters: renderings of the same MIDI file and font differ from those of other synthesizers by up
#   to tens of dB in quiet notes; a data set of tinysoundfont's has less dynamics than its MIDI files say
#   in velocities, and more in automation. Measure loudness in the sound, or set it afterwards.
# Note: --no-deps leaves out pyaudio, which rendering to memory does not need.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-deps tinysoundfont==0.3.7 numpy==2.4.6
"$folder/venv/bin/python" - "$folder/sine.sf2" <<'EOF'
import struct
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tinysoundfont

print(f"tinysoundfont {version('tinysoundfont')}")
RATE, PERIOD = 44100, 100


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def records(name, form, *rows):
    return chunk(name, b"".join(struct.pack(form, *row) for row in rows))


def soundfont(attenuation=0):
    """A font of one looped sine of 441 Hz, with an initial attenuation in tenths of a decibel."""
    sine = 16000 * np.sin(2 * np.pi * np.arange(40 * PERIOD) / PERIOD)
    samples = np.round(sine).astype("<i2").tobytes() + bytes(2 * 46)
    info = chunk(b"ifil", struct.pack("<HH", 2, 4)) + chunk(b"isng", b"EMU8000\0")
    loop = (0, 40 * PERIOD, 10 * PERIOD, 30 * PERIOD, RATE, 69, 0, 0, 1)
    tables = [
        records(b"phdr", "<20s3H3I", (b"sine", 0, 0, 0, 0, 0, 0), (b"EOP", 0, 0, 1, 0, 0, 0)),
        records(b"pbag", "<HH", (0, 0), (1, 0)),
        chunk(b"pmod", bytes(10)),
        records(b"pgen", "<HH", (41, 0), (0, 0)),
        records(b"inst", "<20sH", (b"sine", 0), (b"EOI", 1)),
        records(b"ibag", "<HH", (0, 0), (3, 0)),
        chunk(b"imod", bytes(10)),
        records(b"igen", "<Hh", (48, attenuation), (54, 1), (53, 0), (0, 0)),
        records(b"shdr", "<20s5IBbHH", (b"sine", *loop), (b"EOS", *[0] * 9)),
    ]
    lists = b"INFO" + info, b"sdta" + chunk(b"smpl", samples), b"pdta" + b"".join(tables)
    return chunk(b"RIFF", b"sfbk" + b"".join(chunk(b"LIST", part) for part in lists))


def level(velocity=127, controller=None, attenuation=0):
    """The peak of a held note, which is the same left and right."""
    path = Path(sys.argv[1])
    path.write_bytes(soundfont(attenuation))
    synthesizer = tinysoundfont.Synth(samplerate=RATE)
    synthesizer.program_select(0, synthesizer.sfload(str(path)), 0, 0)
    if controller:
        synthesizer.control_change(0, *controller)
    synthesizer.noteon(0, 69, velocity)
    sound = np.frombuffer(bytes(synthesizer.generate(RATE)), np.float32)
    return np.abs(sound[RATE // 2 :]).max()


loudest = level()
seen = {}
for value in (96, 64, 32):
    for name, given in (
        ("velocity", {"velocity": value}),
        ("volume", {"controller": (7, value)}),
        ("expression", {"controller": (11, value)}),
    ):
        seen[name, value] = float(20 * np.log10(level(**given) / loudest))
        wanted = 40 * np.log10(value / 127)
        print(f"{name} {value}: expected {wanted:.1f} dB, seen {seen[name, value]:.1f} dB")
font = float(20 * np.log10(level(attenuation=100) / loudest))
print(f"attenuation of the font by 10 dB: expected -10.0 dB, seen {font:.1f} dB")
factors = {"velocity": 20, "volume": 60, "expression": 60}
still = abs(font + 10) < 0.1
for (name, value), db in seen.items():
    still = still and abs(db - factors[name] * np.log10(value / 127)) < 1
sys.exit(0 if still else "the behaviour is no longer seen")
EOF
