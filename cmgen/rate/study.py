"""A study: the pictures and sounds that raters judge, and a manifest with their hashes.

    DIR/manifest.json
    DIR/pictures/<16 hex digits>.png   one for each window and source
    DIR/sounds/<16 hex digits>.wav     one for each window

The names of files are drawn at random, so that nothing but the manifest tells what they are.
"""

import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from cmgen.utils.errors import UserError
from cmgen.utils.typed_json import build

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
PICTURES, SOUNDS = "pictures", "sounds"
REAL = "real"

# What the scores mean: Table 4 of the paper, from best to worst.
SCORES: Mapping[int, str] = {
    3: "realistic, and the instrument that sounds",
    2: "realistic, but another instrument",
    1: "a player can be seen, but not the instrument",
    0: "unrealistic",
}

_KEY = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Window:
    """A moment of a test recording.

    Attributes:
      sound: key of its sound.
      class_name: what plays.
      recording: name of the recording; intervals resample whole recordings.
      seconds: middle of the window, from the recording's start.
      sha256: of the sound's file.
    """

    sound: str
    class_name: str
    recording: str
    seconds: float
    sha256: str


@dataclass(frozen=True)
class Item:
    """A picture to rate.

    Attributes:
      picture: key of the picture; names the item in the store.
      window: index of the window whose sound it is shown with.
      source: where the picture comes from; never shown.
      sha256: of the picture's file.
    """

    picture: str
    window: int
    source: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The contents of manifest.json.

    Attributes:
      seed: of the windows, the noise, the names and the raters' orders.
      classes: names of the instruments.
      sources: names, the real pictures first.
      windows: class by class, the same number of each.
      items: one for each window and source.
      facts: metadata: the runs, the data, settings, versions, the date.
    """

    seed: int
    classes: tuple[str, ...]
    sources: tuple[str, ...]
    windows: tuple[Window, ...]
    items: tuple[Item, ...]
    facts: Mapping[str, Any]
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    def item_at(self) -> dict[tuple[int, str], Item]:
        """(window, source) -> item."""
        return {(item.window, item.source): item for item in self.items}


@dataclass(frozen=True)
class Study:
    """A study in memory: what is served never touches the disk again.

    Attributes:
      id: 16 hex digits that change with anything in the manifest; votes belong to it.
      manifest: of manifest.json.
      pictures, sounds: key -> PNG and WAV files.
    """

    id: str
    manifest: Manifest
    pictures: Mapping[str, bytes]
    sounds: Mapping[str, bytes]


def read_study(folder: Path) -> Study:
    """Reads a study whole; a file that is missing or isn't the one in the manifest is refused."""
    id_, manifest = read_manifest(folder)
    pictures = {item.picture: item.sha256 for item in manifest.items}
    sounds = {window.sound: window.sha256 for window in manifest.windows}
    return Study(
        id_,
        manifest,
        {key: _read_checked(picture_path(folder, key), mark) for key, mark in pictures.items()},
        {key: _read_checked(sound_path(folder, key), mark) for key, mark in sounds.items()},
    )


def read_manifest(folder: Path) -> tuple[str, Manifest]:
    """The study's id and what manifest.json holds."""
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(f"--study={folder}: no {MANIFEST} there; make it with `cmgen.rate collect`")
    data = path.read_bytes()
    try:
        values = json.loads(data)
        if values["format_version"] != FORMAT_VERSION:
            raise UserError(
                f"{path}: has format version {values['format_version']}, this cmgen reads "
                f"{FORMAT_VERSION}; use the version that wrote it"
            )
        manifest = build(Manifest, values, str(path), False, "collect the study again")
        _check(manifest)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path}: damaged or not written by cmgen ({error}); collect the study again"
        ) from error
    return sha256(data)[:16], manifest


def rater_order(manifest: Manifest, number: int) -> list[Item]:
    """All items in the order of one rater, a function of the study and the rater's number.

    There are as many rounds as sources. A round shows each window once, its sources dealt out in
    turn, so that nobody hears a sound a second time before having heard every other one. Each run
    of as many pictures as there are sources has one of each, so that a rater who stops early
    leaves balanced votes. Two raters in a row get the same sources in the same round, so that
    their agreement can be measured early; the next two go on with the next source.

    Args:
      manifest: windows and items.
      number: of the rater, from 0.
    """
    draw = random.Random(f"{manifest.seed} {number}")
    items, sources = manifest.item_at(), manifest.sources
    rounds = []
    for turn in range(len(sources)):
        dealt: list[list[Item]] = [[] for _ in sources]
        for window in range(len(manifest.windows)):
            source = (window + number // 2 + turn) % len(sources)
            dealt[source].append(items[window, sources[source]])
        for pile in dealt:
            draw.shuffle(pile)
        rounds.append(_interleave(dealt, draw))
    return list(chain.from_iterable(rounds))


def _interleave(piles: Sequence[list[Item]], draw: random.Random) -> list[Item]:
    """One of each pile, in an order drawn anew, until all are empty."""
    mixed: list[Item] = []
    for place in range(max(map(len, piles))):
        block = [pile[place] for pile in piles if place < len(pile)]
        draw.shuffle(block)
        mixed += block
    return mixed


def picture_path(folder: Path, key: str) -> Path:
    return folder / PICTURES / f"{key}.png"


def sound_path(folder: Path, key: str) -> Path:
    return folder / SOUNDS / f"{key}.wav"


def sha256(data: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def check_sources(names: Sequence[str]) -> None:
    """Raises a UserError unless names of runs are short, distinct and not that of real pictures."""
    for name in names:
        if not re.fullmatch(r"[\w.+-][\w .+-]{0,23}", name) or name == REAL:
            raise UserError(
                f"--run={name}=...: a source's name has 1 to 24 letters, digits, spaces or .+-_ "
                f"and is not {REAL!r}"
            )
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UserError(f"--run={min(twice)}=...: two sources have this name; rename one")


def _check(manifest: Manifest) -> None:
    keys = [item.picture for item in manifest.items]
    keys += [window.sound for window in manifest.windows]
    if len(set(keys)) < len(keys) or not all(_KEY.fullmatch(key) for key in keys):
        raise ValueError("the names of files are not distinct keys of 16 hex digits")
    expected = {(w, s) for w in range(len(manifest.windows)) for s in manifest.sources}
    if not expected or manifest.item_at().keys() != expected or len(expected) < len(manifest.items):
        raise ValueError("there is not one picture for each window and source")


def _read_checked(path: Path, mark: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"{path}: can't be read ({error.strerror}); collect the study again"
        raise UserError(message) from error
    if sha256(data) != mark:
        raise UserError(f"{path}: is not the file that the manifest names; collect the study again")
    return data
