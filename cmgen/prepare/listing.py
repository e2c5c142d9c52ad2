"""Lists names and sizes in a raw folder, before any file is opened. No TensorFlow."""

import errno
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmgen.utils.errors import UserError

# What systems keep in folders of their users.
_SYSTEM_NAMES = {"__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information"}
_SYSTEM_NAMES |= {"Thumbs.db", "desktop.ini"}
HIDDEN = "hidden"
NOT_UTF8 = "name is not UTF-8; convmv -r --notest -f CP437 -t UTF-8, or another -f, renames all"
CIRCLE = "link in a circle"
NO_TARGET = "link to nothing"
SPECIAL = "neither file nor folder"
_SHOWN = 3  # names for each reason


@dataclass(frozen=True)
class RawFile:
    """A file of a raw folder: its name within the folder, with slashes, and size in bytes."""

    name: str
    size: int


@dataclass(frozen=True)
class LeftOut:
    """A file of a raw folder, or a folder with all that is in it, that is not read, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Listing:
    """All files of a raw folder.

    Attributes:
      folder: a path, or an address such as gs://bucket/videos.
      files: sorted by name.
      folders: names of the folders directly inside, which may be empty.
      left_out: what is not among `files`.
    """

    folder: str
    files: Sequence[RawFile]
    folders: frozenset[str]
    left_out: Sequence[LeftOut] = ()


def is_address(path: str) -> bool:
    """Whether a path is on another file system than this machine's, such as gs://bucket/videos."""
    return "://" in path


def is_folder(path: Path) -> bool:
    """Whether a path is a folder as far as this user may know."""
    try:
        return path.is_dir()
    except OSError:
        return False


def list_folder(folder: Path, skip_bad_files: bool = False) -> Listing:
    """Lists a folder of this machine, with the folders that links in it lead to.

    Args:
      folder: a path.
      skip_bad_files: leaves out what the system refuses to list, instead of raising a UserError.
    """
    if not is_folder(folder):
        raise UserError(f"{folder}: no such folder; give a folder of videos")
    files: list[RawFile] = []
    left_out: list[LeftOut] = []
    top: set[str] = set()
    pending: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", (_identity(folder.stat()),))]

    def refused(name: str, error: OSError) -> None:
        problem = f"cannot be read ({error.strerror})"
        if not skip_bad_files:
            raise UserError(
                f"{folder / name}: {problem}; let it be read, move it away, or leave it out with "
                "cmgen.prepare --skip_bad_files"
            ) from error
        left_out.append(LeftOut(name, problem))

    while pending:
        parent, above = pending.pop()
        try:
            with os.scandir(folder / parent) as scanned:
                entries = list(scanned)
        except OSError as error:
            refused(parent, error)
            continue
        for entry in entries:
            name = f"{parent}/{entry.name}" if parent else entry.name
            if reason := _unwanted(entry.name):
                left_out.append(LeftOut(_printable(name), reason))
                continue
            try:
                status = entry.stat()
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ELOOP):
                    reason = NO_TARGET if error.errno == errno.ENOENT else CIRCLE
                    left_out.append(LeftOut(name, reason))
                else:
                    refused(name, error)
                continue
            if stat.S_ISREG(status.st_mode):
                files.append(RawFile(name, status.st_size))
            elif not stat.S_ISDIR(status.st_mode):
                left_out.append(LeftOut(name, SPECIAL))
            elif _identity(status) in above:
                left_out.append(LeftOut(name, CIRCLE))
            else:
                pending.append((name, (*above, _identity(status))))
                if not parent:
                    top.add(name)
    return make_listing(str(folder), files, top, left_out)


def make_listing(
    folder: str,
    files: Iterable[RawFile],
    folders: Iterable[str] = (),
    left_out: Iterable[LeftOut] = (),
) -> Listing:
    """Sorts the files, without hidden ones and those in hidden folders.

    Args:
      folder: a path or an address.
      files: in any order.
      folders: names of folders directly inside; those with files need not be among them.
      left_out: what is known to be left out already.
    """
    kept, omitted = [], list(left_out)
    for file in files:
        parts = file.name.split("/")
        depth = next((i for i, part in enumerate(parts) if _unwanted(part)), None)
        if depth is None:
            kept.append(file)
        else:
            omitted.append(LeftOut("/".join(parts[: depth + 1]), _unwanted(parts[depth])))
    inside = {file.name.partition("/")[0] for file in kept if "/" in file.name}
    return Listing(
        folder,
        sorted(kept, key=lambda f: f.name.split("/")),
        frozenset({*folders, *inside}),
        sorted(dict.fromkeys(omitted), key=lambda o: o.file),
    )


def print_left_out(left_out: Iterable[LeftOut]) -> None:
    """Prints how much was left out for each reason, with a few names."""
    names: dict[str, list[str]] = {}
    for left in left_out:
        names.setdefault(left.reason, []).append(left.file)
    for reason, files in names.items():
        shown = ", ".join(files[:_SHOWN]) + (", ..." if len(files) > _SHOWN else "")
        print(f"note: left out {len(files)} ({reason}): {shown}", file=sys.stderr)


def _unwanted(name: str) -> str:
    """Returns why a file or folder of this name is left out; empty if it isn't."""
    if name.startswith(".") or name in _SYSTEM_NAMES:
        return HIDDEN
    return "" if _printable(name) == name else NOT_UTF8


def _printable(name: str) -> str:
    r"""Replaces each byte that is not UTF-8 by text such as \xf6."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
