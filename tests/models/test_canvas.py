"""The maps of a target: how often they halve, and their margins."""

import numpy as np
import pytest
import tensorflow as tf

from cmgen.models.canvas import Canvas


@pytest.mark.parametrize(
    ("shape", "stages", "seed"),
    [((64, 64, 3), 4, (4, 4)), ((32, 32, 3), 3, (4, 4)), ((128, 44), 4, (8, 3))],
    ids=str,
)
def test_a_canvas_halves_to_a_small_seed_and_gives_back_what_it_padded(shape, stages, seed):
    canvas = Canvas(shape)
    assert (canvas.stages, canvas.seed) == (stages, seed)
    target = tf.random.stateless_normal([2, *shape], [1, 2])
    maps = canvas.pad(target)
    assert maps.shape[1:3] == [side * 2**stages for side in seed]
    np.testing.assert_array_equal(canvas.crop(maps), target)


def test_margins_of_an_lms_mirror_both_ends_of_its_time():
    lms = tf.random.stateless_normal([2, 128, 44], [1, 2])
    maps = Canvas((128, 44)).pad(lms)[..., 0]
    np.testing.assert_array_equal(maps[..., :2], lms[..., 1::-1])
    np.testing.assert_array_equal(maps[..., 46:], lms[..., :41:-1])
