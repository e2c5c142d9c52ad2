"""Writes the inputs that fuzzing begins with: small good files of every kind.

python -m tools.fuzzing.seeds tests/fuzz
"""

import dataclasses
import io
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from cmgen import cli

Seeds = Iterator[tuple[str, bytes]]
RATE = 8000


def tone(seconds: float) -> np.ndarray:
    """Float [n] at RATE."""
    return 0.3 * np.sin(2 * np.pi * 220.0 * np.arange(round(seconds * RATE)) / RATE)


def sounds() -> Seeds:
    for kind, subtype in (
        *(("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "ULAW")),
        *(("WAVEX", "PCM_24"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")),
        *(("AIFF", "PCM_16"), ("W64", "PCM_16"), ("CAF", "PCM_16")),
    ):
        file = io.BytesIO()
        soundfile.write(file, tone(0.52), RATE, format=kind, subtype=subtype)
        yield f"{kind}_{subtype}".lower(), file.getvalue()


def pictures() -> Seeds:
    random = np.random.default_rng(0)
    picture = Image.fromarray(random.integers(0, 255, (16, 12, 3), np.uint8))
    for kind, mode in (
        *(("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16")),
        *(("GIF", "P"), ("WEBP", "RGB"), ("BMP", "RGB"), ("TIFF", "RGB")),
    ):
        file = io.BytesIO()
        shown = picture.convert("I").convert(mode) if mode == "I;16" else picture.convert(mode)
        shown.save(file, kind)
        yield f"{kind}_{mode.replace(';', '')}".lower(), file.getvalue()


def videos() -> Seeds:
    from cmgen.video import write_video

    frames = [np.full((32, 32, 3), 20 * i, np.uint8) for i in range(8)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.mp4"
        write_video(path, iter(frames), 10.0, tone(0.8).astype(np.float32), RATE)
        yield "mp4", path.read_bytes()


def names() -> Seeds:
    videos = [
        f"{split}/{label}/{index}.mp4"
        for split in ("train", "test")
        for label in "ab"
        for index in "12"
    ]
    yield "videos", "\n".join(videos).encode()
    plain = [f"{label}/{index}.wav" for label in "ab" for index in range(5)]
    yield "plain", "\n".join(plain).encode()
    apart = [
        f"{kind}/{split}/a/1.{s}"
        for kind, s in (("images", "jpg"), ("sounds", "wav"))
        for split in ("train", "test")
    ]
    yield "inis", "\n".join(apart).encode()
    urmp = [
        f"{folder}/{split}/{label}/{label}01_{ms}.{suffix}"
        for folder, suffix in (("img", "jpg"), ("chunk", "wav"))
        for split in ("train", "validation")
        for label in ("vn", "fl")
        for ms in (500, 600)
    ]
    yield "sub_urmp", "\n".join(urmp).encode()


def datasets() -> Seeds:
    from cmgen.config import CHECKSUM
    from cmgen.data import shards

    split = shards.SplitInfo(1, 2, 3, 4.0, {"bell": 1}, (shards.ShardInfo("a", "bell", 1),))
    info = shards.DatasetInfo(("bell",), 32, 10.0, "middle", {"train": split}, {"kind": "x"}, {})
    values = json.loads(shards.info_text(info))
    yield "whole", json.dumps(values).encode()
    # With its checksum every change is found at once; without, the reader has to look.
    yield "unsigned", json.dumps({k: v for k, v in values.items() if k != CHECKSUM}).encode()


def records() -> Seeds:
    import tensorflow as tf

    from cmgen.data.recording import Recording, encode_flac, encode_frames, to_int16
    from cmgen.data.shards import write_shard

    sound = to_int16(tone(0.05))
    frames = encode_frames([np.full((32, 32, 3), 90, np.uint8)])
    whole = Recording("id", "id", "bell", frames, np.zeros(1), encode_flac(sound), len(sound))
    with tempfile.TemporaryDirectory() as folder:
        for name, recording in (
            ("whole", whole),
            ("silent", dataclasses.replace(whole, sound=b"", samples=0)),
        ):
            path = Path(folder) / "x.tfrecord"
            write_shard(path, 0, [recording])
            yield name, next(iter(tf.data.TFRecordDataset(str(path)))).numpy()


def configs() -> Seeds:
    from cmgen.config import CHECKSUM, TrainConfig, to_json

    values = json.loads(to_json(TrainConfig()))
    yield "whole", to_json(TrainConfig()).encode()
    yield "unsigned", json.dumps({k: v for k, v in values.items() if k != CHECKSUM}).encode()


def clusters() -> Seeds:
    workers = ["10.0.0.1:2222", "10.0.0.2:2222"]
    for name, jobs, task in (
        ("workers", {"worker": workers}, {"type": "worker", "index": 1}),
        ("chief", {"chief": workers[:1], "worker": workers[1:]}, {"type": "chief", "index": 0}),
    ):
        yield name, json.dumps({"cluster": jobs, "task": task}).encode()


def studies() -> Seeds:
    from cmgen.rating import study

    window = study.Window("0" * 16, "bell", "test/bell/1.mp4", 0.5, "1" * 64)
    item = study.Item("2" * 16, 0, "real", "3" * 64)
    manifest = study.Manifest(1, ("bell",), ("real",), (window,), (item,), {"date": "2026-11-23"})
    yield "one", manifest.to_json().encode()


def exports() -> Seeds:
    from cmgen.config import SoundConfig
    from cmgen.export_folder import FORMAT

    yield "s2i", json.dumps(
        {
            "format": FORMAT, "name": "s2i", "task": "s2i", "classes": ["bell"], "sample_rate": 44100,
            "window_samples": 22050, "noise_size": 10, "image_size": 64, "step": 7, "data": "demo",
            "sound": dataclasses.asdict(SoundConfig()),
        }
    ).encode()  # fmt: skip


def scores() -> Seeds:
    yield "s2i", json.dumps(
        {
            "accuracy_test": 0.5, "accuracy_test_ci95": [0.4, 0.6], "task": "s2i", "seed": 1,
            "splits": {}, "hashes": {"data": "0", "splits": "1", "verifier": "2"},
        }
    ).encode()  # fmt: skip


SEEDS = {
    "sound": sounds,
    "picture": pictures,
    "video": videos,
    "names": names,
    "dataset": datasets,
    "shard": records,
    "config": configs,
    "cluster": clusters,
    "study": studies,
    "export": exports,
    "scores": scores,
}
# Targets that take what others take.
SAME = {
    "upload": ("sound", "picture"),
    "wav_in_graph": ("sound",),
    "picture_in_graph": ("picture",),
}


def write(folder: Path) -> None:
    """Writes FOLDER/target/name for every target."""
    for target, makers in {**{name: (name,) for name in SEEDS}, **SAME}.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for maker in makers:
            for name, data in SEEDS[maker]():
                (folder / target / name).write_bytes(data)


if __name__ == "__main__":
    cli.quiet_tensorflow()
    write(Path(sys.argv[1]))
