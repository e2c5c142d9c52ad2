"""Picture files read and written inside a graph, and what is refused."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cmgen.export.pictures import _first_of_gif, write_pictures
from cmgen.export.pictures import read_picture as read
from cmgen.media import images
from cmgen.media.sound import encode_wav


@pytest.fixture(scope="module")
def read_picture():
    spec = [tf.TensorSpec([], tf.string)]
    return tf.function(lambda data: read(data, 64), spec, autograph=False)


def photo(height, width, seed=0):
    """Smooth colours, as photos have."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (300, 211), (97, 640), (40, 50), (1, 1)])
def test_pictures_are_cut_and_resized_as_in_training(read_picture, size):
    pixels = photo(*size)
    found = images.unscale(read_picture(images.encode_png(pixels)).numpy()).astype(int)
    difference = np.abs(found - images.square(pixels, 64))
    assert difference.mean() < 1.5 and difference.max() <= (12 if size != (64, 64) else 0)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP"])
def test_pictures_of_all_formats_are_read(read_picture, form):
    buffer = io.BytesIO()
    Image.fromarray(np.full((80, 100, 3), (200, 100, 50), np.uint8)).save(buffer, form, quality=95)
    found = images.unscale(read_picture(buffer.getvalue()).numpy()).astype(int)
    assert np.abs(found - (200, 100, 50)).max() <= 4


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_png_files_of_all_colour_modes_are_read(read_picture, mode):
    buffer = io.BytesIO()
    Image.fromarray(photo(70, 70)).convert(mode).save(buffer, "PNG")
    assert read_picture(buffer.getvalue()).shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "image_bytes is empty"),
        (b"abc", "image_bytes is no picture; send a PNG"),
        (encode_wav(np.zeros(44100), 44100), "image_bytes is no picture"),
        (images.encode_png(photo(70, 70))[:200], "PNG"),
        (images.encode_jpeg(photo(70, 70))[:200], "JPEG"),
    ],
)
def test_bad_pictures_are_refused(read_picture, data, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        read_picture(data)


def test_the_size_of_a_gif_s_first_picture_is_limited(monkeypatch):
    buffer = io.BytesIO()
    Image.fromarray(photo(70, 80)).save(buffer, "GIF")
    monkeypatch.setattr("cmgen.export.pictures.MAX_PIXELS", 70 * 80)
    data = tf.constant(buffer.getvalue())
    assert _first_of_gif(data).numpy() == buffer.getvalue()
    monkeypatch.setattr("cmgen.export.pictures.MAX_PIXELS", 70 * 80 - 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 5599 pixels"):
        _first_of_gif(data)


def test_pictures_are_written_as_png():
    pictures = images.scale(np.stack([photo(64, 64, seed) for seed in (0, 1)]).astype(np.float32))
    for data, picture in zip(write_pictures(pictures), pictures, strict=True):
        stored = np.asarray(Image.open(io.BytesIO(data.numpy())))
        np.testing.assert_array_equal(stored, images.unscale(picture))
