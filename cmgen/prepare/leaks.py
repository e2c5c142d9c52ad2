"""Finds recordings that lie in two splits, where scores would measure memorization."""

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
    """Maps what identifies each recording to its id: name of its song, marks of sound and pictures.

    Silence or a single colour, which occur in many recordings, have no mark.
    """
    columns = recordings.ids, recordings.groups, *(recordings.marks[name] for name in MARKS)
    return contents_of_rows(zip(*columns, strict=True))


def contents_of_read(recordings: Iterable[Recording]) -> dict[str, str]:
    """Returns `contents` of recordings that were just read."""
    return contents_of_rows((r.id, r.group, r.sound_mark, r.frames_mark) for r in recordings)


def contents_of_rows(rows: Iterable[tuple[str, str, bytes, bytes]]) -> dict[str, str]:
    """Returns `contents` of (id, group, mark of the sound, mark of the pictures)."""
    marked: dict[str, str] = {}
    for name, group, sound, pictures in rows:
        marked[_SONG + group] = str(name)
        marks = {"sound": sound, "pictures": pictures}
        marked |= {f"{kind} {mark.hex()}": str(name) for kind, mark in marks.items() if mark}
    return marked


def check_apart(splits: Mapping[str, Contents], source: str) -> None:
    """Refuses splits that share a song, a sound or the pictures of a recording.

    Splits besides train, validation and test may overlap with test, and with one another.

    Args:
      splits: name -> `contents` of its recordings; train, validation and test come first.
      source: of the data, for the message, which names the first few pairs.
    """
    owners: dict[str, tuple[str, str]] = {}
    pairs: dict[str, None] = {}
    for split, marked in splits.items():
        for mark, name in marked.items():
            other, twin = owners.setdefault(mark, (split, name))
            if other != split and not _may_share(other, split):
                pairs[f"{name} in {split} is the same recording as {twin} in {other}"] = None
    if pairs:
        more = f" (and {len(pairs) - _SHOWN} pairs more)" if len(pairs) > _SHOWN else ""
        raise UserError(
            f"{source}: {'; '.join(list(pairs)[:_SHOWN])}{more}, so that scores would flatter; remove "
            "one of the two files and prepare the data again"
        )


def _may_share(one: str, other: str) -> bool:
    """Whether two splits may overlap: one is an extra one, and neither is learned or chosen from."""
    extra = {one, other} - set(STANDARD_SPLITS)
    return bool(extra) and not {one, other} & {"train", "validation"}


def check_files(items: Sequence[Item], folder: Path, options: ReadOptions) -> None:
    """Applies `check_apart` to raw files with equal bytes, before all others are decoded.

    Args:
      items: with their splits.
      folder: holds the files.
      options: how to read them.
    """
    single = [item for item in items if item.split in STANDARD_SPLITS and len(item.files) == 1]
    same = _in_two_splits(single, lambda item: item.size)
    bar = tqdm(total=len(same), unit="file", desc="comparing files", leave=False, delay=1.0)

    def content(item: Item) -> Hashable:
        bar.update()
        try:
            return file_hash(folder / item.files[0])
        except OSError:  # reported when the item is read
            return item.id

    with bar:
        same = _in_two_splits(same, content)
    read = (read_item(item, folder, options, skip=True)[0] for item in same)
    check_read(
        ((item.split, contents_of_read(part)) for item, part in zip(same, read, strict=True)),
        str(folder),
    )


def _in_two_splits(items: Sequence[Item], key: Callable[[Item], Hashable]) -> list[Item]:
    """Selects the items that share their key with an item of another split."""
    keyed = [(item, key(item)) for item in items]
    splits: dict[Hashable, set[str]] = defaultdict(set)
    for item, value in keyed:
        splits[value].add(item.split)
    return [item for item, value in keyed if len(splits[value]) > 1]


def check_read(parts: Iterable[tuple[str, Contents]], source: str) -> None:
    """Applies `check_apart` to contents that were read piece by piece.

    Args:
      parts: splits, and contents of recordings in them; a split may come several times.
      source: of the data, for the message.
    """
    splits: dict[str, dict[str, str]] = {split: {} for split in STANDARD_SPLITS}
    for split, marked in parts:
        splits.setdefault(split, {}).update(marked)
    check_apart(splits, source)


def check_unseen(trained_on: Contents, held_out: Contents, source: str) -> None:
    """Refuses recordings of other data that a run was trained on, under whatever name.

    Args:
      trained_on: `contents` of the run's train split.
      held_out: `contents` of a split of the other data that isn't trained on.
      source: of the other data, for the message.
    """
    for mark in trained_on.keys() & held_out.keys():
        if not mark.startswith(_SONG):  # other data may have songs of the same name
            raise UserError(
                f"{source}: {held_out[mark]} is {trained_on[mark]}, which the run was trained on, so "
                "that scores would flatter; remove it and prepare the data again"
            )
