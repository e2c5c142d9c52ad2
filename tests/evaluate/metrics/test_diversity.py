import numpy as np
import pytest

from cmgen.evaluate.metrics import diversity


def test_mean_distance_over_pairs():
    triangle = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    found = diversity.mean_pairwise_distance([triangle, triangle * 2, np.ones((3, 2))])
    np.testing.assert_allclose(found, [4.0, 8.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(diversity.mean_pairwise_distance(triangle[None, 1:]), [5.0])
    with pytest.raises(ValueError, match="at least 2"):
        diversity.mean_pairwise_distance(np.ones((4, 1, 2)))


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_squared_distances_of_any_type_of_numbers(kind):
    first, second = np.array([[200, 0], [100, 50]], kind), np.array([[100, 0]], kind)
    np.testing.assert_array_equal(diversity.squared_distances(first, second), [[10000], [2500]])
    near = np.array([[1000.0, 0.0]], np.float32), np.array([[1000.0, 0.01]], np.float32)
    np.testing.assert_allclose(diversity.squared_distances(*near), 1e-4, rtol=1e-5)


def test_nearest_is_found_across_chunks(monkeypatch):
    monkeypatch.setattr(diversity, "ROWS_AT_ONCE", 4)
    random = np.random.default_rng(0)
    queries, gallery = random.standard_normal((11, 5)), random.standard_normal((30, 5))
    apart = np.linalg.norm(queries[:, None] - gallery[None], axis=2)
    distances, index = diversity.nearest(queries, gallery)
    np.testing.assert_array_equal(index, apart.argmin(axis=1))
    np.testing.assert_allclose(distances, apart.min(axis=1), rtol=1e-6)


def test_nearest_of_whole_numbers_does_not_overflow():
    gallery = np.array([[200, 0], [0, 16], [255, 255]], np.uint8)
    distances, index = diversity.nearest(np.array([[0, 0], [250, 250]], np.uint8), gallery)
    np.testing.assert_array_equal(index, [1, 2])
    np.testing.assert_allclose(distances, [16.0, 50**0.5])
    assert (distances.dtype, index.dtype) == (np.float64, np.int64)


def test_a_copy_is_at_distance_zero():
    gallery = np.random.default_rng(1).random((20, 6)).astype(np.float32) * 100
    distances, index = diversity.nearest(gallery[[3, 17]], gallery)
    np.testing.assert_array_equal(index, [3, 17])
    np.testing.assert_array_equal(distances, 0)


def test_pairs_are_of_one_class_and_of_two_recordings():
    labels = np.repeat([0, 1], 30)
    groups = np.repeat(np.arange(6), 10)
    pairs = diversity.draw_pairs(labels, groups, 40, seed=0)
    assert pairs.shape == (40, 2)
    assert (labels[pairs[:, 0]] == labels[pairs[:, 1]]).all()
    assert (groups[pairs[:, 0]] != groups[pairs[:, 1]]).all()
    assert np.bincount(labels[pairs[:, 0]]).tolist() == [20, 20]
    np.testing.assert_array_equal(pairs, diversity.draw_pairs(labels, groups, 40, seed=0))
    assert not np.array_equal(pairs, diversity.draw_pairs(labels, groups, 40, seed=1))


def test_a_class_of_one_recording_is_paired_with_itself():
    assert diversity.draw_pairs([0, 0], ["a", "a"], 5, seed=0).shape == (5, 2)


def test_pixel_vectors_have_the_root_mean_square_as_distance():
    black, grey = np.zeros((1, 64, 64, 3), np.uint8), np.full((1, 64, 64, 3), 51, np.uint8)
    half = black.copy()
    half[:, :32] = 255
    vectors = diversity.pixel_vectors(np.concatenate([black, grey, half]))
    assert np.linalg.norm(vectors[1] - vectors[0]) == pytest.approx(0.2)
    assert np.linalg.norm(vectors[2] - vectors[0]) == pytest.approx(0.5**0.5)
