"""Uploads and results: in memory, for a while, under keys that nobody guesses."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class _Kept:
    value: Any
    size: int
    used: float


class Store:
    """Keeps things until they have not been asked for in a while, or newer ones need the room.

    Args:
      max_bytes: of all together.
      max_seconds: since last asked for.
      clock: in seconds.
    """

    def __init__(
        self, max_bytes: int, max_seconds: float, clock: Callable[[], float] = time.monotonic
    ):
        self._max_bytes, self._max_seconds, self._clock = max_bytes, max_seconds, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()  # the longest unused first
        self._bytes = 0

    def put(self, value: Any, size: int) -> str:
        """Keeps `value` of so many bytes; its key, of 128 random bits."""
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._kept[key] = _Kept(value, size, self._clock())
            self._bytes += size
            self._drop_old()
        return key

    def get(self, key: str) -> Any:
        """What was kept under a key, or None if it is not there any more or never was."""
        with self._lock:
            self._drop_old()
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            self._kept[key].used = self._clock()
            return self._kept[key].value

    def drop_old(self) -> bool:
        """Drops what was not used for a while; whether there was any."""
        with self._lock:
            count = len(self._kept)
            self._drop_old()
            return len(self._kept) < count

    def _drop_old(self) -> None:
        oldest = self._clock() - self._max_seconds
        while self._kept:
            key, first = next(iter(self._kept.items()))
            # The newest stays even if it alone is too large, for somebody waits for it.
            too_much = self._bytes > self._max_bytes and len(self._kept) > 1
            if first.used >= oldest and not too_much:
                return
            del self._kept[key]
            self._bytes -= first.size
