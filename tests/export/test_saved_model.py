"""SavedModels on disk: alone in a fresh process, and as a server takes them, by its own protos."""

import base64
import io
import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from checkout import ROOT
from PIL import Image
from tiny_run import sounds, write_exports

from cmgen.export import functions, saved_model
from cmgen.media import images
from cmgen.models.run import load_run
from cmgen.utils.errors import UserError

CLASSES = ("bell", "drum", "flute")
GUIDE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """exports/s2i and exports/i2s of untrained runs, and the sound and picture to ask with."""
    root = tmp_path_factory.mktemp("work")
    write_exports(root, CLASSES, 3)
    soundfile.write(root / "recording.wav", np.tile(sounds(1)[0], 3), 44100, subtype="PCM_16")
    Image.fromarray(np.full((90, 70, 3), 99, np.uint8)).save(root / "photo.jpg")
    return root


def test_a_fresh_process_without_cmgen_gets_files_for_files(exports, tmp_path):
    for task in ("s2i", "i2s"):  # moved: nothing may depend on where it was made
        shutil.copytree(exports / "exports" / task / "1", tmp_path / task)
    program = f"""
import sys
sys.modules["cmgen"] = None  # importing it would fail
import tensorflow as tf
work = {str(exports)!r}
for task, given, asked, made in (
    ("s2i", "audio_bytes", "recording.wav", "picture.png"),
    ("i2s", "image_bytes", "photo.jpg", "sound.wav"),
):
    signatures = tf.saved_model.load(task).signatures
    assert sorted(signatures) == ["encode", "from_seed", "generate", "serving_default"]
    file = tf.io.read_file(work + "/" + asked)
    (answer,) = signatures["serving_default"](**{{given: [file]}}).values()
    open(made, "wb").write(answer.numpy()[0])
"""
    environment = {"PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with Image.open(tmp_path / "picture.png") as picture:
        assert (picture.size, picture.mode, picture.format) == ((32, 32), "RGB", "PNG")
    assert soundfile.info(tmp_path / "sound.wav").frames == 22050


@pytest.mark.parametrize("task", ["s2i", "i2s"])
def test_a_server_finds_the_weights(exports, task):
    """A server knows no Python objects: it runs the graph's own restoring operation, as here."""
    folder = exports / "exports" / task / "1"
    for name, function in tf.saved_model.load(str(folder)).signatures.items():
        inputs = {
            key: np.zeros([2 if size is None else size for size in spec.shape], np.float32)
            for key, spec in function.structured_input_signature[1].items()
            if spec.dtype == tf.float32
        }
        if not inputs:
            file = {"audio_bytes": "recording.wav", "image_bytes": "photo.jpg"}
            (given,) = function.structured_input_signature[1].keys() & file.keys()
            inputs = {given: [(exports / file[given]).read_bytes()]}
            if name == "from_seed":
                inputs["seed"] = np.array([7], np.int64)
        wanted = function(**{key: tf.constant(value) for key, value in inputs.items()})
        with tf.compat.v1.Session(graph=tf.Graph()) as session:
            meta = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
            signature = meta.signature_def[name]
            found = session.run(
                {key: info.name for key, info in signature.outputs.items()},
                {signature.inputs[key].name: value for key, value in inputs.items()},
            )
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            np.testing.assert_array_equal(found[key], value.numpy(), err_msg=f"{name} {key}")


def test_the_signatures_have_names_and_take_any_batch(exports):
    signatures = tf.saved_model.load(str(exports / "exports/s2i/1")).signatures
    specs = {
        name: (s.structured_input_signature[1], s.structured_outputs)
        for name, s in signatures.items()
    }
    found = {name: (sorted(given), sorted(made)) for name, (given, made) in specs.items()}
    assert found == {
        "serving_default": (["audio_bytes"], ["image_bytes"]),
        "from_seed": (["audio_bytes", "seed"], ["image_bytes"]),
        "generate": (["noise", "waveform"], ["image"]),
        "encode": (["waveform"], ["encoding", "probabilities"]),
    }
    every = [spec for given, made in specs.values() for spec in {**given, **made}.values()]
    assert all(spec.shape[0] is None for spec in every)
    assert specs["from_seed"][0]["seed"].dtype == tf.int64


def test_the_saved_model_gives_what_the_run_gives(exports):
    signatures, metadata = saved_model.load(exports / "exports/s2i/1")
    assert (metadata["format"], metadata["name"], metadata["task"]) == (2, "s2i", "s2i")
    module = functions.serving_module(load_run(exports / "s2i"))
    for count in (1, 5):
        waveform, noise = sounds(count), functions.example_noise(module, count)
        found = signatures["generate"](waveform=tf.constant(waveform), noise=tf.constant(noise))[
            "image"
        ]
        np.testing.assert_allclose(found, module.generate(waveform, noise)["image"], atol=1e-6)


@pytest.mark.parametrize("text", [None, "{}", '{"format": 1}', "nothing"])
def test_a_folder_that_is_no_export_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "assets.extra").mkdir()
        (tmp_path / "assets.extra" / "cmgen.json").write_text(text)
    with pytest.raises(UserError, match="not a SavedModel"):
        saved_model.load(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "saved_model.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
        "assets.extra/cmgen.json",
    ],
)
def test_a_file_with_a_bit_changed_or_cut_is_refused_by_name(exports, tmp_path, name):
    model = tmp_path / "s2i"
    shutil.copytree(exports / "exports" / "s2i", model)
    path = model / "1" / name
    data = path.read_bytes()
    middle = len(data) // 2
    for damaged in (data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :], data[:-1]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=rf"1/{name}: damaged or changed \(SHA256SUMS"):
            saved_model.load(model / "1")
    path.write_bytes(data)
    saved_model.load(model / "1")


def test_models_config_names_every_model_to_the_server(exports):
    config_pb2 = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2")
    from google.protobuf import text_format

    (exports / "exports" / "half").mkdir(exist_ok=True)  # no version in it
    text = (exports / "exports" / "models.config").read_text()
    assert saved_model.models_config(exports / "exports") == text
    parsed = text_format.Parse(text, config_pb2.ModelServerConfig())
    found = [(c.name, c.base_path, c.model_platform) for c in parsed.model_config_list.config]
    assert found == [(n, f"/models/{n}", "tensorflow") for n in ("i2s", "s2i")]


@pytest.mark.parametrize("task", ["s2i", "i2s"])
def test_warm_up_requests_are_answered(exports, task):
    model_server = pytest.importorskip("model_server", reason="needs the extra [serving]")
    from tensorflow_serving.apis import prediction_log_pb2

    folder = exports / "exports" / task / "1"
    records = list(tf.data.TFRecordDataset(str(folder / saved_model.WARMUP_FILE)))
    predictor, seen = model_server.Predictor(task, str(folder)), set()
    for record in records:
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        assert predictor.answer(request).outputs
        seen.add(request.model_spec.signature_name)
    assert seen == {"serving_default", "from_seed", "generate", "encode"}
    assert len(records) <= 1000  # what a server plays at most


@pytest.fixture(scope="module")
def servers(exports):
    model_server = pytest.importorskip("model_server", reason="needs the extra [serving]")
    folders = {task: str(exports / "exports" / task / "1") for task in ("s2i", "i2s")}
    with model_server.serve("s2i", folders["s2i"]) as s2i:  # noqa: SIM117
        with model_server.serve("i2s", folders["i2s"]) as i2s:
            yield {"s2i": s2i, "i2s": i2s}


def post(port, model, body):
    """(status, answer) of a REST request."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = f"http://127.0.0.1:{port}/v1/models/{model}:predict"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=300) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def in_base64(path):
    return {"b64": base64.b64encode(path.read_bytes()).decode()}


def values_of(file):
    """Samples of a WAV or pixels of a PNG, as shares of the whole range."""
    stream = io.BytesIO(file)
    if file.startswith(b"RIFF"):
        return soundfile.read(stream)[0] / 2
    return np.asarray(Image.open(stream)) / 255


@pytest.mark.parametrize("task", ["s2i", "i2s"])
def test_rest_in_rows_and_columns(servers, exports, task):
    port, asked = servers[task][2], "recording.wav" if task == "s2i" else "photo.jpg"
    key, start = ("audio_bytes", b"\x89PNG") if task == "s2i" else ("image_bytes", b"RIFF")
    file = in_base64(exports / asked)
    for body in (
        {"instances": [file, file]},
        {"instances": [{key: file}, {key: file}]},
        {"inputs": {key: [file, file]}},
        {"signature_name": "from_seed", "inputs": {key: [file, file], "seed": [0, 0]}},
    ):
        status, answer = post(port, task, body)
        assert status == 200, answer
        rows = answer["predictions"] if "instances" in body else answer["outputs"]
        first, second = (base64.b64decode(row["b64"]) for row in rows)
        assert first[:4] == second[:4] == start
        # Some processors round the rows of a batch differently, which phases make some more of.
        assert np.abs(values_of(first) - values_of(second)).max() < 0.01


def test_rest_says_what_is_wrong(servers):
    port = servers["s2i"][2]
    jpeg = {"b64": base64.b64encode(images.encode_jpeg(np.zeros((64, 64, 3), np.uint8))).decode()}
    for file, message in (
        ({"b64": ""}, "audio_bytes is empty"),
        ({"b64": "YWJj"}, "audio_bytes is no WAV file"),
        (jpeg, "send 16-bit PCM WAV"),
    ):
        status, answer = post(port, "s2i", {"instances": [file]})
        assert status == 400 and message in answer["error"]
    assert post(port, "other", {"instances": [jpeg]})[0] == 404


def test_ten_minutes_are_answered(servers, tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros((600 * 22050, 1)), 22050, subtype="PCM_16")
    body = {"instances": [in_base64(tmp_path / "long.wav")]}
    assert post(servers["s2i"][2], "s2i", body)[0] == 200


def snippets(text, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run_python(code, folder):
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, timeout=300)


@pytest.mark.parametrize("task", ["s2i", "i2s"])
def test_the_card_s_grpc_client_gets_its_answer(servers, exports, task, tmp_path):
    card = (exports / "exports" / task / "README.md").read_text()
    (code,) = snippets(card, "python")
    for name in ("recording.wav", "photo.jpg"):
        shutil.copy(exports / name, tmp_path)
    run_python(code.replace("localhost:8500", f"127.0.0.1:{servers[task][1]}"), tmp_path)
    if task == "s2i":
        assert Image.open(tmp_path / "picture.png").size == (32, 32)
    else:
        assert soundfile.info(tmp_path / "sound.wav").frames == 22050


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("document", ["guide", "s2i", "i2s"])
def test_the_documents_curl_gets_its_answer(servers, exports, document, tmp_path):
    task = "s2i" if document == "guide" else document
    text = GUIDE if document == "guide" else (exports / "exports" / task / "README.md").read_text()
    for name in ("recording.wav", "photo.jpg"):
        shutil.copy(exports / name, tmp_path)
    (block,) = [block for block in snippets(text, "sh") if "base64 -w0" in block]
    script = block[block.index("echo") :].replace("python3", sys.executable)
    script = script.replace("localhost:8501", f"127.0.0.1:{servers[task][2]}")
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, check=True, timeout=300)
    if task == "s2i":
        assert Image.open(tmp_path / "picture.png").size == (32, 32)
    else:
        assert soundfile.info(tmp_path / "sound.wav").frames == 22050


def test_grpc_errors_have_the_server_s_codes(servers):
    import grpc
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    channel = grpc.insecure_channel(f"127.0.0.1:{servers['s2i'][1]}")
    service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    nan = np.full((1, 22050), np.nan, np.float32)
    cases = [
        ("s2i", "serving_default", {"audio_bytes": [b""]}, "INVALID_ARGUMENT", "is empty"),
        ("s2i", "encode", {"waveform": nan}, "INVALID_ARGUMENT", "waveform must be finite"),
        ("s2i", "encode", {"waveform": nan[:, :9]}, "INVALID_ARGUMENT", "fit the signature"),
        ("s2i", "encode", {"sound": nan}, "INVALID_ARGUMENT", "fit the signature"),
        ("s2i", "generate_png", {"waveform": nan}, "FAILED_PRECONDITION", "not found"),
        ("i2s", "serving_default", {"image_bytes": [b""]}, "NOT_FOUND", "i2s"),
    ]
    for model, signature, inputs, code, message in cases:
        request = saved_model.predict_request(model, signature, inputs)
        with pytest.raises(grpc.RpcError, match=message) as raised:
            service.Predict(request, timeout=300)
        assert raised.value.code().name == code
