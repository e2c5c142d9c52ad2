"""A recording that lies in two splits: scores of the second would be of what was learned by heart."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from cmgen.data.recording import ReadOptions, Recording
from cmgen.data.recordings import Recordings
from cmgen.data.records import MARKS
from cmgen.prepare.plan import STANDARD_SPLITS
from cmgen.prepare.reading import read_item
from cmgen.prepare.sources import Item
from cmgen.utils.errors import UserError
from cmgen.utils.hashes import file_hash

Contents = Mapping[str, str]
_SONG = "song "
_SHOWN = 5  # pairs in a message


def contents(recordings: Recordings) -> dict[str, str]:
    """What tells each recording and the song that it is a piece of -> the recording's id.

    These are the songs' names, and the marks of sound and pictures. Silence, or one colour alone, is in
    many recordings, so it has no mark.
    """
    found: dict[str, str] = {}
    marks = zip(*(recordings.marks[name] for name in MARKS), strict=True)
    for name, group, its in zip(recordings.ids, recordings.groups, marks, strict=True):
        found |= contents_of(str(name), str(group), *its)
    return found


def contents_of_all(recordings: Iterable[Recording]) -> dict[str, str]:
    """`contents` of recordings that were just read."""
    found: dict[str, str] = {}
    for one in recordings:
        found |= contents_of(one.id, one.group, one.sound_mark, one.frames_mark)
    return found


def contents_of(name: str, group: str, sound_mark: bytes, frames_mark: bytes) -> dict[str, str]:
    """`contents` of one recording, by its fields."""
    marks = {"sound": sound_mark, "pictures": frames_mark}
    found = {f"{kind} {mark.hex()}": name for kind, mark in marks.items() if mark}
    return {_SONG + group: name, **found}


def check_apart(splits: Mapping[str, Contents], source: str) -> None:
    """Refuses splits that share a song, a sound or the pictures of a recording.

    Args:
      splits: name -> `contents` of its recordings.
      source: of the data, for the message, which names the first few pairs.
    """
    known: dict[str, tuple[str, str]] = {}
    pairs: dict[str, None] = {}
    for split, parts in splits.items():
        for mark, name in parts.items():
            other, twin = known.setdefault(mark, (split, name))
            if other != split:
                pairs[f"{name} in {split} is the same recording as {twin} in {other}"] = None
    if pairs:
        more = f" (and {len(pairs) - _SHOWN} pairs more)" if len(pairs) > _SHOWN else ""
        raise UserError(
            f"{source}: {'; '.join(list(pairs)[:_SHOWN])}{more}, so that scores would flatter; remove "
            "one of the two files and prepare the data again"
        )


def check_files(items: Sequence[Item], folder: Path, options: ReadOptions) -> None:
    """`check_apart` of raw files that are the same byte by byte, before all the others are decoded.

    Args:
      items: with their splits.
      folder: holds their files.
      options: how they are read.
    """
    alone = [item for item in items if item.split in STANDARD_SPLITS and len(item.files) == 1]
    same = _in_two_splits(alone, lambda item: item.size)
    bar = tqdm(total=len(same), unit="file", desc="comparing files", leave=False, delay=1.0)

    def content(item: Item) -> Hashable:
        bar.update()
        try:
            return file_hash(folder / item.files[0])
        except OSError:  # told when it is read
            return item.id

    with bar:
        same = _in_two_splits(same, content)
    read = (read_item(item, folder, options, skip=True)[0] for item in same)
    check_read(
        ((item.split, contents_of_all(some)) for item, some in zip(same, read, strict=True)),
        str(folder),
    )


def _in_two_splits(items: Sequence[Item], key: Callable[[Item], Hashable]) -> list[Item]:
    """The items whose key another item of another split has, too."""
    keys = [key(item) for item in items]
    splits: dict[Hashable, set[str]] = defaultdict(set)
    for item, its in zip(items, keys, strict=True):
        splits[its].add(item.split)
    return [item for item, its in zip(items, keys, strict=True) if len(splits[its]) > 1]


def check_read(parts: Iterable[tuple[str, Contents]], source: str) -> None:
    """`check_apart` of what was read piece by piece.

    Splits beside train, validation and test may overlap with these on purpose.

    Args:
      parts: splits, and contents of recordings in them; a split may come several times.
      source: of the data, for the message.
    """
    found: dict[str, dict[str, str]] = {split: {} for split in STANDARD_SPLITS}
    for split, some in parts:
        if split in found:
            found[split].update(some)
    check_apart(found, source)


def check_unseen(trained_on: Contents, held_out: Contents, source: str) -> None:
    """Refuses recordings of other data that a run was trained on, whatever they are called there.

    Args:
      trained_on: `contents` of the run's train split.
      held_out: of a split of the other data that isn't trained on.
      source: of the other data, for the message.
    """
    for mark in trained_on.keys() & held_out.keys():
        if not mark.startswith(_SONG):  # other data may have songs of the same name
            raise UserError(
                f"{source}: {held_out[mark]} is {trained_on[mark]}, which the run was trained on, so "
                "that scores would flatter; remove it and prepare the data again"
            )
