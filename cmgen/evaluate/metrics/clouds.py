"""How near a cloud of feature vectors of generated things lies to that of real ones.

Values depend on the features and on how many vectors there are: they compare models on the same
windows by the same extractor, and nothing else.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cmgen.evaluate.metrics import classification
from cmgen.evaluate.metrics.diversity import squared_distances

NEIGHBOUR = 3  # k of Kynkaanniemi et al.


def polynomial_kernel(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """(x . y / d + 1)^3, Binkowski et al., "Demystifying MMD GANs" (2018), section 4.

    Args:
      first: float [n, d].
      second: float [m, d].

    Returns:
      float64 [n, m].
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return (first @ second.T / first.shape[1] + 1.0) ** 3


def kid(first: ArrayLike, second: ArrayLike) -> float:
    """Kernel inception distance: the unbiased estimate of the squared MMD of two clouds.

    Gretton et al., "A Kernel Two-Sample Test" (2012), eq. 3, with `polynomial_kernel`. From all
    pairs, not as a mean over blocks; it may be negative where the clouds are alike.

    Args:
      first: float [n, d], n at least 2.
      second: float [m, d], m at least 2.
    """
    first, second = classification.feature_pair(first, second)
    inner = sum(
        (np.sum(kernel) - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1))
        for kernel in (polynomial_kernel(first, first), polynomial_kernel(second, second))
    )
    return float(inner - 2.0 * polynomial_kernel(first, second).mean())


def kid_interval(
    first: ArrayLike,
    second: ArrayLike,
    first_groups: ArrayLike,
    second_groups: ArrayLike,
    paired: bool,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of `kid`, with whole recordings drawn again.

    A recording that is drawn twice meets itself only within each copy, as in the data: pairs of its
    copies, in which a picture would meet itself, would add to the distance.

    Args:
      first: float [n, d].
      second: float [m, d].
      first_groups: the recording of each row of `first`, [n].
      second_groups: the recording of each row of `second`, [m].
      paired: whether both clouds come from the same recordings, which are then drawn together.
      resamples: number of bootstrap samples.
      seed: of the resampling.

    Returns:
      (low, high).
    """
    first, second = classification.feature_pair(first, second)
    member, draws = classification.draw_recordings(first_groups, resamples, seed)
    other, other_draws = classification.draw_recordings(second_groups, resamples, seed + 1)
    if paired:
        if not np.array_equal(np.unique(first_groups), np.unique(second_groups)):
            raise ValueError("paired clouds must come from the same recordings")
        other_draws = draws
    within = _drawn_mean(polynomial_kernel(first, first), member, draws)
    within += _drawn_mean(polynomial_kernel(second, second), other, other_draws)
    sums, counts = _block_sums(polynomial_kernel(first, second), member, other)
    if paired:
        between = _drawn_without_copies(sums, draws) / _drawn_without_copies(counts, draws)
    else:
        between = _quadratic(sums, draws, other_draws) / _quadratic(counts, draws, other_draws)
    return classification.percentile_interval(within - 2.0 * between)


def neighbour_radii(
    features: ArrayLike, groups: ArrayLike | None = None, k: int = NEIGHBOUR
) -> NDArray[np.float64]:
    """Distance of each vector to its k-th nearest neighbour.

    Args:
      features: float [n, d].
      groups: the recording of each vector, [n]. Given, neighbours of the same recording don't count:
        pictures a tenth of a second apart are nearly the same picture, and balls that reach just
        to the next frame would hold nothing.
      k: which neighbour.

    Returns:
      float64 [n].
    """
    squared = squared_distances(features, features)
    if groups is None:
        np.fill_diagonal(squared, np.inf)
    else:
        groups = np.asarray(groups)
        squared[groups[:, None] == groups[None, :]] = np.inf
    radii = np.partition(squared, k - 1, axis=1)[:, k - 1]
    if not np.isfinite(radii).all():
        raise ValueError(f"k = {k}: each vector needs {k} neighbours of other recordings")
    return np.sqrt(radii)


def has_neighbours(groups: ArrayLike, k: int = NEIGHBOUR) -> bool:
    """Whether each vector has k neighbours of other recordings, as `neighbour_radii` needs."""
    counts = np.unique(np.asarray(groups), return_counts=True)[1]
    return bool(counts.sum() - counts.max() >= k)


def inside(vectors: ArrayLike, cloud: ArrayLike, radii: ArrayLike) -> NDArray[np.bool_]:
    """Whether a vector lies in a ball around any vector of a cloud.

    The manifold of Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing
    Generative Models" (2019), eq. 1. Generated vectors in the manifold of real ones give the
    precision, real ones in that of generated ones the recall.

    Args:
      vectors: float [n, d].
      cloud: float [m, d].
      radii: float [m], of `neighbour_radii`.

    Returns:
      bool [n].
    """
    distances = squared_distances(vectors, cloud)
    # Rounding must not put a vector outside its own ball of radius 0.
    return np.any(distances <= np.square(np.asarray(radii, np.float64)) + 1e-9, axis=1)


def _block_sums(
    kernel: NDArray[np.float64], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums and numbers of the kernel's values for every pair of recordings."""
    of_rows, of_columns = np.eye(rows.max() + 1)[rows], np.eye(columns.max() + 1)[columns]
    counts = np.outer(of_rows.sum(axis=0), of_columns.sum(axis=0))
    return of_rows.T @ kernel @ of_columns, counts


def _drawn_mean(
    kernel: NDArray[np.float64], member: NDArray[np.int64], draws: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean over all pairs of different vectors, for each draw of recordings; [resamples]."""
    sums, counts = _block_sums(kernel, member, member)
    index = np.arange(len(sums))
    sums[index, index] -= np.bincount(member, weights=np.diagonal(kernel))
    counts[index, index] -= np.bincount(member)
    return _drawn_without_copies(sums, draws) / _drawn_without_copies(counts, draws)


def _drawn_without_copies(
    blocks: NDArray[np.float64], draws: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sum over pairs of drawn recordings, a recording meeting its own copy alone; [resamples]."""
    own = np.diagonal(blocks)
    return _quadratic(blocks, draws, draws) - np.square(draws) @ own + draws @ own


def _quadratic(
    blocks: NDArray[np.float64], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    return np.einsum("rg,rg->r", rows @ blocks, columns)
