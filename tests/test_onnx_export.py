"""The ONNX file against TensorFlow, in numbers, names and format."""

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from tiny_run import sounds, write_run

from cmgen import checkpoint, onnx_export, serving
from cmgen.errors import UserError


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("run"), ("bell", "drum", "flute"))
    return serving.SoundToImage.of(checkpoint.load_run(folder))


@pytest.fixture(scope="module")
def model(module):
    return onnx_export.convert(module.generate_for_onnx, "s2i", {"classes": '["bell"]'})


def inputs(module, count):
    given = serving.example_inputs(module, sounds(count))
    return dict(zip(("waveform", "noise"), given, strict=True))


def test_pictures_equal_tensorflow_from_loud_to_nearly_silent(module, model):
    difference = onnx_export.check_parity(
        model.SerializeToString(), module.generate, inputs(module, 8)
    )
    assert difference <= 1e-4


def test_a_file_on_disk_takes_any_batch(module, model, tmp_path):
    onnx.save(model, tmp_path / "s2i.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "s2i.onnx")
    for count in (1, 3):
        given = inputs(module, count)
        (found,) = session.run(["image"], given)
        np.testing.assert_allclose(found, module.generate(**given)["image"], atol=1e-4)


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
    module = serving.SoundToImage.of(checkpoint.load_run(folder))
    model = onnx_export.convert(module.generate_for_onnx, "s2i", {})
    onnx_export.check_parity(model.SerializeToString(), module.generate, inputs(module, 4))


def test_a_file_that_differs_is_refused(module, model):
    @tf.function(input_signature=module.generate.input_signature)
    def brighter(waveform, noise):
        return {"image": module.generate(waveform, noise)["image"] + 1e-3}

    with pytest.raises(UserError, match="differs from TensorFlow"):
        onnx_export.check_parity(model.SerializeToString(), brighter, inputs(module, 2))
