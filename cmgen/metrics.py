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
    correct: ArrayLike,
    groups: ArrayLike,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of an accuracy, with whole recordings drawn again.

    Windows of one recording share their player, room and piece, so they are not independent:
    drawing windows instead would make the interval several times too narrow.
    (Efron & Tibshirani 1993, chapters 8 and 13: the cluster is the unit that is resampled.)

    Args:
      correct: whether each window was right, bool [windows].
      groups: the recording that each window belongs to, any sortable values [windows].
      resamples: number of bootstrap samples.
      confidence: coverage of the interval, in (0, 1).
      seed: of the resampling.

    Returns:
      (low, high), both in [0, 1]. With a single recording both are its accuracy.
    """
    correct, groups = np.asarray(correct, bool), np.asarray(groups)
    if correct.size == 0 or correct.shape != groups.shape:
        raise ValueError(f"correct {correct.shape} and groups {groups.shape}: same, not empty")
    names, member = np.unique(groups, return_inverse=True)
    windows = np.bincount(member)
    hits = np.bincount(member, weights=correct)
    # How often each recording is drawn is multinomial: one matrix product gives all resamples.
    draws = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=resamples
    )
    accuracies = (draws @ hits) / (draws @ windows)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(accuracies, [tail, 100 - tail])
    return float(low), float(high)


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
