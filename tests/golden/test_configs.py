"""config.json of each preset: names in their order, and values."""

import json

import pytest
import subject

STORED = subject.stored("configs")


@pytest.mark.parametrize("preset", subject.PRESETS)
def test_settings_stay(preset: str) -> None:
    found = subject.configuration(preset)
    assert found == STORED[preset]
    assert json.dumps(found) == json.dumps(STORED[preset])  # the order too
