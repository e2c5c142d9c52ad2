"""The plan of the demo corpus: what may never be shared between splits is not shared."""

import dataclasses
from collections import defaultdict

import pytest

from tools.orchestra import scores
from tools.orchestra.choreography import INSTRUMENTS
from tools.orchestra.plan import PERFORMERS, RECORDINGS, SPLITS, Recording, plan


@pytest.fixture(scope="module")
def melodies() -> list[scores.Melody]:
    return scores.load_melodies()


@pytest.fixture(scope="module")
def recordings(melodies: list[scores.Melody]) -> list[Recording]:
    return plan(1, melodies)


def test_counts_and_names(recordings: list[Recording]) -> None:
    for split in SPLITS:
        for instrument in INSTRUMENTS:
            found = [r for r in recordings if (r.split, r.instrument) == (split, instrument)]
            assert len(found) == RECORDINGS[split]
    assert len({r.name for r in recordings}) == len(recordings) == 13 * 21


@pytest.mark.parametrize("field", ["performer", "piece", "room_seed", "look_seed", "sound_seed"])
def test_nothing_is_shared_between_splits(recordings: list[Recording], field: str) -> None:
    splits = defaultdict(set)
    for recording in recordings:
        splits[getattr(recording, field)].add(recording.split)
    assert all(len(found) == 1 for found in splits.values())


def test_no_tune_is_in_two_splits(
    recordings: list[Recording], melodies: list[scores.Melody]
) -> None:
    """Compares the notes themselves: no 14 steps in a row occur in two splits, in any key."""
    splits: dict[tuple[int, ...], str] = {}
    for recording in recordings:
        for run in scores.fingerprints(melodies[recording.melody].steps):
            assert splits.setdefault(run, recording.split) == recording.split


def test_every_performer_plays_several_instruments(recordings: list[Recording]) -> None:
    played = defaultdict(set)
    for recording in recordings:
        played[recording.performer].add(recording.instrument)
    assert sorted(played) == list(range(sum(PERFORMERS.values())))
    assert min(len(instruments) for instruments in played.values()) >= 3


def test_timbres(recordings: list[Recording]) -> None:
    heard = defaultdict(set)
    for recording in recordings:
        heard[recording.split, recording.instrument].add(recording.timbre.name)
    for instrument in INSTRUMENTS:
        assert len(heard["train", instrument]) >= 2
        assert (
            heard["test", instrument] | heard["validation", instrument]
            <= (heard["train", instrument])
        )
        assert not heard["shifted", instrument] & heard["train", instrument]
    everything_but_shifted = {
        name for (split, _), names in heard.items() if split != "shifted" for name in names
    }
    assert not everything_but_shifted & {
        name for (split, _), names in heard.items() if split == "shifted" for name in names
    }


def test_seeds_decide(recordings: list[Recording], melodies: list[scores.Melody]) -> None:
    assert plan(1, melodies) == recordings
    assert plan(2, melodies) != recordings


def test_any_beginning_has_some_of_everything(recordings: list[Recording]) -> None:
    beginning = recordings[: len(recordings) // 5]
    assert {r.instrument for r in beginning} == set(INSTRUMENTS)
    assert {r.split for r in beginning} >= {"train", "validation", "test"}


def test_too_few_pieces(melodies: list[scores.Melody]) -> None:
    with pytest.raises(ValueError, match="too few"):
        plan(1, [dataclasses.replace(m, piece=m.piece % 4) for m in melodies])


def test_voices_that_quote_each_other_are_one_piece() -> None:
    tune = tuple((1.0, 60 + (3 * k + k * k) % 11) for k in range(40))
    higher = tuple((0.5, pitch + 5) for _, pitch in tune)
    other = tuple((1.0, 60 + (5 * k + k * k * k) % 13) for k in range(40))
    numbered = scores.number_pieces([("a", "a#0", tune), ("b", "b#0", higher), ("c", "c#0", other)])
    assert [melody.piece for melody in numbered] == [0, 0, 1]
