"""Lets a few requests work at once, a few more wait, and sends all others away at once."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Busy(Exception):
    """There is no room even to wait."""


class Gate:
    """Bounds the work, and with it memory and how long anybody waits.

    Args:
      at_once: requests that work.
      waiting: requests that wait for one of these to end.
      each: requests of one caller that work or wait, so that others find room beside them.
      patience: seconds that they wait at most.
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
    def entered(self, caller: str) -> Iterator[None]:
        """Inside, one of `at_once` is taken; raises Busy."""
        with self._room_of(caller):
            if not self._work.acquire(timeout=self._patience):
                raise Busy
            self._count(1)
            try:
                yield
            finally:
                self._count(-1)
                self._work.release()

    def rested(self) -> bool:
        """Whether nobody works now but somebody has since this was last true."""
        with self._lock:
            rested = self._worked and not self._inside
            self._worked = self._worked and not rested
            return rested

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
