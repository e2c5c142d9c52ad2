"""The training step against a textbook one, on every setting, on two replicas, in bfloat16."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from cmgen.config import DIRECTIONS, EncoderConfig, GanConfig
from cmgen.models.distributed import get_strategy
from cmgen.models.encoder import Encoder
from cmgen.models.gan import build_gan, swap_neighbours
from tools.benchmarks import textbook

TINY = GanConfig(generator_channels=4, discriminator_channels=4, compressed_size=8, augment=False)
ENCODER = EncoderConfig(widths=(4, 4, 4, 4), hidden=8, encoding_size=16)
SHAPES = {"lms": (128, 44), "image": (32, 32, 3)}


def make_gan(config=TINY, policy="float32", seed=3, task="s2i"):
    keras.utils.set_random_seed(seed)
    direction = DIRECTIONS[task]
    encoder = Encoder(3, ENCODER, policy)
    encoder(tf.zeros([1, *SHAPES[direction.condition]]))
    gan = build_gan(direction, encoder, config, SHAPES[direction.target], policy)
    gan.compile()
    return gan


def make_batch(size=8, seed=0):
    draw = np.random.default_rng(seed)
    return {
        **{
            kind: tf.constant(draw.uniform(-1, 1, [size, *shape]), tf.float32)
            for kind, shape in SHAPES.items()
        },
        "noise": tf.constant(draw.normal(size=[size, 10]), tf.float32),
        "uniforms": tf.constant(draw.uniform(size=[size, 16]), tf.float32),
        "label": tf.constant(np.arange(size) % 3, tf.int32),
    }


def test_swap_neighbours():
    rows = tf.reshape(tf.range(8), [4, 2])
    np.testing.assert_array_equal(swap_neighbours(rows), [[2, 3], [0, 1], [6, 7], [4, 5]])


def test_the_label_control_ignores_the_sound_in_training():
    """Its losses follow from the class alone; in use its condition is the predicted class."""
    config = dataclasses.replace(TINY, condition="label")
    batch = make_batch()
    other = batch | {"lms": -batch["lms"]}
    first, second = (make_gan(config).train_step(each) for each in (batch, other))
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
    relabelled = make_gan(config).train_step(batch | {"label": (batch["label"] + 1) % 3})
    assert float(relabelled["loss/generator"]) != float(first["loss/generator"])

    gan = make_gan(config)
    predicted_class = tf.argmax(gan.encoder(batch["lms"]), axis=-1)
    condition = tf.one_hot(predicted_class, ENCODER.encoding_size)
    np.testing.assert_allclose(
        gan((batch["lms"], batch["noise"])),
        gan.generator_ema((condition, batch["noise"])),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("s2i", {}),
        ("s2i", {"r1_gamma": 0.0}),
        ("s2i", {"r2_gamma": 0.7}),
        ("s2i", {"mismatch_weight": 0.0}),
        ("s2i", {"conditioning": "concat", "discriminator_normalization": "batch"}),
        ("s2i", {"upsampling": "deconvolution", "conditioning": "concat"}),
        ("i2s", {"r2_gamma": 0.7}),
        ("i2s", {"r1_gamma": 0.0}),
        ("i2s", {"generator_spectra": 3}),
        (
            "i2s",
            {
                "upsampling": "deconvolution",
                "conditioning": "concat",
                "discriminator_normalization": "batch",
            },
        ),
    ],
    ids=str,
)
def test_one_step_has_the_gradients_of_the_textbook_step(task, changes, monkeypatch):
    gan = make_gan(dataclasses.replace(TINY, **changes), task=task)
    batch = make_batch()
    expected = textbook.gradients(gan, batch)
    applied = {}
    monkeypatch.setattr(
        gan,
        "_apply",
        lambda optimizer, network, gradients: applied.update({network.name: gradients}),
    )
    gan.train_step(batch)
    for name, gradients in zip(("generator", "discriminator"), expected, strict=True):
        scale = max(float(tf.reduce_max(tf.abs(g))) for g in gradients)
        for ours, theirs in zip(applied[name], gradients, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-4 * scale)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    ("task", "upsampling"), [("s2i", "resize"), ("s2i", "deconvolution"), ("i2s", "resize")]
)
def test_a_step_moves_what_it_should_and_nothing_else(policy, task, upsampling):
    config = dataclasses.replace(TINY, upsampling=upsampling, augment=True)
    gan = make_gan(config, policy, task=task)
    before = {n: getattr(gan, n).get_weights() for n in ("encoder", "generator", "discriminator")}
    metrics = tf.function(gan.train_step)(make_batch())
    assert all(np.isfinite(float(value)) for value in metrics.values())
    for name, weights in before.items():
        moved = [
            not np.array_equal(a, b)
            for a, b in zip(weights, getattr(gan, name).get_weights(), strict=True)
        ]
        assert any(moved) == (name != "encoder"), name
    # At the first step the average is a copy.
    for a, b in zip(gan.generator_ema.get_weights(), gan.generator.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_average_follows_its_formula():
    gan = make_gan(dataclasses.replace(TINY, average_half_life=16))
    step = tf.function(gan.train_step)
    for i in range(60):
        step(make_batch(seed=i))
    old = gan.generator_ema.get_weights()
    step(make_batch(seed=99))
    decay = 0.5 ** (8 / 16)
    for a, before, now in zip(
        gan.generator_ema.get_weights(), old, gan.generator.get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, decay * before + (1 - decay) * now, atol=1e-5)


@pytest.mark.parametrize("task", ["s2i", "i2s"])
def test_two_replicas_train_to_the_weights_of_one(task):
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    assert len(devices) >= 2, "conftest splits the processor into two logical devices"
    config = dataclasses.replace(TINY, r2_gamma=0.1, augment=True)
    results = []
    for strategy in (
        tf.distribute.OneDeviceStrategy(devices[0]),
        get_strategy("mirrored"),
    ):
        with strategy.scope():
            gan = make_gan(config, task=task)
        batches = [make_batch(seed=i) for i in range(3)]
        data = tf.data.Dataset.from_tensor_slices(
            {k: tf.concat([b[k] for b in batches], 0) for k in batches[0]}
        ).batch(8, drop_remainder=True)
        gan.fit(data, epochs=1, verbose=0)
        results.append(gan.get_weights())
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-4)
