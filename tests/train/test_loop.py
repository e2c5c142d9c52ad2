"""Training steps one after the other, and what is left when one fails."""

import gc
import weakref

import pytest
import tensorflow as tf

from cmgen.train import callbacks, loop
from cmgen.train.multiworker import WorkerGroup


def test_a_failed_step_lets_go_of_the_batches(monkeypatch):
    """The error's traceback holds what the frame holds; reading ahead would keep the process."""
    made = []

    class Batches:
        def __iter__(self):
            self.iterator = iter(tf.data.Dataset.range(9))
            made.append(weakref.ref(self.iterator))
            iterator, self.iterator = self.iterator, None
            return iterator

    def fail(batch, asked):
        raise RuntimeError("no memory")

    monkeypatch.setattr(loop, "step_function", lambda model, strategy: fail)
    watchers = [callbacks.StopOnInterrupt(0, lambda step: None)]
    with pytest.raises(RuntimeError, match="no memory") as failed:
        loop.fit(None, Batches(), 2, watchers, WorkerGroup(tf.distribute.get_strategy()))
    gc.collect()
    assert failed.value.__traceback__ is not None and made[0]() is None
