"""Callbacks of training steps: progress, logs, checkpoints, sample pictures, NaN, Ctrl-C."""

import json
import math
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from cmgen.utils.errors import FAILED_WORK, UserError
from cmgen.utils.files import explained_disk_errors, write_text

LOG_STEPS = 25  # every how many steps metrics are written


class StepCallback(keras.callbacks.Callback):
    """Counts global steps, those of earlier starts included.

    Args:
      start_step: steps done before this fit.
    """

    def __init__(self, start_step: int):
        super().__init__()
        self.step = start_step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.step += 1
        self.after_step({k: float(v) for k, v in (logs or {}).items()})

    def after_step(self, logs: dict[str, float]) -> None:
        """Called after each step, with `self.step` done and its metrics."""


class StopOnNan(StepCallback):
    """Ends the run at the first metric or weight that is not finite; comes before the others.

    Args:
      start_step: steps done before.
      networks: whose variables are searched for the culprit.
      folder: of the last good checkpoint, for the message.
    """

    def __init__(self, start_step: int, networks: list[keras.Model], folder: Path):
        super().__init__(start_step)
        self.networks = networks
        self.folder = folder

    def after_step(self, logs: dict[str, float]) -> None:
        bad = [name for name, value in logs.items() if not math.isfinite(value)]
        if not bad:
            return
        weights = [
            v.path
            for network in self.networks
            for v in network.variables
            if not np.isfinite(keras.ops.convert_to_numpy(v)).all()
        ]
        culprits = f"; in the weights: {', '.join(weights[:4])}" if weights else ""
        raise UserError(
            f"step {self.step}: {bad[0]} is not finite{culprits}. The last good checkpoint is in "
            f"{self.folder}; lower the learning rate, raise --r1_gamma, or use --nomixed_precision",
            FAILED_WORK,
        )


class Progress(StepCallback):
    """A progress bar with examples per second and the time left.

    Args:
      name: what is trained.
      start_step, total_steps: of the whole run.
      batch_size: examples of one step.
      shown: metrics that the bar shows.
    """

    def __init__(
        self, name: str, start_step: int, total_steps: int, batch_size: int, shown: tuple[str, ...]
    ):
        super().__init__(start_step)
        self.name, self.total, self.batch_size, self.shown = name, total_steps, batch_size, shown
        self.bar: tqdm | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        self.bar = tqdm(
            desc=self.name,
            total=self.total * self.batch_size,
            initial=self.step * self.batch_size,
            unit=" examples",
            mininterval=1.0,
        )

    def after_step(self, logs: dict[str, float]) -> None:
        assert self.bar is not None
        shown = {name.split("/")[-1]: f"{logs[name]:.3f}" for name in self.shown if name in logs}
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update(self.batch_size)

    def close(self) -> None:
        """Leaves the bar as it is; also after an error."""
        if self.bar is not None:
            self.bar.close()


class MetricsLog(StepCallback):
    """metrics.jsonl and TensorBoard scalars, means over at most `LOG_STEPS` steps; no line twice on
    resume.

    Args:
      start_step: lines after it, of a run that was killed, are dropped.
      folder: the run folder.
      final_step: the last one is always written.
      checkpoint_steps: no mean goes beyond a checkpoint, or a resumed run's would be others.
    """

    def __init__(self, start_step: int, folder: Path, final_step: int, checkpoint_steps: int):
        super().__init__(start_step)
        self.path = folder / "metrics.jsonl"
        self.final_step, self.checkpoint_steps = final_step, checkpoint_steps
        self.sums: dict[str, float] = {}
        self.count = 0
        self.began = time.monotonic()
        if self.path.exists():
            lines = [x for x in self.path.read_text().splitlines() if x.endswith("}")]
            kept = [x for x in lines if json.loads(x)["step"] <= start_step]
            write_text(self.path, "".join(f"{x}\n" for x in kept))
        with explained_disk_errors(folder / "logs"):
            self.writer = tf.summary.create_file_writer(str(folder / "logs"))

    def after_step(self, logs: dict[str, float]) -> None:
        for name, value in logs.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        due = self.step % LOG_STEPS == 0 or self.step % self.checkpoint_steps == 0
        if not due and self.step != self.final_step:
            return
        means = {name: value / self.count for name, value in self.sums.items()}
        means["seconds_per_step"] = (time.monotonic() - self.began) / self.count
        self.write(means)
        self.sums, self.count, self.began = {}, 0, time.monotonic()

    def write(self, values: dict[str, float]) -> None:
        """Adds one line and the scalars of the present step."""
        with explained_disk_errors(self.path):
            self._write(values)

    def _write(self, values: dict[str, float]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            rounded = {name: float(f"{value:.6g}") for name, value in values.items()}
            file.write(json.dumps({"step": self.step} | rounded) + "\n")
        with self.writer.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=self.step)


class EverySteps(StepCallback):
    """Calls `work(step)` every so many steps and after the last one.

    Args:
      start_step: steps done before.
      every: the interval.
      final_step: the last step, which always counts.
      work: takes the number of steps done.
    """

    def __init__(self, start_step: int, every: int, final_step: int, work: Callable[[int], None]):
        super().__init__(start_step)
        self.every, self.final_step, self.work = every, final_step, work

    def after_step(self, logs: dict[str, float]) -> None:
        if self.step % self.every == 0 or self.step == self.final_step:
            self.work(self.step)


class StopOnInterrupt(StepCallback):
    """Ctrl-C and SIGTERM end training after the step in progress, saved; comes after the others.

    Where several workers train, all must stop after the same step: `agreed` then says whether any of
    them was asked to.

    Args:
      start_step: steps done before.
      save: writes a checkpoint of the step given.
    """

    def __init__(self, start_step: int, save: Callable[[int], None]):
        super().__init__(start_step)
        self.save = save
        self.asked = False
        self.agreed: bool | None = None
        self.handlers: dict[int, Any] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self.handlers[number] = signal.signal(number, self._ask)

    def _ask(self, number: int, frame: Any) -> None:
        self.asked = True
        signal.signal(number, self.handlers[number])  # the second time ends at once

    def after_step(self, logs: dict[str, float]) -> None:
        if self.asked if self.agreed is None else self.agreed:
            if not self.asked:
                print("\nanother worker was asked to stop, so all stop", flush=True)
            self.save(self.step)
            raise KeyboardInterrupt(
                f"stopped after step {self.step}; the same command goes on from there"
            )

    def restore_handlers(self) -> None:
        """Restores the former signal handlers."""
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
