"""The list of recordings of the corpus, a function of one seed.

Performers, pieces, rooms and clothes belong to one split each, so that a score on another split
never comes from recognising one of them. Every performer plays several instruments and changes
clothes for every recording, so neither tells the instrument.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.orchestra.choreography import INSTRUMENTS
from tools.orchestra.scores import Melody
from tools.orchestra.timbres import SEEN, UNSEEN, Timbre

# Recordings of each instrument, and performers who share them.
RECORDINGS = {"train": 14, "validation": 3, "test": 3, "shifted": 1}
PERFORMERS = {"train": 22, "validation": 6, "test": 8, "shifted": 4}
SPLITS = tuple(RECORDINGS)
# Seeds of one split's rooms, clothes and sound lie in a block of their own.
SEEDS_PER_SPLIT = 100_000


@dataclass(frozen=True)
class Recording:
    """One recording to render.

    name: unique in the corpus, e.g. `oboe_03`. performer: index into the baked performers.
    melody: index into the melodies; piece: number of the piece that it is a voice of.
    room_seed, look_seed, sound_seed: for the room, the clothes, and notes and microphone.
    """

    split: str
    instrument: str
    name: str
    performer: int
    melody: int
    piece: int
    timbre: Timbre
    room_seed: int
    look_seed: int
    sound_seed: int

    @property
    def path(self) -> str:
        """Where it lies in the corpus, without a suffix."""
        return f"{self.split}/{self.instrument}/{self.name}"


def plan(seed: int, melodies: list[Melody]) -> list[Recording]:
    """All recordings, ordered so that any beginning of the list has some of everything."""
    rng = np.random.default_rng(seed)
    pieces = _deal_pieces(melodies, rng)
    first_performer, first_number = 0, 1
    recordings: list[tuple[float, Recording]] = []
    for block, split in enumerate(SPLITS):
        count = RECORDINGS[split]
        cast = _rotation(PERFORMERS[split], len(INSTRUMENTS) * count, rng) + first_performer
        seeds = block * SEEDS_PER_SPLIT + rng.permutation(SEEDS_PER_SPLIT)
        tunes = _tunes(melodies, pieces[split], len(INSTRUMENTS) * count, rng)
        for number in range(count):
            for column, instrument in enumerate(INSTRUMENTS):
                index = number * len(INSTRUMENTS) + column
                room, look, sound = (int(value) for value in seeds[3 * index : 3 * index + 3])
                recording = Recording(
                    split,
                    instrument,
                    f"{instrument}_{first_number + number:02d}",
                    int(cast[index]),
                    tunes[index],
                    melodies[tunes[index]].piece,
                    _timbre(split, instrument, number + column),
                    room,
                    look,
                    sound,
                )
                recordings.append(((number + 0.5) / count, recording))
        first_performer += PERFORMERS[split]
        first_number += count
    recordings.sort(key=lambda item: item[0])
    return [recording for _, recording in recordings]


def _timbre(split: str, instrument: str, turn: int) -> Timbre:
    """The timbres that train hears take turns; `shifted` has the one it never hears."""
    if split == "shifted":
        return UNSEEN[instrument]
    return SEEN[instrument][turn % len(SEEN[instrument])]


def _deal_pieces(melodies: list[Melody], rng: np.random.Generator) -> dict[str, list[int]]:
    """Deals the pieces out to the splits, in proportion to their recordings."""
    pieces = rng.permutation(sorted({melody.piece for melody in melodies}))
    total = sum(RECORDINGS.values())
    dealt, first = {}, 0
    for split, count in RECORDINGS.items():
        # At least three pieces: a split of one recording an instrument still needs variety.
        last = first + max(3, len(pieces) * count // total)
        dealt[split] = [int(piece) for piece in pieces[first:last]]
        first = last
    if any(len(part) < 3 for part in dealt.values()):
        raise ValueError(f"{len(pieces)} pieces are too few for {len(SPLITS)} splits: add melodies")
    return dealt


def _tunes(
    melodies: list[Melody], pieces: list[int], count: int, rng: np.random.Generator
) -> list[int]:
    """For each of `count` recordings a melody: pieces in rotation, a random voice of each."""
    voices = {
        piece: [index for index, melody in enumerate(melodies) if melody.piece == piece]
        for piece in pieces
    }
    order = _rotation(len(pieces), count, rng)
    return [int(rng.choice(voices[pieces[index]])) for index in order]


def _rotation(items: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` indices of `items`, each used before any is used again, newly shuffled each time."""
    rounds = [rng.permutation(items) for _ in range(-(-count // items))]
    return np.concatenate(rounds)[:count]
