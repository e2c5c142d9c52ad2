"""Any sound or video file -> pictures of who may be playing, over time."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cmgen.config import SoundConfig
from cmgen.export.layout import newest
from cmgen.generate.image_to_sound import SoundModel
from cmgen.media import images, video
from cmgen.media.limits import LIMITS, MediaLimits
from cmgen.media.sound import decode_sound_file
from cmgen.utils import provenance
from cmgen.utils.errors import UserError
from cmgen.utils.typed_json import build

BATCH = 64
PICTURES = (".png",)
VIDEOS = (".mp4", ".gif")
# Facts of an export, and what its functions take.
_SIZES = ("window_samples", "noise_size", "sample_rate", "image_size", "sound")
_GIVEN = {"s2i": "waveform", "i2s": "image"}
_LABEL_HEIGHT = 18
_GAP = 4


@dataclass(frozen=True)
class Model:
    """A sound-to-image function from a run, a SavedModel or an ONNX file.

    Attributes:
      generate: (waveform float32 [batch, window_samples], noise float32 [batch, noise_size]) ->
        float32 [batch, size, size, 3] in [-1, 1].
      window_samples: length of a window.
      noise_size: length of the noise.
      sample_rate: in Hz.
      facts: of `origin.FACTS`, for the files that it makes.
    """

    generate: Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
    window_samples: int
    noise_size: int
    sample_rate: int
    facts: Mapping[str, str | int] = field(default_factory=dict)


def load_model(path: Path) -> Model | SoundModel:
    """A run's folder, an exported folder (or one version in it) or an .onnx file."""
    if path.suffix == ".onnx":
        return _load_onnx(path)
    saved = _saved_model_folder(path)
    if saved is not None:
        return _load_saved_model(saved)
    if (path / "config.json").is_file():
        return _load_workdir(path)
    raise UserError(
        f"--model={path}: neither a run's folder (config.json), nor an exported one "
        "(saved_model.pb), nor an .onnx file; train with cmgen.train or name another"
    )


def generate_file(
    model: Model,
    source: Path,
    output: Path,
    seeds: Sequence[int],
    fps: float = 10.0,
    columns: int = 12,
    scale: int = 2,
    limits: MediaLimits = LIMITS,
) -> None:
    """Writes what `model` sees in a sound.

    Args:
      model: of `load_model`.
      source: a sound or video file of at least one window (0.5 s).
      output: .png for a grid (a row for each seed, time going right), .mp4 for a video with the
        sound, .gif for a silent one; in these the seeds stand side by side.
      seeds: each fixes one noise for the whole length, so that the same player moves.
      fps: pictures per second of a video.
      columns: pictures in a row of the grid, evenly spread over the sound.
      scale: pictures are enlarged this many times.
      limits: of the source.
    """
    check_output(output)
    if images.is_picture(source):
        raise UserError(
            f"{source}: is a picture, and this model makes pictures of sounds; give a sound or video "
            "file, or a --model of --task=i2s"
        )
    sound = decode_sound_file(source, model.sample_rate, limits)
    duration = len(sound) / model.sample_rate
    comment = provenance.comment(model.facts, seeds)
    if output.suffix.lower() in PICTURES:
        times = grid_times(duration, columns)
        rows = np.concatenate(list(pictures(model, sound, times, seeds)))
        images.write_png(output, labelled_grid(enlarge(rows, scale), times, seeds), comment)
    else:
        times = np.arange(max(1, round(duration * fps))) / fps
        frames = (
            enlarge(strip[None], scale)[0]
            for batch in pictures(model, sound, times, seeds)
            for strip in side_by_side(batch)
        )
        video.write_video(output, frames, fps, sound, model.sample_rate, comment)


def check_output(output: Path) -> None:
    """Raises a UserError if the suffix isn't one that `generate_file` writes."""
    known = PICTURES + VIDEOS
    if output.suffix.lower() not in known:
        raise UserError(
            f"--output={output}: must end in {', '.join(known[:-1])} or {known[-1]}, for the model "
            "makes pictures"
        )


def parse_seeds(text: str) -> list[int]:
    """Whole numbers and ranges with both ends: "0-2,7" -> [0, 1, 2, 7]."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UserError(f"--seeds={text}: {part!r} is no number or range; write e.g. 0-3,7")
        span = range(int(first), int(last if dash else first) + 1)
        if not span:
            raise UserError(f"--seeds={text}: {part!r} is empty; write the smaller number first")
        seeds += span
    return seeds


def seed_noise(seeds: Sequence[int], size: int) -> NDArray[np.float32]:
    """Standard normal noise that depends on each seed alone: float32 [seeds, size]."""
    rows = [np.random.default_rng(seed).standard_normal(size) for seed in seeds]
    return np.array(rows, np.float32)


def cut_windows(
    sound: NDArray[np.float32], times: NDArray[np.float64], length: int, sample_rate: int
) -> NDArray[np.float32]:
    """Windows of `length` samples around the times.

    At both ends the window stays inside the sound instead of being padded with silence, which
    would look like a rest.

    Args:
      sound: float32 [samples >= length].
      times: middles of the windows in seconds [windows].
      length: samples in a window.
      sample_rate: in Hz.

    Returns:
      float32 [windows, length].
    """
    starts = np.rint(times * sample_rate).astype(np.int64) - length // 2
    starts = np.clip(starts, 0, len(sound) - length)
    return sound[starts[:, None] + np.arange(length)]


def pictures(
    model: Model, sound: NDArray[np.float32], times: NDArray[np.float64], seeds: Sequence[int]
) -> Iterator[NDArray[np.uint8]]:
    """Pictures at each time for each seed, a few times at once: uint8 [times, seeds, s, s, 3]."""
    noise = seed_noise(seeds, model.noise_size)
    step = max(1, BATCH // len(seeds))
    for start in range(0, len(times), step):
        some = times[start : start + step]
        windows = cut_windows(sound, some, model.window_samples, model.sample_rate)
        made = model.generate(
            np.repeat(windows, len(seeds), axis=0), np.tile(noise, (len(some), 1))
        )
        yield images.unscale(made).reshape(len(some), len(seeds), *made.shape[1:])


def grid_times(duration: float, columns: int) -> NDArray[np.float64]:
    """`columns` instants in seconds, each in the middle of its share of the duration."""
    return (np.arange(columns) + 0.5) * duration / columns


def side_by_side(batch: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[times, seeds, s, s, 3] -> [times, s, seeds * s, 3]."""
    times, seeds, height, width, channels = batch.shape
    return batch.transpose(0, 2, 1, 3, 4).reshape(times, height, seeds * width, channels)


def enlarge(pixels: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """uint8 [..., height, width, 3] with both sides `scale` times as long, smoothly."""
    if scale == 1:
        return pixels
    *outer, height, width, channels = pixels.shape
    size = (width * scale, height * scale)
    made = [
        np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BICUBIC))
        for one in pixels.reshape(-1, height, width, channels)
    ]
    return np.stack(made).reshape(*outer, size[1], size[0], channels)


def labelled_grid(
    rows: NDArray[np.uint8], times: NDArray[np.float64], seeds: Sequence[int]
) -> NDArray[np.uint8]:
    """A row for each seed with its number, a column for each time with its seconds.

    Args:
      rows: uint8 [times, seeds, height, width, 3].
      times: in seconds.
      seeds: the numbers.

    Returns:
      uint8 [grid height, grid width, 3].
    """
    height, width = rows.shape[2:4]
    font = ImageFont.load_default(size=12)
    left = round(max(font.getlength(f"seed {seed}") for seed in seeds)) + 2 * _GAP
    size = (left + len(times) * (width + _GAP), _LABEL_HEIGHT + len(seeds) * (height + _GAP))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for column, time in enumerate(times):
        x = left + column * (width + _GAP)
        draw.text((x + width / 2, _LABEL_HEIGHT / 2), f"{time:.1f} s", "black", font, anchor="mm")
        for row, seed in enumerate(seeds):
            y = _LABEL_HEIGHT + row * (height + _GAP)
            sheet.paste(Image.fromarray(rows[column, row]), (x, y))
            if column == 0:
                draw.text((left - _GAP, y + height / 2), f"seed {seed}", "black", font, anchor="rm")
    return np.asarray(sheet)


def _saved_model_folder(path: Path) -> Path | None:
    """The SavedModel in `path`, or in its highest integer folder, as TF Serving takes it."""
    if (path / "saved_model.pb").is_file():
        return path
    return newest(path) if path.is_dir() else None


def _load_saved_model(path: Path) -> Model | SoundModel:
    import tensorflow as tf

    from cmgen.export import saved_model

    function, facts = saved_model.load(path)

    def run(**inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        (made,) = function(**{k: tf.constant(v) for k, v in inputs.items()}).values()
        return made.numpy()

    return exported_model(run, facts, path)


def _load_onnx(path: Path) -> Model | SoundModel:
    from cmgen.export import onnx_session

    if not path.is_file():
        raise UserError(f"--model={path}: no such file; write it with cmgen.export")
    try:
        session = onnx_session.open_session(path)
    except UserError as error:  # which begins with the path
        raise UserError(f"--model={error}") from error
    try:
        stored = session.get_modelmeta().custom_metadata_map
        facts = {k: json.loads(stored[k]) for k in _SIZES} | {"task": stored["task"]}
        facts |= {k: json.loads(stored[k]) for k in ("step", "seed") if k in stored}
        facts |= {k: stored[k] for k in ("name", "data", "data_hash") if k in stored}
        missing = {_GIVEN[facts["task"]], "noise"} - {i.name for i in session.get_inputs()}
    except (KeyError, ValueError, RecursionError) as error:
        raise UserError(
            f"--model={path}: not an ONNX file of cmgen.export ({error}); export it again"
        ) from error
    if missing:
        raise UserError(
            f"--model={path}: a part of a model, which takes no {' and no '.join(sorted(missing))}; "
            "name the file without _encoder or _generator"
        )

    def run(**inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return session.run(None, inputs)[0]

    return exported_model(run, facts, path)


def exported_model(
    run: Callable[..., NDArray[np.float32]], facts: Mapping[str, Any], path: Path
) -> Model | SoundModel:
    """The model that an export's facts describe.

    Args:
      run: takes the network's tensors by name and gives what it makes.
      facts: as they were found, checked here.
      path: of the export, for messages.
    """

    def size(name: str) -> int:
        value = facts.get(name)
        if type(value) is not int or value < 1:
            raise UserError(f"--model={path}: {name}: {value!r} is no size; export it again")
        return value

    task = facts.get("task")
    if task == "i2s":
        where = f"--model={path}: sound"
        sound = build(SoundConfig, facts.get("sound"), where, remedy="export it again")
        return SoundModel(
            lambda image, noise: run(image=image, noise=noise),
            size("image_size"),
            size("noise_size"),
            sound,
            provenance.select_fields(facts),
        )
    if task != "s2i":
        raise UserError(f"--model={path}: task: {task!r} is neither s2i nor i2s; export it again")
    return Model(
        lambda waveform, noise: run(waveform=waveform, noise=noise),
        size("window_samples"),
        size("noise_size"),
        size("sample_rate"),
        provenance.select_fields(facts),
    )


def _load_workdir(path: Path) -> Model | SoundModel:
    from cmgen.export import functions
    from cmgen.models.run import load_run

    run = load_run(path)
    module = functions.module_of(run)
    config = run.config
    if config.task == "i2s":
        return SoundModel(
            lambda image, noise: module.generate(image, noise)["lms"].numpy(),
            config.data.image_size,
            config.gan.noise_size,
            config.sound,
            run.metadata,
        )
    return Model(
        lambda waveform, noise: module.generate(waveform, noise)["image"].numpy(),
        config.sound.window_samples,
        config.gan.noise_size,
        config.sound.sample_rate,
        run.metadata,
    )
