"""Features of InceptionV3, from a weights file that the user has; nothing is downloaded."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cmgen.evaluate.windows import in_batches
from cmgen.media import images
from cmgen.utils.errors import UserError

SIZE = 299
BATCH = 32
SETTINGS = {
    "extractor": "keras.applications.InceptionV3, average-pooled, 2048 features",
    "resize": f"bilinear to {SIZE} x {SIZE}, not antialiased",
}


def load(path: Path) -> keras.Model:
    """InceptionV3 up to its last pooling, [batch, 299, 299, 3] in [-1, 1] -> [batch, 2048].

    Szegedy et al., "Rethinking the Inception Architecture" (2015). Weights other than those of the
    original FID code give other values: compare only numbers of the same file.

    Args:
      path: .h5 or .keras weights of keras.applications' InceptionV3, with or without its top.
    """
    whole = keras.applications.InceptionV3(weights=None, include_top=True)
    features = keras.Model(whole.inputs, whole.get_layer("avg_pool").output)
    problems = []
    for network in (features, whole):
        try:
            network.load_weights(path)
        except Exception as error:  # Keras and h5py raise nearly anything for a damaged file.
            problems.append((str(error) or type(error).__name__).splitlines()[0])
        else:
            return features
    raise UserError(
        f"--inception_weights={path}: not weights of keras.applications' InceptionV3 "
        f"({problems[0]}); give inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5 or the like"
    )


def features(network: keras.Model, pictures: NDArray[np.uint8], name: str) -> NDArray[np.float32]:
    """Features of pictures.

    Args:
      network: of `load`.
      pictures: uint8 [n, size, size, 3].
      name: for the progress bar.

    Returns:
      float32 [n, 2048].
    """

    def see(pixels: tf.Tensor) -> Any:
        large = tf.image.resize(tf.cast(pixels, tf.float32), [SIZE, SIZE], "bilinear")
        return network(images.scale(large), training=False)

    result: NDArray[np.float32] = in_batches(see, pictures, size=BATCH, title=f"Inception, {name}")
    return result
