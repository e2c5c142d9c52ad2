"""Folders that people have -> recordings: videos, sounds and pictures, Sub-URMP.

A source is found in a folder as a list of items that can be read one by one, in any process:
`item.read(options)` gives recordings. No TensorFlow here.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from cmgen import images
from cmgen.data import sub_urmp
from cmgen.data.recording import ReadOptions, Recording, encode_flac, encode_frames, to_int16
from cmgen.errors import UserError
from cmgen.sound_files import MIN_SECONDS, decode_sound_file
from cmgen.video import read_video

VIDEO_SUFFIXES = frozenset(
    {
        ".3gp",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
    }
)
SOUND_SUFFIXES = frozenset(
    {".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"}
)
PICTURE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

_SPLIT_NAMES = {"val": "validation", "valid": "validation", "dev": "validation"}


class Item(Protocol):
    """A part of a source that is read at once."""

    @property
    def id(self) -> str: ...

    @property
    def class_name(self) -> str: ...

    @property
    def split(self) -> str: ...

    def read(self, options: ReadOptions) -> tuple[list[Recording], list[str]]:
        """The recordings in it, and notes on what was left out."""


@dataclass(frozen=True)
class FileItem:
    """One media file: a video with sound, a sound alone or a picture alone.

    Attributes:
      path: the file.
      id: its name within the source.
      class_name: its folder's name.
      split: "train", "validation", "test", another name, or "" if the folder gives none.
    """

    path: Path
    id: str
    class_name: str
    split: str

    def read(self, options: ReadOptions) -> tuple[list[Recording], list[str]]:
        suffix = self.path.suffix.lower()
        base = Recording(self.id, self.id, self.class_name)
        if suffix in PICTURE_SUFFIXES:
            pixels = images.read_image(self.path, options.image_size, options.limits)
            frames = encode_frames([images.square(pixels, options.image_size)])
            return [dataclasses.replace(base, frames=frames, times=np.zeros(1))], []
        if suffix in SOUND_SUFFIXES:
            return [_with_sound(base, decode_sound_file(self.path, limits=options.limits))], []
        video = read_video(self.path, options.image_size, options.max_fps, limits=options.limits)
        times = video.times + options.middle_offset
        seconds = len(video.sound) / video.sample_rate
        if not np.any(
            (times >= MIN_SECONDS / 2 - 0.05) & (times <= seconds - MIN_SECONDS / 2 + 0.05)
        ):
            raise UserError(
                f"{self.path}: no picture lies in the middle of {MIN_SECONDS} s of sound; "
                "give a video whose pictures and sound run together"
            )
        frames = encode_frames(video.frames)
        return [dataclasses.replace(_with_sound(base, video.sound), frames=frames, times=times)], []


@dataclass(frozen=True)
class Source:
    """What was found in a folder.

    Attributes:
      kind: "videos", "sub_urmp" or "unpaired" (pictures and sounds that share only their class).
      path: the folder.
      items: in a fixed order.
    """

    kind: str
    path: Path
    items: Sequence[Item]


def find_source(folder: Path) -> Source:
    """Recognises the layout of a raw folder and lists what is in it."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give a folder of videos")
    if sub_urmp.is_sub_urmp(folder):
        return Source("sub_urmp", folder, sub_urmp.find_songs(folder))
    if (folder / "images").is_dir() and (folder / "sounds").is_dir():
        items = _find_files(folder / "images", PICTURE_SUFFIXES, "image/")
        return Source(
            "unpaired", folder, items + _find_files(folder / "sounds", SOUND_SUFFIXES, "sound/")
        )
    return Source("videos", folder, _find_files(folder, VIDEO_SUFFIXES | SOUND_SUFFIXES, ""))


def _find_files(root: Path, suffixes: frozenset[str], prefix: str) -> list[FileItem]:
    """Items for `split/class/name` or `class/name` under `root`, one depth for all."""
    paths = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in suffixes
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not paths:
        raise UserError(
            f"{root}: found no {'/'.join(sorted(s[1:] for s in suffixes)[:6])}... files; "
            "arrange them as split/class/name.mp4 or class/name.mp4"
        )
    depths = {len(path.relative_to(root).parts) for path in paths}
    if not depths <= {2, 3} or len(depths) > 1:
        odd = next(
            p for p in paths if len(p.relative_to(root).parts) not in (2, 3) or len(depths) > 1
        )
        raise UserError(
            f"{odd}: every file must lie at split/class/name or every file at class/name under "
            f"{root}; move it there"
        )
    return [_file_item(path, root, prefix) for path in paths]


def _file_item(path: Path, root: Path, prefix: str) -> FileItem:
    parts = path.relative_to(root).parts
    split = _SPLIT_NAMES.get(parts[0].lower(), parts[0]) if len(parts) == 3 else ""
    return FileItem(path, prefix + path.relative_to(root).as_posix(), parts[-2], split)


def _with_sound(base: Recording, waveform: np.ndarray) -> Recording:
    samples = to_int16(waveform)
    return dataclasses.replace(base, sound=encode_flac(samples), samples=len(samples))
