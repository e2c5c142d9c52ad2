"""Scores of predicted labels as pure numpy functions: accuracy, confusion, bootstrap interval."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Share of windows whose predicted class is the true one.

    Args:
      labels: true classes, int [windows].
      predictions: predicted classes, int [windows].

    Returns:
      A number in [0, 1].
    """
    labels, predictions = _checked_pair(labels, predictions)
    return float(np.mean(labels == predictions))


def confusion_matrix(
    labels: ArrayLike, predictions: ArrayLike, num_classes: int
) -> NDArray[np.int64]:
    """Counts of every (true class, predicted class).

    Args:
      labels: true classes, int [windows], each in [0, num_classes).
      predictions: predicted classes, int [windows], each in [0, num_classes).
      num_classes: number of classes.

    Returns:
      int64 [num_classes, num_classes]; rows are true classes, columns are predicted ones.
    """
    labels, predictions = _checked_pair(labels, predictions)
    for name, values in (("labels", labels), ("predictions", predictions)):
        if values.min() < 0 or values.max() >= num_classes:
            raise ValueError(
                f"{name} span {values.min()}..{values.max()}: must be in 0..{num_classes - 1}"
            )
    cells = np.bincount(labels * num_classes + predictions, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes).astype(np.int64)


def per_class_accuracy(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Recall of every class; NaN for a class that never occurs.

    Args:
      confusion: int [classes, classes] of `confusion_matrix`.

    Returns:
      float64 [classes], each in [0, 1] or NaN.
    """
    counts = confusion.sum(axis=1)
    shares = np.full(len(confusion), np.nan)
    np.divide(np.diag(confusion), counts, out=shares, where=counts > 0)
    return shares


def balanced_accuracy(confusion: NDArray[np.int64]) -> float:
    """Mean recall over the classes that occur, so that a big class weighs no more than a small one.

    Args:
      confusion: int [classes, classes] of `confusion_matrix`.
    """
    return float(np.nanmean(per_class_accuracy(confusion)))


def majority_rate(labels: ArrayLike) -> float:
    """Accuracy of always naming the most frequent class: what a score has to beat.

    Args:
      labels: true classes, int [windows].
    """
    labels = np.asarray(labels, np.int64)
    if labels.size == 0:
        raise ValueError("majority_rate needs at least one label")
    return float(np.bincount(labels).max() / labels.size)


def bootstrap_interval(
    values: ArrayLike,
    groups: ArrayLike,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean over windows, with whole recordings drawn again.

    Windows of one recording share their player, room and piece, so they are not independent:
    drawing windows instead would make the interval several times too narrow.
    (Efron & Tibshirani 1993, chapters 8 and 13: the cluster is the unit that is resampled.)

    Args:
      values: of each window, whether it was right or any number, [windows].
      groups: the recording that each window belongs to, any sortable values [windows].
      resamples: number of bootstrap samples.
      confidence: coverage of the interval, in (0, 1).
      seed: of the resampling.

    Returns:
      (low, high). With a single recording both are its mean.
    """
    values, groups = np.asarray(values, np.float64), np.asarray(groups)
    if values.size == 0 or values.shape != groups.shape:
        raise ValueError(f"values {values.shape} and groups {groups.shape}: same, not empty")
    member, draws = draw_recordings(groups, resamples, seed)
    windows, sums = np.bincount(member), np.bincount(member, weights=values)
    return percentile_interval((draws @ sums) / (draws @ windows), confidence)


def balanced_interval(
    labels: ArrayLike,
    predictions: ArrayLike,
    groups: ArrayLike,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of `balanced_accuracy`, with whole recordings drawn again.

    A class none of whose recordings is drawn is left out of that draw's mean.

    Args:
      labels: true classes, int [windows].
      predictions: predicted classes, int [windows].
      groups: the recording that each window belongs to, [windows].
      resamples: number of bootstrap samples.
      seed: of the resampling.

    Returns:
      (low, high), both in [0, 1].
    """
    labels, predictions = _checked_pair(labels, predictions)
    member, draws = draw_recordings(groups, resamples, seed)
    classes = int(labels.max()) + 1
    shape = (draws.shape[1], classes)
    cells = member * classes + labels
    windows = np.bincount(cells, minlength=shape[0] * classes).reshape(shape)
    hits = np.bincount(cells, labels == predictions, shape[0] * classes).reshape(shape)
    drawn, right = draws @ windows, draws @ hits
    recalls = np.full(drawn.shape, np.nan)
    np.divide(right, drawn, out=recalls, where=drawn > 0)
    return percentile_interval(np.nanmean(recalls, axis=1))


def draw_recordings(
    groups: ArrayLike, resamples: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How often each recording comes in each bootstrap sample.

    Args:
      groups: the recording of each window, any sortable values [windows].
      resamples: number of bootstrap samples.
      seed: of the resampling.

    Returns:
      the index of each window's recording, int64 [windows], and counts that are multinomial,
      int64 [resamples, recordings], so that one matrix product gives all resamples.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    shares = np.full(len(names), 1 / len(names))
    draws = np.random.default_rng(seed).multinomial(len(names), shares, size=resamples)
    return member.astype(np.int64), draws


def percentile_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """(low, high) between which the middle `confidence` of all values lies."""
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(np.asarray(values, np.float64), [tail, 100 - tail])
    return float(low), float(high)


def frechet_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Distance of two clouds of feature vectors, each taken as a Gaussian.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)): Heusel et al., "GANs Trained by a Two Time-Scale
    Update Rule" (2017), eq. 6. Values depend on the features and on how many vectors there are, so
    they compare models on the same windows and nothing else.

    Args:
      first: float [n, features], n at least 2.
      second: float [m, features], m at least 2.

    Returns:
      A number that is not negative; 0 for the same cloud twice.
    """
    first, second = feature_pair(first, second)
    covariances = np.cov(first.T), np.cov(second.T)
    # tr((C1 C2)^(1/2)) through the symmetric C1^(1/2) C2 C1^(1/2), which has the same eigenvalues.
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariances[1] @ root), 0.0)).sum()
    means = np.sum((first.mean(axis=0) - second.mean(axis=0)) ** 2)
    distance = means + np.trace(covariances[0]) + np.trace(covariances[1]) - 2.0 * shared
    return float(max(distance, 0.0))


def feature_pair(first: ArrayLike, second: ArrayLike) -> tuple[NDArray, NDArray]:
    """Two clouds of at least two vectors of one length, as float64 [n, d] and [m, d]."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if min(len(first), len(second)) < 2 or first.shape[1:] != second.shape[1:]:
        raise ValueError(f"features {first.shape} and {second.shape}: need 2 vectors of one length")
    return first, second


def _checked_pair(
    labels: ArrayLike, predictions: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    labels, predictions = np.asarray(labels, np.int64), np.asarray(predictions, np.int64)
    if labels.ndim != 1 or labels.shape != predictions.shape or labels.size == 0:
        raise ValueError(
            f"labels {labels.shape} and predictions {predictions.shape}: must be 1-D, the same "
            "length and not empty"
        )
    return labels, predictions
