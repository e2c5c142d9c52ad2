"""Lists names and sizes in a raw folder, before any file is opened. No TensorFlow."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cmgen.utils.errors import UserError


@dataclass(frozen=True)
class RawFile:
    """A file of a raw folder: its name within the folder, with slashes, and size in bytes."""

    name: str
    size: int


@dataclass(frozen=True)
class Listing:
    """All files of a raw folder.

    Attributes:
      folder: a path, or an address such as gs://bucket/videos.
      files: sorted by name, without hidden ones and those in hidden folders.
      folders: names of the folders directly inside, which may be empty.
    """

    folder: str
    files: Sequence[RawFile]
    folders: frozenset[str]


def is_address(path: str) -> bool:
    """Whether a path is on another file system than this machine's, such as gs://bucket/videos."""
    return "://" in path


def list_folder(folder: Path) -> Listing:
    """Lists a folder of this machine; doesn't follow links to folders."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give a folder of videos")
    files = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(root, name)
            size = _size(path)
            if size is not None:
                files.append(RawFile(path.relative_to(folder).as_posix(), size))
    top = frozenset(path.name for path in folder.iterdir() if path.is_dir())
    return make_listing(str(folder), files, top)


def make_listing(
    folder: str, files: Sequence[RawFile], folders: frozenset[str] = frozenset()
) -> Listing:
    """Sorts the files without hidden ones; `folders` may add empty folders."""
    visible = [f for f in files if not any(part.startswith(".") for part in f.name.split("/"))]
    inside = frozenset(f.name.partition("/")[0] for f in visible if "/" in f.name)
    return Listing(folder, sorted(visible, key=lambda f: f.name.split("/")), folders | inside)


def _size(path: Path) -> int | None:
    """Returns the bytes of a file; None if it is no file or a broken link."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
