"""Back walls: plain, two-tone, curtain, panels, bricks, with a window or a picture."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from tools.orchestra.garments import Color
from tools.orchestra.mesh import Mesh, box

WALLS = ("plain", "two_tone", "curtain", "panels", "brick", "window", "picture")
WHITE = np.array([0.9, 0.89, 0.87])


@dataclass(frozen=True)
class Wall:
    """kind: one of WALLS. y: its distance behind the performer. Metres; colour sRGB."""

    kind: str
    color: Color
    y: float
    floor: float
    half_width: float
    height: float

    def slab(
        self, x: tuple[float, float], z: tuple[float, float], out: float, color: np.ndarray
    ) -> Mesh:
        """A box on the wall: x and z (above the floor) from..to, standing `out` metres out."""
        low = np.array([x[0], self.y - out, self.floor + z[0]])
        high = np.array([x[1], self.y + 0.1, self.floor + z[1]])
        return box(low, high, np.clip(color, 0, 1), 0.05)

    def whole(self, color: np.ndarray) -> Mesh:
        """The plain wall itself."""
        return self.slab((-self.half_width, self.half_width), (-0.1, self.height), 0.0, color)


def build_wall(rng: np.random.Generator, wall: Wall) -> list[Mesh]:
    """The wall's meshes."""
    color = np.array(wall.color)
    if wall.kind == "curtain":
        return [_curtain(rng, wall)]
    skirting = wall.slab((-wall.half_width, wall.half_width), (0, 0.09), 0.02, color * 0.6 + 0.3)
    if wall.kind == "brick":
        return _bricks(rng, wall)
    if wall.kind == "panels":
        return [*_panels(rng, wall), skirting]
    meshes = [wall.whole(color), skirting]
    if wall.kind == "two_tone":
        height = rng.uniform(0.75, 1.15)
        lower = color * rng.uniform(0.6, 0.8)
        across = (-wall.half_width, wall.half_width)
        meshes.append(wall.slab(across, (0.09, height), 0.015, lower))
        meshes.append(wall.slab(across, (height, height + 0.04), 0.03, color * 0.5 + 0.45))
    elif wall.kind == "window":
        meshes += _window(rng, wall)
    elif wall.kind == "picture":
        meshes += _pictures(rng, wall)
    return meshes


def _curtain(rng: np.random.Generator, wall: Wall) -> Mesh:
    """A hanging cloth in folds: the waves of two lengths added."""
    x = np.linspace(-wall.half_width, wall.half_width, 260)
    fold = rng.uniform(0.16, 0.3)
    start, other = rng.uniform(0, 2 * np.pi, 2)
    depth = 0.045 * np.sin(2 * np.pi * x / fold + start)
    depth += 0.025 * np.sin(2 * np.pi * x / (fold * 2.7) + other)
    z = np.array([0.0, wall.height])
    grid = np.stack(
        [
            np.repeat(x, 2),
            wall.y - np.repeat(depth, 2),
            wall.floor + np.tile(z, len(x)),
        ],
        axis=1,
    )
    low = 2 * np.arange(len(x) - 1)
    faces = np.concatenate(
        [np.stack([low, low + 2, low + 1], 1), np.stack([low + 1, low + 2, low + 3], 1)]
    )
    return Mesh(grid.astype(np.float32), faces.astype(np.int32), np.array(wall.color), 0.1)


def _panels(rng: np.random.Generator, wall: Wall) -> list[Mesh]:
    """Upright boards with a gap between them."""
    color = np.array(wall.color)
    wide = rng.uniform(0.35, 0.7)
    starts = np.arange(-wall.half_width + rng.uniform(0, wide), wall.half_width, wide)
    boards = [
        wall.slab((x, x + wide - 0.025), (0, wall.height), 0.025, color * rng.uniform(0.94, 1.05))
        for x in starts
    ]
    return [wall.whole(color * 0.55), *boards]


def _bricks(rng: np.random.Generator, wall: Wall) -> list[Mesh]:
    """Rows of bricks, half a brick apart, on light mortar."""
    color = np.array(wall.color)
    length, height, gap = 0.3, 0.105, 0.014
    bricks = []
    for row in range(int(wall.height / height)):
        shift = length / 2 * (row % 2)
        for column in range(int(2 * wall.half_width / length)):
            x = -wall.half_width + column * length + shift
            bricks.append((x, row * height, rng.uniform(0.9, 1.08)))
    x, z, shade = np.array(bricks).T
    low = np.stack([x, np.full_like(x, wall.y - 0.012), wall.floor + z], 1)
    size = np.array([length - gap, 0.0, height - gap])
    steps = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]])
    vertices = (low[:, None] + steps * size).reshape(-1, 3)
    first = 4 * np.arange(len(x))[:, None]
    faces = np.concatenate([first + [0, 1, 2], first + [0, 2, 3]], 1).reshape(-1, 3)
    colors = np.clip(np.repeat(shade[:, None] * color, 2, axis=0), 0, 1)
    wallpaper = Mesh(
        vertices.astype(np.float32), faces.astype(np.int32), colors, 0.05, smooth=False
    )
    return [wall.whole(color * 0.8 + 0.12), wallpaper]


def _window(rng: np.random.Generator, wall: Wall) -> list[Mesh]:
    """A window beside the player, with a pale sky or a dusky one behind four panes."""
    middle = rng.choice([-1, 1]) * rng.uniform(0.55, 1.0)
    wide, low, high = rng.uniform(0.55, 0.9), 0.9, rng.uniform(1.9, 2.3)
    left, right = middle - wide / 2, middle + wide / 2
    sky = np.array(colorsys.hsv_to_rgb(rng.uniform(0.52, 0.64), rng.uniform(0.1, 0.4), 0.9))
    bar = 0.03
    meshes = [
        wall.slab((left - 0.06, right + 0.06), (low - 0.06, high + 0.06), 0.03, WHITE),
        wall.slab((left, right), (low, high), 0.035, sky),
        wall.slab((middle - bar / 2, middle + bar / 2), (low, high), 0.045, WHITE),
        wall.slab((left, right), ((low + high - bar) / 2, (low + high + bar) / 2), 0.045, WHITE),
        wall.slab((left - 0.1, right + 0.1), (low - 0.1, low - 0.05), 0.12, WHITE),
    ]
    return meshes


def _pictures(rng: np.random.Generator, wall: Wall) -> list[Mesh]:
    """One or two framed pictures of a few flat colours."""
    meshes = []
    sides = [-1, 1] if rng.random() < 0.4 else [rng.choice([-1, 1])]
    for side in sides:
        x, z = side * rng.uniform(0.45, 0.95), rng.uniform(1.45, 1.95)
        wide, high = rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.6)
        frame = np.array(colorsys.hsv_to_rgb(0.08, rng.uniform(0.1, 0.6), rng.uniform(0.15, 0.7)))
        edge = 0.035
        outer = ((x - wide / 2 - edge, x + wide / 2 + edge), (z - edge, z + high + edge))
        meshes.append(wall.slab(*outer, 0.03, frame))
        sky = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.4), rng.uniform(0.6, 0.9))
        land = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.2, 0.5), rng.uniform(0.3, 0.6))
        horizon = z + high * rng.uniform(0.3, 0.6)
        across = (x - wide / 2, x + wide / 2)
        meshes.append(wall.slab(across, (z, horizon), 0.034, np.array(land)))
        meshes.append(wall.slab(across, (horizon, z + high), 0.034, np.array(sky)))
    return meshes
