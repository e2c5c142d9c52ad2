"""Odd and bad media files, each with what each reader is to make of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Odd:
    """One file of the gallery.

    Attributes:
      name: of the file.
      about: what is odd.
      write: makes it at a path; None if it can't be made here.
      expected: reader -> part of what it says, such as "read: 1.00 s" or "truncated".
    """

    name: str
    about: str
    write: Callable[[Path], object]
    expected: Mapping[str, str] = field(default_factory=dict)


def of_bytes(make: Callable[[], bytes]) -> Callable[[Path], object]:
    """A `write` of a function that gives the file's content."""
    return lambda path: path.write_bytes(make())
