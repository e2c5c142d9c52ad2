"""A training step against the textbook's, at the same networks, batch and arithmetic."""

import importlib.util
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cmgen.config import TrainConfig
from cmgen.models.gan import CrossModalGan, build_gan
from cmgen.models.run import make_encoder
from tools.benchmarks import operations, textbook
from tools.benchmarks.timing import Ratio, in_turns, timed

POLICIES = {"float32": tf.float32, "mixed_bfloat16": tf.bfloat16}
CLASSES = 13
MATRIX = 2048  # side of the matrices that show what the machine can do
Batch = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Step:
    """One arithmetic's figures.

    Attributes:
      ratio: of the textbook's time to ours.
      torch: the same against PyTorch; None where it isn't installed.
      gflop, textbook_gflop: multiplications and additions of our step's convolutions and matrix
        products, and of the textbook's, 10 ** 9.
      matrix_gflops: 10 ** 9 such operations a second that the machine reaches on large matrices.
      generator_parameters, discriminator_parameters: numbers of weights.
    """

    ratio: Ratio
    torch: Ratio | None
    gflop: float
    textbook_gflop: float
    matrix_gflops: float
    generator_parameters: int
    discriminator_parameters: int


def measure(config: TrainConfig, policy: str, rounds: int, seconds: float) -> Step:
    """Times our training step and the textbook's in turns; without augmentation, which is no part of it.

    Args:
      config: networks, objective and batch size.
      policy: of POLICIES.
      rounds, seconds: of `in_turns`.
    """
    config = replace(config, gan=replace(config.gan, augment=False))
    batch = random_batch(config)
    gan = make_gan(config, policy)
    plain = textbook.with_plain_networks(gan, policy)
    ours, gflop = _traced(gan.train_step, batch)
    theirs, textbook_gflop = _traced(lambda batch: textbook.train_step(plain, batch), batch)
    name = f"training step, batch {config.batch_size}, {policy}"
    ratio = in_turns(ours, theirs, name, "textbook step in Keras", rounds, seconds)
    torch = _torch_step(gan, config, policy)
    against_torch = torch and in_turns(
        ours, torch, name, "textbook step in PyTorch", rounds, seconds
    )
    return Step(
        ratio,
        against_torch,
        gflop,
        textbook_gflop,
        matrix_gflops(POLICIES[policy]),
        gan.generator.count_params(),
        gan.discriminator.count_params(),
    )


def random_batch(config: TrainConfig) -> Batch:
    """A batch of noise of the shapes that training sees."""
    random, size = np.random.default_rng(0), config.batch_size

    def uniform(*shape: int) -> tf.Tensor:
        return tf.constant(random.uniform(-1, 1, (size, *shape)), tf.float32)

    return {
        "lms": uniform(*config.shape_of("lms")),
        "image": uniform(*config.shape_of("image")),
        "noise": tf.constant(random.normal(size=(size, config.gan.noise_size)), tf.float32),
        "uniforms": tf.constant(random.uniform(size=(size, 16)), tf.float32),
        "label": tf.constant(np.arange(size) % CLASSES, tf.int32),
    }


def matrix_gflops(dtype: tf.DType) -> float:
    """What the machine reaches on the product of two large square matrices, 10 ** 9 operations/s."""
    matrix = tf.cast(tf.random.stateless_normal([MATRIX, MATRIX], [0, 0]), dtype)
    multiply = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)), autograph=False)
    best = timed(lambda: multiply().numpy(), "", 1, 0, 20, 10.0).fastest_ms
    return 2 * MATRIX**3 / best / 1e6


def make_gan(config: TrainConfig, policy: str, classes: int = CLASSES) -> CrossModalGan:
    """An untrained GAN as training has it; its encoder is untrained too, which takes as long."""
    keras.utils.set_random_seed(config.seed)
    direction = config.direction
    encoder = make_encoder(direction.encoder, classes, config, policy)
    gan = build_gan(direction, encoder, config.gan, config.shape_of(direction.target), policy)
    gan.compile()
    return gan


def _torch_step(
    gan: CrossModalGan, config: TrainConfig, policy: str
) -> Callable[[], object] | None:
    """The textbook's step in PyTorch, if that is installed and the networks are such as it has."""
    settings = config.gan
    if importlib.util.find_spec("torch") is None or config.task != "s2i":
        return None
    if (settings.upsampling, settings.conditioning) != ("resize", "projection"):
        return None
    from tools.benchmarks.textbook_torch import Textbook

    stages = gan.generator.canvas.stages
    step = Textbook(config, policy, gan.encoder.config.encoding_size, stages)
    counts = gan.generator.count_params(), gan.discriminator.count_params()
    assert step.parameters() == counts, (step.parameters(), counts)
    return step


def _traced(step: Callable[[Batch], Any], batch: Batch) -> tuple[Callable[[], object], float]:
    """A compiled step on that batch, and the 10 ** 9 operations that it has."""

    @tf.function(autograph=False)
    def whole(batch: Batch) -> tf.Tensor:
        step(batch)
        return tf.constant(0)

    gflop = operations.count(whole.get_concrete_function(batch)) / 1e9
    return lambda: whole(batch).numpy(), gflop


def as_json(step: Step) -> dict[str, Any]:
    """Everything of a step, of JSON types, and the share of the machine's matrix rate."""
    return asdict(step) | {
        "share_of_matrix_rate": step.gflop / (step.matrix_gflops * step.ratio.ours_ms / 1e3)
    }
