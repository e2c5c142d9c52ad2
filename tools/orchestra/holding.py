"""What all ways of holding an instrument share: placing meshes, gripping, landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.orchestra.figure import Figure, turn_about, unit
from tools.orchestra.instruments import Instrument
from tools.orchestra.mesh import Mesh

UPRIGHT = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Placed:
    """An instrument somewhere: world = rotation @ local + origin."""

    instrument: Instrument
    rotation: np.ndarray
    origin: np.ndarray

    def at(self, point: Sequence[float] | np.ndarray | str) -> np.ndarray:
        """World place [3] of a point of the instrument, by name or coordinates."""
        local = (
            self.instrument.points[point] if isinstance(point, str) else np.asarray(point, float)
        )
        return self.rotation @ local + self.origin

    def way(self, direction: Sequence[float] | np.ndarray) -> np.ndarray:
        """World direction [3] of a direction in the instrument's frame."""
        return self.rotation @ np.asarray(direction, float)

    def part(self, name: str, shift: Sequence[float] = (0.0, 0.0, 0.0)) -> list[Mesh]:
        """A part's meshes in the world, shifted first within the instrument's frame."""
        offset = self.origin + self.way(shift)
        return [mesh.moved(self.rotation, offset) for mesh in self.instrument.parts[name]]


def along(axis: Sequence[float] | np.ndarray, top: Sequence[float] | np.ndarray) -> np.ndarray:
    """Rotation [3, 3] that takes +x to `axis` and +z as near to `top` as it can be."""
    x = unit(np.asarray(axis, float))
    y = unit(np.cross(np.asarray(top, float), x))
    return np.stack([x, y, np.cross(x, y)], axis=1)


def elevated(angle: float, azimuth: float) -> np.ndarray:
    """Unit vector: `azimuth` radians from straight ahead (-y) to the left, `angle` above level."""
    level = turn_about(UPRIGHT, azimuth) @ np.array([0.0, -1.0, 0.0])
    return np.cos(angle) * level + np.sin(angle) * UPRIGHT


def lower(figure: Figure, rest: float, down: float, ahead: float) -> np.ndarray:
    """Where the mouthpiece is: at the lips while playing, away and below them in a rest."""
    return figure.mouth() + rest * np.array([0.0, -ahead, -down])


def fingers(pitch: float, first: float, last: float) -> list[float]:
    """Bends of four fingers that close one after another as the pitch falls from last to first."""
    steps = np.linspace(last, first, 4)
    return [0.75 if pitch < step else 0.4 for step in steps]


def valves(pitch: float) -> list[float]:
    """Which of three valves are down (0 or 1), changing with every small step of pitch."""
    pattern = round(pitch * 30) % 7
    return [float(pattern >> bit & 1) for bit in range(3)]


def landmarks(figure: Figure, top: np.ndarray, bottom: np.ndarray) -> dict[str, np.ndarray]:
    """Both hands (middle knuckles) and both ends of the instrument."""
    return {
        "left_hand": figure.position("finger3-1.L"),
        "right_hand": figure.position("finger3-1.R"),
        "instrument_top": top,
        "instrument_bottom": bottom,
    }
