"""How many work, wait and are sent away."""

import threading
import time

import pytest

from cmgen.studio.gate import Busy, Gate


def test_some_work_some_wait_and_the_rest_is_sent_away() -> None:
    gate, release, inside = Gate(2, 1, 3), threading.Event(), threading.Semaphore(0)

    def work() -> None:
        with gate.entered("me"):
            inside.release()
            release.wait(60)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=60) and inside.acquire(timeout=60)
    while gate._callers["me"] < 3:  # as full as one caller may make it
        time.sleep(0.01)
    assert not inside.acquire(timeout=0.2), "the third waits"
    assert not gate.rested()
    with pytest.raises(Busy), gate.entered("me"):
        pass
    release.set()
    for thread in threads:
        thread.join(60)
    assert (gate.rested(), gate.rested()) == (True, False)
    with gate.entered("me"):
        pass


def test_waiting_ends() -> None:
    gate = Gate(1, 1, 2, patience=0.05)
    with gate.entered("me"), pytest.raises(Busy), gate.entered("me"):
        pass


def test_a_failure_leaves_the_gate_open() -> None:
    gate = Gate(1, 0, 1)
    for _ in range(3):
        with pytest.raises(ValueError), gate.entered("me"):
            raise ValueError


def test_one_caller_leaves_room_for_others() -> None:
    gate = Gate(3, 0, 2)
    with gate.entered("a"), gate.entered("a"):
        with pytest.raises(Busy), gate.entered("a"):
            pass
        with gate.entered("b"):
            pass
    with gate.entered("a"):
        pass
