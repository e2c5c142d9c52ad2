"""Measures of one body at rest: what face, hair and clothes are cut by."""

from __future__ import annotations

import itertools

import numpy as np

from tools.orchestra.bodies import Performers
from tools.orchestra.surface import Surface, compact

# Vertices of MakeHuman's base mesh, whose order the bake keeps.
LIPS_MEET = (468, 494)
CHIN = 5171
SOLE_CLEARANCE = 0.012  # metres: shoes are that much thicker than feet
ARM_BONES = ("upperarm", "lowerarm", "wrist", "finger", "metacarpal")


class Measures:
    """Joints, landmarks and fields (one value per point) of performer `index` at rest."""

    def __init__(self, performers: Performers, index: int):
        self.bones = performers.bones
        self._rest = performers.vertices[index]
        self._weights = performers.weights
        self._faces = performers.faces
        joints = performers.joints[index]
        self.joint = {name: joints[number] for number, name in enumerate(self.bones)}
        self._is_arm = np.array([name.startswith(ARM_BONES) for name in self.bones])
        self.mouth = self._rest[list(LIPS_MEET)].mean(0)
        self.chin = self._rest[CHIN].copy()
        self.eyes = (self.joint["eye.L"] + self.joint["eye.R"]) / 2

    def part(self, name: str) -> Surface:
        """One part of the base mesh: "skin", "cloth", "skirt", "eye_l", ..."""
        return compact(self._rest, self._weights, self._faces[name])

    def arm_share(self, surface: Surface) -> np.ndarray:
        """Share of the arms' bones in each vertex's weights, [n] in 0..1."""
        return surface.weights[:, self._is_arm].sum(1)

    def along_arm(self, points: np.ndarray) -> np.ndarray:
        """How far down the arm [n]: 0 at the shoulder, 1 at the elbow, 2 at the wrist."""
        out = np.empty(len(points))
        for side, mine in (("L", points[:, 0] > 0), ("R", points[:, 0] <= 0)):
            stations = [self.joint[f"{b}.{side}"] for b in ("upperarm01", "lowerarm01", "wrist")]
            upper, lower = (
                (points[mine] - a) @ (b - a) / ((b - a) @ (b - a))
                for a, b in itertools.pairwise(stations)
            )
            out[mine] = np.where(lower > 0, 1 + lower, np.minimum(upper, 1.0))
        return out

    def below_collar(self, points: np.ndarray) -> np.ndarray:
        """Metres [n] under a collar that lies on the shoulders and dips in front."""
        neck = self.joint["neck01"]
        return neck[2] + 0.012 + 0.5 * (points[:, 1] - neck[1]) - points[:, 2]

    def waist(self) -> float:
        """Height of the waist, metres."""
        return float(self.joint["upperleg01.L"][2] + 0.09)

    def sole(self) -> float:
        """How far the foot's joint lies above the floor, metres."""
        return float(self.joint["foot.L"][2] - self._rest[:, 2].min() + SOLE_CLEARANCE)
