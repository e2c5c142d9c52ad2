"""How many work, wait and are sent away."""

import threading
import time

import pytest

from cmgen.studio.work_queue import Busy, WorkQueue


def test_some_work_some_wait_and_the_rest_is_sent_away() -> None:
    work_queue, release, inside = WorkQueue(2, 1, 3), threading.Event(), threading.Semaphore(0)

    def work() -> None:
        with work_queue.entered("me"):
            inside.release()
            release.wait(60)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=60) and inside.acquire(timeout=60)
    while work_queue._callers["me"] < 3:  # as full as one caller may make it
        time.sleep(0.01)
    assert not inside.acquire(timeout=0.2), "the third waits"
    assert not work_queue.has_finished()
    with pytest.raises(Busy), work_queue.entered("me"):
        pass
    release.set()
    for thread in threads:
        thread.join(60)
    assert (work_queue.has_finished(), work_queue.has_finished()) == (True, False)
    with work_queue.entered("me"):
        pass


def test_waiting_ends() -> None:
    work_queue = WorkQueue(1, 1, 2, patience=0.05)
    with work_queue.entered("me"), pytest.raises(Busy), work_queue.entered("me"):
        pass


def test_a_failure_leaves_the_gate_open() -> None:
    work_queue = WorkQueue(1, 0, 1)
    for _ in range(3):
        with pytest.raises(ValueError), work_queue.entered("me"):
            raise ValueError


def test_one_caller_leaves_room_for_others() -> None:
    work_queue = WorkQueue(3, 0, 2)
    with work_queue.entered("a"), work_queue.entered("a"):
        with pytest.raises(Busy), work_queue.entered("a"):
            pass
        with work_queue.entered("b"):
            pass
    with work_queue.entered("a"):
        pass


def test_who_waits_and_goes_leaves_the_place_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cmgen.studio.work_queue.CHECK_SECONDS", 0.01)
    work_queue = WorkQueue(1, 1, 2)

    def gone() -> None:
        raise RuntimeError

    with work_queue.entered("a"):
        for _ in range(3):
            with pytest.raises(RuntimeError), work_queue.entered("b", gone):
                pass
