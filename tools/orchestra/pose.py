"""What a frame of choreography is, and what posing a player yields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.orchestra.mesh import Mesh


@dataclass(frozen=True)
class Pose:
    """What the choreography decides for one frame, each a plain number.

    pitch: height of the note within the instrument's range, 0 lowest .. 1 highest.
    bow: which part of the bow touches the string, 0 frog .. 1 tip (strings only).
    loudness: 0 softest .. 1 loudest.
    rest: 0 plays .. 1 the instrument is lowered, as in a rest.
    sway: a small turn of the whole upper body in radians, which means nothing.
    """

    pitch: float = 0.5
    bow: float = 0.5
    loudness: float = 0.5
    rest: float = 0.0
    sway: float = 0.0


@dataclass(frozen=True)
class Performance:
    """What surrounds the posed figure: the instrument, its bow, the chair.

    landmarks: points [3] in metres, `left_hand`, `right_hand`, `instrument_top`,
    `instrument_bottom`.
    """

    meshes: list[Mesh]
    landmarks: dict[str, np.ndarray]
