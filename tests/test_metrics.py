"""Scores against hand-counted values and against simulated coverage."""

import numpy as np
import pytest

from cmgen import metrics

LABELS = [0, 0, 0, 1, 1, 2]
PREDICTIONS = [0, 0, 1, 1, 1, 0]


def test_accuracy_counts_matches():
    assert metrics.accuracy(LABELS, PREDICTIONS) == pytest.approx(4 / 6)


def test_confusion_matrix_has_true_classes_in_rows():
    expected = [[2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(metrics.confusion_matrix(LABELS, PREDICTIONS, 4), expected)


def test_per_class_and_balanced_accuracy_leave_out_absent_classes():
    confusion = metrics.confusion_matrix(LABELS, PREDICTIONS, 4)
    np.testing.assert_allclose(metrics.per_class_accuracy(confusion), [2 / 3, 1, 0, np.nan])
    assert metrics.balanced_accuracy(confusion) == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_majority_rate_is_the_largest_class():
    assert metrics.majority_rate(LABELS) == pytest.approx(0.5)


def test_interval_resamples_recordings_not_windows():
    # Two recordings, one all right and one all wrong: any resample is 0, 1/2 or 1.
    correct = np.repeat([True, False], 500)
    assert metrics.bootstrap_interval(correct, np.repeat([0, 1], 500)) == (0.0, 1.0)
    low, high = metrics.bootstrap_interval(correct, np.arange(1000))
    assert 0.46 < low < 0.48 and 0.52 < high < 0.54


def test_interval_weighs_recordings_by_their_windows():
    # 90 right windows in one recording, 10 wrong in the other: a draw of both gives 0.9.
    correct = np.repeat([True, False], [90, 10])
    groups = np.repeat(["long", "short"], [90, 10])
    assert metrics.bootstrap_interval(correct, groups, confidence=0.4) == (0.9, 0.9)


def test_interval_of_one_recording_is_its_accuracy():
    assert metrics.bootstrap_interval([True, False, True, True], [7] * 4) == (0.75, 0.75)


def test_interval_is_repeatable():
    correct = np.random.default_rng(0).random(400) < 0.8
    groups = np.repeat(np.arange(40), 10)
    assert metrics.bootstrap_interval(correct, groups) == metrics.bootstrap_interval(
        correct, groups
    )


def test_interval_covers_the_true_accuracy():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        recording_accuracy = rng.beta(8, 2, 40)
        correct = rng.random((40, 20)) < recording_accuracy[:, None]
        low, high = metrics.bootstrap_interval(
            correct.ravel(), np.repeat(np.arange(40), 20), resamples=500
        )
        covered += low <= 0.8 <= high
    assert covered >= 180


def test_interval_of_a_mean_of_numbers():
    values, groups = [1.0, 3.0, 10.0, 10.0], ["a", "a", "b", "b"]
    assert metrics.bootstrap_interval(values, groups) == (2.0, 10.0)


def test_balanced_interval_equals_a_loop_over_draws():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 2])
    predictions = np.array([0, 1, 0, 0, 1, 0, 0, 2])
    groups = np.array(["a", "a", "b", "b", "c", "d", "d", "e"])
    member, draws = metrics.draw_recordings(groups, 300, seed=4)
    expected = []
    for draw in draws:
        rows = np.repeat(np.arange(8), draw[member])
        right = (labels == predictions)[rows]
        recalls = [right[labels[rows] == c].mean() for c in range(3) if (labels[rows] == c).any()]
        expected.append(np.mean(recalls))
    found = metrics.balanced_interval(labels, predictions, groups, resamples=300, seed=4)
    assert found == pytest.approx(metrics.percentile_interval(expected))


def test_frechet_distance_of_gaussians_with_known_moments():
    rng = np.random.default_rng(2)
    whitened = rng.standard_normal((500, 3))
    whitened -= whitened.mean(axis=0)
    whitened = whitened @ np.linalg.inv(np.linalg.cholesky(np.cov(whitened.T)).T)
    scales = np.array([1.0, 2.0, 3.0])
    # Diagonal covariances: |m|^2 + sum (s1 - s2)^2.
    found = metrics.frechet_distance(whitened, whitened * scales + [0, 0, 2])
    assert found == pytest.approx(4 + 0 + 1 + 4)
    assert metrics.frechet_distance(whitened, whitened) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.accuracy([], []),
        lambda: metrics.accuracy([0, 1], [0]),
        lambda: metrics.confusion_matrix([0, 3], [0, 1], 3),
        lambda: metrics.majority_rate([]),
        lambda: metrics.bootstrap_interval([True], [0, 1]),
        lambda: metrics.frechet_distance(np.ones((5, 3)), np.ones((5, 4))),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(ValueError):
        call()
