"""Whole files or none: everything is written under a temporary name and renamed when complete."""

import json
import os
import re
import shutil
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from cmgen.utils.errors import FAILED_WORK, UserError, disk_is_full

_MARK = ".cmgen-"  # in the name of everything unfinished, followed by 8 random digits
_PARTIAL = ".partial"
# Another process holds a folder, or this system cannot tell.
_NO_LOCK = (OSError, ImportError)
# Where TensorFlow writes a checkpoint before it renames it.
_TENSORFLOW_PARTIAL = ("ckpt-*_temp", "ckpt-*.tempstate*", "checkpoint.tmp*")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; renamed to `path` on success, removed on any failure.

    The temporary name keeps the suffix of `path`, since writers choose their format by it.
    """
    path = Path(path)
    temporary = _temporary_name(path)
    try:
        with explained_disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            temporary.replace(path)
    finally:
        with suppress(OSError):  # a read-only disk refuses even where there is no file
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yields a new temporary folder beside `path`; renamed to `path` on success, else removed.

    Removes those that killed processes left of `path`, as far as the system's locks tell.
    `path` must not exist yet or be an empty folder, so that nobody's files are replaced.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{path}: exists and is not an empty folder; remove it or name another")
    temporary = _temporary_name(path)
    try:
        with explained_disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(path)
            temporary.mkdir()
            with ExitStack() as stack:
                with suppress(*_NO_LOCK):
                    stack.enter_context(_held(temporary))
                yield temporary
                if path.exists():
                    path.rmdir()
                temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Removes what a killed process was writing directly in a folder; only names with our mark."""
    for leftover in _marked(folder, r"\..+", ".*"):
        _remove(leftover)


def remove_leftovers_of(path: Path) -> None:
    """Removes what killed processes left of `path`, which no other process writes."""
    for leftover in _leftovers_of(path):
        _remove(leftover)


def remove_unfinished_checkpoints(folder: Path) -> None:
    """Removes what TensorFlow had not renamed yet, directly in a folder of our checkpoints."""
    for pattern in _TENSORFLOW_PARTIAL:
        for path in list(folder.glob(pattern)):
            _remove(path)


def _remove_abandoned(path: Path) -> None:
    """Removes the folders of `remove_leftovers_of` that no process holds."""
    for leftover in _leftovers_of(path):
        with suppress(*_NO_LOCK), _held(leftover):
            _remove(leftover)


def _leftovers_of(path: Path) -> list[Path]:
    return _marked(path.parent, re.escape(f".{path.stem}"), re.escape(path.suffix))


def _marked(folder: Path, begin: str, end: str) -> list[Path]:
    """Lists names in a folder with our mark (see `_temporary_name`) between two regular expressions."""
    ours = re.compile(f"{begin}{re.escape(_MARK)}[0-9a-f]{{8}}{re.escape(_PARTIAL)}{end}")
    return [p for p in folder.iterdir() if ours.fullmatch(p.name)] if folder.is_dir() else []


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Holds a folder until the process ends, however it does; raises one of _NO_LOCK if it can't."""
    import fcntl  # which Windows lacks

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a whole file or nothing."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Writes a whole UTF-8 file or nothing."""
    write_bytes(path, text.encode("utf-8"))


def read_json(path: Path, remedy: str) -> Any:
    """Reads a JSON file that cmgen wrote; a damaged one is a UserError that ends with `remedy`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: damaged ({error}); {remedy}") from error


class TooLargeError(ValueError):
    """A file holds more than it may."""


def read_arrays(path: Path, most: int, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Reads the arrays of an .npz file that cmgen wrote; damaged bytes raise nearly any error.

    Args:
      path: of the file.
      most: bytes that the arrays may hold in all, checked before any is read.
      names: of the arrays to read; all if None.

    Raises:
      TooLargeError: the arrays hold more.
    """
    with zipfile.ZipFile(path) as archive:
        held = sum(member.file_size for member in archive.infolist())
    if held > most:
        raise TooLargeError(f"holds {held} bytes, more than the {most} that belong there")
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in (stored.files if names is None else names)}


@contextmanager
def explained_disk_errors(path: Path) -> Iterator[None]:
    """Turns a full disk, a read-only folder and the like into a UserError that names `path`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if disk_is_full(error):
            raise UserError(
                f"{path}: the disk is full; nothing was left half-written; free some space or "
                "write to another disk, then run the same command again",
                FAILED_WORK,
            ) from error
        reason = _forbidden(error)
        if reason:
            raise UserError(
                f"{path}: may not be written here ({reason}); name another folder", FAILED_WORK
            ) from error
        raise


def _forbidden(error: Exception) -> str | None:
    """Returns why a file may not be written, if that is the error."""
    if isinstance(error, PermissionError):
        return error.strerror or "no permission"
    reasons = ("Read-only file system", "Permission denied")
    return next((reason for reason in reasons if reason in str(error)), None)


def _temporary_name(path: Path) -> Path:
    mark = f"{_MARK}{uuid.uuid4().hex[:8]}{_PARTIAL}"
    return path.with_name(f".{path.stem}{mark}{path.suffix}")
