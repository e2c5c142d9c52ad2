"""The sizes of the maps on which the generator makes a target and the discriminator sees it."""

import math
from dataclasses import dataclass

import tensorflow as tf

SEED_SIZE = 4  # shorter side of the generator's first and of the discriminator's last maps, at most


@dataclass(frozen=True)
class Canvas:
    """The maps of a target; their sides halve down to a small seed.

    A picture of 64 x 64 x 3 has a seed of 4 x 4. An LMS of 128 x 44 has one of 8 x 3, whose four
    doublings give 128 x 48: time has a margin of two frames (23 ms) at both ends.

    Attributes:
      shape: of one target, (height, width, channels), or (height, width) of a single channel.
    """

    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[2] if len(self.shape) == 3 else 1

    @property
    def stages(self) -> int:
        """How often the sides are halved."""
        return math.ceil(math.log2(min(self.shape[:2]) / SEED_SIZE))

    @property
    def seed(self) -> tuple[int, int]:
        """Height and width of the smallest maps."""
        height, width = (-(-side // 2**self.stages) for side in self.shape[:2])
        return height, width

    @property
    def _margins(self) -> list[tuple[int, int]]:
        """How much larger the maps are than the target: (before, after) of height and of width."""
        extra = [s * 2**self.stages - t for s, t in zip(self.seed, self.shape, strict=False)]
        return [(more // 2, more - more // 2) for more in extra]

    def crop(self, maps: tf.Tensor) -> tf.Tensor:
        """[batch, seed height * 2 ** stages, width likewise, channels] -> [batch, *shape]."""
        (top, _), (left, _) = self._margins
        height, width = self.shape[:2]
        return tf.reshape(maps[:, top : top + height, left : left + width], [-1, *self.shape])

    def pad(self, target: tf.Tensor) -> tf.Tensor:
        """[batch, *shape] -> what `crop` takes; the margins mirror the target's border."""
        maps = tf.reshape(target, [-1, *self.shape[:2], self.channels])
        if self._margins == [(0, 0), (0, 0)]:
            return maps
        return tf.pad(maps, [(0, 0), *self._margins, (0, 0)], "SYMMETRIC")
