"""Inception's features from weights files as Keras writes them; its weights here are random."""

import io
import zipfile

import h5py
import keras
import numpy as np
import pytest

from cmgen.evaluate import inception
from cmgen.utils.errors import UserError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole():
    keras.utils.set_random_seed(1)
    return keras.applications.InceptionV3(weights=None)


@pytest.mark.parametrize("top", [True, False])
def test_weights_with_and_without_top_give_the_same_features(whole, top, tmp_path):
    path = tmp_path / "inception.weights.h5"
    pooled = keras.Model(whole.inputs, whole.get_layer("avg_pool").output)
    (whole if top else pooled).save_weights(path)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    found = inception.features(inception.load(path), pictures, "test")
    large = keras.ops.image.resize(pictures.astype(np.float32), (299, 299), "bilinear")
    expected = pooled.predict(large / 127.5 - 1.0, verbose=0)
    assert found.shape == (3, 2048)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_another_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["layer_names"] = 5
    (tmp_path / "none.weights.h5").write_bytes(b"nothing")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("model.weights.h5", bytes(1000))
    (tmp_path / "cut.keras").write_bytes(archive.getvalue()[:-20])
    for name in ("other.h5", "none.weights.h5", "cut.keras", "missing.h5"):
        with pytest.raises(UserError, match=f"{name}: not weights"):
            inception.load(tmp_path / name)
