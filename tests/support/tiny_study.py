"""A study's folder made without TensorFlow: what cmgen.rate collect would leave, in milliseconds."""

import io
import random
from pathlib import Path

import numpy as np
import soundfile
from fixtures import CLASSES, SAMPLE_RATE, picture, tone

from cmgen.media import images
from cmgen.rate import study
from cmgen.rate.study import Item, Manifest, Window

SOURCES = ("real", "S2I-C", "S2I-N", "S2I-A")


def make_manifest(
    per_class: int = 4, sources: tuple[str, ...] = SOURCES, recordings: int = 2
) -> Manifest:
    """Windows and items of three classes; the hashes are of no file."""
    draw = random.Random(3)

    def key() -> str:
        return f"{draw.getrandbits(64):016x}"

    windows = [
        Window(key(), name, f"test/{name}/{name}_{index % recordings}", 0.5 * index, "")
        for name in CLASSES
        for index in range(per_class)
    ]
    items = [Item(key(), w, source, "") for w in range(len(windows)) for source in sources]
    return Manifest(5, tuple(CLASSES), sources, tuple(windows), tuple(items), {})


def write_study(
    folder: Path, per_class: int = 2, sources: tuple[str, ...] = SOURCES, seconds: float = 0.5
) -> Path:
    """Writes pictures, sounds and the manifest; returns `folder`."""
    plan = make_manifest(per_class, sources)
    (folder / study.PICTURES).mkdir(parents=True)
    (folder / study.SOUNDS).mkdir()
    windows, items = [], []
    for index, window in enumerate(plan.windows):
        buffer = io.BytesIO()
        samples = tone(CLASSES[window.class_name][1], seconds, seed=index)
        soundfile.write(buffer, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
        study.sound_path(folder, window.sound).write_bytes(buffer.getvalue())
        windows.append(_with_hash(window, buffer.getvalue()))
    for index, item in enumerate(plan.items):
        name = plan.windows[item.window].class_name
        pixels = picture(name, time=index % 3, size=64, seed=index)
        data = images.encode_png(np.ascontiguousarray(pixels))
        study.picture_path(folder, item.picture).write_bytes(data)
        items.append(_with_hash(item, data))
    manifest = Manifest(
        plan.seed, plan.classes, plan.sources, tuple(windows), tuple(items), {"date": "today"}
    )
    (folder / study.MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return folder


def _with_hash(part, data: bytes):
    return type(part)(**{**vars(part), "sha256": study.sha256(data)})
