"""Items of a source are read in several processes, in their order. No TensorFlow: workers import it."""

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

# What one item gave: its recordings, notes on what was left out, and an error's message if any.
ReadResult = tuple[list[Recording], list[str], str | None]


def read_in_order(
    items: Sequence[Item], folder: Path, options: ReadOptions, workers: int, skip: bool = False
) -> Iterator[ReadResult]:
    """Reads every item; results come in the order of `items`, however many processes read.

    Args:
      items: of a source.
      folder: the source's.
      options: how to read them.
      workers: number of processes; few items are read in this one.
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
        # Some sandboxes forbid it, and little memory ends it; one process works everywhere.
        print("reading in one process, since others could not be started", file=sys.stderr)
        yield from map(read, items[done:])


def read_item(item: Item, folder: Path, options: ReadOptions, skip: bool) -> ReadResult:
    """Reads one item.

    Args:
      item: of a source.
      folder: holds its files.
      options: how to read it.
      skip: whether every error is the item's own, even one that nobody foresaw; else only a
        UserError is.
    """
    try:
        recordings, notes = item.read(folder, options)
        return recordings, notes, None
    except UserError as error:
        return [], [], str(error)
    except Exception as error:
        if not skip:
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return [], [], f"{folder / item.files[0]}: cannot be read ({what}); remove it"


def _in_processes(
    items: Sequence[Item], read: Callable[[Item], ReadResult], workers: int
) -> Iterator[ReadResult]:
    # Forking a process that runs TensorFlow's threads can hang; `spawn` starts clean ones.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin) as pool:
        waiting = iter(items)
        # A few ahead keep the processes busy without holding the whole data in memory.
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
    """Processes started meanwhile don't run the user's script again; it may lack a main guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin() -> None:
    """Ctrl-C reaches every process of the terminal; only the first answers it, and none outlives it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    first = multiprocessing.parent_process()
    assert first is not None

    def end_with_it() -> None:
        first.join()
        os._exit(1)

    threading.Thread(target=end_with_it, daemon=True).start()


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
