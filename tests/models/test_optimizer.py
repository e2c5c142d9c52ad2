"""Our AdamW is Keras's, but for how often it asks for its learning rate."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cmgen.models.distributed import get_strategy
from cmgen.models.optimizer import WarmedAdamW

STEPS = 7


def trained(optimizer: keras.optimizers.Optimizer, strategy: tf.distribute.Strategy) -> list:
    """Weights after every step of seven, from the same start and with the same gradients."""
    random = np.random.default_rng(0)
    with strategy.scope():
        weights = [
            tf.Variable(random.normal(size=shape).astype(np.float32)) for shape in ((3, 2), (2,))
        ]
        optimizer.build(weights)

    def on_replica(gradients):
        own = [tf.identity(gradient) for gradient in gradients]
        optimizer.apply_gradients(zip(own, weights, strict=True))

    step = tf.function(lambda gradients: strategy.run(on_replica, [gradients]))

    seen = []
    for _ in range(STEPS):
        step([tf.constant(random.normal(size=w.shape), tf.float32) for w in weights])
        seen.append([weight.numpy() for weight in weights])
    return seen


@pytest.mark.parametrize("name", ["default", "mirrored"])
def test_it_is_keras_s_bit_for_bit(name):
    strategy = get_strategy(name)
    schedule = keras.optimizers.schedules.CosineDecay(0.0, STEPS, warmup_target=0.1, warmup_steps=2)
    with strategy.scope():
        ours = WarmedAdamW(0.1, STEPS, 0.3, warmup_steps=2)
        keras_s = keras.optimizers.AdamW(schedule, weight_decay=0.3)
    wanted = trained(keras_s, strategy)
    for found, expected in zip(trained(ours, strategy), wanted, strict=True):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
    assert not np.array_equal(wanted[0][0], wanted[1][0])


def test_a_weight_s_first_steps_by_hand():
    """A constant gradient moves a weight by the learning rate, after what decays."""
    optimizer = WarmedAdamW(0.1, 4, 0.5, warmup_steps=2)
    weight = tf.Variable([2.0])
    rates = (0.0, 0.05, 0.1, 0.1 * (1 + np.cos(np.pi / 4)) / 2)
    wanted = 2.0
    for rate in rates:
        assert float(optimizer.learning_rate) == pytest.approx(rate, abs=1e-7)
        optimizer.apply_gradients([(tf.constant([3.0]), weight)])
        wanted = wanted * (1 - 0.5 * rate) - rate
        assert float(weight[0]) == pytest.approx(wanted, abs=1e-5)


def test_a_step_asks_once_for_the_learning_rate(monkeypatch):
    asked = []
    schedule = keras.optimizers.schedules.CosineDecay
    call = schedule.__call__
    monkeypatch.setattr(schedule, "__call__", lambda *args: asked.append(1) or call(*args))
    trained(WarmedAdamW(0.1, STEPS, 0.3, warmup_steps=2), get_strategy("default"))
    assert len(asked) == 1, "while its step was traced"
