"""Does a generated thing belong to its own sound? Retrieval among the sounds of a gallery."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def retrieval_ranks(queries: ArrayLike, gallery: ArrayLike) -> NDArray[np.int64]:
    """Place of each query's own item in the gallery, ordered by cosine similarity.

    Args:
      queries: float [n, d], such as embedded pictures.
      gallery: float [n, d], such as embedded sounds; row i belongs to query i.

    Returns:
      int64 [n]; 0 is the first place. Ties count against the query, so that an embedding that
      has collapsed to a point retrieves nothing.
    """
    queries, gallery = _unit(queries), _unit(gallery)
    if queries.shape != gallery.shape:
        raise ValueError(f"queries {queries.shape} and gallery {gallery.shape}: must be alike")
    similarity = queries @ gallery.T
    own = np.diagonal(similarity)[:, None]
    # One rounding error apart counts as a tie.
    return (similarity >= own - 1e-9).sum(axis=1) - 1


def class_only_recall(labels: ArrayLike, k: int) -> NDArray[np.float64]:
    """Expected recall at k of who knows the class of each sound and nothing else.

    Args:
      labels: classes of the gallery, [n].
      k: how many items may be named.

    Returns:
      float64 [n]: min(1, k / number of items of the same class).
    """
    _, member, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    return np.minimum(1.0, k / counts[member])


def draw_galleries(groups: ArrayLike, size: int, count: int, seed: int) -> NDArray[np.int64]:
    """Galleries of windows that are as far apart as the data allow.

    Each takes one window of every recording, in a new order, then a second of every recording,
    until it is full. Windows of one recording are drawn from as many equal parts of it as
    it has to give, so that no two of them are neighbours.

    Args:
      groups: the recording of each window, in the order of time within a recording, [windows].
      size: windows in a gallery, at most the number of windows.
      count: number of galleries.
      seed: of the drawing.

    Returns:
      int64 [count, size], indices of windows; none comes twice in a gallery.
    """
    groups = np.asarray(groups)
    if not 0 < size <= len(groups):
        raise ValueError(f"size {size}: must be at least 1 and at most {len(groups)} windows")
    members = [np.flatnonzero(groups == name) for name in np.unique(groups)]
    random = np.random.default_rng(seed)
    return np.stack([_draw_gallery(members, size, random) for _ in range(count)])


def _draw_gallery(
    members: list[NDArray[np.int64]], size: int, random: np.random.Generator
) -> NDArray[np.int64]:
    wanted = np.zeros(len(members), np.int64)
    while wanted.sum() < size:
        free = np.array([len(m) for m in members]) > wanted
        chosen = random.permutation(np.flatnonzero(free))[: size - wanted.sum()]
        wanted[chosen] += 1
    drawn: list[int] = []
    for indices, number in zip(members, wanted, strict=True):
        if number:
            drawn += [int(random.choice(_middle(part))) for part in np.array_split(indices, number)]
    return np.array(drawn, np.int64)


def _middle(part: NDArray[np.int64]) -> NDArray[np.int64]:
    """The inner half of a stretch of windows, at least one of them."""
    margin = len(part) // 4
    return part[margin : len(part) - margin]


def _unit(vectors: ArrayLike) -> NDArray[np.float64]:
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
