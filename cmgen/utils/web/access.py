"""Who may use a page, and how much of it: the password and the limits of each caller."""

import hmac
import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

LOOPBACK = ("localhost", "127.0.0.1", "::1")
MAX_CALLERS = 10_000  # that are counted apart; the least recent are forgotten
_ADDRESS_CHARACTERS = 64
UNKNOWN, TOO_OFTEN = 401, 429  # of HTTP


@dataclass(frozen=True)
class Access:
    """Says who may use a page.

    Attributes:
      password: required of every caller; "" requires none.
      proxy: address of the proxy whose X-Forwarded-For is trusted; "" for none.
      requests_per_minute: allowed to each caller.
      tries_per_minute: wrong passwords and codes allowed to each caller, against guessing.
    """

    password: str = ""
    proxy: str = ""
    requests_per_minute: int = 3000
    tries_per_minute: int = 10

    @property
    def hosts(self) -> tuple[str, ...] | None:
        """Host names under which a browser may call the page, or None for any.

        Without a password, this stops other sites that point a name of theirs to this computer
        (DNS rebinding).
        """
        return None if self.password else LOOPBACK

    def admits(self, password: str) -> bool:
        """Whether this is the password, compared in constant time."""
        given, wanted = password.strip().encode(), self.password.encode()
        return not wanted or hmac.compare_digest(given, wanted)


class RateLimiter:
    """Token bucket for each caller, which holds what one minute allows.

    Args:
      per_minute: requests or tries; 0 for no limit.
      clock: returns seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic):
        self._per_minute, self._clock, self._lock = per_minute, clock, threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when

    def spend(self, caller: str) -> bool:
        """Takes a token; False if none is left."""
        with self._lock:
            left = self._left_to(caller)
            self._left[caller] = max(left - 1.0, 0.0), self._clock()
            self._left.move_to_end(caller)
            if len(self._left) > MAX_CALLERS:
                self._left.popitem(last=False)
            return left >= 1.0 or not self._per_minute

    def spent(self, caller: str) -> bool:
        """Whether no token is left."""
        with self._lock:
            return bool(self._per_minute) and self._left_to(caller) < 1.0

    def _left_to(self, caller: str) -> float:
        left, since = self._left.get(caller, (float(self._per_minute), self._clock()))
        grown = (self._clock() - since) * self._per_minute / 60.0
        return min(left + grown, float(self._per_minute))


class PasswordGuard:
    """Admits callers who know the password, and limits wrong tries.

    Args:
      access: with a password.
    """

    def __init__(self, access: Access):
        self._access, self._tries = access, RateLimiter(access.tries_per_minute)

    def refusal(self, caller: str, password: str) -> int:
        """Returns 0 if the caller is admitted, else the HTTP status 401, or 429 for too many tries."""
        if password and self._tries.spent(caller):
            return TOO_OFTEN
        if self._access.admits(password):
            return 0
        if password:
            self._tries.spend(caller)
        return UNKNOWN


def caller_at(address: str) -> str:
    """Returns what callers are counted by: an address, or the network of an IPv6 address.

    A household or server has 2^64 IPv6 addresses, so a limit for each of them would be none.
    Some proxies write them in brackets, with a port.
    """
    if address.startswith("["):
        address = address[1:].partition("]")[0]
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_ADDRESS_CHARACTERS]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
