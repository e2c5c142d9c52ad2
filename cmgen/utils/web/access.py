"""Who may use a page of ours, and how much of it: the password, the limits of one caller."""

import hmac
import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

LOOPBACK = ("localhost", "127.0.0.1", "::1")
MAX_CALLERS = 10_000  # that are told apart; those who came longest ago are forgotten
_LETTERS_OF_ADDRESS = 64
UNKNOWN, TOO_OFTEN = 401, 429  # of HTTP


@dataclass(frozen=True)
class Access:
    """Who may use a page.

    Attributes:
      password: asked for before anything is done for a caller; "" asks for none.
      proxy: address of the proxy that is believed when it says who calls; "" for none.
      requests_per_minute: of one caller.
      tries_per_minute: wrong passwords and codes of one caller, so that none can be guessed.
    """

    password: str = ""
    proxy: str = ""
    requests_per_minute: int = 3000
    tries_per_minute: int = 10

    @property
    def hosts(self) -> tuple[str, ...] | None:
        """Names under which a browser may call the page, or None for any.

        Without a password, this keeps other sites from reaching it by a name of theirs that points
        to this computer; with one they lack it.
        """
        return None if self.password else LOOPBACK

    def admits(self, password: str) -> bool:
        """Whether this is the password, in a time that does not tell how much of it is right."""
        given, wanted = password.strip().encode(), self.password.encode()
        return not wanted or hmac.compare_digest(given, wanted)


class Allowance:
    """So many things a minute for each caller, who may save up those of one minute.

    Args:
      per_minute: things; 0 for no limit.
      clock: in seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic):
        self._per_minute, self._clock, self._lock = per_minute, clock, threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what, and since when

    def spend(self, caller: str) -> bool:
        """Takes one; False if none is left."""
        with self._lock:
            left = self._left_to(caller)
            self._left[caller] = max(left - 1.0, 0.0), self._clock()
            self._left.move_to_end(caller)
            if len(self._left) > MAX_CALLERS:
                self._left.popitem(last=False)
            return left >= 1.0 or not self._per_minute

    def spent(self, caller: str) -> bool:
        """Whether none is left."""
        with self._lock:
            return bool(self._per_minute) and self._left_to(caller) < 1.0

    def _left_to(self, caller: str) -> float:
        left, since = self._left.get(caller, (float(self._per_minute), self._clock()))
        grown = (self._clock() - since) * self._per_minute / 60.0
        return min(left + grown, float(self._per_minute))


class Door:
    """Lets callers in by the password, and nobody guess it.

    Args:
      access: with a password.
    """

    def __init__(self, access: Access):
        self._access, self._tries = access, Allowance(access.tries_per_minute)

    def refusal(self, caller: str, password: str) -> int:
        """0 for who may come in, 401 for who may not, 429 for who tried too often."""
        if password and self._tries.spent(caller):
            return TOO_OFTEN
        if self._access.admits(password):
            return 0
        if password:
            self._tries.spend(caller)
        return UNKNOWN


def caller_at(address: str) -> str:
    """What tells callers apart: an address, or the network of an IPv6 address.

    A household or server has 2^64 IPv6 addresses, so that a limit for each of them would be none.
    Some proxies write those in brackets, with a port.
    """
    if address.startswith("["):
        address = address[1:].partition("]")[0]
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_LETTERS_OF_ADDRESS]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
