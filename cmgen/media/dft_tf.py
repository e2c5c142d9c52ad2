"""The Fourier transform as matrix products, for runtimes without a fast one."""

import numpy as np
import tensorflow as tf


def power_by_matrices(frames: tf.Tensor, n_fft: int) -> tf.Tensor:
    """Computes power spectra of real frames by two products of small matrices.

    ONNX has no fast Fourier transform that all runtimes know, and a single matrix takes twenty times
    as many multiplications. This is Cooley and Tukey's factorization (1965) in two: samples
    t = columns * i + j, frequencies k = p + rows * q, the twiddle factors merged into the second.

    Args:
      frames: float64 [n, n_fft].
      n_fft: a power of two.

    Returns:
      float32 [n, 1 + n_fft // 2].
    """
    rows = 2 ** (int(np.log2(n_fft)) // 2)
    columns = n_fft // rows
    i, p = np.arange(rows)[:, None], np.arange(rows)
    q = np.arange(columns // 2 + 1)
    first = np.exp(-2j * np.pi * p[:, None] * i.T / rows)  # [p, i]
    angle = np.arange(columns)[:, None] * (p[:, None, None] + rows * q)  # [p, j, q]
    second = np.exp(-2j * np.pi * angle / n_fft)
    # (re + i im)(c + i s): both parts of the product side by side.
    joined = np.block([[second.real, second.imag], [-second.imag, second.real]])
    maps = tf.reshape(frames, [-1, rows, columns])
    parts = tf.matmul(np.concatenate([first.real, first.imag]), maps)
    parts = tf.transpose(tf.reshape(parts, [-1, 2, rows, columns]), [2, 0, 1, 3])
    inner = tf.reshape(parts, [rows, -1, 2 * columns])
    spectrum = tf.square(tf.cast(tf.matmul(inner, joined), tf.float32))
    power = spectrum[..., : len(q)] + spectrum[..., len(q) :]
    power = tf.reshape(tf.transpose(power, [1, 2, 0]), [-1, len(q) * rows])
    return power[:, : 1 + n_fft // 2]
