"""Does training wait for its input, and how much memory does it take?"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cmgen import fitting
from cmgen.benchmarks.train import make_gan
from cmgen.config import TrainConfig
from cmgen.data import catalog, pipeline
from cmgen.errors import FAILED_WORK, UserError
from cmgen.replica import get_strategy
from cmgen.workers import Team

WARM_UP = 5
# A whole run through the real command, of few steps each.
SHORT = ("train_steps", "checkpoint_steps", "sound_encoder_train_steps", "verifier_train_steps")


@dataclass(frozen=True)
class Input:
    """How the input keeps up.

    Attributes:
      wait_share: of a training step's time, what it waits for its batch.
      vs_training: batches that the pipeline alone makes, for each that training takes.
      step_ms, input_ms: one training step; one batch of the pipeline alone.
    """

    wait_share: float
    vs_training: float
    step_ms: float
    input_ms: float


def measure(config: TrainConfig, policy: str, steps: int) -> Input:
    """Trains some steps on the config's data, then runs its pipeline alone.

    Args:
      config: of the run.
      policy: Keras dtype policy.
      steps: that count, after a few that don't.
    """
    recordings = pipeline.load_split(catalog.resolve(config.data), "train", config.data)
    team = Team(get_strategy("default"))
    kind = pipeline.BatchConfig(
        batch_size=config.batch_size,
        seed=config.seed,
        noise_dim=config.gan.noise_size,
        mismatch=config.gan.mismatch,
        mismatch_seconds=config.gan.mismatch_seconds,
    )
    batches = fitting.batches(recordings, config, kind, 0, team)
    step = fitting.step_function(make_gan(config, policy, len(recordings.classes)), team.strategy)
    iterator = iter(batches)
    waited = worked = 0.0
    for number in range(WARM_UP + steps):
        begin = time.perf_counter()
        batch = next(iterator)
        had = time.perf_counter()
        step(batch, False)
        if number >= WARM_UP:
            waited, worked = waited + had - begin, worked + time.perf_counter() - had
    del iterator
    alone = iter(batches)
    for _ in islice(alone, WARM_UP):
        pass
    begin = time.perf_counter()
    for _ in islice(alone, 4 * steps):
        pass
    input_seconds = (time.perf_counter() - begin) / (4 * steps)
    step_seconds = (waited + worked) / steps
    return Input(
        waited / (waited + worked),
        step_seconds / input_seconds,
        1e3 * step_seconds,
        1e3 * input_seconds,
    )


def peak_memory_gib(flags: tuple[str, ...], steps: int) -> float:
    """Largest resident memory of a short run through the real command, in GiB.

    Args:
      flags: of cmgen.train, but for --workdir.
      steps: of each stage.
    """
    with tempfile.TemporaryDirectory() as folder:
        few = [f"--{name}={steps}" for name in SHORT]
        command = [sys.executable, "-m", "cmgen.train", *flags, *few, f"--workdir={folder}/run"]
        log = Path(folder) / "log"
        with log.open("wb") as file:
            code = subprocess.run(
                command, stdout=file, stderr=file, env=dict(os.environ), check=False
            ).returncode
        if code:
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise UserError(f"{' '.join(command)}: failed ({''.join(last)})", FAILED_WORK)
    # Of the largest child that ended; this is the first one that trains. Linux counts in KiB.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 2**30
