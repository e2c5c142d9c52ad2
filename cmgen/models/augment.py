"""Augmentation as pure functions of a batch and of uniform numbers drawn with it.

The numbers come with the batch (see `data.pipeline`), so that a resumed run, or one split over
replicas, augments each example alike.
"""

import math

import tensorflow as tf

UNIFORMS = 16  # numbers that the pipeline draws for each example


def _signed(uniforms: tf.Tensor, column: int, rank: int) -> tf.Tensor:
    """One column of uniforms as numbers in [-1, 1), shaped to broadcast over rank - 1 axes."""
    return tf.reshape(2 * uniforms[:, column] - 1, [-1] + [1] * (rank - 1))


def shift_pixels(images: tf.Tensor, uniforms: tf.Tensor, share: float) -> tf.Tensor:
    """Moves each picture by up to `share` of its size; what is uncovered repeats the border.

    Args:
      images: [batch, h, w, c].
      uniforms: [batch, 2] in [0, 1).
      share: of height and width.
    """
    _, height, width, _ = images.shape
    offsets = tf.cast(tf.round((2 * uniforms - 1) * [share * height, share * width]), tf.int32)
    rows = tf.clip_by_value(tf.range(height)[None] + offsets[:, :1], 0, height - 1)
    columns = tf.clip_by_value(tf.range(width)[None] + offsets[:, 1:2], 0, width - 1)
    return tf.gather(tf.gather(images, rows, batch_dims=1), columns, axis=2, batch_dims=1)


def color_jitter(images: tf.Tensor, uniforms: tf.Tensor, strength: float) -> tf.Tensor:
    """Brightness, contrast and saturation moved at random, differentiably (DiffAugment, 2020).

    Args:
      images: [batch, h, w, 3] in [-1, 1].
      uniforms: [batch, 3].
      strength: 1 is DiffAugment's own (brightness +-0.5, contrast and saturation 0.5 to 1.5).
    """
    brightness, contrast, saturation = (_signed(uniforms, i, 4) for i in range(3))
    images = images + 0.5 * strength * brightness
    gray = tf.reduce_mean(images, axis=-1, keepdims=True)
    images = gray + (images - gray) * (1 + strength * saturation * 0.5)
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return mean + (images - mean) * (1 + strength * contrast * 0.5)


def rotate_hue(images: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Turns the colours about the grey axis: half of the pictures by up to 180 degrees.

    Args:
      images: [batch, h, w, 3] in [-1, 1].
      uniforms: [batch, 2]; the first chooses the pictures, the second the angle.
    """
    turned = tf.cast(uniforms[:, 0] < 0.5, tf.float32)
    angle = turned * math.pi * (2 * uniforms[:, 1] - 1)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    # Rodrigues' formula about (1, 1, 1) / sqrt(3): a circulant matrix.
    same = cosine + (1 - cosine) / 3
    after = (1 - cosine) / 3 - sine / math.sqrt(3)
    before = (1 - cosine) / 3 + sine / math.sqrt(3)
    rows = [[same, after, before], [before, same, after], [after, before, same]]
    matrix = tf.stack([tf.stack(row, axis=-1) for row in rows], axis=-2)
    return tf.einsum("bhwc,bdc->bhwd", images, matrix)


def augment_for_discriminator(images: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Mild differentiable augmentation, the same for real and generated pictures.

    Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training" (2020). No flips:
    they would make right-handed players left-handed.

    Args:
      images: [batch, h, w, 3] in [-1, 1].
      uniforms: [batch, 5].
    """
    return shift_pixels(color_jitter(images, uniforms[:, :3], 0.3), uniforms[:, 3:5], 0.06)


def augment_lms_for_discriminator(lms: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Mild differentiable augmentation of real and generated LMS alike: time and level.

    The counterpart of `augment_for_discriminator`: up to three frames earlier or later, up to 3 dB
    louder or softer. Frequencies stay, for they are what tells instruments and pitches apart.

    Args:
      lms: [batch, mels, frames] in [-1, 1].
      uniforms: [batch, 2 or more].
    """
    moves = tf.stack([tf.fill(tf.shape(uniforms)[:1], 0.5), uniforms[:, 0]], axis=-1)
    return shift_pixels(lms[..., None], moves, 0.06)[..., 0] + 0.05 * _signed(uniforms, 1, 3)


def augment_for_verifier(images: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Stronger colour, hue, shift and one erased square, for classifiers of pictures.

    Walls and clothes come in all hues, and a classifier that learns them by heart from a few
    recordings fails on new ones. The square: DeVries and Taylor, "Improved Regularization ... with
    Cutout" (2017).

    Args:
      images: [batch, h, w, 3] in [-1, 1].
      uniforms: [batch, 16].
    """
    images = rotate_hue(images, uniforms[:, 10:12])
    images = shift_pixels(color_jitter(images, uniforms[:, :3], 0.8), uniforms[:, 3:5], 0.1)
    images = images * (1 + 0.3 * (2 * uniforms[:, None, None, 5:8] - 1))
    size = images.shape[1]
    inside = tf.ones_like(images[..., :1], tf.bool)
    for axis in (1, 2):
        shape = [1, size, 1, 1] if axis == 1 else [1, 1, size, 1]
        position = tf.reshape(tf.range(size, dtype=tf.float32) / size, shape)
        center = tf.reshape(uniforms[:, 7 + axis], [-1, 1, 1, 1])
        inside &= tf.abs(position - center) < 0.12
    return tf.where(inside, 0.0, images)


def augment_for_correspondence(images: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Colour and hue as for the verifier, but little shift and no hole: the pose must stay.

    Args:
      images: [batch, h, w, 3] in [-1, 1].
      uniforms: [batch, 16].
    """
    images = rotate_hue(images, uniforms[:, 10:12])
    images = shift_pixels(color_jitter(images, uniforms[:, :3], 0.6), uniforms[:, 3:5], 0.05)
    return images * (1 + 0.3 * (2 * uniforms[:, None, None, 5:8] - 1))


def augment_lms(lms: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Level, tilt, a smooth change of timbre, and masked bands and times of an LMS.

    The masks: Park et al., "SpecAugment" (2019). The smooth curve over the mel bands stands for
    other rooms, microphones and instruments of the same kind.

    Args:
      lms: [batch, mels, frames] in [-1, 1].
      uniforms: [batch, 16].
    """
    _, mels, frames = lms.shape
    band = tf.range(mels, dtype=tf.float32)[None, :, None] / mels
    level = 0.10 * _signed(uniforms, 0, 3) + 0.12 * _signed(uniforms, 1, 3) * (band - 0.4)
    for k in range(3):  # waves over the bands with random phases
        phase = 2 * math.pi * (uniforms[:, 2 + k, None, None] + (k + 1) * 1.3 * band)
        level += 0.06 * uniforms[:, 5 + k, None, None] * tf.sin(phase)
    lms = lms + level
    floor = -1 + 0.5 * uniforms[:, 13, None, None] ** 2  # a noisier room hides what is soft
    lms = tf.maximum(lms, floor)
    time = tf.range(frames, dtype=tf.float32)[None, None, :] / frames
    mask = _masked(band, uniforms[:, 8], 0.12 * uniforms[:, 9])
    mask |= _masked(time, uniforms[:, 10], 0.2 * uniforms[:, 11])
    return tf.clip_by_value(tf.where(mask, -1.0, lms), -1.0, 1.0)


def _masked(axis: tf.Tensor, start: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    start, width = start[:, None, None], width[:, None, None]
    return (axis >= start) & (axis < start + width)
