"""KID against a loop over pairs, its intervals, and precision and recall on toy clouds."""

import itertools

import numpy as np
import pytest

from cmgen.evaluate.metrics.clouds import (
    _drawn_mean,
    has_neighbours,
    inside,
    kid,
    kid_interval,
    neighbour_radii,
    polynomial_kernel,
)


def clouds(shift: float = 0.0, n: int = 9, m: int = 7, d: int = 4):
    random = np.random.default_rng(4)
    return random.standard_normal((n, d)), random.standard_normal((m, d)) + shift


def kernel(x, y):
    return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1.0) ** 3


def test_kid_equals_a_loop_over_pairs():
    first, second = clouds(0.5)
    inner = [
        np.mean([kernel(x, y) for x, y in itertools.permutations(cloud, 2)])
        for cloud in (first, second)
    ]
    cross = np.mean([kernel(x, y) for x in first for y in second])
    assert kid(first, second) == pytest.approx(sum(inner) - 2 * cross)


def test_kid_of_single_precision_is_computed_in_double():
    near = [np.array(cloud, np.float32) for cloud in clouds(0.01)]
    wanted = kid(*(cloud.astype(np.float64) for cloud in near))
    assert kid(*near) == pytest.approx(wanted, rel=1e-12)
    kernels = polynomial_kernel(*near), polynomial_kernel(*near[::-1])
    assert kernels[0].dtype == np.float64
    np.testing.assert_allclose(kernels[0][2, 3], kernel(*(near[0][2], near[1][3])), rtol=1e-6)
    np.testing.assert_allclose(kernels[0], kernels[1].T, rtol=1e-14)


def test_clouds_need_two_vectors_of_one_length():
    assert np.isfinite(kid(np.eye(2), 2 * np.eye(2)))
    said = r"features \(1, 4\) and \(7, 4\): need 2 vectors of one length"
    with pytest.raises(ValueError, match=said):
        kid(clouds(n=1)[0], clouds()[1])
    with pytest.raises(ValueError, match=r"\(9, 4\) and \(7, 3\)"):
        kid(clouds()[0], clouds(d=3)[1])


def test_intervals_are_drawn_by_their_seed():
    first, second = clouds(0.5, n=8, m=8)
    groups, others = np.repeat(np.arange(4), 2), np.repeat(np.arange(2), 4)

    def interval(paired=False, **settings):
        wanted = groups if paired else others
        return kid_interval(first, second, groups, wanted, paired, **settings)

    assert interval() == interval(resamples=2000, seed=0)
    assert interval(resamples=50, seed=3) == interval(resamples=50, seed=3)
    assert interval(resamples=50, seed=3) != interval(resamples=50, seed=4)
    assert interval(paired=True, resamples=50, seed=3) != interval(paired=True, resamples=50)


def test_kid_is_unbiased():
    """Means over many small draws: 0 for the same distribution, that of large ones for two."""
    random = np.random.default_rng(5)
    same = [kid(*random.standard_normal((2, 8, 3))) for _ in range(3000)]
    assert np.mean(same) == pytest.approx(0, abs=4 * np.std(same) / 3000**0.5)
    apart = [
        kid(random.standard_normal((8, 3)), random.standard_normal((5, 3)) + 1) for _ in range(3000)
    ]
    large = kid(random.standard_normal((3000, 3)), random.standard_normal((3000, 3)) + 1)
    assert np.mean(apart) == pytest.approx(large, rel=0.1)


def test_without_redrawing_the_interval_is_the_estimate():
    """A single recording is drawn once each time, so nothing varies."""
    first, second = clouds(1.0)
    found = kid_interval(first, second, ["a"] * 9, ["b"] * 7, paired=False, resamples=5)
    assert found == pytest.approx((kid(first, second),) * 2)


@pytest.mark.parametrize("paired", [True, False])
def test_an_interval_lies_about_the_estimate(paired):
    random = np.random.default_rng(6)
    offsets = 0.7 * random.standard_normal((2, 30, 1, 3))
    first = (offsets[0] + random.standard_normal((30, 6, 3))).reshape(-1, 3) + 0.8
    second = (offsets[0 if paired else 1] + random.standard_normal((30, 6, 3))).reshape(-1, 3)
    groups = np.repeat(np.arange(30), 6)
    low, high = kid_interval(first, second, groups, groups, paired, resamples=400)
    assert low < kid(first, second) < high
    if not paired:
        # Recordings vary, so it is wider than if all pictures were independent.
        alone = np.arange(180)
        narrow = kid_interval(first, second, alone, alone, paired, resamples=400)
        assert high - low > narrow[1] - narrow[0]


def test_drawn_kid_equals_a_loop_over_drawn_recordings():
    """One recording twice, one not at all: copies don't meet each other."""
    first, _ = clouds(n=6)
    member, draws = np.array([0, 0, 1, 1, 2, 2]), np.array([[2, 1, 0]])
    matrix = polynomial_kernel(first, first)
    drawn = [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (3, 0)]  # (row, copy)
    kept = [
        matrix[i, j]
        for (i, a), (j, b) in itertools.permutations(drawn, 2)
        if i != j and (a == b or member[i] != member[j])
    ]
    assert _drawn_mean(matrix, member, draws) == pytest.approx(np.mean(kept))


def test_paired_clouds_need_the_same_recordings():
    with pytest.raises(ValueError, match=r"^paired clouds must come from the same recordings$"):
        kid_interval(*clouds(), ["a"] * 9, ["b"] * 7, paired=True)


def test_radii_are_distances_to_the_third_neighbour():
    line = np.array([[0.0], [1.0], [3.0], [6.0], [10.0]])
    np.testing.assert_allclose(neighbour_radii(line), [6, 5, 3, 5, 9])
    np.testing.assert_allclose(neighbour_radii(line, k=1), [1, 1, 2, 3, 4])
    groups = ["a", "a", "a", "b", "b"]
    np.testing.assert_allclose(neighbour_radii(line, groups, k=1), [6, 5, 3, 3, 7])
    assert has_neighbours(groups, k=2) and not has_neighbours(groups, k=3)
    with pytest.raises(ValueError, match="other recordings"):
        neighbour_radii(line, groups, k=3)


def test_precision_and_recall_of_toy_clouds():
    """Real ones at two places, generated ones at one of them and far off."""
    random = np.random.default_rng(7)
    near, other, far = (0.1 * random.standard_normal((50, 2)) + c for c in (0.0, 5.0, 50.0))
    real, fake = np.concatenate([near, other]), np.concatenate([near + 0.01, far])
    precision = inside(fake, real, neighbour_radii(real)).mean()
    recall = inside(real, fake, neighbour_radii(fake)).mean()
    assert precision == pytest.approx(0.5, abs=0.05)
    assert recall == pytest.approx(0.5, abs=0.05)


def test_a_cloud_contains_itself():
    cloud, _ = clouds(n=20)
    assert inside(cloud, cloud, np.zeros(20)).all()


def test_just_outside_of_a_ball_is_outside():
    found = inside([[0.999, 0.0], [1.001, 0.0]], [[0.0, 0.0]], np.ones(1, np.float32))
    assert found.tolist() == [True, False]
