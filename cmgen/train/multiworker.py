"""Training by several processes: how they meet, agree, and report a lost worker.

Only the chief reads and writes the run's folder. It sends the others what they need over the
network, so they share only the data.
"""

import json
import logging
import os
import signal
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from multiprocessing.pool import ThreadPool
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cmgen.models.distributed import get_strategy
from cmgen.train import tf_config as cluster_lib
from cmgen.train.tf_config import Cluster
from cmgen.utils.errors import FAILED_WORK, UserError

START_SECONDS = 300  # workers wait for each other so long before they give up
_PART = 2**22  # numbers sent at once

# Raised by collective operations when another process ends, hangs, restarts or can't be reached.
CONNECTION_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.FailedPreconditionError,
)


class WorkerGroup:
    """The processes that train one run together; mostly this one alone.

    All of them must call `from_chief`, `any`, `share` and `wait` in the same order.

    Args:
      strategy: under which all train.
      cluster: all workers; None for this process alone.
    """

    def __init__(self, strategy: tf.distribute.Strategy, cluster: Cluster | None = None):
        self.strategy = strategy
        self.cluster = cluster

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run's folder."""
        return self.cluster is None or self.cluster.index == 0

    @property
    def shard(self) -> tuple[int, int]:
        """(index, number) of this process's part of each batch."""
        return (self.cluster.index, len(self.cluster.addresses)) if self.cluster else (0, 1)

    def from_chief(self, value: Any) -> Any:
        """The chief's value (of JSON types), whatever the others pass."""
        if self.cluster is None:
            return value
        text = json.dumps(value).encode() if self.is_chief else b""
        (length,) = self._add_up(np.array([len(text)], np.float64))
        characters = np.frombuffer(text, np.uint8) if self.is_chief else np.zeros(int(length))
        return json.loads(self._add_up(characters.astype(np.float64)).astype(np.uint8).tobytes())

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any worker."""
        return flag if self.cluster is None else bool(self._add_up(np.array([float(flag)]))[0])

    def share(self, variables: Sequence[keras.Variable]) -> None:
        """Gives the chief's values of the variables to all workers."""
        if self.cluster is None:
            return
        arrays = [keras.ops.convert_to_numpy(v).astype(np.float64) for v in variables]
        flat = np.concatenate([array.ravel() for array in arrays])
        values = self._add_up(flat if self.is_chief else np.zeros_like(flat))
        at = 0
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(values[at : at + array.size].reshape(array.shape))
            at += array.size

    def wait(self) -> None:
        """Waits until all workers call it; Ctrl-C ends the wait."""
        if self.cluster is not None:
            with _ended_by_interrupt():
                self.any(False)

    def say(self, text: str) -> None:
        """Prints one line, on the workers that show nothing else."""
        if self.cluster and not self.is_chief:
            count = len(self.cluster.addresses)
            print(f"worker {self.cluster.index} of {count}: {text}", flush=True)

    def _add_up(self, numbers: np.ndarray) -> np.ndarray:
        """The sum over workers; float64 holds bytes, steps and float32 weights exactly."""
        parts = [numbers[at : at + _PART] for at in range(0, len(numbers), _PART)]
        with tf.device("CPU:0"):
            sums = [self.strategy.reduce("SUM", tf.constant(p), axis=None).numpy() for p in parts]
        return np.concatenate(sums)

    @contextmanager
    def explain_lost_workers(self) -> Iterator[None]:
        """Turns the error of a collective operation into a UserError that names the lost workers."""
        try:
            yield
        except CONNECTION_ERRORS as error:
            if self.cluster is None:
                raise
            _close_pools(error)
            lost = self.cluster.silent()
            who = ", ".join(lost) if lost else "another worker"
            verb = "is" if len(lost) < 2 else "are"
            raise UserError(
                f"{who} {verb} gone: ended, killed, or out of reach, so no worker can go on "
                f"({_reason(error)}). See the output there; then start the same command on every "
                "worker again, and the run resumes from its last checkpoint",
                FAILED_WORK,
            ) from error


def join(strategy: str) -> WorkerGroup:
    """The group for --strategy; waits until all its workers have joined, `START_SECONDS` at most.

    Must come before TensorFlow's first operation.

    Args:
      strategy: auto, default, mirrored or multiworker.
    """
    cluster = cluster_lib.read(strategy)
    if cluster is None:
        # A cluster of one trains like a machine without one.
        return WorkerGroup(get_strategy("mirrored" if strategy == "multiworker" else strategy))
    return WorkerGroup(_meet(cluster), cluster)


def check_batch(flag: str, size: int, replicas: int, paired: bool = False) -> None:
    """Refuses a batch that can't be dealt out evenly; pairs of neighbours must stay together."""
    parts = replicas * (2 if paired else 1)
    if size % parts:
        among = f"{replicas} replicas" + (", in pairs" if paired else "")
        raise UserError(
            f"--{flag}={size}: can't be dealt out to {among}; give a multiple of {parts}, such as "
            f"{-(-size // parts) * parts}"
        )


@cache
def _meet(cluster: Cluster) -> tf.distribute.Strategy:
    """Starts this worker's server and waits for the others."""
    from tensorflow.python.distribute import collective_all_reduce_strategy
    from tensorflow.python.eager import context

    # The coordination service would do the same as the check of health in Python, but waits for an
    # hour, can't be interrupted, and writes its errors past every log level.
    context.context().configure_coordination_service("")
    collective_all_reduce_strategy.CollectiveAllReduceExtended._check_health_initial_timeout = (
        START_SECONDS
    )
    # Ports and lost workers are reported here and by `explain_lost_workers` instead of in their logs.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logging.getLogger("tensorflow").setLevel(logging.CRITICAL)
    print(
        f"{cluster.name(cluster.index)} of {len(cluster.addresses)}: waits up to {START_SECONDS} s "
        "for the others; the chief alone shows how the training goes",
        flush=True,
    )
    try:
        with _ended_by_interrupt():
            return tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, tf.errors.OpError) as error:
        if "gRPC server" in str(error):
            port = cluster.addresses[cluster.index].rpartition(":")[2]
            raise UserError(
                f"{cluster_lib.VARIABLE}: port {port} of {cluster.name(cluster.index)} can't be "
                "opened; another program, or a worker that still runs, has it: end that, or name "
                "another port on every worker",
                FAILED_WORK,
            ) from error
        missing = cluster.silent()
        what = (
            f"no answer from {', '.join(missing)}: start the same command there, or open the "
            "port to the other workers"
            if missing
            else f"the others answer, but {_reason(error)}: is the cluster in "
            f"{cluster_lib.VARIABLE} the same on every worker, and each index used once?"
        )
        raise UserError(
            f"the workers did not meet within {START_SECONDS} s; {what}", FAILED_WORK
        ) from error


@contextmanager
def _ended_by_interrupt() -> Iterator[None]:
    """Lets Ctrl-C end the process at once; Python would notice it only after the wait."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _close_pools(error: Exception) -> None:
    """Closes the thread pools that a failed reduction of TensorFlow leaves open.

    Python would complain about them with a traceback as it ends (TensorFlow 2.16 to 2.21,
    cross_device_ops.CollectiveAllReduce).
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            if isinstance(value, ThreadPool):
                value.close()


def _reason(error: Exception) -> str:
    """TensorFlow's reason in a few words."""
    text = str(getattr(error, "message", error))
    text = text.partition("is aborted by: ")[2] or text
    return text.strip().partition("\n")[0][:200].rstrip(". ")
