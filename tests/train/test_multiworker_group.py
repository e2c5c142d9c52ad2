"""One process alone is a group too; what is said when another worker is gone. See test_multiworker."""

from multiprocessing.pool import ThreadPool

import keras
import numpy as np
import pytest
import tensorflow as tf

from cmgen.train import multiworker
from cmgen.train.tf_config import Cluster
from cmgen.utils.errors import UserError


def test_one_process_agrees_with_itself():
    group = multiworker.join("default")
    assert group.is_chief and group.shard == (0, 1)
    assert group.from_chief({"step": 3}) == {"step": 3}
    assert group.any(True) and not group.any(False)
    variable = keras.Variable(np.ones(3))
    group.share([variable])
    group.wait()
    np.testing.assert_array_equal(variable.numpy(), np.ones(3))


@pytest.mark.parametrize("size", [4, 8])
def test_a_batch_that_divides_is_taken(size):
    multiworker.check_batch("batch_size", size, 2, paired=True)
    multiworker.check_batch("batch_size", size, 4)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            tf.errors.UnavailableError(
                None, None, "Collective ops is aborted by: Socket closed\nAdditional GRPC error"
            ),
            r"\(Socket closed\)",
        ),
        (tf.errors.CancelledError(None, None, "gone"), r"\(gone\)"),
    ],
)
def test_a_lost_worker_is_said_in_one_line(error, reason):
    group = multiworker.WorkerGroup(
        tf.distribute.get_strategy(), Cluster(("127.0.0.1:1", "127.0.0.1:2"), 0)
    )
    message = rf"worker 1 \(127.0.0.1:2\) is gone: .*{reason}"
    with pytest.raises(UserError, match=message) as caught, group.explain_lost_workers():
        raise error
    assert caught.value.exit_code == 1 and "\n" not in str(caught.value)
    assert "same command on every worker" in str(caught.value)


def test_thread_pools_that_a_failed_reduction_leaves_open_are_closed():
    pools = []

    def reduce():
        pool = ThreadPool(1)
        pools.append(pool)
        raise tf.errors.UnavailableError(None, None, "gone")

    group = multiworker.WorkerGroup(
        tf.distribute.get_strategy(), Cluster(("127.0.0.1:1", "127.0.0.1:2"), 0)
    )
    with pytest.raises(UserError), group.explain_lost_workers():
        reduce()
    with pytest.raises(ValueError, match="not running"):
        pools[0].apply(print)


def test_other_errors_and_those_of_one_process_stay_what_they_are():
    group = multiworker.WorkerGroup(tf.distribute.get_strategy(), Cluster(("a:1", "b:1"), 1))
    assert not group.is_chief and group.shard == (1, 2)
    with pytest.raises(tf.errors.InvalidArgumentError), group.explain_lost_workers():
        raise tf.errors.InvalidArgumentError(None, None, "shape")
    with (
        pytest.raises(tf.errors.UnavailableError),
        multiworker.join("default").explain_lost_workers(),
    ):
        raise tf.errors.UnavailableError(None, None, "disk")
