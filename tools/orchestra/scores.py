"""Melodies to play: public-domain tunes as bare note lists, parsed once from music21's corpus.

    python -m tools.orchestra.scores --output=tools/orchestra/melodies.json

Two sources, both long out of copyright: fiddle tunes of Ryan's Mammoth Collection (Boston 1883)
and the voices of J. S. Bach's chorales (before 1750). Only what a composer wrote is kept, the
pitches and lengths of one voice; nothing of an edition's layout, text or words is.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absl import app, flags

MELODIES_FILE = Path(__file__).with_name("melodies.json")
FORMAT = 1
NOTES_KEPT = 160
# Voices that are short or hardly leave one octave make dull recordings.
FEWEST_NOTES = 40
NARROWEST_SPAN = 11
# Two tunes that share this many steps in a row are taken for one piece in two editions.
SAME_TUNE_STEPS = 14


@dataclass(frozen=True)
class Melody:
    """One voice of a piece.

    piece: number of the piece, shared by its voices and by pieces that quote its tune, so that
      two recordings of one tune can be kept in one split.
    source: file of the corpus and number of the voice, e.g. `bach/bwv1.6.mxl#0`.
    steps: (quarter notes of length, MIDI pitch or 0 for a rest), in order.
    """

    piece: int
    source: str
    steps: tuple[tuple[float, int], ...]


def load_melodies(path: Path = MELODIES_FILE) -> list[Melody]:
    """Reads the committed melodies."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["format"] != FORMAT:
        raise ValueError(f"{path}: format {stored['format']}, this code reads {FORMAT}")
    return [
        Melody(
            item["piece"],
            item["source"],
            tuple(zip(item["quarters"], item["pitches"], strict=True)),
        )
        for item in stored["melodies"]
    ]


def steps_of(part: Any) -> list[tuple[float, int]]:
    """One voice of a music21 score as (quarters, pitch) steps; of a chord, its top note."""
    steps = []
    for note in part.stripTies().flatten().notesAndRests:
        quarters = round(float(note.quarterLength), 4)
        if quarters > 0:
            steps.append((quarters, 0 if note.isRest else int(note.pitches[-1].midi)))
    return steps[:NOTES_KEPT]


def worth_playing(steps: list[tuple[float, int]]) -> bool:
    """Whether a voice is long and wide enough to be played."""
    pitches = [pitch for _, pitch in steps if pitch]
    return len(pitches) >= FEWEST_NOTES and max(pitches) - min(pitches) >= NARROWEST_SPAN


def intervals(steps: tuple[tuple[float, int], ...]) -> list[int]:
    """Steps between neighbouring different pitches: what a tune keeps in any key or rhythm."""
    pitches = [pitch for _, pitch in steps if pitch]
    moves = [after - before for before, after in itertools.pairwise(pitches)]
    return [move for move in moves if move]


def fingerprints(steps: tuple[tuple[float, int], ...]) -> set[tuple[int, ...]]:
    """Every run of SAME_TUNE_STEPS intervals of a voice."""
    moves = intervals(steps)
    return {
        tuple(moves[start : start + SAME_TUNE_STEPS])
        for start in range(len(moves) - SAME_TUNE_STEPS + 1)
    }


def number_pieces(
    voices: list[tuple[str, str, tuple[tuple[float, int], ...]]],
) -> list[Melody]:
    """Numbers the pieces of (work, source, steps), voices that share a work or a tune alike."""
    parent = list(range(len(voices)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    first_seen: dict[Any, int] = {}
    for index, (work, _, steps) in enumerate(voices):
        for key in (work, *fingerprints(steps)):
            parent[root(index)] = root(first_seen.setdefault(key, index))
    numbers: dict[int, int] = {}
    return [
        Melody(numbers.setdefault(root(index), len(numbers)), source, steps)
        for index, (_, source, steps) in enumerate(voices)
    ]


def parse_corpus(tunes: int, chorales: int) -> list[tuple[str, str, tuple[tuple[float, int], ...]]]:
    """Parses that many fiddle tunes and chorales, spread evenly over music21's corpus."""
    from music21 import corpus
    from tqdm import tqdm

    names = sorted(str(path) for path in corpus.getCorePaths())
    bach = [name for name in names if "/bach/bwv" in name and name.endswith(".mxl")]
    ryan = [name for name in names if "/ryansMammoth/" in name and name.endswith(".abc")]
    chosen = ryan[:: max(1, len(ryan) // tunes)][:tunes]
    chosen += bach[:: max(1, len(bach) // chorales)][:chorales]
    voices = []
    for name in tqdm(chosen, unit="piece"):
        work = "/".join(Path(name).parts[-2:])
        parts = corpus.parse(name).parts
        for number, part in enumerate(list(parts)[:4]):
            steps = steps_of(part)
            if worth_playing(steps):
                voices.append((work, f"{work}#{number}", tuple(steps)))
    return voices


def write_melodies(melodies: list[Melody], path: Path) -> None:
    """Writes the melodies as JSON, one voice a line."""
    lines = [
        json.dumps(
            {
                "piece": melody.piece,
                "source": melody.source,
                "quarters": [int(q) if q == int(q) else q for q, _ in melody.steps],
                "pitches": [pitch for _, pitch in melody.steps],
            },
            separators=(",", ":"),
        )
        for melody in melodies
    ]
    body = ",\n".join(lines)
    path.write_text(f'{{"format":{FORMAT},"melodies":[\n{body}\n]}}\n', encoding="utf-8")


def main(argv: list[str]) -> None:
    """Parses the corpus and writes the melodies."""
    del argv
    melodies = number_pieces(parse_corpus(FLAGS.tunes, FLAGS.chorales))
    write_melodies(melodies, Path(FLAGS.output))
    print(f"{len(melodies)} voices of {1 + max(m.piece for m in melodies)} pieces: {FLAGS.output}")


FLAGS = flags.FLAGS

if __name__ == "__main__":
    flags.DEFINE_string("output", str(MELODIES_FILE), "Where the melodies are written.")
    flags.DEFINE_integer("tunes", 260, "Fiddle tunes to parse.", lower_bound=1)
    flags.DEFINE_integer("chorales", 80, "Chorales to parse.", lower_bound=1)
    app.run(main)
