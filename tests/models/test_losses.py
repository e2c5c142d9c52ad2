"""Losses against hand-computed numbers and automatic differentiation."""

import math

import numpy as np
import pytest
import tensorflow as tf

from cmgen.models import losses

LOGITS = tf.constant([-1.0, 0.0, 2.0])


def test_discriminator_loss_by_hand():
    # softplus(-r) + (softplus(w) + softplus(f)) / 2 at r = 0, w = 0, f = 0 is 2 log 2.
    zero = tf.zeros([1])
    found = losses.matching_discriminator_loss(zero, zero, zero)
    np.testing.assert_allclose(found, [2 * math.log(2)], rtol=1e-6)
    found = losses.matching_discriminator_loss(LOGITS, LOGITS, LOGITS)
    wanted = [math.log1p(math.exp(-x)) + math.log1p(math.exp(x)) for x in (-1, 0, 2)]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_without_mismatch_the_fake_score_has_its_whole_weight():
    far = tf.constant([50.0])
    found = losses.matching_discriminator_loss(far, far, tf.zeros([1]), mismatch_weight=0.0)
    np.testing.assert_allclose(found, [math.log(2)], rtol=1e-6)


def test_mismatched_and_fake_scores_share_by_the_weight():
    real, mismatched, fake = (tf.constant([x]) for x in (1.0, 2.0, -1.0))
    found = losses.matching_discriminator_loss(real, mismatched, fake, mismatch_weight=0.5)
    # A third for the mismatched pair, two thirds for the generated one.
    wanted = math.log1p(1 / math.e) + math.log1p(math.e**2) / 3 + 2 * math.log1p(1 / math.e) / 3
    np.testing.assert_allclose(found, [wanted], rtol=1e-6)
    # Half for each by default.
    wanted = math.log1p(1 / math.e) + math.log1p(math.e**2) / 2 + math.log1p(1 / math.e) / 2
    found = losses.matching_discriminator_loss(real, mismatched, fake)
    np.testing.assert_allclose(found, [wanted], rtol=1e-6)


def test_generator_loss_by_hand():
    wanted = [math.log1p(math.e), math.log(2), math.log1p(math.exp(-2))]
    np.testing.assert_allclose(losses.generator_loss(LOGITS), wanted, rtol=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_logit_weights_are_the_derivatives(weight):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(LOGITS)
        discriminator = losses.matching_discriminator_loss(
            tf.zeros([3]), tf.zeros([3]), LOGITS, weight
        )
        generator = losses.generator_loss(LOGITS)
    np.testing.assert_allclose(
        losses.fake_logit_weight(LOGITS, weight), tape.gradient(discriminator, LOGITS), rtol=1e-5
    )
    np.testing.assert_allclose(
        losses.generator_logit_weight(LOGITS), tape.gradient(generator, LOGITS), rtol=1e-5
    )


def test_a_mismatched_pair_weighs_as_much_as_a_generated_one_unless_told():
    np.testing.assert_array_equal(
        losses.fake_logit_weight(LOGITS), losses.fake_logit_weight(LOGITS, 1.0)
    )


def test_gradient_penalty_is_half_the_squared_norm_of_each_example():
    gradients = tf.reshape(tf.constant([3.0, 4.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]), [2, 2, 2, 1])
    np.testing.assert_allclose(losses.gradient_penalty(gradients), [12.5, 2.0])


def test_gradient_penalty_of_half_precision_does_not_overflow():
    gradients = tf.constant([[300.0, 400.0]], tf.float16)
    found = losses.gradient_penalty(gradients)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, [125000.0])


def test_correspondence_loss_by_hand():
    anchors = tf.constant([[1.0, 0.0], [0.0, 1.0]])
    others = tf.constant([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    own = tf.constant([0, 2])
    # Cosines 1, 0, 0.6 and 0, 1, 0.8, over the temperature.
    for options, scale in (({"temperature": 0.5}, 2.0), ({}, 10.0)):
        rows = np.exp(scale * np.array([[1.0, 0.0, 0.6], [0.0, 1.0, 0.8]]))
        wanted = -np.log([rows[0, 0] / rows[0].sum(), rows[1, 2] / rows[1].sum()])
        found = losses.correspondence_loss(anchors, others, own, **options)
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
