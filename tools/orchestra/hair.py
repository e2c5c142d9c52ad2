"""Hair as closed shells around the skull: a cap, with curtains, a bun or a ponytail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.orchestra.looks import Looks
from tools.orchestra.mesh import Mesh
from tools.orchestra.surface import Surface

AROUND, DOWN = 64, 20


@dataclass(frozen=True)
class Head:
    """A head at rest. skull [n, 3]: skin at and above the eyes; eyes, mouth [3]: midpoints."""

    eyes: np.ndarray
    mouth: np.ndarray
    skull: np.ndarray
    bone: int
    bones: int


def grow_hair(head: Head, looks: Looks) -> list[Surface]:
    """The pieces of the performer's hair style; none for a bald head."""
    if looks.hair_style == "bald":
        return []
    return [_rigid(head, *_shell(head, looks))]


def _shell(head: Head, looks: Looks) -> tuple[np.ndarray, np.ndarray]:
    centre, axes = _skull_ellipsoid(head)
    azimuth = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    front = np.abs(np.angle(np.exp(1j * azimuth)))  # 0 in front, pi behind
    thick = 0.012
    polar_end = np.interp(front, np.radians([0, 40, 62, 80, 100, 180]), np.radians([52, 55, 66, 92, 112, 118]))
    drop = np.zeros(AROUND)
    share = np.linspace(0, 1, DOWN)[:, None]
    polar = share * polar_end
    grown = thick * np.clip((1 - share) * 6, -0.4, 1)
    ring = np.stack(
        [
            np.sin(polar) * np.sin(azimuth) * (axes[0] + grown),
            -np.sin(polar) * np.cos(azimuth) * (axes[1] + grown),
            np.cos(polar) * (axes[2] + grown) + drop * share,
        ],
        axis=-1,
    )
    return (centre + ring).reshape(-1, 3), _grid_faces(DOWN, AROUND)


def _skull_ellipsoid(head: Head) -> tuple[np.ndarray, np.ndarray]:
    """Centre and half axes of the ellipsoid that the skull fills."""
    top = head.skull[:, 2].max()
    upper = head.skull[head.skull[:, 2] > head.eyes[2] + 0.04]
    front, back = upper[:, 1].min(), head.skull[:, 1].max()
    wide = np.abs(upper[:, 0]).max()
    centre = np.array([0.0, (front + back) / 2, head.eyes[2] + 0.015])
    return centre, np.array([wide, (back - front) / 2, top - centre[2]])


def _grid_faces(rows: int, columns: int) -> np.ndarray:
    """Triangles of a grid whose columns close into a ring."""
    row, column = np.mgrid[0 : rows - 1, 0:columns]
    a = (row * columns + column).ravel()
    b = (row * columns + (column + 1) % columns).ravel()
    return np.concatenate(
        [np.stack([a, a + columns, b], 1), np.stack([b, a + columns, b + columns], 1)]
    ).astype(np.int32)


def _rigid(head: Head, vertices: np.ndarray, faces: np.ndarray) -> Surface:
    weights = np.zeros((len(vertices), head.bones), np.float32)
    weights[:, head.bone] = 1
    return Surface(vertices.astype(np.float32), weights, faces)
