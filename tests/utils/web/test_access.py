"""Who may use a page: the password, what tells callers apart and what each may do."""

import pytest

from cmgen.utils.web import access
from cmgen.utils.web.access import Access, RateLimiter, caller_at

PASSWORD = "open sesame, please"


def test_the_password_alone_opens() -> None:
    assert Access().admits("") and Access().admits("anything")
    assert Access(PASSWORD).admits(f" {PASSWORD}\n")
    for wrong in ("", PASSWORD[:-1], PASSWORD + "x", PASSWORD.upper(), "é" * 19):
        assert not Access(PASSWORD).admits(wrong)


def test_a_limit_grows_back() -> None:
    now = [0.0]
    limiter = RateLimiter(6, clock=lambda: now[0])
    assert [limiter.spend("a") for _ in range(7)] == [True] * 6 + [False]
    assert limiter.spent("a") and not limiter.spent("b")
    now[0] = 9.9
    assert limiter.spent("a")
    now[0] = 10.1
    assert limiter.spend("a") and not limiter.spend("a")
    now[0] = 1000.0
    assert [limiter.spend("a") for _ in range(7)] == [True] * 6 + [False]
    assert all(RateLimiter(0).spend("a") for _ in range(100)) and not RateLimiter(0).spent("a")


def test_callers_are_forgotten_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MAX_CALLERS", 3)
    limiter = RateLimiter(1, clock=lambda: 0.0)
    for name in "abcd":
        limiter.spend(name)
    assert len(limiter._left) == 3
    assert [limiter.spent(name) for name in "abcd"] == [False, True, True, True]


def test_a_network_of_ipv6_is_one_caller() -> None:
    assert caller_at("2001:db8::1") == caller_at("2001:db8::ffff:1") != caller_at("2001:db8:0:1::1")
    assert caller_at("::ffff:192.0.2.7") == caller_at("192.0.2.7") != caller_at("192.0.2.8")
    assert (
        caller_at("fe80::1%eth0")
        == caller_at("[fe80::2]")
        == caller_at("[fe80::3]:80")
        == "fe80::/64"
    )
    assert len(caller_at("nobody knows" * 100)) == 64
