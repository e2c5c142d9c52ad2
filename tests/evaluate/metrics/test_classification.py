"""Scores against hand-counted values and against simulated coverage."""

import re

import numpy as np
import pytest

from cmgen.evaluate.metrics import classification

LABELS = [0, 0, 0, 1, 1, 2]
PREDICTIONS = [0, 0, 1, 1, 1, 0]


def test_accuracy_counts_matches():
    assert classification.accuracy(LABELS, PREDICTIONS) == pytest.approx(4 / 6)


def test_confusion_matrix_has_true_classes_in_rows():
    expected = [[2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(classification.confusion_matrix(LABELS, PREDICTIONS, 4), expected)


def test_per_class_and_balanced_accuracy_leave_out_absent_classes():
    confusion = classification.confusion_matrix(LABELS, PREDICTIONS, 4)
    with np.errstate(all="raise"):
        shares = classification.per_class_accuracy(confusion)
    np.testing.assert_allclose(shares, [2 / 3, 1, 0, np.nan])
    assert classification.balanced_accuracy(confusion) == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_majority_rate_is_the_largest_class():
    assert classification.majority_rate(LABELS) == pytest.approx(0.5)
    assert classification.majority_rate(np.array([2.0, 2.0, 0.0])) == pytest.approx(2 / 3)


def test_interval_resamples_recordings_not_windows():
    # Two recordings, one all right and one all wrong: any resample is 0, 1/2 or 1.
    correct = np.repeat([True, False], 500)
    assert classification.bootstrap_interval(correct, np.repeat([0, 1], 500)) == (0.0, 1.0)
    low, high = classification.bootstrap_interval(correct, np.arange(1000))
    assert 0.46 < low < 0.48 and 0.52 < high < 0.54


def test_interval_weighs_recordings_by_their_windows():
    # 90 right windows in one recording, 10 wrong in the other: a draw of both gives 0.9.
    correct = np.repeat([True, False], [90, 10])
    groups = np.repeat(["long", "short"], [90, 10])
    assert classification.bootstrap_interval(correct, groups, confidence=0.4) == (0.9, 0.9)


def test_interval_of_one_recording_is_its_accuracy():
    assert classification.bootstrap_interval([True, False, True, True], [7] * 4) == (0.75, 0.75)


def test_interval_is_repeatable():
    correct = np.random.default_rng(0).random(400) < 0.8
    groups = np.repeat(np.arange(40), 10)
    assert classification.bootstrap_interval(correct, groups) == classification.bootstrap_interval(
        correct, groups
    )


def test_interval_covers_the_true_accuracy():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        recording_accuracy = rng.beta(8, 2, 40)
        correct = rng.random((40, 20)) < recording_accuracy[:, None]
        low, high = classification.bootstrap_interval(
            correct.ravel(), np.repeat(np.arange(40), 20), resamples=500
        )
        covered += low <= 0.8 <= high
    assert covered >= 180


def test_interval_of_a_mean_of_numbers():
    values, groups = [1.0, 3.0, 10.0, 10.0], ["a", "a", "b", "b"]
    assert classification.bootstrap_interval(values, groups) == (2.0, 10.0)


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        ([0, 0, 0, 0, 1, 1, 1, 2], "aabbcdde"),
        # The last recording lacks the last class, and there are many more recordings than classes.
        ([0, 0, 1, 1, 1, 0, 0, 0], "aabcdefg"),
    ],
)
def test_balanced_interval_equals_a_loop_over_draws(labels, groups):
    labels, groups = np.array(labels), np.array(list(groups))
    predictions = np.array([0, 1, 0, 0, 1, 0, 0, 2])
    member, draws = classification.draw_recordings(groups, 300, seed=4)
    expected = []
    for draw in draws:
        rows = np.repeat(np.arange(8), draw[member])
        right = (labels == predictions)[rows]
        recalls = [right[labels[rows] == c].mean() for c in range(3) if (labels[rows] == c).any()]
        expected.append(np.mean(recalls))
    with np.errstate(all="raise"):
        found = classification.balanced_interval(labels, predictions, groups, resamples=300, seed=4)
    assert found == pytest.approx(classification.percentile_interval(expected))


def test_intervals_are_of_ten_thousand_resamples_and_95_percent():
    random = np.random.default_rng(8)
    labels, predictions = random.integers(0, 3, (2, 50))
    groups = np.arange(50) // 2
    for found, given in (
        (classification.bootstrap_interval, (random.random(50), groups)),
        (classification.balanced_interval, (labels, predictions, groups)),
    ):
        assert found(*given) == found(*given, resamples=10_000, seed=0)
    values = random.random(50)
    found = classification.bootstrap_interval(values, groups)
    assert found == classification.bootstrap_interval(values, groups, confidence=0.95)


def test_labels_may_be_whole_numbers_of_any_type():
    found = classification.confusion_matrix(np.array([0.0, 1.0]), np.array([1.0, 1.0]), 2)
    np.testing.assert_array_equal(found, [[0, 1], [0, 1]])


def test_frechet_distance_of_gaussians_with_known_moments():
    rng = np.random.default_rng(2)
    whitened = rng.standard_normal((500, 3))
    whitened -= whitened.mean(axis=0)
    whitened = whitened @ np.linalg.inv(np.linalg.cholesky(np.cov(whitened.T)).T)
    scales = np.array([1.0, 2.0, 3.0])
    # Diagonal covariances: |m|^2 + sum (s1 - s2)^2.
    found = classification.frechet_distance(whitened, whitened * scales + [0, 0, 2])
    assert found == pytest.approx(4 + 0 + 1 + 4)
    assert classification.frechet_distance(whitened, whitened) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_correlated_clouds():
    # Covariances [[2, 1], [1, 2]] and I: C1 has the eigenvalues 3 and 1, so tr sqrt(C1) is known.
    corners = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]]) * np.sqrt(3 / 4)
    first, second = corners * np.sqrt([[3.0], [3.0], [1.0], [1.0]]), corners
    np.testing.assert_allclose(np.cov(first.T), [[2, 1], [1, 2]], atol=1e-12)
    np.testing.assert_allclose(np.cov(second.T), np.eye(2), atol=1e-12)
    wanted = 4 + 2 - 2 * (np.sqrt(3) + 1)
    assert classification.frechet_distance(first, second) == pytest.approx(wanted)
    assert classification.frechet_distance(second, first + [3, 4]) == pytest.approx(wanted + 25)
    # Two vectors are the fewest; these lie on lines across each other, so nothing is shared.
    assert classification.frechet_distance(first[:2], first[2:]) == pytest.approx(9 + 3)


def test_frechet_distance_takes_lists_of_whole_numbers():
    # One feature: (m1 - m2)^2 + (s1 - s2)^2; here means 1 and 5, deviations sqrt(2) and 2 sqrt(2).
    found = classification.frechet_distance([[0, 0], [2, 0]], [[3, 0], [7, 0]])
    assert found == pytest.approx(16 + 2)


def test_frechet_distance_is_computed_in_double_precision():
    first = 1000 + np.random.default_rng(6).random((50, 3)).astype(np.float32)
    second = first + np.float32(0.25)
    wanted = classification.frechet_distance(first.astype(np.float64), second.astype(np.float64))
    assert classification.frechet_distance(first, second) == wanted
    # Each of them, also beside the other in single precision.
    assert classification.frechet_distance(first, second.astype(np.float64)) == wanted
    assert wanted == pytest.approx(3 / 16)


def test_draws_are_multinomial_counts_of_recordings():
    member, draws = classification.draw_recordings(["b", "a", "b", "c"], 2000, seed=3)
    assert member.tolist() == [1, 0, 1, 2]
    assert draws.shape == (2000, 3) and (draws.sum(axis=1) == 3).all()
    # Each recording is drawn as often as any other, whatever its windows.
    np.testing.assert_allclose(draws.mean(axis=0), [1, 1, 1], atol=0.06)
    again = classification.draw_recordings(["b", "a", "b", "c"], 2000, seed=3)[1]
    other = classification.draw_recordings(["b", "a", "b", "c"], 2000, seed=4)[1]
    assert (draws == again).all() and (draws != other).any()


def test_percentiles_lie_as_far_from_both_ends():
    values = list(range(101))
    assert classification.percentile_interval(values) == pytest.approx((2.5, 97.5))
    assert classification.percentile_interval(values, 0.5) == pytest.approx((25, 75))


def test_intervals_depend_on_their_seed_and_number_of_resamples():
    random = np.random.default_rng(5)
    right, groups = random.random(60) < 0.7, np.repeat(np.arange(20), 3)
    member, draws = classification.draw_recordings(groups, 50, seed=9)
    means = (draws @ np.bincount(member, right)) / (draws @ np.bincount(member))
    found = classification.bootstrap_interval(right, groups, resamples=50, seed=9, confidence=0.8)
    assert found == pytest.approx(tuple(np.percentile(means, [10, 90])))
    labels = right.astype(int)
    first, second = (
        classification.balanced_interval(labels, np.ones(60, int), groups, 50, seed)
        for seed in (1, 2)
    )
    assert first == second == (0.5, 0.5)
    mixed = random.integers(0, 2, 60)
    first, second = (
        classification.balanced_interval(labels, mixed, groups, 50, seed) for seed in (1, 2)
    )
    assert first != second


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: classification.accuracy([], []),
            "labels (0,) and predictions (0,): must be 1-D, the same length and not empty",
        ),
        (
            lambda: classification.accuracy([0, 1], [0]),
            "labels (2,) and predictions (1,): must be 1-D",
        ),
        (
            lambda: classification.accuracy([[0]], [[0]]),
            "labels (1, 1) and predictions (1, 1): must be",
        ),
        (
            lambda: classification.confusion_matrix([0, 3], [0, 1], 3),
            "labels span 0..3: must be in 0..2",
        ),
        (
            lambda: classification.confusion_matrix([0, 1], [-1, 1], 3),
            "predictions span -1..1: must be in 0..2",
        ),
        (lambda: classification.majority_rate([]), "majority_rate needs at least one label"),
        (
            lambda: classification.bootstrap_interval([True], [0, 1]),
            "values (1,) and groups (2,): same, not empty",
        ),
        (lambda: classification.bootstrap_interval([], []), "values (0,) and groups (0,): same"),
        (
            lambda: classification.frechet_distance(np.ones((5, 3)), np.ones((5, 4))),
            "features (5, 3) and (5, 4): need 2 vectors of one length",
        ),
        (
            lambda: classification.frechet_distance(np.ones((1, 3)), np.ones((5, 3))),
            "features (1, 3) and (5, 3): need 2 vectors of one length",
        ),
        (
            lambda: classification.frechet_distance(np.ones((5, 3)), np.ones((1, 3))),
            "features (5, 3) and",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        call()


def test_the_highest_class_may_occur():
    found = classification.confusion_matrix([0, 2], [2, 2], 3)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, [[0, 0, 1], [0, 0, 0], [0, 0, 1]])
