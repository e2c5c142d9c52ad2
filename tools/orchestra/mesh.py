"""A coloured triangle mesh: what bodies, instruments and rooms hand to the renderer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mesh:
    """Triangles in metres (z up); both sides are visible.

    vertices [n, 3] float32; faces [m, 3] int32.
    color: sRGB in 0..1, one (3,) for all or [m, 3] per face (which costs shared vertices).
    gloss: 0 matt .. 1 mirror-like. metal: tints its reflection with `color` (brass, silver).
    smooth: shade across edges (round things); False shows every face (boxes).
    normals [n, 3]: unit normals if already known; otherwise the renderer derives them.
    """

    vertices: np.ndarray
    faces: np.ndarray
    color: np.ndarray
    gloss: float = 0.1
    metal: bool = False
    smooth: bool = True
    normals: np.ndarray | None = None

    def moved(self, rotation: np.ndarray, offset: np.ndarray) -> Mesh:
        """The mesh rotated by `rotation` [3, 3] about the origin, then shifted by `offset` [3]."""
        return Mesh(
            vertices=(self.vertices @ rotation.T + offset).astype(np.float32),
            faces=self.faces,
            color=self.color,
            gloss=self.gloss,
            metal=self.metal,
            smooth=self.smooth,
            normals=None if self.normals is None else self.normals @ rotation.T,
        )


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals [n, 3] of the vertices."""
    face = face_normals(vertices, faces)
    corners = faces.ravel()
    normals = np.empty((len(vertices), 3), np.float32)
    for axis in range(3):
        normals[:, axis] = np.bincount(corners, np.repeat(face[:, axis], 3), len(vertices))
    return unit_rows(normals)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Each row [n, 3] at length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def face_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Normals [m, 3] of the triangles, as long as twice their area."""
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    return np.cross(b - a, c - a)


Triple = Sequence[float] | np.ndarray


def box(low: Triple, high: Triple, color: Triple, gloss: float = 0.1) -> Mesh:
    """An upright box between two opposite corners."""
    corners = np.array(
        [
            [x, y, z]
            for x in (low[0], high[0])
            for y in (low[1], high[1])
            for z in (low[2], high[2])
        ],
        np.float32,
    )
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], np.int32)
    return Mesh(corners, faces, np.asarray(color, float), gloss, smooth=False)
