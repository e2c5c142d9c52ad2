"""Items of a source are read in several processes, in their order. No TensorFlow: workers import it."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from types import ModuleType

from cmgen.data.recording import ReadOptions, Recording
from cmgen.data.sources import Item
from cmgen.errors import UserError

_FEW_ITEMS = 12  # starting processes would take longer than reading them

# What one item gave: its recordings, notes on what was left out, and an error's message if any.
ReadResult = tuple[list[Recording], list[str], str | None]


def read_in_order(
    items: Sequence[Item], options: ReadOptions, workers: int
) -> Iterator[ReadResult]:
    """Reads every item; results come in the order of `items`, however many processes read.

    Args:
      items: of a source.
      options: how to read them.
      workers: number of processes; few items are read in this one.
    """
    if workers < 2 or len(items) <= _FEW_ITEMS:
        yield from (_read(item, options) for item in items)
        return
    done = 0
    try:
        for result in _in_processes(items, options, workers):
            done += 1
            yield result
    except BrokenProcessPool:
        # Some sandboxes forbid it, and little memory ends it; one process works everywhere.
        print("reading in one process, since others could not be started", file=sys.stderr)
        yield from (_read(item, options) for item in items[done:])


def _in_processes(
    items: Sequence[Item], options: ReadOptions, workers: int
) -> Iterator[ReadResult]:
    # Forking a process that runs TensorFlow's threads can hang; `spawn` starts clean ones.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _ignore_interrupt) as pool:
        waiting = iter(items)
        # A few ahead keep the processes busy without holding the whole data in memory.
        with _without_main_module():
            pending = [pool.submit(_read, item, options) for item in islice(waiting, 3 * workers)]
        try:
            while pending:
                result = pending.pop(0).result()
                pending += [pool.submit(_read, item, options) for item in islice(waiting, 1)]
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


def _read(item: Item, options: ReadOptions) -> ReadResult:
    try:
        recordings, notes = item.read(options)
        return recordings, notes, None
    except UserError as error:
        return [], [], str(error)


def _ignore_interrupt() -> None:
    """Ctrl-C reaches every process of the terminal; only the first one answers it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
