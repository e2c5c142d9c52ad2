"""How preparing, input and memory grow with the recordings, and the step with the batch."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cmgen.config import FPS, SAMPLE_RATE, TrainConfig
from cmgen.data import pipeline
from cmgen.media import images
from cmgen.media.video import write_video
from cmgen.models import precision
from cmgen.models.distributed import get_strategy
from cmgen.prepare.reading import processors
from cmgen.train import loop
from cmgen.train.multiworker import WorkerGroup
from tools.benchmarks import growth_chart, mains, timing
from tools.benchmarks.train import make_gan, random_batch

CLASSES = ("bell", "drum", "flute")
SECONDS, SIDE = 4.0, 96
WARM_UP_BATCHES, BATCHES = 20, 100
STEPS = 4  # timed, after as many that are not


@dataclass(frozen=True)
class SizeResult:
    """What so many recordings cost.

    Attributes:
      recordings: of SECONDS each.
      prepare_seconds, prepare_gib: of cmgen.prepare, its start included.
      memory_rate, streamed_rate: batches a second of the input alone, decoded in memory and streamed.
      memory_gib, streamed_gib: the largest memory of a process that only draws those.
    """

    recordings: int
    prepare_seconds: float
    prepare_gib: float
    memory_rate: float
    memory_gib: float
    streamed_rate: float
    streamed_gib: float


@dataclass(frozen=True)
class BatchResult:
    """The training step at one batch: median, and the largest memory of its process."""

    batch: int
    milliseconds: float
    milliseconds_a_pair: float
    gib: float


def measure(folder: Path, recordings: int, sizes: Sequence[int]) -> list[SizeResult]:
    """Synthesises recordings, multiplies them by links, and prepares and draws each collection.

    Args:
      folder: an empty one, for all that is written.
      recordings: at size 1.
      sizes: how many times that.
    """
    videos = [_write(folder / "videos", index) for index in range(recordings)]
    return [_measure_size(folder / f"{size}", videos, size) for size in sizes]


def _write(folder: Path, index: int) -> Path:
    """A tone with a square of its class's brightness; noise, so that nothing packs too well."""
    folder.mkdir(exist_ok=True)
    label, random = index % len(CLASSES), np.random.default_rng(index)
    time = np.arange(round(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    sound = 0.3 * np.sin(2 * np.pi * 220.0 * (label + 1) * time)
    sound += 0.02 * random.standard_normal(len(time))
    frames = random.integers(0, 20, (round(SECONDS * FPS), SIDE, SIDE, 3), np.uint8)
    frames[:, SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4] += np.uint8(60 + 60 * label)
    path = folder / f"{CLASSES[label]}_{index}.mp4"
    write_video(path, iter(frames), FPS, sound.astype(np.float32), SAMPLE_RATE)
    return path


def _measure_size(folder: Path, videos: Sequence[Path], size: int) -> SizeResult:
    for path in videos:
        place = folder / "raw" / "train" / path.name.partition("_")[0]
        place.mkdir(parents=True, exist_ok=True)
        for copy in range(size):
            (place / f"{path.stem}_{copy}.mp4").symlink_to(path)
    prepared = folder / "prepared"
    arguments = (f"--input={folder / 'raw'}", f"--output={prepared}")
    spent = mains.run_main("cmgen.prepare", arguments, folder / "prepare.log")
    (rate, gib), (streamed_rate, streamed_gib) = (
        timing.in_process(draw, processors(), prepared, cache_gib) for cache_gib in (1024.0, 0.0)
    )
    return SizeResult(
        len(videos) * size, spent.seconds, spent.peak_gib, rate, gib, streamed_rate, streamed_gib
    )


def draw(threads: int, prepared: Path, cache_gib: float) -> tuple[float, float]:
    """Batches a second of the input alone, and this process's largest memory in GiB.

    To be called in a process of its own.

    Args:
      threads: of TensorFlow.
      prepared: a folder of cmgen.prepare.
      cache_gib: larger data are streamed.
    """
    config = TrainConfig()
    config = replace(config, data=replace(config.data, cache_gib=cache_gib))
    recordings = pipeline.load_split(prepared, "train", config.data)
    group = WorkerGroup(get_strategy("default"))
    batches = iter(loop.batches(recordings, config, loop.pairs(config), 0, group))
    for _ in range(WARM_UP_BATCHES):
        next(batches)
    began = time.perf_counter()
    for _ in range(BATCHES):
        next(batches)
    return BATCHES / (time.perf_counter() - began), mains.peak_of_this_process()


def measure_steps(config: TrainConfig, batches: Sequence[int]) -> list[BatchResult]:
    """Times the training step at each batch, in a process for each.

    Args:
      config: networks and objective.
      batches: pairs in a step.
    """
    return [
        timing.in_process(step, processors(), replace(config, batch_size=count))
        for count in batches
    ]


def step(threads: int, config: TrainConfig) -> BatchResult:
    """One batch's result, in the precision that training takes; in a process of its own."""
    gan = make_gan(config, precision.policy(config.mixed_precision))
    once, batch = loop.step_function(gan, get_strategy("default")), random_batch(config)
    timed = timing.timed(
        lambda: once(batch, False), "step", config.batch_size, threads, STEPS, 60.0
    )
    a_pair = timed.p50_ms / config.batch_size
    return BatchResult(config.batch_size, timed.p50_ms, a_pair, mains.peak_of_this_process())


def keys(results: Sequence[SizeResult]) -> dict[str, float | None]:
    """Of the largest collection: seconds a recording, and streamed memory against the one before."""
    last = results[-1]
    flat = last.streamed_gib / results[-2].streamed_gib if len(results) > 1 else None
    return {
        "prepare_seconds_a_recording": last.prepare_seconds / last.recordings,
        "streamed_memory_vs_size_before": flat,
    }


def table(results: Sequence[SizeResult], steps: Sequence[BatchResult]) -> str:
    """Both results as text in columns."""
    head = (
        *("recordings", "prepare s", "GiB", "in memory: batches/s", "GiB"),
        *("streamed: batches/s", "GiB"),
    )
    rows = [
        (
            f"{r.recordings}",
            *(f"{r.prepare_seconds:.1f}", f"{r.prepare_gib:.2f}"),
            *(f"{r.memory_rate:.1f}", f"{r.memory_gib:.2f}"),
            *(f"{r.streamed_rate:.1f}", f"{r.streamed_gib:.2f}"),
        )
        for r in results
    ]
    steps_head = ("batch", "ms a step", "ms a pair", "GiB")
    steps_rows = [
        (f"{r.batch}", f"{r.milliseconds:.0f}", f"{r.milliseconds_a_pair:.2f}", f"{r.gib:.2f}")
        for r in steps
    ]
    return f"{timing.in_columns(head, rows)}\n\n{timing.in_columns(steps_head, steps_rows)}"


def draw_figure(path: Path, results: Sequence[SizeResult], steps: Sequence[BatchResult]) -> None:
    """Writes a PNG of everything over recordings, and of the step over the batch."""

    def over(*names: tuple[str, str]) -> dict[str, list[tuple[float, float]]]:
        return {text: [(r.recordings, getattr(r, name)) for r in results] for name, text in names}

    counted = f"recordings of {SECONDS:g} s"
    panels = [
        growth_chart.Panel("preparing, s", counted, over(("prepare_seconds", "all cores"))),
        growth_chart.Panel(
            "input alone, batches/s",
            counted,
            over(("memory_rate", "in memory"), ("streamed_rate", "streamed")),
        ),
        growth_chart.Panel(
            "largest memory, GiB",
            counted,
            over(
                ("memory_gib", "in memory"),
                ("streamed_gib", "streamed"),
                ("prepare_gib", "preparing"),
            ),
        ),
        growth_chart.Panel(
            "step, ms", "batch", {"step": [(r.batch, r.milliseconds) for r in steps]}
        ),
    ]
    images.write_png(path, growth_chart.draw_growth(panels))
