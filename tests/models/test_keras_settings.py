"""User-wide settings of Keras, in a file or in variables, change no number."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from checkout import ROOT
from tiny_run import write_run

import cmgen.models
from cmgen.utils.errors import UserError

SETTINGS = {
    "floatx": "float16",
    "epsilon": 0.5,
    "image_data_format": "channels_first",
    "backend": "jax",
}
CLASSES = ("bell", "drum", "flute")
# By what a program may do: load a run, build and train networks.
LOAD = """
import sys
import numpy as np
import cmgen
model = cmgen.load(sys.argv[1])
print(model(np.linspace(-1, 1, 22050, dtype=np.float32)[None], np.ones([1, 10])).tobytes().hex())
"""
TRAIN = """
from cmgen.config import EncoderConfig
from cmgen.models.build import build_encoder
from cmgen.models.classifier import Classifier
import keras
import tensorflow as tf
tf.config.experimental.enable_op_determinism()
keras.utils.set_random_seed(1)
config = EncoderConfig(widths=(4, 8), hidden=16)
model = Classifier(build_encoder("image", 3, config, (32, 32, 3), "float32"), "image", config, 9)
model.compile()
uniforms = tf.random.stateless_uniform([4, 16], [1, 2])
image = tf.random.stateless_uniform([4, 32, 32, 3], [3, 4], -1, 1)
for _ in range(3):
    model.train_step({"image": image, "label": tf.constant([0, 1, 2, 0]), "uniforms": uniforms})
print([w.tolist() for w in model.get_weights()], model.optimizer.learning_rate.dtype)
"""


def printed(program: list[str], home: Path, **variables: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_HOME": str(home), **variables}
    ran = subprocess.run(
        [sys.executable, *program], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout


@pytest.fixture
def odd_home(tmp_path: Path) -> Path:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "keras.json").write_text(json.dumps(SETTINGS))
    return tmp_path / "odd"


@pytest.mark.parametrize("code", [LOAD, TRAIN])
def test_networks_are_the_same_for_every_user(code: str, odd_home: Path, tmp_path: Path) -> None:
    program = ["-c", code, str(write_run(tmp_path / "run", CLASSES))]
    plain = printed(program, tmp_path / "new", KERAS_BACKEND="tensorflow")
    assert len(plain) > 1000
    assert printed(program, odd_home, KERAS_BACKEND="jax") == plain


def test_mains_neither_read_nor_write_the_user_s_settings(odd_home: Path) -> None:
    """All begin with this call; what would stop Keras itself doesn't stop them."""
    (odd_home / "keras.json").write_text('{"floatx": "float12"}')
    code = (
        "from cmgen.utils import cli; cli.quiet_tensorflow()\n"
        "from keras import backend as b, config as c\n"
        "print(b.backend(), c.floatx(), c.epsilon(), c.image_data_format())"
    )
    variables = {"KERAS_BACKEND": "jax", "KERAS_MAX_STEPS_PER_EPOCH": "none"}
    found = printed(["-c", code], odd_home, **variables)
    assert found == "tensorflow float32 1e-07 channels_last\n"


def test_a_program_that_runs_keras_on_something_else_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(UserError, match="KERAS_BACKEND=jax: cmgen's networks need tensorflow"):
        cmgen.models._set_keras()
