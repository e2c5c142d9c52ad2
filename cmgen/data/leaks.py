"""A recording that lies in two splits: scores of the second would be of what was learned by heart."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cmgen.data.recordings import Recordings, read_undecoded
from cmgen.data.shards import DatasetInfo
from cmgen.errors import UserError

Contents = Mapping[bytes, str]
_SONG = b"song "


def contents(recordings: Recordings) -> dict[bytes, str]:
    """What tells each recording and the song that it is a piece of -> the recording's id.

    These are their names, and digests of its sound and of its pictures, coded ones of streamed data.
    Silence, or one colour alone, is in many recordings, so it doesn't count.
    """
    names = zip(recordings.ids, recordings.groups, strict=True)
    found = {_SONG + str(group).encode(): str(name) for name, group in names}
    for kind, data, offsets in (
        (b"sound", recordings.sound, recordings.sound_offsets),
        (b"pictures", recordings.frames, recordings.frame_offsets),
    ):
        if data is None:
            continue
        values = np.asarray(data)
        for name, first, end in zip(recordings.ids, offsets[:-1], offsets[1:], strict=True):
            part = values[first:end]
            if part.size and (part != part.reshape(-1, *part.shape[3:])[0]).any():
                found[kind + hashlib.blake2b(part.tobytes()).digest()] = str(name)
    for which, marks in recordings.marks.items():
        for name, mark in zip(recordings.ids, marks, strict=True):
            if mark.any():
                found[which.encode() + mark.tobytes()] = str(name)
    return found


def check_apart(splits: Mapping[str, Contents], source: str) -> None:
    """Refuses splits that share a song, a sound or the pictures of a recording.

    Args:
      splits: name -> `contents` of its recordings.
      source: of the data, for the message.
    """
    known: dict[bytes, tuple[str, str]] = {}
    for split, parts in splits.items():
        for mark, name in parts.items():
            other, twin = known.setdefault(mark, (split, name))
            if other != split:
                raise UserError(
                    f"{source}: {name} in {split} is the same recording as {twin} in {other}, so that "
                    "scores would flatter; remove one of the two files and prepare the data again"
                )


def check_shards(folder: Path, info: DatasetInfo, source: str) -> None:
    """`check_apart` of the shards of train, validation and test that have just been written.

    Other splits may overlap with these on purpose.

    Args:
      folder: of the shards.
      info: what dataset.json will say of them.
      source: what they were made of, for the message.
    """
    there = [split for split in ("train", "validation", "test") if split in info.splits]
    check_apart({split: contents(read_undecoded(folder, split, info)) for split in there}, source)


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
