"""The ONNX file against TensorFlow, in numbers, names and format."""

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from tiny_run import sounds, write_run

from cmgen.export import functions
from cmgen.export.onnx import check_parity, convert
from cmgen.models.run import load_run
from cmgen.utils.errors import UserError


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("run"), ("bell", "drum", "flute"))
    return functions.serving_module(load_run(folder))


@pytest.fixture(scope="module")
def model(module):
    return convert(module.functions(for_onnx=True)[""], "s2i", {"classes": '["bell"]'})


def inputs(module, count):
    return {"waveform": sounds(count), "noise": functions.example_noise(module, count)}


def test_pictures_equal_tensorflow_from_loud_to_nearly_silent(module, model):
    found = check_parity(model.SerializeToString(), module.generate, inputs(module, 8))
    assert found.keys() == {"image"} and found["image"] <= 1e-4


def test_a_file_on_disk_takes_any_batch(module, model, tmp_path):
    onnx.save(model, tmp_path / "s2i.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "s2i.onnx")
    for count in (1, 3):
        given = inputs(module, count)
        (found,) = session.run(["image"], given)
        np.testing.assert_allclose(found, module.generate(*given.values())["image"], atol=1e-4)


def test_names_batch_and_versions_are_what_is_promised(model):
    def shapes(values):
        return {
            v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
            for v in values
        }

    assert shapes(model.graph.input) == {"waveform": ["batch", 22050], "noise": ["batch", 10]}
    assert shapes(model.graph.output) == {"image": ["batch", 32, 32, 3]}
    assert model.ir_version == 8
    assert {o.domain: o.version for o in model.opset_import}[""] == 17
    # Operations of other domains need a runtime with extensions.
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}


def test_metadata_can_be_read_by_the_runtime(model):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert session.get_modelmeta().custom_metadata_map == {"classes": '["bell"]'}


def test_the_paper_s_deconvolutions_convert_too(tmp_path):
    folder = write_run(tmp_path / "run", ("bell", "drum"), upsampling="deconvolution")
    module = functions.serving_module(load_run(folder))
    model = convert(module.functions(for_onnx=True)[""], "s2i", {})
    check_parity(model.SerializeToString(), module.generate, inputs(module, 4))


@pytest.mark.parametrize("task", ["s2i", "i2s"])
def test_every_part_has_its_names_and_equals_tensorflow(task, tmp_path):
    module = functions.serving_module(load_run(write_run(tmp_path / "run", ("a", "b"), task=task)))
    given = sounds(3) if task == "s2i" else np.random.default_rng(0).uniform(-1, 1, (3, 32, 32, 3))
    given, noise = given.astype(np.float32), functions.example_noise(module, 3)
    encoding = module.encode(given)["encoding"].numpy()
    fed = {
        "": {module.condition: given, "noise": noise},
        "_encoder": {module.condition: given},
        "_generator": {"encoding": encoding, "noise": noise},
    }
    found = {
        suffix: check_parity(
            convert(function, "x", {}).SerializeToString(),
            module.functions(for_onnx=False)[suffix],
            fed[suffix],
        ).keys()
        for suffix, function in module.functions(for_onnx=True).items()
    }
    spectrogram = {"lms"} if task == "s2i" else set()
    encoded = {"encoding", "probabilities"} | spectrogram
    assert found == {"": {module.target}, "_encoder": encoded, "_generator": {module.target}}


def test_a_file_that_differs_is_refused(module, model):
    @tf.function(input_signature=module.generate.input_signature)
    def brighter(waveform, noise):
        return {"image": module.generate(waveform, noise)["image"] + 1e-3}

    with pytest.raises(UserError, match="image differs from TensorFlow"):
        check_parity(model.SerializeToString(), brighter, inputs(module, 2))
