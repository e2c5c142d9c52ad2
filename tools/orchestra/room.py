"""What surrounds a performer: walls, floor and light, drawn from one seed per recording."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tools.orchestra.mesh import Mesh, box

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """toward [3]: direction to the lamp; colours are linear light (1 = lights white to white)."""

    toward: np.ndarray
    key: np.ndarray
    fill_toward: np.ndarray
    fill: np.ndarray
    sky: np.ndarray
    around: np.ndarray
    ground: np.ndarray


@dataclass(frozen=True)
class Room:
    """meshes stand still for a whole recording; the floor lies at height `floor` (z)."""

    meshes: list[Mesh] = field(default_factory=list)
    light: Light | None = None
    floor: float = 0.0


def test_room() -> Room:
    return Room([
        box([-4, 1.2, -.9], [4, 1.3, 3], (.5, .55, .6)), box([-4, -4, -.95], [4, 1.3, -.837], (.45, .33, .25)),
    ], Light(np.array([-.5, -.8, .9]), np.array([1.9, 1.75, 1.6]), np.array([.9, -.5, .3]), np.array([.2, .22, .26]),
             np.array([.42, .44, .48]), np.array([.3, .3, .3]), np.array([.2, .16, .12])))
