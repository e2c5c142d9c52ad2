"""How the nine wind instruments are held: mouthpiece at the lips, hands at the keys."""

from __future__ import annotations

import numpy as np

from tools.orchestra.figure import Figure, turn_about
from tools.orchestra.holding import (
    UPRIGHT,
    Placed,
    along,
    elevated,
    fingers,
    landmarks,
    lower,
    valves,
)
from tools.orchestra.instruments import Instrument
from tools.orchestra.mesh import Mesh
from tools.orchestra.pose import Performance, Pose

LEFT_ELBOW = np.array([0.75, 0.15, -1.0])
RIGHT_ELBOW = np.array([-0.75, 0.15, -1.0])
VALVE_STROKE = 0.016


def hold_flute(figure: Figure, instrument: Instrument, pose: Pose) -> Performance:
    """Flute to the player's right; higher notes raise its foot."""
    high = pose.pitch - 0.5
    rise = -0.06 + 0.95 * high - 0.5 * pose.rest
    level = turn_about(UPRIGHT, pose.sway) @ np.array([-0.95, -0.31, 0.0])
    axis = np.cos(rise) * level + np.sin(rise) * UPRIGHT
    placed = Placed(instrument, along(axis, UPRIGHT), lower(figure, pose.rest, 0.16, 0.10))
    figure.grip(
        "L",
        placed.at("left_hand") - placed.way([0, 0.005, 0.012]),
        placed.way([0.30, -0.75, 0.55]),
        placed.way([0.3, 0.5, 0.8]),
        np.array([0.6, -0.55, -0.9]),
        clearance=0.02,
    )
    figure.curl("L", fingers(pose.pitch, 0.5, 1.0), thumb=0.2)
    figure.grip(
        "R",
        placed.at("right_hand") - placed.way([0, 0.01, 0.02]),
        placed.way([0.05, 0.75, 0.75]),
        placed.way([0.0, -0.75, 0.7]),
        np.array([-0.75, -0.1, -0.9]),
        clearance=0.02,
    )
    figure.curl("R", fingers(pose.pitch, 0.05, 0.5), thumb=0.2)
    return _simple(figure, placed)


def hold_straight(figure: Figure, instrument: Instrument, pose: Pose) -> Performance:
    """Oboe and clarinet before the player; higher notes raise the bell."""
    high = pose.pitch - 0.5
    axis = elevated(-0.85 + 1.15 * high - 0.35 * pose.rest, pose.sway)
    top = turn_about([1, 0, 0], -np.pi / 2) @ axis
    placed = Placed(instrument, along(axis, top), lower(figure, pose.rest, 0.12, 0.08))
    for side, sign in (("L", 1.0), ("R", -1.0)):
        point = "left_hand" if side == "L" else "right_hand"
        figure.grip(
            side,
            placed.at(point) + placed.way([0, 0.012 * sign, -0.012]),
            placed.way([-0.15, -0.80 * sign, 0.55]),
            placed.way([0.0, -0.6 * sign, -0.75]),
            np.array([1.0 * sign, 0.1, -0.75]),
            clearance=0.018,
        )
        span_of_hand = (0.5, 1.0) if side == "L" else (0.05, 0.5)
        figure.curl(side, fingers(pose.pitch, *span_of_hand), thumb=0.4)
    return _simple(figure, placed)


def hold_bassoon(figure: Figure, instrument: Instrument, pose: Pose) -> Performance:
    """Bassoon across the body, boot by the right hip; higher notes set it upright."""
    high = pose.pitch - 0.5
    turn = turn_about([0, 1, 0], -0.95 * high + pose.sway)
    placed = Placed(instrument, turn, lower(figure, pose.rest, 0.10, 0.08))
    tube = placed.way(instrument.points["along"])
    figure.grip(
        "L",
        placed.at("left_hand") + np.array([0.02, -0.015, 0.0]),
        np.array([-0.75, -0.35, 0.45]),
        np.array([-0.35, 0.8, 0.2]) - 0.3 * tube,
        np.array([1.0, 0.0, -0.6]),
        clearance=0.03,
    )
    figure.curl("L", fingers(pose.pitch, 0.5, 1.0), thumb=0.3)
    figure.grip(
        "R",
        placed.at("right_hand") + np.array([-0.035, 0.0, 0.0]),
        np.array([0.35, -0.85, 0.1]),
        np.array([1.0, 0.3, 0.0]),
        np.array([-1.0, 0.35, -0.35]),
        clearance=0.035,
    )
    figure.curl("R", fingers(pose.pitch, 0.05, 0.5), thumb=0.3)
    return _simple(figure, placed)


def hold_sax(figure: Figure, instrument: Instrument, pose: Pose) -> Performance:
    """Alto saxophone before the body; higher notes swing the bell up and to the right."""
    high = pose.pitch - 0.5
    turn = (
        turn_about(UPRIGHT, pose.sway)
        @ turn_about([0, 1, 0], 0.20 - 0.80 * high)
        @ turn_about([1, 0, 0], -0.02 - 0.70 * high + 0.2 * pose.rest)
    )
    placed = Placed(instrument, turn, lower(figure, pose.rest, 0.12, 0.06))
    figure.grip(
        "L",
        placed.at("left_hand") + placed.way([0.02, 0.0, 0.0]),
        placed.way([-0.65, -0.65, 0.25]),
        placed.way([-0.65, 0.65, 0.0]),
        np.array([1.0, 0.1, -0.7]),
    )
    figure.curl("L", fingers(pose.pitch, 0.5, 1.0), thumb=0.3)
    figure.grip(
        "R",
        placed.at("right_hand") + placed.way([-0.025, 0.0, 0.0]),
        placed.way([0.45, -0.85, -0.1]),
        placed.way([0.85, 0.45, 0.0]),
        np.array([-1.0, 0.3, -0.5]),
    )
    figure.curl("R", fingers(pose.pitch, 0.05, 0.5), thumb=0.3)
    return _simple(figure, placed)


def hold_trumpet(figure: Figure, instrument: Instrument, pose: Pose) -> Performance:
    """Trumpet straight ahead; higher notes raise its bell."""
    rise = -0.06 + 1.15 * (pose.pitch - 0.5) - 0.6 * pose.rest
    axis = elevated(rise, pose.sway)
    placed = Placed(instrument, along(axis, UPRIGHT), lower(figure, pose.rest, 0.20, 0.10))
    down = valves(pose.pitch)
    figure.grip(
        "L",
        placed.at("left_hand") + placed.way([-0.01, 0.015, 0.0]),
        placed.way([0.55, -0.45, 0.55]),
        placed.way([0.2, -1.0, 0.1]),
        np.array([0.7, 0.1, -1.0]),
        clearance=0.03,
    )
    figure.curl("L", 0.8, thumb=0.5)
    figure.grip(
        "R",
        placed.at("right_hand") + placed.way([0.0, -0.015, 0.01]),
        placed.way([0.35, 0.75, 0.35]),
        placed.way([0.2, 0.4, -0.9]),
        np.array([-0.75, 0.1, -1.0]),
        clearance=0.02,
    )
    figure.curl("R", [0.35 + 0.3 * valve for valve in down] + [0.5], thumb=0.4)
    marks = landmarks(figure, placed.at("bottom"), placed.at("top"))
    return Performance(placed.part("body") + _valves(placed, down), marks)


def hold_trombone(figure: Figure, instrument: Instrument, pose: Pose) -> Performance:
    """Trombone over the left shoulder; lower notes push the slide out, higher ones raise it."""
    rise = -0.16 + 0.55 * (pose.pitch - 0.5) - 0.45 * pose.rest
    axis = elevated(rise, pose.sway - 0.10)
    placed = Placed(instrument, along(axis, UPRIGHT), lower(figure, pose.rest, 0.16, 0.08))
    slide = instrument.points["slide"] * (1.0 - pose.pitch) * (1.0 - pose.rest)
    figure.grip(
        "L",
        placed.at("left_hand"),
        placed.way([0.45, -0.75, 0.45]),
        placed.way([0.6, -0.5, -0.3]),
        np.array([0.6, 0.1, -1.0]),
        clearance=0.03,
    )
    figure.curl("L", 0.85, thumb=0.6)
    figure.rotate("clavicle.R", turn_about(UPRIGHT, 0.5 * slide[0]))
    figure.grip(
        "R",
        placed.at("right_hand") + placed.way(slide - [0.0, 0.01, 0.0]),
        placed.way([0.75, 0.55, 0.1]),
        placed.way([-0.3, 0.9, 0.1]),
        np.array([-0.7, 0.1, -1.0]),
        clearance=0.02,
    )
    figure.curl("R", 0.6, thumb=0.5)
    marks = landmarks(figure, placed.at("top"), placed.at(instrument.points["bottom"] + slide))
    return Performance(placed.part("body") + placed.part("slide", tuple(slide)), marks)


def hold_horn(figure: Figure, instrument: Instrument, pose: Pose) -> Performance:
    """Horn with the right hand in the bell; higher notes roll the bell up."""
    turn = turn_about([0, 1, 0], 1.0 * (pose.pitch - 0.43) + pose.sway)
    placed = Placed(instrument, turn, lower(figure, pose.rest, 0.09, 0.10))
    down = valves(pose.pitch)
    figure.grip(
        "L",
        placed.at("left_hand"),
        placed.way([-0.75, -0.35, 0.1]),
        placed.way([-0.3, 0.85, -0.2]),
        np.array([1.0, 0.1, -0.7]),
        clearance=0.025,
    )
    figure.curl("L", [0.4 + 0.35 * valve for valve in down] + [0.5], thumb=0.4)
    bell = placed.way(instrument.points["bell_axis"])
    figure.grip(
        "R",
        placed.at("right_hand"),
        -bell,
        placed.way([0.3, -0.5, -0.6]),
        np.array([-1.0, 0.8, -0.2]),
        clearance=0.0,
    )
    figure.curl("R", 0.35, thumb=0.1)
    return _simple(figure, placed)


def hold_tuba(figure: Figure, instrument: Instrument, pose: Pose) -> Performance:
    """Tuba on the lap; higher notes tip its bell from the left over to the right."""
    high = pose.pitch - 0.5
    turn = turn_about([0, 1, 0], 0.05 - 1.10 * high + pose.sway) @ turn_about(
        [1, 0, 0], -0.10 * high + 0.10 * pose.rest
    )
    placed = Placed(instrument, turn, lower(figure, pose.rest, 0.08, 0.08))
    down = valves(pose.pitch)
    figure.grip(
        "L",
        placed.at("left_hand"),
        placed.way([-0.45, -0.65, -0.3]),
        placed.way([-0.7, 0.5, 0.0]),
        np.array([1.0, 0.2, -0.4]),
        clearance=0.03,
    )
    figure.curl("L", 0.5, thumb=0.2)
    figure.grip(
        "R",
        placed.at("right_hand") + placed.way([0.0, 0.0, 0.01]),
        placed.way([0.75, -0.35, 0.15]),
        placed.way([0.1, 0.2, -1.0]),
        np.array([-1.0, -0.1, -0.5]),
        clearance=0.02,
    )
    figure.curl("R", [0.35 + 0.3 * valve for valve in down] + [0.4], thumb=0.3)
    performance = _simple(figure, placed)
    return Performance(performance.meshes + _valves(placed, down), performance.landmarks)


def _valves(placed: Placed, down: list[float]) -> list[Mesh]:
    """The valve caps, each pressed or not; a fourth one stays up."""
    names = sorted(name for name in placed.instrument.parts if name.startswith("valve"))
    pressed = dict(zip(names, down, strict=False))
    return [
        mesh
        for name in names
        for mesh in placed.part(name, (0.0, 0.0, -VALVE_STROKE * pressed.get(name, 0.0)))
    ]


def _simple(figure: Figure, placed: Placed) -> Performance:
    marks = landmarks(figure, placed.at("top"), placed.at("bottom"))
    return Performance(placed.part("body"), marks)
