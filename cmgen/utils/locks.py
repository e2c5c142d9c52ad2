"""One process at a time writes a run folder, or prepares data for all. No TensorFlow."""

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
from cmgen.utils.files import explained_disk_errors, remove_rests, remove_rests_of, write_text

LOCK_FILE = ".lock"
OWNER_FILE = ".running.json"
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # as network file systems say it


@contextmanager
def only_writer(workdir: Path) -> Iterator[None]:
    """Holds a run folder; a second process is refused with the number and the start of the first.

    The system lets go of the lock when the process ends, however it ends; what it was writing then is
    removed by the next one.

    Args:
      workdir: the run folder; made if it is missing.
    """
    with explained_disk_errors(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(workdir / LOCK_FILE)
        owner = workdir / OWNER_FILE
        try:
            held = _acquire(lock, timeout=0)
        except Timeout as error:
            raise UserError(f"--workdir={workdir}: {_whose(owner)}", FAILED_WORK) from error
        if not held:
            warnings.warn(
                f"{workdir}: this file system has no locks; see to it yourself that no other process "
                "writes here",
                RuntimeWarning,
                stacklevel=2,
            )
    try:
        remove_rests(workdir)
        me = {"process": os.getpid(), "host": platform.node(), "since": _now()}
        write_text(owner, json.dumps(me) + "\n")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


@contextmanager
def one_after_another(path: Path) -> Iterator[None]:
    """Holds a file or folder that any process may write first; the others wait until it is there.

    What a killed one was writing is removed, unless the file system has no locks.

    Args:
      path: what is written, by `files.atomic_file` or `atomic_folder`.
    """
    with explained_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            held = _acquire(lock, timeout=0)
        except Timeout:
            print(f"waiting for another process that writes {path}", flush=True)
            held = _acquire(lock)
    try:
        if held:
            remove_rests_of(path)
        yield
    finally:
        lock.release()


def _acquire(lock: BaseFileLock, timeout: float | None = None) -> bool:
    """False where the file system has no locks; a Timeout where another process holds this one."""
    try:
        lock.acquire(timeout=timeout)
    except NotImplementedError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def _whose(owner: Path) -> str:
    try:
        known = json.loads(owner.read_text())
        who = f"process {known['process']} on {known['host']} (since {known['since']})"
        end = f"end it (kill {known['process']})"
    except (OSError, ValueError, KeyError):
        who, end = "another process", "end it"
    return f"{who} is at work there; wait for it, {end}, or give another --workdir"


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
