"""Locks: one process at a time writes a run folder, or prepares data for all. No TensorFlow."""

import errno
import json
import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from cmgen.utils.errors import FAILED_WORK, UserError
from cmgen.utils.files import explained_disk_errors, remove_leftovers_of, write_text

LOCK_FILE = ".lock"
OWNER_FILE = ".running.json"
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # of network file systems


@contextmanager
def only_writer(workdir: Path) -> Iterator[None]:
    """Holds a run folder; a second process is refused, and told the first one's number and start.

    The system releases the lock however the process ends.

    Args:
      workdir: the run folder; created if missing.
    """
    with explained_disk_errors(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(workdir / LOCK_FILE)
        owner = workdir / OWNER_FILE
        try:
            held = _acquire(lock, timeout=0)
        except Timeout as error:
            raise UserError(
                f"--workdir={workdir}: {_describe_owner(owner)}", FAILED_WORK
            ) from error
        if not held:
            warnings.warn(
                f"{workdir}: this file system has no locks; make sure that no other process writes "
                "here",
                RuntimeWarning,
                stacklevel=2,
            )
    try:
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        process = {"process": os.getpid(), "host": platform.node(), "since": since}
        write_text(owner, json.dumps(process) + "\n")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


@contextmanager
def one_after_another(path: Path) -> Iterator[None]:
    """Holds a file or folder that any process may write first; the others wait until it is there.

    Leftovers of a killed process are removed, unless the file system has no locks.

    Args:
      path: written by `files.atomic_file` or `atomic_folder`.
    """
    with explained_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            held = _acquire(lock, timeout=0)
        except Timeout:
            print(f"waiting for another process to write {path}", flush=True)
            held = _acquire(lock)
    try:
        if held:
            remove_leftovers_of(path)
        yield
    finally:
        lock.release()


def _acquire(lock: BaseFileLock, timeout: float | None = None) -> bool:
    """Returns False where the file system has no locks; raises Timeout if another process holds it."""
    try:
        lock.acquire(timeout=timeout)
    except NotImplementedError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def _describe_owner(owner: Path) -> str:
    try:
        process = json.loads(owner.read_text())
        who = f"process {process['process']} on {process['host']} (since {process['since']})"
        end = f"end it (kill {process['process']})"
    except (OSError, ValueError, KeyError):
        who, end = "another process", "end it"
    return f"{who} is at work there; wait for it, {end}, or give another --workdir"
