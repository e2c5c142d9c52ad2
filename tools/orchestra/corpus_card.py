"""Writes the corpus's README.md and ATTRIBUTION.md from the templates in `card/`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from cmgen.utils.files import write_text
from tools.orchestra.choreography import DURATION, FPS, INSTRUMENTS
from tools.orchestra.plan import PERFORMERS, RECORDINGS, SPLITS, Recording
from tools.orchestra.signal_check import END, START

TEMPLATES = Path(__file__).parent / "card"


def write(output: Path, recordings: list[Recording], sources: list[str], seed: int) -> None:
    """Writes both files; keeps the signal check's table of an earlier README.

    sources: of the melody that each recording plays.
    """
    readme = output / "README.md"
    signal = f"{START}\nNot measured yet.\n{END}"
    if readme.exists():
        text = readme.read_text(encoding="utf-8")
        if START in text and END in text:
            signal = text[text.index(START) : text.index(END) + len(END)]
    write_text(
        readme,
        _template("README.md").format(
            instruments=len(INSTRUMENTS),
            seed=seed,
            seconds=DURATION,
            fps=FPS,
            splits="\n".join(_row(split, recordings) for split in SPLITS),
            signal=signal,
        ),
    )
    pieces = "\n".join(f"* {name}" for name in sorted({s.split("#")[0] for s in sources}))
    write_text(output / "ATTRIBUTION.md", _template("ATTRIBUTION.md").format(pieces=pieces))


def _template(name: str) -> str:
    """The text of a file, with {places} to fill in."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _row(split: str, recordings: list[Recording]) -> str:
    """A split's row of the README's table."""
    mine = [recording for recording in recordings if recording.split == split]
    families = Counter(recording.timbre.name.split("-")[0] for recording in mine)
    timbres = ", ".join(f"{name} {count}" for name, count in sorted(families.items()))
    pieces = len({recording.piece for recording in mine})
    return (
        f"| {split} | {len(INSTRUMENTS)} x {RECORDINGS[split]} | {pieces} "
        f"| {PERFORMERS[split]} | {timbres} |"
    )
