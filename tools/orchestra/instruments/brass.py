"""Trumpet, trombone, horn and tuba."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tools.orchestra.instruments import Instrument, Material, Workshop
from tools.orchestra.instruments.shapes import (
    arc,
    cone,
    flare,
    rod,
    smooth,
    sweep,
    tube,
    turned,
    unit,
)

LACQUER = Material((0.90, 0.67, 0.22), gloss=0.75, metal=True)
NICKEL = Material((0.84, 0.85, 0.88), gloss=0.75, metal=True)
HALF = np.pi / 2
Places = Callable[..., np.ndarray]


def _mouthpiece(shop: Workshop, start: np.ndarray, axis: np.ndarray, cup: float) -> None:
    shop.add(
        NICKEL,
        turned(
            start,
            axis,
            [-0.002, 0.0, 0.012, 0.03, 0.07],
            [cup * 0.9, cup, cup * 0.8, 0.006, 0.008],
            10,
        ),
    )


def trumpet(look_seed: int) -> Instrument:
    """Trumpet in B flat: leadpipe on the right, bell on the left, three valves between; +y left."""
    shop = Workshop()
    brass = LACQUER.tinted(look_seed)
    low, pipe = -0.085, 0.0085
    x = np.array([1.0, 0, 0])
    up = np.array([0, 0, 1.0])
    _mouthpiece(shop, np.zeros(3), x, 0.0145)
    shop.add(brass, rod((0.06, 0, 0), (0.34, -0.018, 0), pipe))
    shop.add(
        brass, sweep(arc((0.34, -0.018, low / 2), x, up, -low / 2, (HALF, -HALF), 10), pipe + 0.001)
    )
    shop.add(brass, rod((0.34, -0.018, low), (0.20, -0.018, low), pipe))
    shop.add(brass, rod((0.25, 0.018, low), (0.12, 0.018, low), pipe))
    shop.add(brass, sweep(arc((0.12, 0.018, low / 2), -x, up, -low / 2, (-HALF, HALF), 10), pipe))
    shop.add(
        brass,
        sweep(
            np.array([[0.12, 0.018, 0], [0.27, 0.018, 0], [0.36, 0.018, 0]]), [pipe, 0.010, 0.0125]
        ),
    )
    shop.add(brass, flare((0.355, 0.018, 0), x, 0.165, (0.0120, 0.066), power=3.2, sides=22))
    shop.add(NICKEL, rod((0.155, 0, 0.0), (0.155, 0, low), 0.004, 5))
    for index, place in enumerate((0.195, 0.222, 0.249)):
        shop.add(NICKEL, rod((place, 0, -0.135), (place, 0, 0.040), 0.0135, 10))
        part = f"valve{index + 1}"
        shop.add(NICKEL, rod((place, 0, 0.04), (place, 0, 0.068), 0.004, 6), part=part)
        shop.add(
            NICKEL, turned((place, 0, 0.066), (0, 0, 1), [0, 0.006], [0.011, 0.010], 8), part=part
        )
    loop = [
        [0.249, -0.01, -0.06],
        [0.30, -0.04, -0.06],
        [0.345, -0.04, -0.045],
        [0.30, -0.04, -0.03],
        [0.249, -0.01, -0.03],
    ]
    shop.add(brass, tube(loop, 0.006, count=12, sides=6))
    return shop.finish(
        {
            "left_hand": (0.215, 0.012, -0.055),
            "right_hand": (0.222, -0.010, 0.055),
            "top": (0.0, 0.0, 0.0),
            "bottom": (0.52, 0.018, 0.0),
        }
    )


SLIDE_TRAVEL = 0.50


def trombone(look_seed: int) -> Instrument:
    """Tenor trombone: two slide tubes to the right of the bell; `slide` moves along +x."""
    shop = Workshop()
    brass = LACQUER.tinted(look_seed)
    low, x, up = -0.085, np.array([1.0, 0, 0]), np.array([0, 0, 1.0])
    _mouthpiece(shop, np.zeros(3), x, 0.019)
    for height in (0.0, low):
        start = 0.05 if height == 0 else 0.02
        shop.add(NICKEL, rod((start, 0, height), (0.70, 0, height), 0.0095))
        shop.add(NICKEL, rod((0.11, 0, height), (0.72, 0, height), 0.0135), part="slide")
    bend = arc((0.72, 0, low / 2), x, up, -low / 2, (HALF, -HALF), 12)
    shop.add(NICKEL, sweep(bend, 0.0135), part="slide")
    shop.add(brass, rod((0.12, 0, 0), (0.12, 0, low), 0.008, 6), part="slide")
    shop.add(brass, rod((0.07, 0, 0), (0.07, 0, low), 0.008, 6))
    side, rear = 0.115, -0.26
    gooseneck = [[0.04, 0, low], [-0.05, 0.01, low], [rear, 0.03, low + 0.01]]
    shop.add(brass, tube(gooseneck, 0.0105, count=8))
    shop.add(
        brass,
        tube(
            [
                [rear, 0.03, low + 0.01],
                [rear - 0.075, 0.055, -0.04],
                [rear - 0.075, 0.09, 0.01],
                [rear, side, 0.03],
            ],
            0.012,
            count=12,
        ),
    )
    knots = [
        [rear, side, 0.03, 0.0125],
        [-0.05, side, 0.03, 0.014],
        [0.12, side, 0.03, 0.018],
        [0.24, side, 0.03, 0.026],
    ]
    shop.add(brass, cone(knots, 12, 12))
    shop.add(brass, flare((0.235, side, 0.03), x, 0.20, (0.0255, 0.112), power=2.6, sides=26))
    for place in (0.06, -0.15):
        shop.add(
            brass,
            rod(
                (place, 0.0 if place > 0 else 0.02, 0 if place > 0 else low),
                (place, side, 0.03),
                0.006,
                6,
            ),
        )
    return shop.finish(
        {
            "slide": (SLIDE_TRAVEL, 0.0, 0.0),
            "left_hand": (0.075, 0.02, low / 2),
            "right_hand": (0.12, 0.0, low / 2),
            "top": (rear - 0.08, 0.08, 0.0),
            "bottom": (0.76, 0.0, low / 2),
        }
    )


def _horn_valves(shop: Workshop, brass: Material, at: Places, front: np.ndarray) -> None:
    """Three rotary valves, each with its crook and lever; `at` gives places in the coil's plane."""
    for right in (-0.045, -0.005, 0.035):
        shop.add(
            NICKEL,
            turned(at(right, 0.0, 0.0), front, [-0.02, 0.045, 0.05], [0.019, 0.019, 0.012], 12),
        )
        crook = [
            at(right, 0.0, 0.01),
            at(right, -0.07, 0.02),
            at(right + 0.018, -0.085, 0.02),
            at(right + 0.018, -0.02, 0.01),
        ]
        shop.add(brass, tube(np.array(crook).tolist(), 0.007, count=10, sides=6))
        shop.add(
            NICKEL,
            tube(
                np.array([at(right - 0.02, 0.02, 0.04), at(right - 0.06, 0.07, 0.05)]).tolist(),
                0.006,
                sides=5,
            ),
        )


def horn(look_seed: int) -> Instrument:
    """French horn: a round coil before the chest, the throat round its rim into a big bell.

    The bell opens to the player's right, backwards and down, with the right hand in it.
    """
    shop = Workshop()
    brass = LACQUER.tinted(look_seed, 0.12)
    center = np.array([0.085, -0.20, -0.165])
    first = unit([1.0, 0.30, 0.0])
    second = unit(np.array([0.0, 0.12, 1.0]) - first * (first @ [0.0, 0.12, 1.0]))
    front = np.cross(first, second)
    front *= -np.sign(front[1])

    def at(right: float, height: float, ahead: float = 0.0) -> np.ndarray:
        return center - first * right + second * height + front * ahead

    def ring(radius: float, angles: tuple[float, float], ahead: float, count: int) -> np.ndarray:
        return arc(center + front * ahead, first, second, radius, angles, count)

    # The outer round widens from the top over the left side and leaves below, into the bell.
    outer = ring(0.150, (2.6, -1.55), 0.0, 26)
    shop.add(brass, sweep(outer, np.linspace(0.0100, 0.0210, 26), 10))
    bell_axis = unit([-0.80, 0.50, -0.28])
    tail = np.column_stack([outer[-2:], [0.0205, 0.0212]])
    throat = np.array([*at(0.10, -0.158, -0.01), 0.028])
    neck = np.array([*at(0.185, -0.165, -0.035), 0.038])
    shop.add(brass, cone(np.stack([*tail, throat, neck]), 14, 14))
    shop.add(
        brass,
        flare(neck[:3] - bell_axis * 0.01, bell_axis, 0.17, (0.037, 0.165), power=2.3, sides=28),
    )
    shop.add(brass, sweep(ring(0.120, (0, 2 * np.pi), 0.016, 28), 0.0105, 8))
    shop.add(brass, sweep(ring(0.090, (0, 2 * np.pi), -0.010, 24), 0.0100, 8))
    _horn_valves(shop, brass, at, front)
    lead = [
        [0.0, -0.065, -0.005],
        [0.03, -0.13, -0.02],
        at(-0.11, 0.13, 0.012),
        at(-0.135, 0.03, 0.02),
        at(-0.06, -0.05, 0.02),
    ]
    shop.add(brass, tube(np.array(lead).tolist(), 0.008, count=18, sides=8))
    _mouthpiece(shop, np.zeros(3), unit([0.1, -1.0, -0.1]), 0.0125)
    mouth = neck[:3] + bell_axis * 0.16
    return shop.finish(
        {
            "left_hand": tuple(at(-0.115, 0.055, 0.03)),
            "right_hand": tuple(mouth + bell_axis * 0.012),
            "bell_axis": tuple(bell_axis),
            "top": tuple(at(-0.03, 0.15)),
            "bottom": tuple(mouth),
        }
    )


def _tuba_body(shop: Workshop, brass: Material, y: float) -> None:
    """The widening tube: down from the top, round the bottom bow and up into the bell."""
    bell = [
        [0.15, y, -0.50, 0.066], [0.165, y, -0.30, 0.076], [0.172, y, -0.10, 0.090],
        [0.178, y, 0.06, 0.108],
    ]  # fmt: skip
    bow = [
        [-0.135, y, -0.18, 0.040], [-0.135, y, -0.30, 0.046], [-0.13, y, -0.50, 0.053],
        [-0.085, y, -0.625, 0.057], [0.01, y, -0.675, 0.060], [0.10, y, -0.625, 0.063],
        [0.148, y, -0.52, 0.066], [0.153, y, -0.44, 0.069],
    ]  # fmt: skip
    top = [
        [-0.135, y, -0.20, 0.040], [-0.115, y, -0.115, 0.038], [-0.055, y, -0.075, 0.036],
        [0.005, y, -0.115, 0.033], [0.02, y, -0.20, 0.031], [0.02, y, -0.42, 0.028],
    ]  # fmt: skip
    for knots in (bell, bow, top):
        shop.add(brass, cone(knots, 22, 16))
    shop.add(
        brass,
        flare(
            (0.178, y, 0.05), unit([0.10, -0.06, 1.0]), 0.32, (0.107, 0.225), power=2.4, sides=28
        ),
    )


def _tuba_valves(shop: Workshop, y: float) -> None:
    """Four upright valves; their caps are parts that move."""
    for index, place in enumerate((-0.075, -0.035, 0.005, 0.045)):
        shop.add(NICKEL, rod((place, y - 0.075, -0.44), (place, y - 0.075, -0.20), 0.0155, 10))
        part = f"valve{index + 1}"
        shop.add(
            NICKEL, rod((place, y - 0.075, -0.20), (place, y - 0.075, -0.165), 0.006, 6), part=part
        )
        shop.add(
            NICKEL,
            turned((place, y - 0.075, -0.165), (0, 0, 1), [0, 0.008], [0.015, 0.014], 8),
            part=part,
        )


def tuba(look_seed: int) -> Instrument:
    """Tuba: bell up at the player's left, wide bottom bow on the lap, four valves in front."""
    shop = Workshop()
    brass = LACQUER.tinted(look_seed, 0.10)
    y = -0.20
    _tuba_body(shop, brass, y)
    _tuba_valves(shop, y)
    for place in (-0.05, 0.03):
        loop = smooth(
            [
                [place, y - 0.06, -0.40],
                [place, y - 0.05, -0.52],
                [place + 0.045, y - 0.05, -0.54],
                [place + 0.05, y - 0.05, -0.30],
            ],
            12,
        )
        shop.add(brass, sweep(loop, 0.013, 8))
    lead = [
        [0.0, -0.07, -0.003],
        [-0.03, -0.12, -0.01],
        [-0.10, -0.18, -0.05],
        [-0.11, y - 0.06, -0.20],
        [-0.09, y - 0.075, -0.30],
    ]
    shop.add(brass, tube(lead, 0.010, count=16))
    _mouthpiece(shop, np.zeros(3), unit([-0.15, -1.0, -0.05]), 0.020)
    return shop.finish(
        {
            "left_hand": (0.235, y - 0.045, -0.34),
            "right_hand": (-0.015, y - 0.075, -0.16),
            "lap": (0.01, y, -0.735),
            "top": (0.21, y - 0.02, 0.37),
            "bottom": (0.01, y, -0.72),
        }
    )


MAKERS = {"trumpet": trumpet, "trombone": trombone, "horn": horn, "tuba": tuba}
