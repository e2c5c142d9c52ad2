"""A figure and a `Pose` become a musician at work: body posed, instrument in its hands.

What can be seen of the music: the instrument's lift or lean and the left hand, slide or valves
follow pitch; the bow follows its own variable; the whole player rises with loudness; in a rest
the instrument is lowered. The amounts are larger than in life, so that they show at 64 x 64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tools.orchestra import hold_strings, hold_winds, instruments
from tools.orchestra.figure import Figure
from tools.orchestra.instruments import Instrument
from tools.orchestra.pose import Performance, Pose
from tools.orchestra.posture import Stance, chair, size_of, take_posture
from tools.orchestra.renderer import Camera

__all__ = ["INSTRUMENTS", "Performance", "Pose", "framing", "pose_player"]


@dataclass(frozen=True)
class Part:
    """One instrument's way: stance, hold, and how the camera sees it.

    turn: radians that the player turns for the camera. width: metres in view for a player of
    1.8 m. right, up: metres from the player's axis, and above the floor, to the picture's middle.
    """

    stance: Stance
    hold: Callable[[Figure, Instrument, Pose], Performance]
    turn: float
    width: float
    right: float
    up: float


PARTS = {
    "violin": Part(
        Stance(twist=0.32, turn=0.15, tilt=0.15, nod=0.12, lift=0.25),
        hold_strings.hold_violin,
        0.0,
        1.15,
        0.13,
        1.40,
    ),
    "viola": Part(
        Stance(twist=0.32, turn=0.15, tilt=0.15, nod=0.12, lift=0.25),
        hold_strings.hold_violin,
        0.0,
        1.25,
        0.18,
        1.40,
    ),
    "cello": Part(
        Stance(
            seated=True,
            spread=0.5,
            forward=0.12,
            swing=0.18,
            bow_down=0.30,
            unfold=0.18,
            lift=-0.3,
            turn=-0.1,
        ),
        hold_strings.hold_cello,
        -0.1,
        1.5,
        0.05,
        0.80,
    ),
    "double_bass": Part(
        Stance(forward=0.28, swing=0.22, bow_down=0.25, unfold=0.10, lift=-0.2, turn=-0.2),
        hold_strings.hold_bass,
        -0.1,
        1.95,
        0.08,
        1.10,
    ),
    "flute": Part(
        Stance(turn=0.30, tilt=-0.05, lift=0.3), hold_winds.hold_flute, -0.1, 1.25, -0.13, 1.42
    ),
    "oboe": Part(Stance(), hold_winds.hold_straight, -0.60, 1.12, -0.10, 1.38),
    "clarinet": Part(Stance(), hold_winds.hold_straight, 0.65, 1.15, 0.12, 1.37),
    "bassoon": Part(Stance(seated=True), hold_winds.hold_bassoon, 0.0, 1.6, 0.02, 0.96),
    "sax": Part(Stance(), hold_winds.hold_sax, 0.35, 1.25, 0.03, 1.30),
    "horn": Part(Stance(seated=True), hold_winds.hold_horn, -0.1, 1.3, -0.08, 0.92),
    "trumpet": Part(Stance(), hold_winds.hold_trumpet, -0.70, 1.3, -0.15, 1.42),
    "trombone": Part(Stance(twist=0.25), hold_winds.hold_trombone, 0.85, 1.85, 0.35, 1.30),
    "tuba": Part(Stance(seated=True, swing=-0.3), hold_winds.hold_tuba, 0.0, 1.6, 0.03, 0.98),
}
INSTRUMENTS = tuple(sorted(PARTS))
ANKLE_HEIGHT = 0.09


def _part(instrument: str) -> Part:
    if instrument not in PARTS:
        raise ValueError(f"instrument {instrument!r}: must be one of {', '.join(INSTRUMENTS)}")
    return PARTS[instrument]


def pose_player(figure: Figure, instrument: str, pose: Pose, look_seed: int) -> Performance:
    """Poses the figure (any earlier pose is lost) and returns what it holds and sits on.

    The instrument's size goes with the player's, as if tall people chose large ones: arms reach,
    and a picture that is framed for the player shows it equally large.
    look_seed: tints the instrument's wood or brass; the same for a whole recording.
    """
    part = _part(instrument)
    take_posture(figure, part.stance, pose)
    made = instruments.build(instrument, look_seed, size_of(figure))
    performance = part.hold(figure, made, pose)
    if not part.stance.seated:
        return performance
    return Performance(performance.meshes + chair(figure), performance.landmarks)


def framing(instrument: str, figure: Figure) -> Camera:
    """The camera in which player and instrument fill the picture, for a whole recording."""
    part = _part(instrument)
    size = size_of(figure)
    foot = figure.joints[figure.performers.bones.index("foot.L")][2]
    floor = float(foot) - ANKLE_HEIGHT * size
    return Camera(
        target=(part.right * size, 0.0, floor + part.up * size),
        width=part.width * size,
        turn=part.turn,
    )
