"""Raw folders -> recordings: videos, sounds and pictures, Sub-URMP. No TensorFlow.

A source is recognised by the names of its files, as a list of items that any process can read, one
by one, from any copy of the folder: `item.read(folder, options)` returns recordings.
"""

import dataclasses
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
from cmgen.prepare.listing import Listing, RawFile, list_folder
from cmgen.utils.errors import UserError

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv",
     ".ts", ".vob", ".webm", ".wmv"}
)  # fmt: skip
SOUND_SUFFIXES = frozenset(
    {".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"}
)
PICTURE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

_SPLIT_NAMES = {"val": "validation", "valid": "validation", "dev": "validation"}


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
        suffix = path.suffix.lower()
        base = Recording(self.id, self.id, self.class_name)
        if suffix in PICTURE_SUFFIXES:
            pixels = images.read_image(path, options.image_size, options.limits)
            return [base.with_frames([images.square(pixels, options.image_size)], np.zeros(1))], []
        if suffix in SOUND_SUFFIXES:
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
    """

    kind: str
    path: str
    items: Sequence[Item]


def find_source(folder: Path) -> Source:
    """Recognises the layout of a raw folder and lists its items."""
    return recognise(list_folder(folder))


def recognise(listing: Listing) -> Source:
    """Recognises the layout of a folder by the names of its files."""
    if {"img", "chunk"} <= listing.folders:
        return Source("sub_urmp", listing.folder, sub_urmp.find_songs(listing))
    if {"images", "sounds"} <= listing.folders:
        items = _find_files(listing, "images/", PICTURE_SUFFIXES, "image/")
        items += _find_files(listing, "sounds/", SOUND_SUFFIXES, "sound/")
        return Source("unpaired", listing.folder, items)
    return Source(
        "videos", listing.folder, _find_files(listing, "", VIDEO_SUFFIXES | SOUND_SUFFIXES, "")
    )


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
        if file.name.startswith(inside) and PurePosixPath(file.name).suffix.lower() in suffixes
    ]
    if not files:
        raise UserError(
            f"{root}: found no {'/'.join(sorted(s[1:] for s in suffixes)[:6])}... files; "
            "arrange them as split/class/name.mp4 or class/name.mp4"
        )
    depths = {len(file.name.split("/")) for file in files}
    if not depths <= {2, 3} or len(depths) > 1:
        odd = next(f for f in files if len(f.name.split("/")) not in (2, 3) or len(depths) > 1)
        raise UserError(
            f"{root}/{odd.name}: every file must lie at split/class/name or every file at "
            f"class/name under {root}; move it there"
        )
    return [_file_item(file, inside, prefix) for file in files]


def _file_item(file: RawFile, inside: str, prefix: str) -> FileItem:
    parts = file.name.split("/")
    split = _SPLIT_NAMES.get(parts[0].lower(), parts[0]) if len(parts) == 3 else ""
    return FileItem(inside + file.name, prefix + file.name, parts[-2], split, file.size)
