"""Every flag of every main with its default and help, and how to call it."""

import pytest
import subject

STORED = subject.stored("flags")


def test_usage_lines_stay() -> None:
    _, usage = subject.helps()
    assert usage == STORED["usage"]


@pytest.mark.parametrize("command", STORED["flags"])
def test_flags_stay(command: str) -> None:
    found, _ = subject.helps()
    assert found[command] == STORED["flags"][command]
