"""Who may use a page: the password, what tells callers apart and what each may do."""

import pytest

from cmgen.utils.web import access
from cmgen.utils.web.access import Access, Allowance, caller_at

PASSWORD = "open sesame, please"


def test_the_password_alone_opens() -> None:
    assert Access().admits("") and Access().admits("anything")
    assert Access(PASSWORD).admits(f" {PASSWORD}\n")
    for wrong in ("", PASSWORD[:-1], PASSWORD + "x", PASSWORD.upper(), "é" * 19):
        assert not Access(PASSWORD).admits(wrong)


def test_an_allowance_grows_back() -> None:
    now = [0.0]
    allowance = Allowance(6, clock=lambda: now[0])
    assert [allowance.spend("a") for _ in range(7)] == [True] * 6 + [False]
    assert allowance.spent("a") and not allowance.spent("b")
    now[0] = 9.9
    assert allowance.spent("a")
    now[0] = 10.1
    assert allowance.spend("a") and not allowance.spend("a")
    now[0] = 1000.0
    assert [allowance.spend("a") for _ in range(7)] == [True] * 6 + [False]
    assert all(Allowance(0).spend("a") for _ in range(100)) and not Allowance(0).spent("a")


def test_callers_are_forgotten_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MAX_CALLERS", 3)
    allowance = Allowance(1, clock=lambda: 0.0)
    for name in "abcd":
        allowance.spend(name)
    assert len(allowance._left) == 3
    assert [allowance.spent(name) for name in "abcd"] == [False, True, True, True]


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
