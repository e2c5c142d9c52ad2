"""Pictures: squares, scaling, grids, files."""

import io

import numpy as np
import pytest
from PIL import Image

from cmgen.media import images
from cmgen.utils.errors import UserError


def gradient(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows % 256, columns % 256, (rows + columns) % 256], -1).astype(np.uint8)


def test_scaling_and_back_changes_nothing():
    pixels = np.arange(256, dtype=np.uint8)
    scaled = images.scale(pixels.astype(np.float32))
    assert scaled.min() == -1.0 and scaled.max() == 1.0
    np.testing.assert_array_equal(images.unscale(scaled), pixels)


def test_unscale_clips():
    assert images.unscale(np.array([-3.0, 0.0, 3.0])).tolist() == [0, 128, 255]


@pytest.mark.parametrize(("height", "width"), [(40, 100), (100, 40), (33, 34)])
def test_square_is_the_centre(height, width):
    pixels = np.zeros((height, width, 3), np.uint8)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    pixels[top : top + side, left : left + side] = 200
    small = images.square(pixels, 16)
    assert small.shape == (16, 16, 3)
    assert small[1:-1, 1:-1].min() == 200


def test_square_shrinks_by_area():
    checkers = np.indices((64, 64)).sum(0) % 2 * 255
    small = images.square(np.repeat(checkers[..., None], 3, -1).astype(np.uint8), 16)
    assert set(np.unique(small)) <= {127, 128}


def test_square_of_the_right_size_keeps_pixels_and_a_small_picture_grows():
    pixels = gradient(64, 80)
    np.testing.assert_array_equal(images.square(pixels, 64), pixels[:, 8:72])
    assert images.square(gradient(20, 20), 64).shape == (64, 64, 3)


def test_jpeg_keeps_colours():
    red = np.zeros((64, 64, 3), np.uint8)
    red[::2, ::2, 0] = 255  # colour detail of one pixel
    decoded = np.asarray(Image.open(io.BytesIO(images.encode_jpeg(red))))
    assert np.abs(decoded.astype(int) - red).mean() < 8


def test_png_keeps_pixels(tmp_path):
    pixels = gradient(20, 30)
    images.write_png(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png"), pixels)


def test_a_large_jpeg_is_decoded_at_a_fraction_and_looks_the_same(tmp_path):
    path = tmp_path / "large.jpg"
    smooth = np.asarray(Image.fromarray(gradient(40, 50) // 2).resize((1300, 1080)))
    Image.fromarray(smooth).save(path, quality=95)
    small = images.read_image(path, at_least=64)
    assert min(small.shape[:2]) < 400
    difference = images.square(small, 64).astype(int) - images.square(smooth, 64)
    assert np.abs(difference).mean() < 3


def test_pictures_of_any_mode_become_rgb_and_upright(tmp_path):
    Image.fromarray(gradient(8, 12)[..., 0]).save(tmp_path / "grey.png")
    assert images.read_image(tmp_path / "grey.png").shape == (8, 12, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter
    Image.fromarray(gradient(8, 12)).save(tmp_path / "turned.jpg", exif=exif)
    assert images.read_image(tmp_path / "turned.jpg").shape == (12, 8, 3)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.jpg", None, "no such file"),
        ("empty.jpg", b"", "is empty"),
        ("text.jpg", b"this is a text", "not a readable picture"),
        ("cut.png", images.encode_png(gradient(64, 64))[:-60], "not a readable picture"),
    ],
)
def test_bad_pictures_are_named(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=f"{name}: {message}"):
        images.read_image(path)


def test_grid_puts_pictures_in_reading_order():
    pictures = np.stack([np.full((4, 6, 3), 10 * i, np.uint8) for i in range(5)])
    sheet = images.grid(pictures, columns=3, gap=2, background=99)
    assert sheet.shape == (2 * 6 - 2, 3 * 8 - 2, 3)
    assert sheet[0, 8, 0] == 10 and sheet[6, 0, 0] == 30
    assert sheet[5, 0, 0] == 99 and sheet[9, 20, 0] == 99


def test_an_lms_is_drawn_dark_to_bright_with_low_frequencies_below():
    lms = np.stack([np.linspace(-1, 1, 50)] * 3, axis=1)  # low bands silent, high ones loud
    drawn = images.draw_lms(lms[None])
    assert drawn.shape == (1, 50, 3, 3) and drawn.dtype == np.uint8
    brightness = drawn[0, :, 0].astype(int).sum(axis=-1)
    assert (np.diff(brightness) < 0).all()
    assert drawn[0, -1, 0].tolist() == [0, 0, 4]


def test_a_picture_is_known_by_its_content(tmp_path):
    images.write_png(tmp_path / "picture.dat", gradient(20, 20))
    (tmp_path / "text.png").write_text("no picture")
    assert images.is_picture(tmp_path / "picture.dat")
    assert not images.is_picture(tmp_path / "text.png")
    assert not images.is_picture(tmp_path / "nothing.png")
