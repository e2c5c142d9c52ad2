"""Reads items of a source in several processes, in order. No TensorFlow: workers import this."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from types import ModuleType

from cmgen.data.recording import ReadOptions, Recording
from cmgen.prepare.sources import Item
from cmgen.utils.errors import UserError

_FEW_ITEMS = 12  # starting processes would take longer than reading them

# Of one item: its recordings, notes on what was omitted, and the message of an error, if any.
ReadResult = tuple[list[Recording], list[str], str | None]


def read_in_order(
    items: Sequence[Item], folder: Path, options: ReadOptions, workers: int, skip: bool = False
) -> Iterator[ReadResult]:
    """Reads all items; yields results in the order of `items`, however many processes read.

    Args:
      items: of a source.
      folder: of the source.
      options: how to read them.
      workers: number of processes; a few items are read in this one.
      skip: as for `read_item`.
    """
    read = partial(read_item, folder=folder, options=options, skip=skip)
    if workers < 2 or len(items) <= _FEW_ITEMS:
        yield from map(read, items)
        return
    done = 0
    try:
        for result in _in_processes(items, read, workers):
            done += 1
            yield result
    except BrokenProcessPool:
        # Some sandboxes forbid processes, and low memory ends them; one process works everywhere.
        print("reading in one process, since others could not be started", file=sys.stderr)
        yield from map(read, items[done:])


def read_item(item: Item, folder: Path, options: ReadOptions, skip: bool) -> ReadResult:
    """Reads one item.

    Args:
      item: of a source.
      folder: holds its files.
      options: how to read it.
      skip: returns every error, even an unforeseen one, rather than only a UserError.
    """
    try:
        recordings, notes = item.read(folder, options)
        return recordings, notes, None
    except UserError as error:
        return [], [], str(error)
    except Exception as error:
        if not skip:
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return [], [], f"{folder / item.files[0]}: cannot be read ({reason}); remove it"


def _in_processes(
    items: Sequence[Item], read: Callable[[Item], ReadResult], workers: int
) -> Iterator[ReadResult]:
    # Forking a process that runs TensorFlow's threads can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin) as pool:
        waiting = iter(items)
        # A few items ahead keep the processes busy without filling the memory.
        with _without_main_module():
            pending = [pool.submit(read, item) for item in islice(waiting, 3 * workers)]
        try:
            while pending:
                result = pending.pop(0).result()
                pending += [pool.submit(read, item) for item in islice(waiting, 1)]
                yield result
        finally:
            for future in pending:
                future.cancel()


@contextmanager
def _without_main_module() -> Iterator[None]:
    """Keeps new processes from running the user's script again, which may lack a main guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin() -> None:
    """Ignores Ctrl-C, which the first process handles, and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def processors() -> int:
    """Returns the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
