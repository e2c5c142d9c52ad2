"""Writes the inputs that fuzzing begins with: small good files of every kind.

python -m tools.fuzzing.seeds tests/fuzz
"""

import dataclasses
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from PIL import Image

from cmgen.utils import cli

if TYPE_CHECKING:
    import keras

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
    from cmgen.media.video import write_video

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
    from cmgen.data import shards
    from cmgen.utils.typed_json import CHECKSUM

    split = shards.SplitInfo(
        1, 2, 3, 4.0, {"bell": 1}, (shards.ShardInfo("a", "bell", 1, "0" * 64),)
    )
    info = shards.DatasetInfo(("bell",), 32, 10.0, "middle", {"train": split}, {"kind": "x"}, {})
    values = json.loads(shards.info_text(info))
    yield "whole", json.dumps(values).encode()
    # With its checksum every change is found at once; without, the reader has to look.
    yield "unsigned", json.dumps({k: v for k, v in values.items() if k != CHECKSUM}).encode()


def records() -> Seeds:
    import tensorflow as tf

    from cmgen.data.recording import Recording, to_int16
    from cmgen.data.shards import write_shard

    sound = to_int16(tone(0.05))
    frames = [np.full((32, 32, 3), 90, np.uint8)]
    whole = Recording("id", "id", "bell").with_sound(sound).with_frames(frames, np.zeros(1))
    with tempfile.TemporaryDirectory() as folder:
        for name, recording in (
            ("whole", whole),
            ("silent", dataclasses.replace(whole, sound=b"", samples=0)),
        ):
            path = Path(folder) / "x.tfrecord"
            write_shard(path, 0, [recording])
            yield name, next(iter(tf.data.TFRecordDataset(str(path)))).numpy()


def configs() -> Seeds:
    from cmgen.config import TrainConfig
    from cmgen.utils.typed_json import CHECKSUM, to_json

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
    from cmgen.rate import study

    window = study.Window("0" * 16, "bell", "test/bell/1.mp4", 0.5, "1" * 64)
    item = study.Item("2" * 16, 0, "real", "3" * 64)
    manifest = study.Manifest(1, ("bell",), ("real",), (window,), (item,), {"date": "2026-11-23"})
    yield "one", manifest.to_json().encode()


def exports() -> Seeds:
    from cmgen.config import SoundConfig
    from cmgen.export.layout import FORMAT

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


def onnx_file(task: str, facts: Mapping[str, str]) -> bytes:
    """The smallest network of a task, with these texts as its metadata."""
    from onnx import TensorProto, helper

    names = ("waveform" if task == "s2i" else "image", "noise", "made")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1]) for name in names]
    node = helper.make_node("Add", names[:2], names[2:])
    graph = helper.make_graph([node], "g", values[:2], values[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"task": task, **facts})
    return model.SerializeToString(deterministic=True)


def networks() -> Seeds:
    from cmgen.config import SoundConfig

    sizes = {"window_samples": 1, "noise_size": 1, "sample_rate": 1, "image_size": 8, "step": 7}
    facts = {"sound": json.dumps(dataclasses.asdict(SoundConfig())), "classes": '["bell"]'}
    facts |= {"format": "2", "name": "s2i", "data": "demo"}
    facts |= {name: json.dumps(size) for name, size in sizes.items()}
    for task in ("s2i", "i2s"):
        yield task, onnx_file(task, facts)


def saved_facts() -> Seeds:
    for name, data in exports():
        yield name, data
        yield "i2s", data.replace(b'"task": "s2i"', b'"task": "i2s"')


def small_network() -> "keras.Model":
    """Of which `weights` are."""
    import keras

    return keras.Sequential([keras.Input([1]), keras.layers.Dense(2, name="dense")], name="small")


def weights() -> Seeds:
    from cmgen.models.weights import save_weights

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npz"
        save_weights(small_network(), path, step=7)
        yield "small", path.read_bytes()


def poses() -> Seeds:
    table, midi = np.ones((7, 3), np.float32), np.array([60, 0, 61])
    for name, save in (("plain", np.savez), ("packed", np.savez_compressed)):
        file = io.BytesIO()
        save(file, table=table, midi=midi)
        yield name, file.getvalue()


def rating_requests() -> Seeds:
    yield "study", b"GET /api/study\n\n"
    yield "join", b'POST /api/join\n\n{"name": "Bo", "code": "", "password": "violin"}'
    yield "again", b'POST /api/join\n\n{"code": "CODE", "password": "violin"}'
    yield "state", b"GET /api/state\nCODE\n"
    yield "vote", b'POST /api/vote\nCODE\n{"place": 0, "score": 3}'
    yield "picture", b"GET /api/picture/0\nCODE\n"
    yield "sound", b"GET /api/sound/1\nCODE\n"
    yield "leave", b"POST /api/leave\nCODE\n{}"


def studio_requests() -> Seeds:
    noise = b'"seed": 1, "towards": 2, "percent": 50'
    yield "studio", b"GET /api/studio\n\n"
    yield "made", b"GET /made/MADE\n\n"
    yield "thumbnail", b"GET /example/0.png\n\n"
    yield "upload", b"POST /api/upload?name=x.wav\n\nRIFF"
    yield "upload_picture", b"POST /api/upload?name=x.gif\n\nGIF"
    yield "upload_else", b"POST /api/upload?name=x.txt\n\ntext"
    yield "example", b'POST /api/example\n\n{"kind": "sound", "number": 0}'
    yield "example_picture", b'POST /api/example\n\n{"kind": "picture", "number": 0}'
    asked = b'POST /api/pictures\n\n{"input": "SOUND", "model": "s2i", "every": 5, '
    yield "pictures", asked + noise + b"}"
    yield "lms", b'POST /api/lms\n\n{"input": "SOUND", "model": "s2i"}'
    yield "video", b'POST /api/video\n\n{"input": "SOUND", "models": ["s2i"], ' + noise + b"}"
    asked = b'POST /api/sound\n\n{"input": "PICTURE", "model": "i2s", '
    yield "sound", asked + b'"seed": 1, "seconds": 2}'


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
    "onnx": networks,
    "saved_facts": saved_facts,
    "weights": weights,
    "track": poses,
    "rating_page": rating_requests,
    "studio_page": studio_requests,
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
