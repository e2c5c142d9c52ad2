"""Augmentation by hand-made cases: what must stay, what must move, and by how much."""

import numpy as np
import pytest
import tensorflow as tf

from cmgen.models import augment

HALF = 0.5  # the uniform number that changes nothing in a symmetric range


def pictures(count=3, size=16, seed=0):
    return tf.constant(
        np.random.default_rng(seed).uniform(-1, 1, [count, size, size, 3]), tf.float32
    )


def test_shift_moves_by_whole_pixels_and_repeats_the_border():
    images = pictures()
    moved = augment.shift_pixels(images, tf.constant([[1.0, HALF]] * 3), 0.125)
    np.testing.assert_array_equal(moved[:, :14], images[:, 2:])
    np.testing.assert_array_equal(moved[:, 14:], tf.repeat(images[:, -1:], 2, axis=1))
    still = augment.shift_pixels(images, tf.fill([3, 2], HALF), 0.125)
    np.testing.assert_array_equal(still, images)


def test_color_jitter_in_the_middle_of_its_range_changes_nothing():
    images = pictures()
    np.testing.assert_allclose(
        augment.color_jitter(images, tf.fill([3, 3], HALF), 1.0), images, atol=1e-6
    )
    brighter = augment.color_jitter(images, tf.constant([[1.0, HALF, HALF]] * 3), 1.0)
    np.testing.assert_allclose(brighter, images + 0.5, atol=1e-6)


def test_hue_turned_by_a_third_permutes_the_channels_and_keeps_grey():
    images = pictures(1)
    third = augment.rotate_hue(images, tf.constant([[0.0, HALF + 1 / 3]]))
    permuted = [np.roll(images, shift, axis=-1) for shift in (1, 2)]
    assert min(float(np.abs(third - p).max()) for p in permuted) < 1e-5
    grey = tf.fill([1, 4, 4, 3], 0.3)
    np.testing.assert_allclose(augment.rotate_hue(grey, tf.constant([[0.0, 0.9]])), grey, atol=1e-6)
    left = augment.rotate_hue(images, tf.constant([[0.7, 0.9]]))
    np.testing.assert_allclose(left, images, atol=1e-6)


def test_discriminator_sees_an_lms_earlier_or_later_and_louder_or_softer():
    lms = tf.random.stateless_uniform([3, 128, 44], [1, 2], -0.9, 0.9)
    still = augment.augment_lms_for_discriminator(lms, tf.fill([3, 16], HALF))
    np.testing.assert_allclose(still, lms, atol=1e-6)
    moved = augment.augment_lms_for_discriminator(lms, tf.constant([[1.0, 1.0]] * 3))
    np.testing.assert_allclose(moved[..., :41], lms[..., 3:] + 0.05, atol=1e-6)


def test_verifier_sees_one_square_erased():
    uniforms = tf.fill([2, 16], HALF) + tf.one_hot([10, 10], 16) * 0.4  # no turn of hue
    seen = augment.augment_for_verifier(tf.ones([2, 64, 64, 3]), uniforms).numpy()
    erased = (seen == 0).all(axis=-1)
    assert 0.04 < erased.mean() < 0.08
    assert erased[:, 32, 32].all()


@pytest.mark.parametrize("seed", range(3))
def test_augmented_lms_stays_in_range_and_keeps_most_of_itself(seed):
    draw = np.random.default_rng(seed)
    lms = tf.constant(draw.uniform(-0.9, 0.9, [8, 128, 44]), tf.float32)
    uniforms = tf.constant(draw.uniform(size=[8, 16]), tf.float32)
    changed = augment.augment_lms(lms, uniforms).numpy()
    assert changed.shape == lms.shape
    assert changed.min() >= -1 and changed.max() <= 1
    for before, after in zip(lms.numpy(), changed, strict=True):
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.5


def test_each_example_is_augmented_on_its_own():
    """So that a batch split over replicas is augmented alike."""
    draw = np.random.default_rng(1)
    uniforms = tf.constant(draw.uniform(size=[4, 16]), tf.float32)
    lms = tf.constant(draw.uniform(-1, 1, [4, 128, 44]), tf.float32)
    for function, inputs in (
        (augment.augment_lms, lms),
        (augment.augment_for_verifier, pictures(4)),
        (augment.augment_for_discriminator, pictures(4)),
        (augment.augment_lms_for_discriminator, lms),
    ):
        whole = function(inputs, uniforms)
        halves = [function(inputs[i : i + 2], uniforms[i : i + 2]) for i in (0, 2)]
        np.testing.assert_allclose(whole, tf.concat(halves, 0), atol=1e-6)
