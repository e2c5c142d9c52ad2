"""Legs, spine and head of a player: standing or seated, rising with loudness, leaning with pitch.

The feet stay where they are and the soles at the height where the standing body was made, so
that one floor and one camera serve a whole recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.orchestra.figure import Figure, turn_about
from tools.orchestra.pose import Pose

SPINE = ("spine05", "spine03", "spine01")
NECK = ("neck01", "neck02", "head")
# Metres between these joints in a performer of 1.8 m.
NECK_ABOVE_ANKLE = 1.55


@dataclass(frozen=True)
class Stance:
    """How a player of an instrument stands or sits, and how far the body follows the music.

    seated, spread: on a chair, the thighs turned out by `spread` radians.
    forward: radians that the trunk leans forward when it plays at half loudness.
    swing: radians more to the player's left for the whole range of pitch.
    bow_down: radians more forward for the whole range of pitch.
    unfold: radians that the trunk comes up from the softest to the loudest.
    twist: radians that the trunk turns to the left, which brings the right arm forward.
    turn, tilt, nod: of the head at mid pitch: to the left, towards the left shoulder, down.
    lift: radians that the head looks up more for the whole range of pitch.
    """

    seated: bool = False
    spread: float = 0.18
    forward: float = 0.04
    swing: float = 0.0
    bow_down: float = 0.0
    unfold: float = 0.44
    twist: float = 0.0
    turn: float = 0.0
    tilt: float = 0.0
    nod: float = 0.0
    lift: float = 0.3


# Metres that the hips rise from the softest to the loudest.
STANDING_RISE, SEATED_RISE = 0.20, 0.12


def size_of(figure: Figure) -> float:
    """How tall the performer is, 1 for 1.8 m; from the joints, so hair and shoes don't count."""
    bones = figure.performers.bones
    head, foot = (figure.joints[bones.index(name)][2] for name in ("head", "foot.L"))
    return float(head - foot) / NECK_ABOVE_ANKLE


def take_posture(figure: Figure, stance: Stance, pose: Pose) -> None:
    """Poses everything but the arms, from any earlier pose."""
    figure.reset()
    floor = figure.floor()
    _legs(figure, stance, pose)
    _trunk(figure, stance, pose)
    figure.move(np.array([0.0, 0.0, floor - figure.floor()]))


def _legs(figure: Figure, stance: Stance, pose: Pose) -> None:
    """Bends hip, knee and ankle for the wanted height of the hips."""
    hip, knee, ankle = (figure.position(f"{b}.L") for b in ("upperleg01", "lowerleg01", "foot"))
    thigh, shank = float(np.linalg.norm(knee - hip)), float(np.linalg.norm(ankle - knee))
    if stance.seated:
        rise = SEATED_RISE * (pose.loudness - 0.5)
        down, ahead = shank * 0.98 + rise, thigh * 0.88
    else:
        drop = STANDING_RISE * (1.0 - pose.loudness) * (1.0 - pose.rest)
        down, ahead = (thigh + shank) * 0.998 - drop, 0.0
    distance = np.hypot(down, ahead)
    way = np.arctan2(ahead, down)
    at_hip = np.arccos(np.clip((thigh**2 + distance**2 - shank**2) / (2 * thigh * distance), -1, 1))
    at_foot = np.arccos(
        np.clip((shank**2 + distance**2 - thigh**2) / (2 * shank * distance), -1, 1)
    )
    lift, back = way + at_hip, way - at_foot
    for side, sign in (("L", 1), ("R", -1)):
        outwards = turn_about([0, 0, 1], sign * (stance.spread if stance.seated else 0.05))
        figure.rotate(f"upperleg01.{side}", outwards @ turn_about([1, 0, 0], -lift))
        figure.rotate(f"lowerleg01.{side}", turn_about([1, 0, 0], lift - back))
        figure.rotate(f"foot.{side}", turn_about([1, 0, 0], back))


def _trunk(figure: Figure, stance: Stance, pose: Pose) -> None:
    """Leans and turns spine and head, each joint taking a share."""
    high = pose.pitch - 0.5
    unfold = stance.unfold * (0.5 - pose.loudness) * (1.0 - pose.rest)
    forward = stance.forward + unfold + stance.bow_down * high
    sideways = stance.swing * high + 0.5 * pose.sway
    share = 1.0 / len(SPINE)
    lean = (
        turn_about([0, 1, 0], sideways * share)
        @ turn_about([1, 0, 0], forward * share)
        @ turn_about([0, 0, 1], (pose.sway + stance.twist) * share)
    )
    for bone in SPINE:
        figure.rotate(bone, lean)
    # The head undoes part of the trunk's lean, as people who read music do.
    nod = stance.nod - stance.lift * high - 0.6 * forward + 0.15 * pose.rest
    share = 1.0 / len(NECK)
    look = (
        turn_about([0, 0, 1], stance.turn * share)
        @ turn_about([0, 1, 0], (stance.tilt - 0.4 * sideways) * share)
        @ turn_about([1, 0, 0], nod * share)
    )
    for bone in NECK:
        figure.rotate(bone, look)


def seat_of(figure: Figure) -> np.ndarray:
    """Middle [3] of the chair's surface under a seated player, the same all recording long."""
    hip, knee, foot = (figure.position(f"{b}.L") for b in ("upperleg01", "lowerleg01", "foot"))
    middle = 0.5 * (hip + figure.position("upperleg01.R"))
    # As high as the hips at the softest, when they are lowest, less the thigh's thickness.
    middle[2] = figure.floor() + np.linalg.norm(foot - knee) - 0.5 * SEATED_RISE - 0.01
    return middle
