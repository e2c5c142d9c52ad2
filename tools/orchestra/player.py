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
from tools.orchestra.posture import Stance, seat_of, size_of, take_posture
from tools.orchestra.renderer import Camera
from tools.orchestra.room import chair

__all__ = ["INSTRUMENTS", "Performance", "Pose", "framing", "pose_player", "sits"]


@dataclass(frozen=True)
class View:
    """How the camera sees a player of 1.8 m.

    turn: radians by which the player turns for it. width: metres in view. right, up: metres from
    the player's axis, and above the floor, to the middle of the picture.
    """

    turn: float
    width: float
    right: float
    up: float


@dataclass(frozen=True)
class Part:
    """One instrument's stance, hold and view."""

    stance: Stance
    hold: Callable[[Figure, Instrument, Pose], Performance]
    view: View


UNDER_CHIN = Stance(twist=0.32, turn=0.15, tilt=0.15, nod=0.12, lift=0.25)
AT_CELLO = Stance(
    seated=True,
    spread=0.5,
    forward=0.12,
    swing=0.18,
    bow_down=0.30,
    unfold=0.40,
    lift=-0.3,
    turn=-0.1,
)
AT_BASS = Stance(
    forward=0.34, swing=0.22, bow_down=0.25, unfold=0.28, lift=-0.2, twist=0.2, turn=-0.4
)
SEATED = Stance(seated=True)
PARTS = {
    "violin": Part(UNDER_CHIN, hold_strings.hold_violin, View(0.0, 1.2, 0.13, 1.46)),
    "viola": Part(UNDER_CHIN, hold_strings.hold_violin, View(0.0, 1.28, 0.15, 1.46)),
    "cello": Part(AT_CELLO, hold_strings.hold_cello, View(-0.1, 1.5, 0.1, 0.8)),
    "double_bass": Part(AT_BASS, hold_strings.hold_bass, View(-0.1, 1.95, 0.1, 1.14)),
    "flute": Part(
        Stance(turn=0.3, tilt=-0.05), hold_winds.hold_flute, View(-0.1, 1.12, -0.2, 1.42)
    ),
    "oboe": Part(Stance(), hold_winds.hold_straight, View(-0.6, 1.15, -0.17, 1.31)),
    "clarinet": Part(Stance(), hold_winds.hold_straight, View(0.65, 1.18, 0.2, 1.29)),
    "bassoon": Part(SEATED, hold_winds.hold_bassoon, View(0.0, 1.65, -0.14, 0.92)),
    "sax": Part(Stance(lift=0.4), hold_winds.hold_sax, View(0.35, 1.22, 0.06, 1.28)),
    "horn": Part(SEATED, hold_winds.hold_horn, View(-0.1, 1.25, -0.08, 0.9)),
    "trumpet": Part(Stance(), hold_winds.hold_trumpet, View(-0.7, 1.25, -0.22, 1.44)),
    "trombone": Part(Stance(twist=0.25), hold_winds.hold_trombone, View(0.85, 1.72, 0.64, 1.3)),
    "tuba": Part(
        Stance(seated=True, swing=-0.3), hold_winds.hold_tuba, View(0.0, 1.65, 0.08, 1.02)
    ),
}
INSTRUMENTS = tuple(sorted(PARTS))
ANKLE_HEIGHT = 0.09


def _part(instrument: str) -> Part:
    if instrument not in PARTS:
        raise ValueError(f"instrument {instrument!r}: must be one of {', '.join(INSTRUMENTS)}")
    return PARTS[instrument]


def sits(instrument: str) -> bool:
    """Whether its players sit; their skirts would then stand off like lampshades."""
    return _part(instrument).stance.seated


def pose_player(figure: Figure, instrument: str, pose: Pose, look_seed: int) -> Performance:
    """Poses the figure (any earlier pose is lost) and returns what it holds and sits on.

    The instrument's size goes with the player's, as if tall people chose large ones: arms reach,
    and a picture that is framed for the player shows it equally large.
    look_seed: tints the instrument's wood or brass; the same for a whole recording.
    """
    part = _part(instrument)
    take_posture(figure, part.stance, pose)
    built = instruments.build(instrument, look_seed, size_of(figure))
    performance = part.hold(figure, built, pose)
    if not part.stance.seated:
        return performance
    return Performance(
        performance.meshes + chair(seat_of(figure), figure.floor()), performance.landmarks
    )


def framing(instrument: str, figure: Figure) -> Camera:
    """The camera in which player and instrument fill the picture, for a whole recording."""
    view = _part(instrument).view
    size = size_of(figure)
    foot = figure.joints[figure.performers.bones.index("foot.L")][2]
    floor = float(foot) - ANKLE_HEIGHT * size
    return Camera(
        target=(view.right * size, 0.0, floor + view.up * size),
        width=view.width * size,
        turn=view.turn,
    )
