"""How long an exported model takes to answer: ONNX from tensors, SavedModel from files."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cmgen.export.allowed_ops import check_saved_model
from cmgen.export.layout import METADATA_FILE, newest
from cmgen.export.onnx_session import open_session
from cmgen.media import images
from cmgen.media.sound import encode_wav
from cmgen.utils.errors import UserError
from tools.benchmarks.timing import Timing, timed

# What each direction takes as a tensor and as a file, and what it makes.
_GIVEN = {"s2i": ("waveform", "audio_bytes"), "i2s": ("image", "image_bytes")}
_CASES = {
    "s2i": ("waveform -> picture", "bytes -> PNG"),
    "i2s": ("picture -> LMS", "bytes -> WAV"),
}


def newest_version(folder: Path) -> Path:
    """The SavedModel with the highest number in an exported model's folder."""
    version = newest(folder) if folder.is_dir() else None
    if version is None:
        raise UserError(f"--model={folder}: no exported model; write one with cmgen.export")
    return version


def measure(
    threads: int, folder: Path, batches: tuple[int, ...], calls: int, seconds: float
) -> list[Timing]:
    """Times an export on so many threads; to be called in a process of its own.

    Args:
      threads: of ONNX Runtime's and TensorFlow's operations.
      folder: of cmgen.export.
      batches: items in a call.
      calls: of each case.
      seconds: that a case takes at most.
    """
    version = newest_version(folder)
    facts = json.loads((version / METADATA_FILE).read_text())
    return [
        timed(call, case, batch, threads, calls, seconds)
        for cases in (_onnx_cases(folder, facts, threads), _saved_model_cases(version, facts))
        for case, make in cases
        for batch, call in ((batch, make(batch)) for batch in batches)
    ]


def headlines(timings: Sequence[Timing]) -> dict[str, float | None]:
    """The medians of single requests with as many threads as were tried at most; None if not timed."""
    threads = max(timing.threads for timing in timings)
    single = [t for t in timings if t.batch == 1 and t.threads == threads]

    def of(start: str, end: str) -> float | None:
        fitting = (t for t in single if t.case.startswith(start) and " -> " in t.case)
        return next((t.p50_ms for t in fitting if t.case.endswith(end)), None)

    onnx = next((t.p50_ms for t in single if t.case.startswith("ONNX,")), None)
    saved = of("SavedModel, bytes", "PNG") or of("SavedModel, bytes", "WAV")
    return {"onnx_batch1_p50_ms": onnx, "savedmodel_batch1_p50_ms": saved}


Cases = Iterator[tuple[str, Callable[[int], Callable[[], object]]]]


def _onnx_cases(folder: Path, facts: dict[str, Any], threads: int) -> Cases:
    for form in ("", "_float16", "_int8"):
        path = folder / f"{folder.resolve().name}{form}.onnx"
        if not path.is_file():
            continue
        session = open_session(path, threads)

        def make(batch: int, session: Any = session) -> Callable[[], object]:
            inputs = _tensors(facts, batch)
            return lambda: session.run(None, inputs)

        yield f"ONNX{form.replace('_', ' ')}, {_CASES[facts['task']][0]}", make


def _saved_model_cases(version: Path, facts: dict[str, Any]) -> Cases:
    import tensorflow as tf

    check_saved_model(version)
    loaded = tf.saved_model.load(str(version))
    tensor_case, file_case = _CASES[facts["task"]]

    def generate(batch: int) -> Callable[[], object]:
        inputs = {name: tf.constant(value) for name, value in _tensors(facts, batch).items()}
        # As arrays, for the call is over only when the numbers are there.
        return lambda: [v.numpy() for v in loaded.signatures["generate"](**inputs).values()]

    def serve(batch: int) -> Callable[[], object]:
        inputs = {_GIVEN[facts["task"]][1]: tf.constant([_file(facts)] * batch)}
        return lambda: [v.numpy() for v in loaded.signatures["serving_default"](**inputs).values()]

    yield f"SavedModel, {tensor_case}", generate
    yield f"SavedModel, {file_case}", serve


def _tone(facts: dict[str, Any], seconds: float) -> np.ndarray:
    """A note of five partials with a little noise, float32 [samples]."""
    time = np.arange(round(seconds * facts["sample_rate"])) / facts["sample_rate"]
    note = sum(np.sin(2 * np.pi * 220.0 * k * time) / k for k in range(1, 6))
    noise = np.random.default_rng(0).standard_normal(len(time))
    return (0.2 * note + 0.001 * noise).astype(np.float32)


def _picture(facts: dict[str, Any], size: int) -> np.ndarray:
    """Coloured squares, uint8 [size, size, 3]."""
    small = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    return small.repeat(size // 8, axis=0).repeat(size // 8, axis=1)


def _tensors(facts: dict[str, Any], batch: int) -> dict[str, np.ndarray]:
    noise = np.random.default_rng(0).standard_normal((batch, facts["noise_size"]))
    if facts["task"] == "s2i":
        given = _tone(facts, 1.0)[: facts["window_samples"]]
    else:
        given = images.scale(_picture(facts, facts["image_size"]).astype(np.float32))
    return {
        _GIVEN[facts["task"]][0]: np.repeat(given[None], batch, axis=0),
        "noise": noise.astype(np.float32),
    }


def _file(facts: dict[str, Any]) -> bytes:
    """Two seconds of sound as a WAV file, or a picture of 256 x 256 as a PNG."""
    if facts["task"] == "i2s":
        return images.encode_png(_picture(facts, 256))
    return encode_wav(_tone(facts, 2.0), facts["sample_rate"])
