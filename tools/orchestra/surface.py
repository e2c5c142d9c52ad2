"""Pieces of a performer's surface: cut cleanly along a height or any other field, and shaped.

A piece keeps its rest shape and its blend weights, so that whatever was cut still follows the
skeleton. Edges (hems, necklines, hairlines) come out straight because the triangles that a field's
zero line crosses are split there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tools.orchestra.mesh import vertex_normals


@dataclass(frozen=True)
class Surface:
    """rest [n, 3] float32 metres; weights [n, bones] float32; faces [m, 3] int32."""

    rest: np.ndarray
    weights: np.ndarray
    faces: np.ndarray

    def normals(self) -> np.ndarray:
        """Unit normals [n, 3] at rest."""
        return vertex_normals(self.rest, self.faces)


def compact(rest: np.ndarray, weights: np.ndarray, faces: np.ndarray) -> Surface:
    """The surface without the vertices that no face uses."""
    used, faces = np.unique(faces, return_inverse=True)
    return Surface(rest[used], weights[used], faces.reshape(-1, 3).astype(np.int32))


def cut(surface: Surface, field: np.ndarray) -> tuple[Surface, Surface]:
    """Splits the surface where `field` [n] changes sign: (field >= 0, field < 0)."""
    inside = field >= 0
    count = inside[surface.faces].sum(1)
    crossed = surface.faces[(count == 1) | (count == 2)]
    # Turn each crossed triangle so that its lone corner comes first.
    mask = inside[crossed]
    lone_is_inside = mask.sum(1) == 1
    lone = np.argmax(mask == lone_is_inside[:, None], axis=1)
    turned = np.take_along_axis(crossed, (lone[:, None] + np.arange(3)) % 3, axis=1)
    edges = np.concatenate([turned[:, [0, 1]], turned[:, [0, 2]]])
    unique, which = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    which = which.reshape(-1)
    start, end = field[unique[:, 0]], field[unique[:, 1]]
    share = (start / (start - end))[:, None].astype(np.float32)
    old = len(surface.rest)
    rest = np.concatenate([surface.rest, _between(surface.rest, unique, share)])
    weights = np.concatenate([surface.weights, _between(surface.weights, unique, share)])
    first, second = old + which[: len(turned)], old + which[len(turned) :]
    corner, left, right = turned.T
    tips = np.stack([corner, first, second], axis=1)
    bases = np.concatenate(
        [np.stack([first, left, right], axis=1), np.stack([first, right, second], axis=1)]
    )
    tip_inside, base_inside = lone_is_inside, np.tile(~lone_is_inside, 2)
    kept = [surface.faces[count == 3], tips[tip_inside], bases[base_inside]]
    rest_of = [surface.faces[count == 0], tips[~tip_inside], bases[~base_inside]]
    return (
        compact(rest, weights, np.concatenate(kept)),
        compact(rest, weights, np.concatenate(rest_of)),
    )


def keep(surface: Surface, field: np.ndarray) -> Surface:
    """The part of the surface where `field` [n] >= 0."""
    return cut(surface, field)[0]


def inflate(surface: Surface, amount: np.ndarray | float) -> Surface:
    """Moves the vertices outwards along their normals by `amount` metres (one, or [n])."""
    shift = surface.normals() * np.broadcast_to(amount, len(surface.rest))[:, None]
    return Surface((surface.rest + shift).astype(np.float32), surface.weights, surface.faces)


def smooth(surface: Surface, rounds: int, share: np.ndarray | float = 0.5) -> Surface:
    """Moves vertices `share` (one, or [n]) of the way to their neighbours' mean, `rounds` times."""
    count = len(surface.rest)
    edges = surface.faces[:, [0, 1, 1, 2, 2, 0, 1, 0, 2, 1, 0, 2]].reshape(-1, 2)
    ones = np.ones(len(edges), np.float32)
    links = sparse.csr_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(count, count))
    links.data[:] = 1
    mean = sparse.diags(1 / np.maximum(np.asarray(links.sum(1)).ravel(), 1)) @ links
    pull = np.broadcast_to(share, count)[:, None]
    rest = surface.rest
    for _ in range(rounds):
        rest = rest + pull * (mean @ rest - rest)
    return Surface(rest.astype(np.float32), surface.weights, surface.faces)


def join(pieces: list[Surface]) -> Surface:
    """Several surfaces as one (their vertices stay apart)."""
    starts = np.cumsum([0] + [len(piece.rest) for piece in pieces[:-1]])
    return Surface(
        np.concatenate([piece.rest for piece in pieces]),
        np.concatenate([piece.weights for piece in pieces]),
        np.concatenate([p.faces + s for p, s in zip(pieces, starts, strict=True)]).astype(np.int32),
    )


def _between(values: np.ndarray, pairs: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Linear interpolation of rows of `values` between the two of each pair."""
    return values[pairs[:, 0]] * (1 - share) + values[pairs[:, 1]] * share
