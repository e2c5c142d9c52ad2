"""Raw folders -> recordings: videos, sounds and pictures, Sub-URMP. No TensorFlow.

A source is recognised by the names of its files, as a list of items that any process can read, one
by one, from any copy of the folder: `item.read(folder, options)` returns recordings.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np

from cmgen.config import WINDOW_SECONDS
from cmgen.data.recording import ReadOptions, Recording, to_int16
from cmgen.media import images
from cmgen.media.sound import decode_sound_file
from cmgen.media.video import read_video
from cmgen.prepare import sub_urmp
from cmgen.prepare.listing import LeftOut, Listing, RawFile, list_folder
from cmgen.prepare.names import (
    PICTURE_SUFFIXES,
    SOUND_SUFFIXES,
    STANDARD_SPLITS,
    TRACK_SUFFIX,
    VIDEO_SUFFIXES,
    draw_tree,
    split_name,
    suffix,
    unified,
    unified_names,
    why_unread,
)
from cmgen.utils.errors import UserError

# Usual names of the two folders of unpaired data.
_PICTURE_FOLDERS = ("images", "image", "pictures", "photos")
_SOUND_FOLDERS = ("sounds", "sound", "audio", "audios")
_SHOWN = 5


class Item(Protocol):
    """A part of a source that is read in one go."""

    @property
    def id(self) -> str: ...

    @property
    def class_name(self) -> str: ...

    @property
    def split(self) -> str: ...

    @property
    def size(self) -> int:
        """Bytes of the files."""

    @property
    def files(self) -> Sequence[str]:
        """Names of the files within the source's folder."""

    def read(self, folder: Path, options: ReadOptions) -> tuple[list[Recording], list[str]]:
        """Returns the recordings, and notes on what was omitted; `folder` holds the files."""


@dataclass(frozen=True)
class FileItem:
    """A media file: a video with sound, a sound or a picture.

    Attributes:
      file: name within the source's folder.
      id: name within the source.
      class_name: name of the folder.
      split: "train", "validation", "test", another name, or "" if the folder has no splits.
      size: in bytes.
    """

    file: str
    id: str
    class_name: str
    split: str
    size: int = 0

    @property
    def files(self) -> Sequence[str]:
        return (self.file,)

    def read(self, folder: Path, options: ReadOptions) -> tuple[list[Recording], list[str]]:
        path = folder / self.file
        kind = suffix(self.file)
        base = Recording(self.id, self.id, self.class_name)
        if kind in PICTURE_SUFFIXES:
            pixels = images.read_image(path, options.image_size, options.limits)
            return [base.with_frames([images.square(pixels, options.image_size)], np.zeros(1))], []
        if kind in SOUND_SUFFIXES:
            return [base.with_sound(to_int16(decode_sound_file(path, limits=options.limits)))], []
        video = read_video(path, options.image_size, options.max_fps, limits=options.limits)
        times = video.times + options.middle_offset
        seconds = len(video.sound) / video.sample_rate
        if not np.any(
            (times >= WINDOW_SECONDS / 2 - 0.05) & (times <= seconds - WINDOW_SECONDS / 2 + 0.05)
        ):
            raise UserError(
                f"{path}: no picture lies in the middle of {WINDOW_SECONDS} s of sound; "
                "give a video whose pictures and sound run together"
            )
        return [base.with_sound(to_int16(video.sound)).with_frames(video.frames, times)], []


@dataclass(frozen=True)
class Source:
    """A raw folder whose layout was recognised.

    Attributes:
      kind: "videos", "sub_urmp" or "unpaired" (pictures and sounds that share only their class).
      path: of the folder, or its address.
      items: in a fixed order.
      left_out: whatever else lies in the folder.
    """

    kind: str
    path: str
    items: Sequence[Item]
    left_out: Sequence[LeftOut] = ()


def find_source(folder: Path, skip_bad_files: bool = False) -> Source:
    """Recognises the layout of a raw folder and lists its items; see `list_folder`."""
    return recognise(list_folder(folder, skip_bad_files))


def recognise(listing: Listing) -> Source:
    """Recognises the layout of a folder by the names of its files."""
    kind, items = _recognise(listing)
    used = {name for item in items for name in item.files}
    used |= {str(PurePosixPath(name).with_suffix(TRACK_SUFFIX)) for name in used}
    unused = [
        LeftOut(file.name, why_unread(file.name)) for file in listing.files if file.name not in used
    ]
    return Source(kind, listing.folder, items, (*listing.left_out, *unused))


def _recognise(listing: Listing) -> tuple[str, Sequence[Item]]:
    folders = {name.casefold(): name for name in sorted(listing.folders)}
    if {"img", "chunk"} <= folders.keys():
        return "sub_urmp", sub_urmp.find_songs(listing)
    pictures, sounds = (
        next((folders[name] for name in names if name in folders), None)
        for names in (_PICTURE_FOLDERS, _SOUND_FOLDERS)
    )
    if pictures is None or sounds is None:
        return "videos", _find_files(listing, "", VIDEO_SUFFIXES | SOUND_SUFFIXES, "")
    items = _find_files(listing, f"{pictures}/", PICTURE_SUFFIXES, "image/")
    items += _find_files(listing, f"{sounds}/", SOUND_SUFFIXES, "sound/")
    if len({item.split == "" for item in items}) > 1:
        raise UserError(
            f"{listing.folder}: only one of {pictures} and {sounds} has splits; arrange both as "
            "split/class/name, or both as class/name"
        )
    return "unpaired", items


def item_to_json(item: Item) -> dict[str, Any]:
    """Returns what `item_from_json` takes."""
    return dataclasses.asdict(item)  # type: ignore[call-overload]


def item_from_json(values: dict[str, Any]) -> Item:
    """Returns the item that `item_to_json` was given."""
    return FileItem(**values) if "file" in values else sub_urmp.song_from_json(values)


def _find_files(
    listing: Listing, inside: str, suffixes: frozenset[str], prefix: str
) -> list[FileItem]:
    """Lists items at `split/class/name` or `class/name` under the folder `inside`, all at one depth."""
    root = f"{listing.folder}/{inside}".rstrip("/")
    files = [
        dataclasses.replace(file, name=file.name.removeprefix(inside))
        for file in listing.files
        if file.name.startswith(inside) and suffix(file.name) in suffixes
    ]
    if not files:
        common = (".mp4", ".mov", ".mkv", ".jpg", ".png", ".wav", ".mp3")
        raise UserError(
            f"{root}: found no {', '.join(s for s in common if s in suffixes)} or similar files; "
            "arrange them as split/class/name.mp4 or class/name.mp4"
        )
    names = [file.name for file in files]
    if problem := _misplaced(names):
        places = (name.rpartition("/")[0] or "(no folder)" for name in names)
        raise UserError(f"{root}{problem}; it holds:\n{draw_tree(root, places, 8)}")
    ids = unified_names(names)
    items = [_file_item(*pair, inside, prefix) for pair in zip(files, ids, strict=True)]
    return sorted(items, key=lambda item: item.id.split("/"))


def _misplaced(names: Sequence[str]) -> str:
    """Returns what is wrong with where the files lie, after the name of their folder; or nothing."""
    depths = [name.count("/") for name in names]
    first = list(dict.fromkeys(name.partition("/")[0] for name in names))
    shown = ", ".join(first[:_SHOWN]) + (", ..." if len(first) > _SHOWN else "")
    splits = [split_name(folder) in STANDARD_SPLITS for folder in first]
    if set(depths) == {1}:
        if not all(splits):
            return ""
        return (
            f": has files in {shown} where folders of classes should be; arrange train/class/name"
        )
    if set(depths) == {2}:
        if any(splits):
            return ""
        return (
            f": none of its folders ({shown}) is named train, validation or test; if they are splits, "
            "rename them; if they are classes, move all files up to class/name"
        )
    usual = Counter(depth for depth in depths if depth in (1, 2)).most_common(1) or [(1, 0)]
    odd = next(n for n, depth in zip(names, depths, strict=True) if depth != usual[0][0])
    return f"/{odd}: every file must lie at split/class/name or every file at class/name; move it there"


def _file_item(file: RawFile, name: str, inside: str, prefix: str) -> FileItem:
    """Makes the item of a file, whose id is `name` behind `prefix`."""
    parts = file.name.split("/")
    split = split_name(parts[0]) if len(parts) == 3 else ""
    return FileItem(inside + file.name, prefix + name, unified(parts[-2]), split, file.size)
