"""Metadata of exports, pose tracks and weights: any value is read or refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from cmgen.config import SoundConfig
from cmgen.evaluate import pose_tracks
from cmgen.export.layout import FORMAT, METADATA_FILE
from cmgen.export.metadata import to_text
from cmgen.generate.model import load
from cmgen.models.weights import load_weights, save_weights
from cmgen.utils.errors import UserError
from tools.fuzzing import seeds

GOOD: dict[str, Any] = {
    "format": FORMAT, "name": "s2i", "classes": ["bell"], "step": 7, "data": "demo",
    "window_samples": 1, "noise_size": 1, "sample_rate": 1, "image_size": 8,
    "sound": SoundConfig().__dict__,
}  # fmt: skip
TASKS = {"s2i": ("window_samples", "noise_size", "sample_rate"), "i2s": ("image_size", "sound")}
WRONG = (None, "7", 7.0, True, -1, 0, [], {"strange": 1})
CASES = [(task, name, value) for task, names in TASKS.items() for name in names for value in WRONG]
DEEP = "[" * 100_000


def _write_onnx(path: Path, task: str, texts: dict[str, str]) -> Path:
    path.write_bytes(seeds.onnx_file(task, texts))
    return path


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    module = tf.Module()
    vector = tf.TensorSpec([None], tf.float32)
    module.generate = tf.function(lambda x: {"made": tf.identity(x)}, input_signature=[vector])
    folder = tmp_path_factory.mktemp("saved")
    signatures = {"generate": module.generate, "encode": module.generate}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    (folder / METADATA_FILE).parent.mkdir()
    return folder


@pytest.mark.parametrize("task", list(TASKS))
def test_good_facts_are_read(tmp_path: Path, saved_model: Path, task: str) -> None:
    texts = {name: to_text(value) for name, value in GOOD.items()}
    (saved_model / METADATA_FILE).write_text(json.dumps({**GOOD, "task": task}))
    for path in (_write_onnx(tmp_path / "m.onnx", task, texts), saved_model):
        assert load(path).metadata.noise_size == 1


@pytest.mark.parametrize(("task", "name", "value"), CASES)
def test_wrong_facts_are_refused_by_name(
    tmp_path: Path, saved_model: Path, task: str, name: str, value: Any
) -> None:
    facts = {**GOOD, "task": task, name: value}
    texts = {key: to_text(said) for key, said in facts.items() if key != "task"}
    texts[name] = json.dumps(value)
    (saved_model / METADATA_FILE).write_text(json.dumps(facts))
    for path in (_write_onnx(tmp_path / "m.onnx", task, texts), saved_model):
        with pytest.raises(UserError, match=f"{path}: {name}"):
            load(path)


@pytest.mark.parametrize("text", ["", "null", "[]", '"x"', "{}", DEEP])
def test_facts_that_are_no_facts_are_refused(tmp_path: Path, saved_model: Path, text: str) -> None:
    texts = {name: to_text(value) for name, value in GOOD.items()} | {"noise_size": text}
    (saved_model / METADATA_FILE).write_text(text)
    for path in (_write_onnx(tmp_path / "m.onnx", "s2i", texts), saved_model):
        with pytest.raises(UserError, match="export it again"):
            load(path)


@pytest.mark.parametrize("task", [None, 7, "x", []])
def test_an_unknown_task_is_refused(saved_model: Path, task: Any) -> None:
    (saved_model / METADATA_FILE).write_text(json.dumps({**GOOD, "task": task}))
    with pytest.raises(UserError, match=r"task: .*(neither s2i nor i2s|, not str)"):
        load(saved_model)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04" + bytes(50), b"PK", b"\x93NUMPY"])
def test_damaged_pose_tracks_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.truth.npz"
    path.write_bytes(data)
    with pytest.raises(UserError, match="not a pose track"):
        pose_tracks.read_track(path, 1)


@pytest.mark.parametrize(
    ("table", "midi"), [((), (1,)), ((7, 1), ()), ((7, 1), (1, 1)), ((7,), ())]
)
def test_pose_tracks_of_other_shapes_are_refused(
    tmp_path: Path, table: tuple[int, ...], midi: tuple[int, ...]
) -> None:
    path = tmp_path / "x.truth.npz"
    np.savez(path, table=np.zeros(table), midi=np.zeros(midi))
    with pytest.raises(UserError, match=r"x\.truth\.npz"):
        pose_tracks.read_track(path, 1)
    np.savez(path, table=np.zeros((7, 1)), midi=np.zeros(1))
    assert pose_tracks.read_track(path, 1)[0].shape == (1, 2)


@pytest.mark.parametrize(
    "strange",
    [
        {"fact/step": np.zeros(2)},
        {"fact/step": np.array(np.nan)},
        {"fact/step": np.array("seven")},
        {"dense/kernel": np.array([["a", "b"]])},
        {"dense/bias": np.zeros(2, complex)},
    ],
)
def test_weights_that_are_none_are_refused(tmp_path: Path, strange: dict[str, Any]) -> None:
    network, path = seeds.small_network(), tmp_path / "generator.npz"
    save_weights(network, path, step=7)
    assert load_weights(network, path) == {"step": 7}
    with np.load(path) as stored:
        np.savez(path, **{**stored, **strange})
    with pytest.raises(UserError, match=r"generator\.npz: damaged, or not a weights file"):
        load_weights(network, path)


def test_weights_of_a_larger_network_are_not_called_damaged(tmp_path: Path) -> None:
    network, path = seeds.small_network(), tmp_path / "generator.npz"
    np.savez(path, **{"dense/bias": np.zeros((1 << 20, 2))})
    with pytest.raises(UserError, match=r"does not fit the network small .*; use the settings"):
        load_weights(network, path)
