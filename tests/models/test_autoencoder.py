"""The sound autoencoder: sizes, what it learns and what it leaves alone."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from cmgen.config import EncoderConfig
from cmgen.models.autoencoder import Decoder
from cmgen.models.build import build_encoder
from cmgen.models.classifier import Classifier
from cmgen.models.distributed import get_strategy

CONFIG = EncoderConfig(
    widths=(4, 8), hidden=32, dropout=0.0, augment=False, objective="autoencoder"
)
SHAPE = (32, 22)


def make(config=CONFIG, shape=SHAPE, steps=60):
    keras.utils.set_random_seed(3)
    encoder = build_encoder("lms", 2, config, shape, "float32")
    decoder = Decoder(config, shape)
    model = Classifier(encoder, "lms", config, steps, decoder)
    model.compile()
    return model


def examples(seed=0, count=16):
    """A bright band whose height is the class's, over noise."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 2
    lms = rng.uniform(-1.0, -0.9, (count, *SHAPE))
    for row in range(count):
        lms[row, 5 + 15 * label[row] :][:8] = 0.8
    return {
        "lms": tf.constant(lms, tf.float32),
        "label": tf.constant(label, tf.int32),
        "uniforms": tf.constant(rng.uniform(size=(count, 16)), tf.float32),
    }


@pytest.mark.parametrize("shape", [(128, 44), (513, 44), (84, 173), (20, 44)])
@pytest.mark.parametrize(
    "changes",
    [
        {"widths": (4, 8, 8)},
        {"widths": (4, 8, 8, 8), "normalization": "none"},
        {"strides": (1, 3), "squeeze": 3},
    ],
)
def test_the_decoder_gives_back_every_size(shape, changes):
    decoder = Decoder(dataclasses.replace(CONFIG, **changes), shape)
    assert decoder(tf.zeros([2, 128])).shape == [2, *shape]


def test_the_decoder_mirrors_the_encoder():
    model = make(dataclasses.replace(CONFIG, widths=(4, 8, 16), strides=(1, 2, 2), squeeze=3))
    there = [tuple(v.shape) for v in model.encoder.trainable_variables if len(v.shape) == 4]
    back = [tuple(v.shape) for v in model.decoder.trainable_variables if len(v.shape) == 4]
    assert there == [(3, 3, 1, 4), (3, 3, 4, 8), (3, 3, 8, 16), (1, 1, 16, 3)]
    # A transposed convolution's kernel has its output before its input.
    assert back == [(1, 1, 3, 16), (3, 3, 8, 16), (3, 3, 4, 8), (3, 3, 1, 4)]
    assert model.decoder.unflatten.units == model.encoder.hidden.kernel.shape[0]


def test_it_learns_to_rebuild_and_its_class_head_learns_beside_it():
    model = make(dataclasses.replace(CONFIG, widths=(16, 32), learning_rate=5e-3))
    step = tf.function(model.train_step)
    first = step(examples())
    for seed in range(60):
        metrics = step(examples(seed))
    assert float(metrics["loss/reconstruction"]) < 0.1 * float(first["loss/reconstruction"])
    assert float(metrics["accuracy"]) == 1


def test_the_labels_do_not_move_the_encoding():
    batch = examples()
    other = batch | {"label": 1 - batch["label"]}
    models = []
    for labels in (batch, other):
        model = make(dataclasses.replace(CONFIG, l2=0.01))
        step = tf.function(model.train_step)
        for _ in range(3):
            step(labels)
        models.append(model)
    first, second = models
    np.testing.assert_array_equal(
        first.encoder.encode(batch["lms"]), second.encoder.encode(batch["lms"])
    )
    apart = first.encoder.classify.kernel - second.encoder.classify.kernel
    assert float(tf.norm(apart)) > 1e-3


def test_two_replicas_make_the_gradient_of_one():
    config = dataclasses.replace(CONFIG, normalization="none")
    batch = examples()
    one = make(config)
    before = [np.asarray(v) for v in one.moving]
    step = tf.function(one.train_step)
    for _ in range(3):  # the first has a learning rate of 0
        step(batch)
    strategy = get_strategy("mirrored")
    with strategy.scope():
        two = make(config)

    def share(context):
        first = 8 * context.replica_id_in_sync_group
        return {name: values[first : first + 8] for name, values in batch.items()}

    shares = strategy.experimental_distribute_values_from_function(share)
    distributed = tf.function(lambda: strategy.run(two.train_step, (shares,)))
    for _ in range(3):
        distributed()
    for start, a, b in zip(before, one.moving, two.moving, strict=True):
        moved, apart = np.asarray(a) - start, np.asarray(b) - np.asarray(a)
        assert np.linalg.norm(apart) <= 0.1 * np.linalg.norm(moved) + 1e-6, a.path


def test_scaled_encodings_name_the_same_classes():
    encoder = make().encoder
    batch = examples(3)["lms"]
    encodings, logits = encoder.encode(batch).numpy(), encoder(batch).numpy()
    encoder.scale_encoding(0.125)
    np.testing.assert_allclose(encoder.encode(batch), 0.125 * encodings, rtol=1e-5)
    np.testing.assert_allclose(encoder(batch), logits, atol=1e-5)
    assert encodings.max() > 0
