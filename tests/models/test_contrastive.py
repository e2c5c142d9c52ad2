"""Sound and image encoders trained together: what they learn, and that replicas don't change it."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from cmgen.config import EncoderConfig
from cmgen.models.build import build_encoder
from cmgen.models.contrastive import CorrespondenceClassifier
from cmgen.models.distributed import get_strategy
from cmgen.models.losses import correspondence_loss

CONFIG = EncoderConfig(
    widths=(4, 8),
    hidden=32,
    dropout=0.0,
    augment=False,
    correspondence_weight=1.0,
    correspondence_instants=4,
)


def make(config=CONFIG, steps=100):
    keras.utils.set_random_seed(3)
    sound = build_encoder("lms", 2, config, (128, 44), "float32")
    image = build_encoder("image", 2, config, (32, 32, 3), "float32")
    model = CorrespondenceClassifier(sound, image, config, steps)
    model.compile()
    return model


def with_plain_descent(model):
    """Adam would blow rounding differences of tiny gradients up to whole steps."""
    keras.Model.compile(model, optimizer=keras.optimizers.SGD(0.1))
    model.optimizer.build(model.moving)
    return model


def examples(seed=0, count=16):
    """Two recordings of 8 instants; the height of a bar is the instant, its colour the class."""
    rng = np.random.default_rng(seed)
    label = np.repeat([0, 1], count // 2)
    height = rng.uniform(0.05, 0.9, count)
    lms = np.full((count, 128, 44), -1.0)
    image = np.full((count, 32, 32, 3), -1.0)
    for row in range(count):
        lms[row, int(height[row] * 120) : int(height[row] * 120) + 8, :: 1 + label[row]] = 1
        image[row, int(height[row] * 30) : int(height[row] * 30) + 3, :, label[row]] = 1
    return {
        "lms": tf.constant(lms, tf.float32),
        "image": tf.constant(image, tf.float32),
        "label": tf.constant(label, tf.int32),
        "uniforms": tf.constant(rng.uniform(size=(count, 16)), tf.float32),
    }


def test_the_loss_is_cross_entropy_over_scaled_cosines():
    rng = np.random.default_rng(1)
    anchors, others = (rng.normal(size=(n, 5)).astype(np.float32) for n in (2, 3))
    anchors /= np.linalg.norm(anchors, axis=1, keepdims=True)
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    scores = np.exp(anchors @ others.T / 0.1)
    wanted = -np.log(scores[[0, 1], [2, 0]] / scores.sum(axis=1))
    found = correspondence_loss(tf.constant(anchors), tf.constant(others), tf.constant([2, 0]))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_it_learns_class_and_instant():
    model = make()
    step = tf.function(model.train_step)
    for seed in range(100):
        metrics = step(examples(seed))
    assert float(metrics["accuracy"]) == 1
    assert float(metrics["loss/correspondence"]) < 0.5 * np.log(16)


def test_the_wanted_encoder_s_metrics_have_the_plain_names():
    found = []
    for kept in ("lms", "image"):
        model = make()
        model.kept = kept
        found.append(model.train_step(examples()))
    as_sound, as_image = found
    for name in ("accuracy", "loss/classification"):
        assert float(as_sound[name]) == float(as_image[f"{name}_partner"])
        assert float(as_sound[f"{name}_partner"]) == float(as_image[name])


def test_every_window_is_varied_by_its_own_numbers():
    model = make(dataclasses.replace(CONFIG, augment=True))
    batch = examples()
    same = {name: tf.repeat(values[:1], 16, axis=0) for name, values in batch.items()}
    varied = model._augmented(same | {"uniforms": batch["uniforms"]})
    for key, values in varied.items():
        assert np.abs(values[0] - values[1]).max() > 0.01
        assert np.abs(values[0] - batch[key][0]).max() > 0.01


def test_two_replicas_make_the_gradient_of_one():
    batch = examples()
    one = with_plain_descent(make())
    before = [np.asarray(v) for v in one.moving]
    tf.function(one.train_step)(batch)
    strategy = get_strategy("mirrored")
    with strategy.scope():
        two = with_plain_descent(make())

    def share(context):
        first = 8 * context.replica_id_in_sync_group
        return {name: values[first : first + 8] for name, values in batch.items()}

    shares = strategy.experimental_distribute_values_from_function(share)
    tf.function(lambda: strategy.run(two.train_step, (shares,)))()
    for start, a, b in zip(before, one.moving, two.moving, strict=True):
        moved, apart = np.asarray(a) - start, np.asarray(b) - np.asarray(a)
        assert np.linalg.norm(moved) > 1e-5
        assert np.linalg.norm(apart) < 0.01 * np.linalg.norm(moved), a.path
