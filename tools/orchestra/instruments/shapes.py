"""Small solids that instruments are made of: turned and swept tubes, plates with arched faces.

Every function returns `(vertices [n, 3] metres, faces [m, 3])` with faces wound outwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

Solid = tuple[np.ndarray, np.ndarray]


def unit(vector: ArrayLike) -> np.ndarray:
    """The vector at length one."""
    array = np.asarray(vector, dtype=np.float64)
    return array / max(float(np.linalg.norm(array)), 1e-12)


def rotation(axis: ArrayLike, angle: float) -> np.ndarray:
    """[3, 3] right-handed turn about an axis by an angle in radians (Rodrigues)."""
    x, y, z = unit(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross


def smooth(points: ArrayLike, count: int) -> np.ndarray:
    """[count, k] Catmull-Rom curve through the points (their columns may include a radius)."""
    knots = np.asarray(points, dtype=np.float64)
    padded = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    place = np.linspace(0, len(knots) - 1, count)
    index = np.minimum(place.astype(int), len(knots) - 2)
    t = (place - index)[:, None]
    a, b, c, d = (padded[index + k] for k in range(4))
    return 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )


def arc(
    center: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    radius: float,
    angles: tuple[float, float],
    count: int = 12,
) -> np.ndarray:
    """[count, 3] points of a circle's arc; angle 0 lies along `first`, a quarter along `second`."""
    angle = np.linspace(angles[0], angles[1], count)[:, None]
    turned = np.cos(angle) * np.asarray(first) + np.sin(angle) * np.asarray(second)
    return np.asarray(center) + radius * turned


def _grid_faces(rows: int, columns: int) -> np.ndarray:
    """Faces of a tube whose vertex (row, column) has index row * columns + column."""
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij")
    a = (row * columns + column).ravel()
    b = (row * columns + (column + 1) % columns).ravel()
    return np.concatenate(
        [np.stack([a, b, a + columns], 1), np.stack([b, b + columns, a + columns], 1)]
    )


def _cap(start: int, columns: int, center: int, flip: bool) -> np.ndarray:
    """Fan that closes the ring of vertices beginning at `start`."""
    ring = start + np.arange(columns)
    after = np.roll(ring, -1)
    middle = np.full(columns, center)
    return np.stack([middle, after, ring] if flip else [middle, ring, after], 1)


def _frames(path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit normals [n, 3] along a path, carried without twist."""
    tangents = np.gradient(path, axis=0)
    tangents /= np.maximum(np.linalg.norm(tangents, axis=1, keepdims=True), 1e-12)
    least = np.eye(3)[np.argmin(np.abs(tangents[0]))]
    normal = unit(np.cross(tangents[0], least))
    normals = []
    for tangent in tangents:
        normal = unit(normal - tangent * (tangent @ normal))
        normals.append(normal)
    first = np.array(normals)
    return first, np.cross(tangents, first)


def sweep(path: np.ndarray, radius: ArrayLike, sides: int = 8) -> Solid:
    """A round tube along a path [n, 3] with one radius or one per point, closed at both ends."""
    path = np.asarray(path, dtype=np.float64)
    radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), len(path))
    first, second = _frames(path)
    angle = np.arange(sides) * 2 * np.pi / sides
    ring = np.cos(angle)[:, None] * first[:, None] + np.sin(angle)[:, None] * second[:, None]
    body = (path[:, None] + radii[:, None, None] * ring).reshape(-1, 3)
    last = (len(path) - 1) * sides
    faces = [
        _grid_faces(len(path), sides),
        _cap(0, sides, len(body), flip=True),
        _cap(last, sides, len(body) + 1, flip=False),
    ]
    return np.vstack([body, path[:1], path[-1:]]), np.concatenate(faces)


def tube(points: ArrayLike, radius: float, count: int = 0, sides: int = 8) -> Solid:
    """A tube through a few points: straight pieces, or a smooth curve of `count` points."""
    path = np.asarray(points, dtype=np.float64)
    return sweep(smooth(points, count) if count else path, radius, sides)


def cone(points: ArrayLike, count: int = 24, sides: int = 14) -> Solid:
    """A smooth tube through (x, y, z, radius) knots."""
    curve = smooth(points, count)
    return sweep(curve[:, :3], np.maximum(curve[:, 3], 1e-3), sides)


def flare(
    start: ArrayLike,
    axis: ArrayLike,
    length: float,
    radii: tuple[float, float],
    power: float = 4.0,
    sides: int = 22,
) -> Solid:
    """A brass bell: a throat that widens with `power` towards its rim, hollow from the rim in.

    radii: (throat, rim). The inner wall is part of the solid, so one-sided renderers see it too.
    """
    along = np.linspace(0.0, 1.0, 12) ** 0.7
    outer = radii[0] + (radii[1] - radii[0]) * along**power
    inside = slice(None, 4, -1)
    place = np.concatenate([along, [1.006], along[inside]]) * length
    radius = np.concatenate([outer, [radii[1] * 1.005], outer[inside] * 0.97])
    return turned(start, axis, place, radius, sides)


def turned(
    start: ArrayLike,
    axis: ArrayLike,
    place: ArrayLike,
    radius: ArrayLike,
    sides: int = 12,
) -> Solid:
    """A solid turned on a lathe: radius at each place along the axis (which may run back)."""
    direction = unit(axis)
    first = unit(np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))]))
    second = np.cross(direction, first)
    angle = np.arange(sides) * 2 * np.pi / sides
    ring = np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second
    centers = np.asarray(start) + np.asarray(place, dtype=np.float64)[:, None] * direction
    body = (centers[:, None] + np.asarray(radius)[:, None, None] * ring).reshape(-1, 3)
    last = (len(centers) - 1) * sides
    faces = [
        _grid_faces(len(centers), sides),
        _cap(0, sides, len(body), flip=True),
        _cap(last, sides, len(body) + 1, flip=False),
    ]
    return np.vstack([body, centers[:1], centers[-1:]]), np.concatenate(faces)


def rod(start: ArrayLike, end: ArrayLike, radius: float, sides: int = 8) -> Solid:
    """A straight cylinder."""
    return sweep(np.array([start, end], dtype=np.float64), radius, sides)


def box(center: ArrayLike, size: ArrayLike) -> Solid:
    """A block along the axes."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    quads = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces = [[q[0], q[i], q[i + 1]] for q in quads for i in (1, 2)]
    return corners * np.asarray(size) + np.asarray(center), np.array(faces)


def plate(
    stations: np.ndarray,
    half_widths: np.ndarray,
    thickness: float,
    arch: float,
    columns: int = 9,
) -> Solid:
    """A body with an outline symmetric in y, ribs, and arched top and back, as of a violin.

    stations: [n] places along x; half_widths: [n] half the width there. Top faces +z; z = 0 is
    the rim's middle.
    """
    across = np.linspace(-1.0, 1.0, columns)
    ends = np.sin(np.linspace(0, np.pi, len(stations))) ** 0.5
    height = arch * (1 - across[None] ** 2) ** 0.8 * ends[:, None]
    x = np.repeat(stations[:, None], columns, 1)
    y = half_widths[:, None] * across[None]
    top = np.stack([x, y, thickness / 2 + height], -1)
    back = np.stack([x, y, -thickness / 2 - height], -1)[:, ::-1]
    ring = np.concatenate([top, back], 1)
    sides = 2 * columns
    faces = _grid_faces(len(stations), sides)
    return ring.reshape(-1, 3), faces[:, ::-1]


def loft(rows: ArrayLike) -> Solid:
    """A beam along x: each row is (x, half width, bottom z, top z) of a rectangular section."""
    sections = np.asarray(rows, dtype=np.float64)
    x, width, bottom, top = sections.T
    ring = np.stack(
        [
            np.stack([x, width, bottom], 1),
            np.stack([x, width, top], 1),
            np.stack([x, -width, top], 1),
            np.stack([x, -width, bottom], 1),
        ],
        1,
    ).reshape(-1, 3)
    last = len(sections) - 1
    ends = np.array([[0, 1, 2], [0, 2, 3], [0, 2, 1], [0, 3, 2]])
    ends[:2] += 4 * last
    return ring, np.concatenate([_grid_faces(len(sections), 4), ends])
