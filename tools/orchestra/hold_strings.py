"""How violin, viola, cello and double bass are held and bowed."""

from __future__ import annotations

import numpy as np

from tools.orchestra.figure import Figure, turn_about, unit
from tools.orchestra.holding import UPRIGHT, Placed, along, landmarks
from tools.orchestra.instruments import Instrument
from tools.orchestra.pose import Performance, Pose
from tools.orchestra.posture import size_of

# Where the left hand stops, from the lowest to the highest note, in parts of the body's length.
LOWEST_STOP, HIGHEST_STOP = 1.27, 0.70


def hold_violin(figure: Figure, instrument: Instrument, pose: Pose) -> Performance:
    """Violin or viola under the chin; higher notes lift the scroll."""
    high = pose.pitch - 0.5
    collar = 0.40 * figure.position("upperarm01.L") + 0.60 * figure.position("neck01")
    button = collar + np.array([0.0, -0.070, 0.035]) + pose.rest * np.array([-0.07, -0.03, -0.20])
    lift = 0.10 + 0.95 * high - 0.75 * pose.rest
    heading = turn_about(UPRIGHT, 0.80 + pose.sway) @ np.array([0.0, -1.0, 0.0])
    neck = unit(np.cos(lift) * heading + np.sin(lift) * UPRIGHT)
    top = turn_about(neck, 0.50) @ along(neck, UPRIGHT)[:, 2]
    placed = Placed(instrument, along(neck, top), button)
    unit_length = placed.instrument.points["neck"][0]
    stop = LOWEST_STOP + (HIGHEST_STOP + 0.05 - LOWEST_STOP) * pose.pitch
    stop += (0.95 - stop) * pose.rest
    string = placed.at([stop * unit_length, -0.010, 0.012])
    figure.grip(
        "L",
        string - placed.way([0, 0.02, 0.01]),
        placed.way([-0.35, 0.15, 1.0]),
        placed.way([-0.2, 1.0, 0.15]),
        np.array([0.25, -0.1, -1.0]),
    )
    figure.curl("L", [0.65, 0.6, 0.55, 0.5], thumb=0.2)
    figure.rotate("clavicle.R", turn_about(UPRIGHT, 0.4 * pose.bow * (1.0 - pose.rest)))
    frog_way = placed.way([-0.28, -1.0, 0.0])
    bow = _bow(placed, pose, frog_way, roll=0.55 * high)
    figure.grip(
        "R",
        bow.at([0.0, 0.0, 0.03]),
        bow.way([0.75, 0.25, -0.55]),
        bow.way([-0.45, 0.0, -1.0]),
        np.array([-0.8, 0.35, -0.75]),
    )
    figure.curl("R", [0.45, 0.5, 0.5, 0.4], thumb=0.5)
    return _performance(figure, placed, bow)


def hold_cello(figure: Figure, instrument: Instrument, pose: Pose) -> Performance:
    """Cello between the knees, endpin on the floor; higher notes lean its neck to the left."""
    hips = 0.5 * (figure.position("upperleg01.L") + figure.position("upperleg01.R"))
    lean = 0.08 + 0.44 * pose.pitch + 0.10 * pose.rest + pose.sway
    # The knees hold the body, so the neck swings one way and the endpin a little the other.
    pin = size_of(figure) * np.array([0.04 - 0.40 * np.tan(lean), -0.54, 0.0])
    pin += np.array([0.0, hips[1], figure.floor()])
    neck = turn_about([0, 1, 0], lean) @ unit(np.array([0.0, 0.36, 1.0]))
    placed = _on_floor(instrument, pin, along(neck, [-0.25, -1.0, 0.3]))
    return _stand_and_bow(figure, placed, pose)


def hold_bass(figure: Figure, instrument: Instrument, pose: Pose) -> Performance:
    """Double bass on the floor, the player standing behind; higher notes lean it to the left."""
    hips = 0.5 * (figure.position("upperleg01.L") + figure.position("upperleg01.R"))
    lean = 0.0 + 0.46 * pose.pitch + 0.08 * pose.rest + pose.sway
    pin = size_of(figure) * np.array([0.16 - 0.85 * np.tan(lean), -0.44, 0.0])
    pin += np.array([0.0, hips[1], figure.floor()])
    neck = turn_about([0, 1, 0], lean) @ unit(np.array([0.0, 0.20, 1.0]))
    placed = _on_floor(instrument, pin, along(neck, [-0.45, -1.0, 0.2]))
    return _stand_and_bow(figure, placed, pose)


def _on_floor(instrument: Instrument, pin: np.ndarray, rotation: np.ndarray) -> Placed:
    """An upright instrument whose endpin stands at `pin` [3]."""
    return Placed(instrument, rotation, pin - rotation @ instrument.points["endpin"])


def _stand_and_bow(figure: Figure, placed: Placed, pose: Pose) -> Performance:
    """Both hands of an upright instrument: left along the fingerboard, right at the bow's frog."""
    unit_length = placed.instrument.points["neck"][0]
    stop = LOWEST_STOP + (HIGHEST_STOP + 0.04 - LOWEST_STOP) * pose.pitch
    height = placed.instrument.points["nut"][2] + (1.365 - stop) * 0.09 * unit_length
    string = placed.at([stop * unit_length, 0.0, height])
    figure.grip(
        "L",
        string + placed.way([0, -0.02, 0.012]),
        placed.way([0.30, 1.0, 0.05]),
        placed.way([0.0, 0.15, -1.0]),
        np.array([1.0, 0.25, -0.25]),
    )
    figure.curl("L", 0.5, thumb=0.4)
    figure.rotate("clavicle.R", turn_about(UPRIGHT, 0.3) @ turn_about([0, 1, 0], -0.15))
    # Slanted a little: strictly across, the hand at the tip would be lower than arms are long.
    bow = _bow(placed, pose, placed.way([0.16, 1.0, 0.0]), roll=0.35 * (pose.pitch - 0.5))
    figure.grip(
        "R",
        bow.at([0.0, 0.0, 0.02]),
        bow.way([0.55, 0.65, -0.45]),
        bow.way([-0.3, 0.0, -1.0]),
        np.array([-1.0, 0.3, 0.15]),
    )
    figure.curl("R", 0.5, thumb=0.5)
    return _performance(figure, placed, bow)


def _bow(placed: Placed, pose: Pose, frog_way: np.ndarray, roll: float) -> Placed:
    """The bow on the string: `frog_way` points from the string to the hand.

    roll: radians by which the string crossing raises (+) or lowers the hand.
    """
    neck, top = placed.way([1, 0, 0]), placed.way([0, 0, 1])
    out = turn_about(neck, roll) @ frog_way
    points = placed.instrument.points
    string = placed.at(points["bridge"] + np.array([0.075 * points["neck"][0], 0.0, 0.0]))
    string = string + pose.rest * (0.07 * top - 0.10 * UPRIGHT)
    drawn = (0.04 + 0.84 * pose.bow) * points["bow_tip"][0]
    stick = top - out * (top @ out)
    return Placed(placed.instrument, along(-out, stick), string + out * drawn)


def _performance(figure: Figure, placed: Placed, bow: Placed) -> Performance:
    marks = landmarks(figure, placed.at("scroll"), placed.at("button"))
    return Performance([*placed.part("body"), *bow.part("bow")], marks)
