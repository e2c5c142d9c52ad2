"""Makes a study: draws test windows, generates pictures with trained runs, writes both."""

import dataclasses
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmgen.config import TrainConfig, data_folder
from cmgen.data import pipeline
from cmgen.data.streaming import Rows
from cmgen.evaluate import windows as split_windows
from cmgen.generate import networks
from cmgen.generate.model import Model
from cmgen.media import images
from cmgen.media.sound import encode_wav
from cmgen.models.run import Run, load_run
from cmgen.models.weights import weights_path
from cmgen.prepare import cache, run_data
from cmgen.rate.study import (
    MANIFEST,
    PICTURES,
    REAL,
    SOUNDS,
    Item,
    Manifest,
    Window,
    check_sources,
    picture_path,
    sha256,
    sound_path,
)
from cmgen.utils import hashes
from cmgen.utils.errors import UserError
from cmgen.utils.files import atomic_folder
from cmgen.utils.paths import keep_inputs
from cmgen.utils.versions import installed

SPLIT = "test"
_FADE_SECONDS = 0.005  # at both ends of a sound, against clicks


@dataclass(frozen=True)
class CollectConfig:
    """Settings of a study.

    Attributes:
      per_class: windows of each instrument.
      sound_seconds: length of the sounds that raters hear; runs take the window in the middle.
      seed: of windows, noise and names of files.
      data: "demo", a prepared folder or a raw one; None: that of the runs.
    """

    per_class: int
    sound_seconds: float
    seed: int
    data: str | None = None


def collect(output: Path, workdirs: Mapping[str, Path], config: CollectConfig) -> Manifest:
    """Writes a new study: real pictures, and those that each run generates from the same sounds.

    Args:
      output: the new folder.
      workdirs: source's name -> folder of a trained run.
      config: what to draw.
    """
    check_sources(list(workdirs))
    with atomic_folder(output) as folder:
        runs = {name: load_run(workdir) for name, workdir in workdirs.items()}
        for run in runs.values():
            keep_inputs({"output": output}, {}, {"data": data_folder(run.data)})
        return _collect_into(folder, runs, config)


def _collect_into(folder: Path, runs: Mapping[str, Run], config: CollectConfig) -> Manifest:
    recordings = _load_test_split(runs, config)
    assert recordings.sound is not None and recordings.frames is not None
    first = next(iter(runs.values())).config
    window, sound = first.sound.window_samples, recordings.sound.numpy()
    places = draw_places(recordings, _sounding(recordings, first), window, config)
    begin = recordings.sound_offsets[places.recording] + places.start
    waveforms = sound[begin[:, None] + np.arange(window)].astype(np.float32) / 32768.0
    pictures = {REAL: recordings.frames.numpy()[places.frame]}
    pictures |= {name: _pictures(run, waveforms, config.seed) for name, run in runs.items()}
    files = _sounds(recordings, sound, places, window, config.sound_seconds)
    keys = _keys(config.seed)
    windows = _describe(recordings, places, window, keys, files)
    (folder / PICTURES).mkdir()
    (folder / SOUNDS).mkdir()
    for described, data in zip(windows, files, strict=True):
        sound_path(folder, described.sound).write_bytes(data)
    items = [
        _write_picture(folder, Item(next(keys), index, source, ""), pixels[index])
        for index in range(len(windows))
        for source, pixels in pictures.items()
    ]
    manifest = Manifest(
        seed=config.seed,
        classes=tuple(recordings.classes),
        sources=tuple(pictures),
        windows=tuple(windows),
        items=tuple(items),
        facts=_metadata(runs, recordings, config),
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def draw_places(
    recordings: pipeline.Recordings, places: Rows, window: int, config: CollectConfig
) -> Rows:
    """Draws `per_class` windows of each class that don't overlap, from its recordings in turn.

    Returns:
      Places class by class, each class's in the order drawn.
    """
    draw = random.Random(config.seed)
    chosen: list[int] = []
    for label, class_name in enumerate(recordings.classes):
        rows = np.flatnonzero(recordings.labels[places.recording] == label)
        piles = [
            _apart(places, rows[places.recording[rows] == recording], window, draw)
            for recording in np.unique(places.recording[rows])
        ]
        draw.shuffle(piles)
        turns = [row for turn in zip_longest(*piles) for row in turn if row is not None]
        if len(turns) < config.per_class:
            raise UserError(
                f"--per_class={config.per_class}: the {SPLIT} recordings of {class_name!r} have "
                f"{len(turns)} windows that sound and don't overlap; give at most that many"
            )
        chosen += turns[: config.per_class]
    return _take(places, np.array(chosen))


def _apart(places: Rows, rows: NDArray[np.int64], window: int, draw: random.Random) -> list[int]:
    """Windows of one recording in random order, leaving out those that overlap an earlier one."""
    kept: list[int] = []
    for row in draw.sample(list(rows), len(rows)):
        if all(abs(places.start[row] - places.start[other]) >= window for other in kept):
            kept.append(int(row))
    return kept


def _load_test_split(runs: Mapping[str, Run], config: CollectConfig) -> pipeline.Recordings:
    """The test recordings in memory, after checking that the runs can be compared on them."""
    first, *others = runs.values()
    for name, run in list(runs.items())[1:]:
        if run.config.sound != first.config.sound:
            raise UserError(f"--run={name}: hears other windows of sound than the first run")
        if run.config.data.image_size != first.config.data.image_size:
            raise UserError(f"--run={name}: makes pictures of another size than the first run")
    trained_on = {run.data for run in runs.values()}
    if config.data is None and len(trained_on) > 1:
        names = ", ".join(sorted(trained_on))
        raise UserError(f"the runs were trained on {names}; choose with --data")
    data = dataclasses.replace(
        first.config.data, data=config.data or first.data, cache_gib=math.inf
    )
    own = config.data is None or run_data.is_own(first.data, config.data)
    folder = (
        run_data.resolve(first.workdir, first.data_config, first.data_hash)
        if own
        else cache.resolve(data)
    )
    recordings = pipeline.load_split(folder, SPLIT, data)
    for run in runs.values():
        if hashes.data_hash(recordings.info.checksums) != run.data_hash:
            run_data.check_unseen(run.workdir, [recordings], f"--data={data.data}")
    if not recordings.has_frames.any():
        raise UserError(f"--data={data.data}: its {SPLIT} recordings have no pictures")
    for run in (first, *others):
        split_windows.class_indices(recordings.classes, run.classes)
    return recordings


def _sounding(recordings: pipeline.Recordings, config: TrainConfig) -> Rows:
    """All windows that have a picture and are louder than silence."""
    config = dataclasses.replace(config, only_classes=())
    sound = config.sound
    rows = pipeline.evaluation_rows(recordings, 1, sound.window_samples, sound.sample_rate)
    columns = split_windows.collect(
        recordings, recordings.classes, config, lambda *_: {}, silent=True
    )
    return _take(rows, columns["sounding"] & (rows.frame >= 0))


def _take(rows: Rows, chosen: NDArray[Any]) -> Rows:
    return Rows(*(column[chosen] for column in vars(rows).values()))


def _pictures(run: Run, waveforms: NDArray[np.float32], seed: int) -> NDArray[np.uint8]:
    """A run's picture of each sound; runs whose noise has the same size get the same noise."""
    noise = np.random.default_rng(seed).standard_normal((len(waveforms), run.config.gan.noise_size))
    return images.unscale(Model(*networks.of_run(run))(waveforms, noise.astype(np.float32)))


def _sounds(
    recordings: pipeline.Recordings,
    sound: NDArray[np.int16],
    places: Rows,
    window: int,
    seconds: float,
) -> list[bytes]:
    """WAV files of `seconds` around each window, inside its recording, faded at both ends."""
    rate = recordings.info.sample_rate
    fade = np.ones(round(seconds * rate))
    ramp = np.linspace(0.0, 1.0, round(_FADE_SECONDS * rate))
    fade[: len(ramp)], fade[-len(ramp) :] = ramp, ramp[::-1]
    files = []
    for recording, start in zip(places.recording, places.start, strict=True):
        first, end = recordings.sound_offsets[recording : recording + 2]
        wanted = first + start + (window - len(fade)) // 2
        begin = max(first, min(wanted, end - len(fade)))
        samples = sound[begin : min(begin + len(fade), end)]
        # Of a recording that is shorter than `seconds`, all is written.
        shape = np.minimum(fade[: len(samples)], fade[-len(samples) :])
        files.append(encode_wav(np.rint(samples * shape).astype(np.int16), rate))
    return files


def _metadata(
    runs: Mapping[str, Run], recordings: pipeline.Recordings, config: CollectConfig
) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": dataclasses.asdict(config),
        "runs": {
            name: {
                "workdir": run.workdir.name,
                "step": run.step,
                "seed": run.config.seed,
                **{
                    f"{network}_sha256": hashes.file_hash(weights_path(run.workdir, network))
                    for network in ("generator", "sound_encoder")
                },
            }
            for name, run in runs.items()
        },
        "data": {
            **recordings.info.source,
            "split": SPLIT,
            "fingerprint": hashes.data_hash(recordings.info.checksums),
        },
        "versions": installed(),
    }


def _keys(seed: int) -> Iterator[str]:
    """Random names of files, 16 hex digits each."""
    draw = random.Random(f"keys {seed}")
    while True:
        yield f"{draw.getrandbits(64):016x}"


def _describe(
    recordings: pipeline.Recordings,
    places: Rows,
    window: int,
    keys: Iterator[str],
    files: Sequence[bytes],
) -> list[Window]:
    middles = (places.start + window / 2) / recordings.info.sample_rate
    return [
        Window(
            sound=next(keys),
            class_name=recordings.classes[recordings.labels[recording]],
            recording=str(recordings.groups[recording]),
            seconds=round(float(middle), 3),
            sha256=sha256(data),
        )
        for recording, middle, data in zip(places.recording, middles, files, strict=True)
    ]


def _write_picture(folder: Path, item: Item, pixels: NDArray[np.uint8]) -> Item:
    data = images.encode_png(pixels)
    picture_path(folder, item.picture).write_bytes(data)
    return dataclasses.replace(item, sha256=sha256(data))
