"""The weights of each preset, first and after three training steps."""

import pytest
import subject

FIRST = subject.stored("first_weights")


@pytest.mark.parametrize("preset", subject.PRESETS)
def test_first_weights_stay(preset: str) -> None:
    _, hashes = subject.networks(preset)
    assert hashes == FIRST[preset]
