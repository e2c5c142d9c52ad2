"""Retrieval: planted embeddings, ties, and galleries whose windows lie far apart."""

import numpy as np
import pytest

from cmgen.evaluate.metrics import retrieval


def test_planted_pairs_are_found_whatever_their_length():
    vectors = np.random.default_rng(0).standard_normal((20, 8))
    ranks = retrieval.retrieval_ranks(vectors, vectors * np.linspace(0.1, 9, 20)[:, None])
    np.testing.assert_array_equal(ranks, 0)


def test_ranks_count_the_better_ones():
    # Angles to the first query: own item 40 degrees, the others 10, 20 and 90.
    angles = np.deg2rad([40, 10, 20, 90])
    gallery = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    queries = np.tile([[1.0, 0.0]], (4, 1))
    np.testing.assert_array_equal(retrieval.retrieval_ranks(queries, gallery), [2, 0, 1, 3])


def test_a_collapsed_embedding_retrieves_nothing():
    point = np.ones((10, 3))
    assert (retrieval.retrieval_ranks(point, point) == 9).all()


def test_vectors_of_less_precision_are_compared_in_double():
    # Their cosines with the query differ by 1.5e-8, which float32 can't tell apart from 1.
    gallery = np.array([[1, 1e-4], [1, 2e-4]], np.float32)
    queries = np.array([[1, 0], [1, 0]], np.float32)
    np.testing.assert_array_equal(retrieval.retrieval_ranks(queries, gallery), [0, 1])


def test_galleries_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"queries \(2, 3\) and gallery \(2, 4\): must be alike"):
        retrieval.retrieval_ranks(np.ones((2, 3)), np.ones((2, 4)))


def test_unrelated_vectors_reach_chance():
    random = np.random.default_rng(1)
    first, second = random.standard_normal((2, 2000, 16))
    ranks = np.concatenate(
        [
            retrieval.retrieval_ranks(first[at : at + 50], second[at : at + 50])
            for at in range(0, 2000, 50)
        ]
    )
    assert np.mean(ranks < 5) == pytest.approx(0.1, abs=0.03)


def test_knowing_the_class_alone():
    np.testing.assert_allclose(
        retrieval.class_only_recall([0, 0, 0, 0, 1, 2, 2], 1), [0.25] * 4 + [1, 0.5, 0.5]
    )
    np.testing.assert_allclose(retrieval.class_only_recall([0, 0, 0, 0, 1], 2), [0.5] * 4 + [1])


def test_galleries_take_every_recording_before_any_twice():
    groups = np.repeat(["a", "b", "c"], [40, 20, 30])
    galleries = retrieval.draw_galleries(groups, 7, 25, seed=3)
    assert galleries.shape == (25, 7)
    for gallery in galleries:
        counts = np.unique(groups[gallery], return_counts=True)[1]
        assert len(set(gallery)) == 7 and sorted(counts) == [2, 2, 3]
        apart = np.diff(np.sort(gallery[groups[gallery] == "a"]))
        assert (apart >= 6).all()
    np.testing.assert_array_equal(galleries, retrieval.draw_galleries(groups, 7, 25, seed=3))


def test_a_gallery_may_take_everything():
    groups = np.repeat(["a", "b"], [1, 5])
    assert sorted(retrieval.draw_galleries(groups, 6, 1, seed=0)[0]) == list(range(6))
    assert retrieval.draw_galleries(groups, 1, 4, seed=0).shape == (4, 1)
    for size in (0, 7):
        with pytest.raises(ValueError, match=f"size {size}: must be at least 1 and at most 6"):
            retrieval.draw_galleries(groups, size, 1, seed=0)


def test_windows_are_drawn_from_the_inner_half_of_a_stretch():
    drawn = retrieval.draw_galleries(["a"] * 20, 1, 200, seed=0)
    assert set(drawn[:, 0]) == set(range(5, 15))
