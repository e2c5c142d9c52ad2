"""Adversarial losses and gradient penalties: logits or gradients in, per-example values out.

Chen et al., "Deep Cross-Modal Audio-Visual Generation" (2017), section 3; the form is that of
GAN-CLS (Reed et al., 2016). With S = sigmoid(logit), log S = -softplus(-logit) and
log(1 - S) = -softplus(logit).
"""

import tensorflow as tf


def matching_discriminator_loss(
    real: tf.Tensor, mismatched: tf.Tensor, fake: tf.Tensor, mismatch_weight: float = 1.0
) -> tf.Tensor:
    """-[log S_r + (log(1 - S_w) + log(1 - S_f)) / 2], which D minimises.

    Args:
      real: logits of real targets with matching conditions, [batch].
      mismatched: logits of real targets with conditions of another class, [batch].
      fake: logits of generated targets with the conditions that they come from, [batch].
      mismatch_weight: 1 as in the paper; 0 leaves S_w out and gives S_f its whole weight (S2I-N).

    Returns:
      [batch], not negative.
    """
    w = mismatch_weight / (1 + mismatch_weight)
    negative = w * tf.nn.softplus(mismatched) + (1 - w) * tf.nn.softplus(fake)
    return tf.nn.softplus(-real) + negative


def fake_logit_weight(fake: tf.Tensor, mismatch_weight: float = 1.0) -> tf.Tensor:
    """The derivative of `matching_discriminator_loss` by the fake logit, [batch], positive."""
    return tf.sigmoid(fake) / (1 + mismatch_weight)


def generator_loss(fake: tf.Tensor) -> tf.Tensor:
    """-log S_f, the non-saturating loss that G minimises. fake: logits [batch] -> [batch]."""
    return tf.nn.softplus(-fake)


def generator_logit_weight(fake: tf.Tensor) -> tf.Tensor:
    """The derivative of `generator_loss` by the fake logit, [batch], negative."""
    return -tf.sigmoid(-fake)


def gradient_penalty(gradients: tf.Tensor) -> tf.Tensor:
    """||dD/dx||^2 / 2 for each example: R1 on real, R2 on generated targets.

    Mescheder et al., "Which Training Methods for GANs do actually Converge?" (2018), eq. 9 and 10.

    Args:
      gradients: of the logits by the targets, [batch, ...].

    Returns:
      [batch], not negative.
    """
    squares = tf.square(tf.cast(gradients, tf.float32))
    return tf.reduce_sum(squares, axis=list(range(1, len(gradients.shape)))) / 2


def correspondence_loss(
    anchors: tf.Tensor, others: tf.Tensor, partners: tf.Tensor, temperature: float = 0.1
) -> tf.Tensor:
    """InfoNCE: -log of the share of an anchor's partner among all candidates.

    van den Oord et al., "Representation Learning with Contrastive Predictive Coding" (2018), eq. 4,
    with cosine similarity over a temperature (Chen et al., "SimCLR", 2020, eq. 1).

    Args:
      anchors: unit vectors [batch, size].
      others: unit vectors [candidates, size].
      partners: index of each anchor's partner among the candidates, int [batch].

    Returns:
      [batch], not negative.
    """
    similarity = tf.matmul(anchors, others, transpose_b=True) / temperature
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=partners, logits=similarity)
