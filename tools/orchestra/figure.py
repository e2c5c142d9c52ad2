"""A performer that can be posed: skeleton, arms that reach, hands that grip, skinning.

Axes: z up, the performer faces -y, +x is the performer's left; metres.
Sides are "L" and "R" (the performer's own). Directions need not be unit vectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tools.orchestra.bodies import Performers
from tools.orchestra.garments import Clothes
from tools.orchestra.looks import looks_of
from tools.orchestra.measures import Measures
from tools.orchestra.mesh import Mesh
from tools.orchestra.outfit import Outfit, dress

SIDES = ("L", "R")
LONGEST_REACH = 0.995  # of the straight arm: a fully stretched elbow has no bend direction
_UNTURNED = np.eye(3)
MOST_TWIST = 1.9  # radians that skin of an arm can be wrung before it creases


class Figure:
    """One performer in a pose. Pose with `rotate`, `reach`, ...; `meshes` gives the skin."""

    def __init__(self, performers: Performers, index: int):
        if not 0 <= index < len(performers):
            raise ValueError(f"performer {index}: there are {len(performers)}")
        self.performers = performers
        self.index = index
        self.rest = performers.vertices[index]
        self.joints = performers.joints[index].astype(float)
        self.traits = performers.traits[index]
        self._parents = performers.parents.tolist()
        self._limbs = _limbs(self._parents)
        self._rotations = np.empty((len(self.joints), 3, 3))
        self._shifts = np.empty((len(self.joints), 3))
        self._bone = {name: number for number, name in enumerate(performers.bones)}
        self._palms = {side: self._rest_palm(side) for side in SIDES}
        self._measures = Measures(performers, index)
        self.looks = looks_of(performers, index)
        self._outfits: dict[Clothes, Outfit] = {}
        self.reset()

    def reset(self) -> None:
        """Back to the rest pose, arms spread."""
        self._turns: dict[int, np.ndarray] = {}
        self.offset = np.zeros(3)
        self._stale = True

    def rotate(self, bone: str, rotation: np.ndarray) -> None:
        """Turns a bone (and all that hangs on it) about its joint.

        rotation [3, 3] is given along the world's axes as they lie in the rest pose; the parents'
        turns carry it along. It replaces the bone's earlier turn.
        """
        self._turns[self._number(bone)] = np.asarray(rotation, float)
        self._stale = True

    def move(self, offset: np.ndarray) -> None:
        """Shifts the whole performer by `offset` [3] from where the body was made."""
        self.offset = np.asarray(offset, float)
        self._stale = True

    def solve(self) -> None:
        """Forward kinematics: from the turns to every bone's rotation and place.

        Needs no call: whatever asks for a place does it when a turn has changed.
        """
        self._solve(range(len(self.joints)))
        self._stale = False

    def _solve(self, bones: Iterable[int]) -> None:
        """Forward kinematics of some bones, parents first; the others are taken as solved."""
        rotations, shifts = self._rotations, self._shifts
        for bone in bones:
            parent = self._parents[bone]
            turn = self._turns.get(bone)
            outer = rotations[parent] if parent >= 0 else _UNTURNED
            shift = shifts[parent] if parent >= 0 else self.offset
            if turn is not None:
                joint = self.joints[bone]
                shift = outer @ joint + shift
                outer = outer @ turn
                shift = shift - outer @ joint
            rotations[bone], shifts[bone] = outer, shift

    def _resolve_limb(self, bone: str) -> None:
        """Solves again what hangs on `bone`, or everything after an outside change."""
        if self._stale:
            self.solve()
        else:
            self._solve(self._limbs[self._number(bone)])

    def _turn_limb(self, bone: str, rotation: np.ndarray) -> None:
        """`rotate` for a limb whose solving follows at once: the rest stays solved."""
        self._turns[self._number(bone)] = rotation

    def _solved(self, bone: str) -> tuple[np.ndarray, np.ndarray]:
        """Rotation [3, 3] and shift [3] of a bone in the present pose."""
        if self._stale:
            self.solve()
        number = self._number(bone)
        return self._rotations[number], self._shifts[number]

    def position(self, bone: str) -> np.ndarray:
        """Where the bone starts, [3]: e.g. position("wrist.L") is the left wrist."""
        rotation, shift = self._solved(bone)
        return rotation @ self.joints[self._number(bone)] + shift

    def mouth(self) -> np.ndarray:
        """Where the lips meet, [3]."""
        return self._on_head(self._measures.mouth)

    def floor(self) -> float:
        """Height (z) of the soles of the lower foot."""
        return min(self.position(f"foot.{side}")[2] for side in SIDES) - self._measures.sole()

    def reach(self, side: str, target: np.ndarray, pole: np.ndarray) -> None:
        """Bends shoulder and elbow so that the wrist comes to `target` [3].

        pole [3] is the direction in which the elbow points. Out of reach, the arm stretches
        towards the target. The hand keeps no aim: call `aim_hand` afterwards.
        """
        upper, lower = f"upperarm01.{side}", f"lowerarm01.{side}"
        for bone in ("upperarm01", "upperarm02", "lowerarm01", "lowerarm02", "wrist"):
            self._turns.pop(self._number(f"{bone}.{side}"), None)
        self._resolve_limb(upper)
        shoulder = self.position(upper)
        rest_upper = self._rest_vector(upper, lower)
        rest_lower = self._rest_vector(lower, f"wrist.{side}")
        elbow, wrist = _bend(
            shoulder,
            np.asarray(target, float),
            np.asarray(pole, float),
            float(np.linalg.norm(rest_upper)),
            float(np.linalg.norm(rest_lower)),
        )
        outer = self._rotations[self._parents[self._number(upper)]]
        swing = turn_between(outer @ rest_upper, elbow - shoulder) @ outer
        hinge = np.cross(rest_upper, rest_lower)
        bend = np.cross(elbow - shoulder, wrist - elbow)
        # The elbow is a hinge: the upper arm turns about itself until the hinge fits the bend.
        wring = _signed_angle(swing @ hinge, bend, elbow - shoulder)
        wring = float(np.clip(wring, -MOST_TWIST, MOST_TWIST))
        self._turn_limb(upper, outer.T @ swing @ turn_about(rest_upper, 0.4 * wring))
        self._turn_limb(f"upperarm02.{side}", turn_about(rest_upper, 0.6 * wring))
        self._resolve_limb(upper)
        outer = self._rotations[self._parents[self._number(lower)]]
        straight = turn_between(outer @ rest_lower, wrist - elbow)
        self._turn_limb(lower, outer.T @ straight @ outer)
        self._resolve_limb(lower)

    def aim_hand(self, side: str, direction: np.ndarray, palm: np.ndarray | None = None) -> None:
        """Points the hand (wrist to middle knuckle) along `direction`.

        palm [3], if given, is where the palm faces (as far as `direction` allows); most of that
        twist happens in the forearm, as in life.
        """
        wrist, forearm = f"wrist.{side}", f"lowerarm02.{side}"
        along, facing = self._palms[side]
        self._turns.pop(self._number(wrist), None)
        self._turns.pop(self._number(forearm), None)
        self._resolve_limb(forearm)
        parent = self._parents[self._number(wrist)]
        outer = self._rotations[parent]
        goal = turn_between(outer @ along, np.asarray(direction, float)) @ outer
        if palm is not None:
            wring = _signed_angle(goal @ facing, np.asarray(palm, float), np.asarray(direction))
            goal = turn_about(direction, wring) @ goal
            axis = self._rest_vector(f"lowerarm01.{side}", f"wrist.{side}")
            share = 0.7 * float(np.clip(wring, -MOST_TWIST, MOST_TWIST))
            self._turn_limb(forearm, turn_about(axis, share))
            self._resolve_limb(forearm)
            outer = self._rotations[parent]
        self._turn_limb(wrist, outer.T @ goal)
        self._resolve_limb(wrist)

    def grip(
        self,
        side: str,
        point: np.ndarray,
        direction: np.ndarray,
        palm: np.ndarray,
        pole: np.ndarray,
        clearance: float = 0.025,
    ) -> None:
        """Brings the hand to `point` [3]: reach and aim in one.

        The point comes to lie under the knuckles, `clearance` metres off the palm's bones, give
        or take 5 mm: wringing the forearm, whose two bones are not quite in line, moves the wrist.
        """
        along = unit(np.asarray(direction, float))
        facing = np.asarray(palm, float)
        facing = unit(facing - along * (facing @ along))
        length = np.linalg.norm(self._rest_vector(f"wrist.{side}", f"finger3-1.{side}"))
        self.reach(side, np.asarray(point, float) - along * length - facing * clearance, pole)
        self.aim_hand(side, direction, palm)

    def curl(self, side: str, amounts: float | Sequence[float], thumb: float = 0.3) -> None:
        """Bends the fingers: 0 straight .. 1 fist, for index, middle, ring and little finger."""
        bends = np.broadcast_to(np.asarray(amounts, float), 4)
        knuckles = self._rest_vector(f"finger5-1.{side}", f"finger2-1.{side}")
        _, facing = self._palms[side]
        for finger, bend in zip((2, 3, 4, 5), bends, strict=True):
            along = self._rest_vector(f"finger{finger}-1.{side}", f"finger{finger}-3.{side}")
            axis = np.cross(along, facing)
            axis = unit(axis) + unit(knuckles) * np.sign(knuckles @ axis)
            for joint, most in ((1, 1.15), (2, 1.45), (3, 0.95)):
                turn = turn_about(axis, float(bend) * most)
                self._turn_limb(f"finger{finger}-{joint}.{side}", turn)
        thumb_along = self._rest_vector(f"finger1-1.{side}", f"finger1-3.{side}")
        axis = np.cross(thumb_along, knuckles * -1.0 + facing * 0.05)
        for joint, most in ((1, 0.5), (2, 0.7), (3, 0.9)):
            self._turn_limb(f"finger1-{joint}.{side}", turn_about(axis, thumb * most))
        self._resolve_limb(f"wrist.{side}")

    def meshes(self, clothes: Clothes) -> list[Mesh]:
        """The dressed performer in the present pose."""
        if self._stale:
            self.solve()
        if clothes not in self._outfits:
            self._outfits[clothes] = dress(self._measures, self.looks, clothes)
        outfit = self._outfits[clothes]
        return outfit.posed(self._rotations, self._shifts)

    def _number(self, bone: str) -> int:
        if bone not in self._bone:
            raise KeyError(f"no bone {bone!r}; there are {', '.join(sorted(self._bone))}")
        return self._bone[bone]

    def _rest_vector(self, start: str, end: str) -> np.ndarray:
        return self.joints[self._number(end)] - self.joints[self._number(start)]

    def _rest_palm(self, side: str) -> tuple[np.ndarray, np.ndarray]:
        """Of the hand at rest: unit vectors wrist -> middle knuckle, and out of the palm."""
        along = unit(self._rest_vector(f"wrist.{side}", f"finger3-1.{side}"))
        across = self._rest_vector(f"finger5-1.{side}", f"finger2-1.{side}")
        facing = unit(np.cross(along, across))
        # Fingers at rest are slightly bent, towards the palm.
        bend = self._rest_vector(f"finger3-3.{side}", f"finger3-1.{side}")
        knuckle = self._rest_vector(f"finger3-3.{side}", f"finger3-2.{side}")
        towards_palm = bend * 0.5 - knuckle
        return along, facing if facing @ towards_palm > 0 else -facing

    def _on_head(self, point: np.ndarray) -> np.ndarray:
        rotation, shift = self._solved("head")
        return rotation @ point + shift


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector at length 1."""
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def turn_about(axis: Sequence[float] | np.ndarray, angle: float) -> np.ndarray:
    """Rotation [3, 3] by `angle` radians about `axis` (Rodrigues), right-handed."""
    x, y, z = unit(np.asarray(axis, float))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def turn_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The shortest rotation [3, 3] that takes direction `start` to direction `end`."""
    start, end = unit(start), unit(end)
    axis = np.cross(start, end)
    length = float(np.linalg.norm(axis))
    if length < 1e-9:
        if start @ end > 0:
            return np.eye(3)
        axis = np.cross(start, [0.3, 0.9, 0.1])
    return turn_about(axis, float(np.arctan2(length, start @ end)))


def _signed_angle(start: np.ndarray, end: np.ndarray, axis: np.ndarray) -> float:
    """Angle from `start` to `end` about `axis`, both seen along the axis."""
    axis = unit(axis)
    start = start - axis * (start @ axis)
    end = end - axis * (end @ axis)
    return float(np.arctan2(np.cross(start, end) @ axis, start @ end))


def _bend(
    shoulder: np.ndarray, target: np.ndarray, pole: np.ndarray, upper: float, lower: float
) -> tuple[np.ndarray, np.ndarray]:
    """Two-bone inverse kinematics by the law of cosines: places of elbow and wrist."""
    way = target - shoulder
    longest, shortest = LONGEST_REACH * (upper + lower), abs(upper - lower) + 0.02
    distance = float(np.clip(np.linalg.norm(way), shortest, longest))
    way = unit(way)
    cosine = (upper**2 + distance**2 - lower**2) / (2 * upper * distance)
    sideways = unit(pole - way * (pole @ way))
    elbow = shoulder + upper * (way * cosine + sideways * np.sqrt(max(0.0, 1 - cosine**2)))
    return elbow, shoulder + way * distance


def _limbs(parents: list[int]) -> list[list[int]]:
    """For each bone: itself and all that hangs on it, parents first."""
    limbs: list[list[int]] = [[] for _ in parents]
    for bone in range(len(parents)):
        ancestor = bone
        while ancestor >= 0:
            limbs[ancestor].append(bone)
            ancestor = parents[ancestor]
    return limbs
