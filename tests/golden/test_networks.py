"""The networks of each preset: names and shapes of all variables, as files of weights have them, and the
first weights."""

import pytest
import subject

STORED = subject.stored("networks")
FIRST_WEIGHTS = subject.stored("first_weights")


def test_all_presets_are_stored() -> None:
    assert sorted(STORED) == sorted(subject.PRESETS)


@pytest.mark.parametrize("preset", subject.PRESETS)
def test_names_and_shapes_stay(preset: str) -> None:
    shapes, _ = subject.networks(preset)
    assert shapes == STORED[preset]
    # Checkpoints know an optimizer's variables by their order.
    assert [list(found) for found in shapes.values()] == [list(s) for s in STORED[preset].values()]


@pytest.mark.parametrize("preset", subject.PRESETS)
def test_first_weights_stay(preset: str) -> None:
    _, hashes = subject.networks(preset)
    assert hashes == FIRST_WEIGHTS[preset]
