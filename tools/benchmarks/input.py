"""Does training wait for its input, and how much memory does it take?"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cmgen.config import TrainConfig
from cmgen.data import pipeline
from cmgen.models.distributed import get_strategy
from cmgen.prepare import cache
from cmgen.train import loop
from cmgen.train.multiworker import WorkerGroup
from cmgen.utils.typed_json import from_json
from tools.benchmarks.mains import run_main
from tools.benchmarks.timing import Ratio, ratio_of
from tools.benchmarks.train import Batch, make_gan

WARM_UP = 5
TURNS = 5
BUFFERED = 6  # batches that two prefetches of two hold, and those under way
# A whole run through the real command, of few steps each.
SHORT = ("train_steps", "checkpoint_steps", "sound_encoder_train_steps", "verifier_train_steps")


@dataclass(frozen=True)
class Input:
    """How the input keeps up.

    Attributes:
      wait_share: of a training step's time, what it waits for its batch.
      vs_training: batches that the pipeline alone makes, for each that training takes.
    """

    wait_share: Ratio
    vs_training: Ratio


def measure(config: TrainConfig, policy: str, steps: int) -> Input:
    """Trains some steps on the config's data and runs its pipeline alone, in turns.

    Args:
      config: of the run.
      policy: Keras dtype policy.
      steps: that count, after a few that don't; rounded up to whole turns.
    """
    recordings = pipeline.load_split(cache.resolve(config.data), "train", config.data)
    group = WorkerGroup(get_strategy("default"))
    batches = loop.batches(recordings, config, loop.pairs(config), 0, group)
    step = loop.step_function(make_gan(config, policy, len(recordings.classes)), group.strategy)
    trained, alone = iter(batches), iter(batches)
    _train(trained, step, WARM_UP)
    turns: list[tuple[float, float, float]] = []
    for _ in range(TURNS):
        waited, worked = _train(trained, step, -(-steps // TURNS))
        # What lay ready in buffers meanwhile came for nothing.
        _draw(alone, BUFFERED)
        turns.append((waited, waited + worked, _draw(alone, BUFFERED + steps // TURNS)))
    waits, whole, drawn = zip(*turns, strict=True)
    return Input(
        ratio_of("training step", "its wait for input", whole, waits),
        ratio_of("input alone", "training", drawn, whole),
    )


def _train(
    batches: Iterator[Batch], step: Callable[[Batch, bool], object], steps: int
) -> tuple[float, float]:
    """Milliseconds of a step that it waited for its batch, and that it worked."""
    waited = worked = 0.0
    for _ in range(steps):
        begin = time.perf_counter()
        batch = next(batches)
        had = time.perf_counter()
        step(batch, False)
        waited, worked = waited + had - begin, worked + time.perf_counter() - had
    return 1e3 * waited / steps, 1e3 * worked / steps


def _draw(batches: Iterator[Batch], count: int) -> float:
    """Milliseconds of a batch."""
    begin = time.perf_counter()
    for _ in range(count):
        next(batches)
    return 1e3 * (time.perf_counter() - begin) / count


def short_run(flags: tuple[str, ...], steps: int) -> tuple[TrainConfig, float]:
    """The config of a short run of cmgen.train, and its largest resident memory in GiB.

    Args:
      flags: of cmgen.train; its run folder is made and removed here.
      steps: of each network.
    """
    with tempfile.TemporaryDirectory() as folder:
        run, few = Path(folder, "run"), [f"--{name}={steps}" for name in SHORT]
        spent = run_main("cmgen.train", (*flags, *few, f"--workdir={run}"), Path(folder, "log"))
        path = run / "config.json"
        return from_json(TrainConfig, path.read_bytes(), str(path)), spent.peak_gib
