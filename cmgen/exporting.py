"""Writes a run's sound-to-image function for others: SavedModel, ONNX file and a card."""

import dataclasses
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cmgen import onnx_export, serving
from cmgen.card import model_card
from cmgen.checkpoint import Run
from cmgen.config import SoundConfig
from cmgen.data import catalog, pipeline
from cmgen.errors import FAILED_WORK, UserError
from cmgen.files import explained_disk_errors
from cmgen.report import headlines
from cmgen.versions import installed

# How many windows, spread over the split, the exported forms are compared on.
PARITY_WINDOWS = 32


@dataclass(frozen=True)
class Exported:
    """What `export` wrote, and the largest differences from the run's own networks."""

    saved_model: Path
    onnx: Path
    card: Path
    saved_model_difference: float
    onnx_difference: float


def export(run: Run, output: Path, windows: np.ndarray, scores: Mapping[str, Any]) -> Exported:
    """Writes OUTPUT/<next integer>/ (SavedModel), OUTPUT/<name>.onnx and OUTPUT/README.md.

    Everything is written aside and compared with the run's networks first, then renamed, so that
    a failure leaves OUTPUT as it was and a server never sees half a version.

    Args:
      run: of `checkpoint.load_run`, with the averaged generator.
      output: the model's base folder, e.g. exports/s2i; its name is the model's.
      windows: float32 [n >= 2, 22050], the sounds to compare the forms on.
      scores: of `read_scores`, for the card; may be empty.
    """
    module = serving.SoundToImage.of(run)
    name = output.resolve().name
    facts = describe(run, scores)
    inputs = dict(zip(("waveform", "noise"), serving.example_inputs(module, windows), strict=True))
    with explained_disk_errors(output), _folder_aside(output) as aside:
        saved, onnx, card = (aside / part for part in ("saved", "model.onnx", "README.md"))
        serving.save(module, saved, facts)
        saved_difference = _saved_model_difference(saved, module, inputs)
        serialized = onnx_export.convert(
            module.generate_for_onnx, name, _metadata_props(facts)
        ).SerializeToString()
        onnx_difference = onnx_export.check_parity(serialized, module.generate, inputs)
        onnx.write_bytes(serialized)
        card.write_text(model_card(name, facts, onnx_difference), encoding="utf-8")
        written = Exported(
            output / str(_next_version(output)),
            output / f"{name}.onnx",
            output / "README.md",
            saved_difference,
            onnx_difference,
        )
        onnx.replace(written.onnx)
        card.replace(written.card)
        saved.rename(written.saved_model)
    return written


def check_exportable(run: Run) -> None:
    """Raises a UserError for a run that `export` doesn't know."""
    if run.config.task != "s2i":
        raise UserError(
            f"--workdir={run.workdir}: a run of --task={run.config.task}; exports of pictures to "
            "sound come in a later version; use it by cmgen.generate"
        )


def read_scores(run: Run, path: str | None) -> dict[str, Any]:
    """Headlines that cmgen.evaluate wrote to `path`, or to the run's folder if None; else {}.

    Scores of another step would be false on the card, so they are refused if named and left out
    if only found.
    """
    source = Path(path) if path else run.workdir / "evaluation.json"
    if path is None and not source.is_file():
        return {}
    try:
        written = json.loads(source.read_text(encoding="utf-8"))
        step, scores = written["step"], headlines(written)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{source}: not a file of cmgen.evaluate ({error}); run it again"
        ) from error
    if step == run.step:
        return scores
    if path is None:
        return {}
    raise UserError(
        f"--scores={path}: of step {step}, but the run's weights are of step {run.step}; "
        "run cmgen.evaluate again"
    )


def parity_windows(run: Run) -> np.ndarray:
    """Float32 [n, samples]: windows of the run's data, or `tones` if they aren't there any more."""
    sound = run.config.sound
    try:
        folder = catalog.resolve(dataclasses.replace(run.config.data, data=run.data))
        split = next(s for s in ("test", "validation", "train") if s in catalog.splits(folder))
        recordings = pipeline.load_split(folder, split, run.config.data)
    except (UserError, StopIteration) as error:
        print(f"The run's data can't be read ({error}); comparing on generated tones instead.")
        return tones(PARITY_WINDOWS, sound)
    batches = pipeline.evaluation_windows(recordings, 1, run.config)
    waveforms = np.concatenate([batch["waveform"].numpy() for batch in batches])
    return waveforms[:: max(1, len(waveforms) // PARITY_WINDOWS)][:PARITY_WINDOWS]


def describe(run: Run, scores: Mapping[str, Any]) -> dict[str, Any]:
    """What a user of the exported function has to know, of JSON types."""
    config = run.config
    return {
        "task": config.task,
        "classes": list(run.classes),
        "sample_rate": config.sound.sample_rate,
        "window_samples": config.sound.window_samples,
        "noise_size": config.gan.noise_size,
        "image_size": config.data.image_size,
        "step": run.step,
        "seed": config.seed,
        "data": Path(run.data).name,
        "scores": dict(scores),
        "versions": installed(),
    }


def tones(count: int, sound: SoundConfig, seed: int = 0) -> np.ndarray:
    """Harmonic tones of random pitch and loudness with a little noise: float32 [count, samples].

    They stand in for real windows where a run's data are no longer there.
    """
    rng = np.random.default_rng(seed)
    time = np.arange(sound.window_samples) / sound.sample_rate
    pitch = 55.0 * 2 ** rng.uniform(0, 5, (count, 1, 1))
    harmonic = np.arange(1, 9)[:, None]
    partials = np.sin(2 * np.pi * pitch * harmonic * time) / harmonic
    waves = partials.sum(axis=1) * 10 ** rng.uniform(-2, -0.5, (count, 1))
    return np.clip(waves + rng.normal(0, 1e-4, waves.shape), -1, 1).astype(np.float32)


@contextmanager
def _folder_aside(output: Path) -> Iterator[Path]:
    """A folder inside `output` that is removed in the end, as `output` is if nothing came into it."""
    existed = output.is_dir()
    output.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=output, prefix=".writing-") as aside:
            yield Path(aside)
    finally:
        if not existed and not any(output.iterdir()):
            output.rmdir()


def _saved_model_difference(
    folder: Path, module: serving.SoundToImage, inputs: Mapping[str, np.ndarray]
) -> float:
    """Largest difference of the pictures of the SavedModel on disk; refused above TOLERANCE."""
    loaded, _ = serving.load(folder)
    found, expected = loaded(**_tensors(inputs))["image"], module.generate(**inputs)["image"]
    difference = float(np.abs(found.numpy() - expected.numpy()).max())
    if not difference <= onnx_export.TOLERANCE:
        raise UserError(
            f"the SavedModel differs from the run by {difference:.2g}; nothing was written",
            FAILED_WORK,
        )
    return difference


def _tensors(inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    import tensorflow as tf

    return {name: tf.constant(value) for name, value in inputs.items()}


def _metadata_props(facts: Mapping[str, Any]) -> dict[str, str]:
    """ONNX metadata are strings: text as it is, everything else as JSON."""
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in facts.items()}


def _next_version(output: Path) -> int:
    """TF Serving serves the highest integer folder, so each export gets the next one."""
    return 1 + max((int(p.name) for p in output.iterdir() if p.name.isdecimal()), default=0)
