"""AdamW with a warm-up and a cosine: the optimizer of encoders, verifiers and the measures' networks."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class WarmedAdamW(keras.optimizers.AdamW):
    """AdamW whose learning rate rises linearly to its peak and falls to 0 by half a cosine.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), Algorithm 2; the cosine is
    that of "SGDR" (2017), Eq. 5, without restarts.

    Keras's AdamW evaluates its schedule anew for every weight that decays, and traces it as often.

    Args:
      peak: learning rate after the warm-up.
      steps: until the learning rate is 0.
      weight_decay: what a weight loses per step, as a share of itself and of the learning rate.
      warmup_steps: from 0 to the peak; if None, a tenth of the steps, 100 at most.
    """

    def __init__(
        self, peak: float, steps: int, weight_decay: float, warmup_steps: int | None = None
    ):
        if warmup_steps is None:
            warmup_steps = min(100, steps // 10 + 1)
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, steps, warmup_target=peak, warmup_steps=warmup_steps
        )
        super().__init__(schedule, weight_decay=weight_decay)
        self._of_this_step: tf.Tensor | None = None

    @property
    def learning_rate(self) -> tf.Tensor:
        """Of the coming step."""
        return super().learning_rate if self._of_this_step is None else self._of_this_step

    def apply(self, grads: Sequence[tf.Tensor], trainable_variables: Any = None) -> None:
        """One update, as in Keras."""
        self._of_this_step = super().learning_rate
        try:
            super().apply(grads, trainable_variables)
        finally:
            self._of_this_step = None
