"""A queue in which a few requests work, a few more wait, and all others are refused at once."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CHECK_SECONDS = 0.5  # between two looks whether the caller is still there


class Busy(Exception):
    """There is no room even to wait."""


class WorkQueue:
    """Bounds the work, and with it the memory and the waiting time.

    Args:
      at_once: requests that work.
      waiting: requests that wait for one of these to end.
      each: requests of one caller that work or wait, so that there is room for others.
      patience: seconds that a request waits at most.
    """

    def __init__(self, at_once: int, waiting: int, each: int, patience: float = 30.0):
        self._each = each
        self._callers: Counter[str] = Counter()
        self._room = threading.BoundedSemaphore(at_once + waiting)
        self._work = threading.BoundedSemaphore(at_once)
        self._patience = patience
        self._lock = threading.Lock()
        self._inside, self._worked = 0, False

    @contextmanager
    def entered(self, caller: str, check: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Holds one of the `at_once` places; raises Busy.

        Args:
          caller: whose request it is.
          check: called while it waits; an error that it raises gives up the place.
        """
        with self._room_of(caller):
            self._wait(check)
            self._count(1)
            try:
                yield
            finally:
                self._count(-1)
                self._work.release()

    def _wait(self, check: Callable[[], None]) -> None:
        end = time.monotonic() + self._patience
        while not self._work.acquire(timeout=min(CHECK_SECONDS, max(0.0, end - time.monotonic()))):
            if time.monotonic() >= end:
                raise Busy
            check()

    def has_finished(self) -> bool:
        """Whether no request works now, but one has since this was last true."""
        with self._lock:
            finished = self._worked and not self._inside
            self._worked = self._worked and not finished
            return finished

    @contextmanager
    def _room_of(self, caller: str) -> Iterator[None]:
        with self._lock:
            if self._callers[caller] >= self._each or not self._room.acquire(blocking=False):
                raise Busy
            self._callers[caller] += 1
        try:
            yield
        finally:
            with self._lock:
                self._callers[caller] -= 1
                if not self._callers[caller]:
                    del self._callers[caller]
                self._room.release()

    def _count(self, change: int) -> None:
        with self._lock:
            self._inside += change
            self._worked = True
