"""Are the pictures of one sound different, and are they more than copies of training pictures?"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROWS_AT_ONCE = 512
PIXEL_SIDE = 32


def squared_distances(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """|x - y|^2 of all pairs; float [n, d] and [m, d] -> float64 [n, m], not negative."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    squares = np.square(first).sum(axis=1)[:, None] + np.square(second).sum(axis=1)[None, :]
    return np.maximum(squares - 2.0 * (first @ second.T), 0.0)


def mean_pairwise_distance(vectors: ArrayLike) -> NDArray[np.float64]:
    """Mean Euclidean distance over all pairs of each set.

    As "diversity" in Huang et al., "Multimodal Unsupervised Image-to-Image Translation" (2018),
    section 5.2, with the given features in the place of LPIPS.

    Args:
      vectors: float [sets, n, d], n at least 2; such as n pictures from one sound.

    Returns:
      float64 [sets].
    """
    vectors = np.asarray(vectors)
    number = vectors.shape[1]
    if number < 2:
        raise ValueError(f"vectors {vectors.shape}: a set needs at least 2")
    sums = np.array([np.sqrt(squared_distances(one, one)).sum() for one in vectors])
    return sums / (number * (number - 1))


def draw_pairs(labels: ArrayLike, groups: ArrayLike, number: int, seed: int) -> NDArray[np.int64]:
    """Pairs of windows of one class and of different recordings; the classes take turns.

    Args:
      labels: class of each window, int [windows].
      groups: the recording of each window, [windows].
      number: of pairs.
      seed: of the drawing.

    Returns:
      int64 [number, 2], indices of windows; of one recording where its class has no other.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    random = np.random.default_rng(seed)
    classes = random.permutation(np.unique(labels))
    pairs = np.empty((number, 2), np.int64)
    for index in range(number):
        windows = np.flatnonzero(labels == classes[index % len(classes)])
        first = random.choice(windows)
        others = windows[groups[windows] != groups[first]]
        pairs[index] = first, random.choice(others if len(others) else windows)
    return pairs


def nearest(
    queries: ArrayLike, gallery: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distance to the nearest vector of a gallery, and which one it is.

    Args:
      queries: float [n, d].
      gallery: float [m, d].

    Returns:
      float64 [n], int64 [n].
    """
    # float32 keeps whole pictures as vectors within reach; distances are far above its rounding.
    queries, gallery = np.asarray(queries, np.float32), np.asarray(gallery, np.float32)
    squares = np.square(gallery).sum(axis=1)
    index = np.concatenate(
        [
            np.argmin(squares - 2.0 * (queries[at : at + ROWS_AT_ONCE] @ gallery.T), axis=1)
            for at in range(0, len(queries), ROWS_AT_ONCE)
        ]
    )
    apart = np.square(queries.astype(np.float64) - gallery[index]).sum(axis=1)
    return np.sqrt(apart), index.astype(np.int64)


def pixel_vectors(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pictures as vectors whose Euclidean distance is the root mean square of pixel differences.

    Args:
      pictures: uint8 [n, size, size, 3], size a power of two of at least 32.

    Returns:
      float32 [n, 32 * 32 * 3], the pictures averaged down to 32 x 32.
    """
    side = pictures.shape[1] // PIXEL_SIDE
    blocks = pictures.reshape(len(pictures), PIXEL_SIDE, side, PIXEL_SIDE, side, 3)
    flat = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(len(pictures), -1)
    return flat / np.float32(255.0 * np.sqrt(flat.shape[1]))
