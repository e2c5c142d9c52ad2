"""Flute, oboe, clarinet, bassoon and saxophone.

Slim tubes are a quarter to a half thicker than in life: at 64 x 64 a pixel is about 2 cm.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tools.orchestra.instruments import Instrument, Material, Workshop
from tools.orchestra.instruments.shapes import (
    arc,
    cone,
    flare,
    rod,
    rotation,
    smooth,
    sweep,
    tube,
    turned,
)

SILVER = Material((0.86, 0.87, 0.90), gloss=0.75, metal=True)
NICKEL = Material((0.80, 0.81, 0.84), gloss=0.65, metal=True)
GRENADILLA = Material((0.035, 0.035, 0.04), gloss=0.55)
ROSEWOOD = Material((0.27, 0.115, 0.06), gloss=0.55)
RED_MAPLE = Material((0.36, 0.075, 0.04), gloss=0.6)
IVORY = Material((0.96, 0.95, 0.90), gloss=0.4)
CANE = Material((0.85, 0.72, 0.42), gloss=0.2)
LACQUER = Material((0.88, 0.64, 0.20), gloss=0.7, metal=True)
PEARL = Material((0.95, 0.93, 0.88), gloss=0.5)


def flute(look_seed: int) -> Instrument:
    """Concert flute, silver: 0.67 m, the lips 0.08 m from its closed end; +z up, +y forward."""
    shop = Workshop()
    silver = SILVER.tinted(look_seed, 0.05)
    middle = np.array([0.0, 0.012, -0.010])
    places = [-0.085, -0.082, 0.13, 0.131, 0.15, 0.151, 0.48, 0.481, 0.50, 0.501, 0.585]
    radii = [0.010, 0.013, 0.013, 0.0155, 0.0155, 0.013, 0.013, 0.0155, 0.0155, 0.013, 0.013]
    shop.add(silver, turned(middle, (1, 0, 0), places, radii, 10))
    shop.add(
        silver,
        turned(
            middle + [-0.028, 0, 0],
            (1, 0, 0),
            [0, 0.008, 0.048, 0.056],
            [0.013, 0.018, 0.018, 0.013],
            10,
        ),
    )
    for x in np.concatenate(
        [np.linspace(0.18, 0.33, 6), np.linspace(0.36, 0.50, 6), [0.53, 0.555]]
    ):
        cup = middle + [x, 0.003, 0.012]
        shop.add(NICKEL, turned(cup, (0, 0.2, 1), [0, 0.008, 0.010], [0.011, 0.011, 0.004], 8))
    for start, end in ((0.17, 0.34), (0.35, 0.50)):
        shop.add(
            NICKEL, rod(middle + [start, -0.013, 0.011], middle + [end, -0.013, 0.011], 0.0035, 5)
        )
    return shop.finish(
        {
            "left_hand": (0.215, 0.012, -0.010),
            "right_hand": (0.395, 0.012, -0.010),
            "top": (-0.085, 0.012, -0.010),
            "bottom": (0.585, 0.012, -0.010),
        }
    )


def _keys(shop: Workshop, places: np.ndarray, radius: float, cup: float) -> None:
    """Key cups, side levers and the long rods of an oboe or clarinet on the +z side."""
    for index, x in enumerate(places):
        start = np.array([x, 0.0, radius])
        shop.add(NICKEL, turned(start, (0, 0, 1), [0, 0.005, 0.008], [cup, cup, 0.4 * cup], 8))
        side = 1 if index % 2 else -1
        lever = [[x + 0.01, side * radius, 0.006], [x + 0.045, side * (radius + 0.010), 0.010]]
        shop.add(NICKEL, tube(lever, 0.0045, sides=5))
    for side in (-1, 1):
        y, z = side * (radius + 0.003), 0.45 * radius
        shop.add(NICKEL, rod((places[0], y, z), (places[-1], y, z), 0.0030, 5))


def oboe(look_seed: int) -> Instrument:
    """Oboe, dark rosewood: slim, cane reed, small bulb-shaped bell."""
    shop = Workshop()
    wood = ROSEWOOD.tinted(look_seed)
    shop.add(CANE, turned((0, 0, 0), (1, 0, 0), [-0.005, 0.03, 0.055], [0.004, 0.0045, 0.0035], 6))
    places = [0.05, 0.055, 0.075, 0.085, 0.30, 0.51, 0.545, 0.575, 0.605, 0.618, 0.622]
    radii = [0.006, 0.014, 0.013, 0.0095, 0.0120, 0.0150, 0.0155, 0.024, 0.026, 0.022, 0.015]
    shop.add(wood, turned((0, 0, 0), (1, 0, 0), places, radii, 10))
    for x in (0.29, 0.505):
        shop.add(NICKEL, turned((x, 0, 0), (1, 0, 0), [0, 0.010], [0.0155, 0.0155], 10))
    _keys(shop, np.linspace(0.13, 0.50, 11), 0.012, 0.0075)
    return shop.finish(
        {
            "left_hand": (0.20, 0.0, 0.0),
            "right_hand": (0.385, 0.0, 0.0),
            "top": (0.05, 0.0, 0.0),
            "bottom": (0.62, 0.0, 0.0),
        }
    )


def clarinet(look_seed: int) -> Instrument:
    """Clarinet in B flat, black: beak, thicker than the oboe, silver rings, wide flared bell."""
    shop = Workshop()
    wood = GRENADILLA.tinted(look_seed, 0.2)
    places = [-0.012, 0.0, 0.06, 0.085, 0.09, 0.15, 0.155, 0.36, 0.575, 0.60, 0.625, 0.65, 0.67]
    radii = [
        0.003,
        0.006,
        0.014,
        0.014,
        0.0185,
        0.0185,
        0.0165,
        0.0165,
        0.0185,
        0.022,
        0.029,
        0.040,
        0.052,
    ]
    inside = ([0.672, 0.66, 0.64], [0.048, 0.042, 0.030])
    shop.add(wood, turned((0, 0, 0), (1, 0, 0), places + inside[0], radii + inside[1], 14))
    for x, radius in (
        (0.035, 0.0125),
        (0.088, 0.020),
        (0.148, 0.020),
        (0.355, 0.0195),
        (0.572, 0.021),
        (0.668, 0.0525),
    ):
        shop.add(NICKEL, turned((x, 0, 0), (1, 0, 0), [0, 0.010], [radius, radius], 12))
    _keys(shop, np.linspace(0.19, 0.55, 10), 0.0165, 0.0095)
    return shop.finish(
        {
            "left_hand": (0.225, 0.0, 0.0),
            "right_hand": (0.395, 0.0, 0.0),
            "top": (0.05, 0.0, 0.0),
            "bottom": (0.67, 0.0, 0.0),
        }
    )


def bassoon(look_seed: int) -> Instrument:
    """Bassoon, red maple: 1.3 m double tube, bell up at the player's left, bocal to the lips.

    The crook leaves the tube 0.82 m above the boot's foot; the tube leans 0.5 rad to the left.
    """
    shop = Workshop()
    wood = RED_MAPLE.tinted(look_seed)
    along = rotation((0, 1, 0), 0.5) @ np.array([0.0, 0.0, 1.0])
    across = np.cross(along, (0.0, 1.0, 0.0))
    socket = np.array([0.02, -0.19, -0.085])

    def at(place: float, side: float = 0.0, front: float = 0.0) -> np.ndarray:
        return socket + along * (place - 0.82) - across * side + np.array([0, -front, 0])

    # Boot, wing (to the crook), and the long joint behind it up to the bell.
    shop.add(
        wood, turned(at(0, 0.018), along, [0, 0.01, 0.42, 0.44], [0.044, 0.047, 0.047, 0.040], 12)
    )
    shop.add(wood, sweep(np.array([at(0.43), at(0.82)]), [0.030, 0.020], 10))
    shop.add(
        wood,
        sweep(
            np.array([at(0.43, 0.042), at(0.9, 0.042), at(1.28, 0.042)]), [0.027, 0.026, 0.030], 12
        ),
    )
    shop.add(
        IVORY,
        turned(at(1.27, 0.042), along, [0, 0.0, 0.045, 0.045], [0.02, 0.036, 0.034, 0.018], 12),
    )
    for place, side, radius in (
        (0.0, 0.018, 0.050),
        (0.42, 0.018, 0.051),
        (0.86, 0.042, 0.031),
        (1.05, 0.042, 0.031),
    ):
        shop.add(NICKEL, turned(at(place, side), along, [0, 0.022], [radius, radius], 12))
    for place in np.concatenate([np.linspace(0.08, 0.36, 6), np.linspace(0.5, 0.78, 6)]):
        wide = 0.045 if place < 0.43 else 0.026
        shop.add(NICKEL, turned(at(place, 0.012, wide), (0, -1, 0), [0, 0.008], [0.016, 0.014], 8))
    for side in (-0.02, 0.05):
        shop.add(NICKEL, rod(at(0.46, side, 0.028), at(1.2, 0.042, 0.030), 0.004, 5))
    crook = [
        at(0.81),
        at(0.885, 0.0, 0.01),
        [0.02, -0.15, 0.018],
        [0.008, -0.09, 0.018],
        [0, -0.035, 0.002],
    ]
    shop.add(NICKEL, tube(np.array(crook).tolist(), 0.0075, count=14, sides=6))
    shop.add(CANE, rod((0, -0.045, 0.01), (0, 0.003, 0), 0.007, 6))
    return shop.finish(
        {
            "left_hand": tuple(at(0.66, 0.02)),
            "right_hand": tuple(at(0.36, 0.02)),
            "along": tuple(along),
            "top": tuple(at(1.31, 0.042)),
            "bottom": tuple(at(0.0, 0.02)),
        }
    )


# Body of the alto saxophone in its own plane: forward, up (metres), radius.
SAX_BODY = (
    (0.168, -0.045, 0.0130), (0.172, -0.12, 0.0175), (0.180, -0.30, 0.0265),
    (0.188, -0.46, 0.0345), (0.196, -0.52, 0.0385), (0.222, -0.565, 0.0415),
    (0.262, -0.570, 0.0435), (0.292, -0.530, 0.0455),
    (0.304, -0.46, 0.0480), (0.312, -0.38, 0.0520), (0.320, -0.32, 0.0580),
)  # fmt: skip


def _sax_keys(
    shop: Workshop, brass: Material, at: Callable[..., np.ndarray], turn: np.ndarray
) -> None:
    """Cups along the body, a rod on each side of them, and the bell's brace."""
    for index, z in enumerate(np.linspace(-0.12, -0.47, 10)):
        width = float(np.interp(-z, [0.1, 0.5], [0.017, 0.036]))
        face = at(0.175 + width, float(z), -0.4 * width)
        cup = 0.012 + 0.0008 * index
        shop.add(
            PEARL if index % 3 else brass,
            turned(face, turn @ (0, -1, 0), [0, 0.012], [cup, cup], 8),
        )
    for side in (-1, 1):
        shop.add(
            brass, rod(at(0.175, -0.09, side * 0.022), at(0.185, -0.5, side * 0.040), 0.005, 5)
        )
    shop.add(
        brass,
        sweep(
            arc(at(0.25, -0.25), at(1.155, 0) - at(0.155, 0), (0, 0, 1), 0.05, (0, 2 * np.pi), 12),
            0.004,
            5,
        ),
    )


def sax(look_seed: int) -> Instrument:
    """Alto saxophone, brass: black mouthpiece, bent neck, cone, bow, and the bell turned up.

    Its plane is turned 0.75 rad towards the player's left, so that bell and body show side by
    side from the front.
    """
    shop = Workshop()
    brass = LACQUER.tinted(look_seed)
    turn = rotation((0, 0, 1), 0.75)
    elbow = np.array([0.0, -0.155, 0.0])

    def at(forward: float, up: float, side: float = 0.0) -> np.ndarray:
        return elbow + turn @ np.array([side, -(forward - 0.155), up])

    shop.add(
        GRENADILLA,
        cone(
            [[0, 0.01, -0.004, 0.007], [0, -0.04, 0.006, 0.013], [0, -0.075, 0.016, 0.014]], 6, 10
        ),
    )
    neck = [
        [0, -0.06, 0.012],
        [0, -0.105, 0.026],
        [0, -0.140, 0.015],
        at(0.163, -0.02),
        at(0.168, -0.06),
    ]
    curve = smooth(np.array(neck).tolist(), 14)
    shop.add(brass, sweep(curve, np.linspace(0.009, 0.0145, 14), 10))
    shop.add(brass, cone([[*at(f, z), r] for f, z, r in SAX_BODY], 34, 14))
    mouth = at(0.318, -0.335)
    axis = at(0.348, -0.20) - mouth
    shop.add(brass, flare(mouth, axis, 0.13, (0.056, 0.088), power=2.2, sides=20))
    _sax_keys(shop, brass, at, turn)
    return shop.finish(
        {
            "left_hand": tuple(at(0.175, -0.19)),
            "right_hand": tuple(at(0.185, -0.38)),
            "top": tuple(at(0.14, 0.02)),
            "bottom": tuple(at(0.24, -0.61)),
            "bell": tuple(mouth + axis),
            "along": tuple(np.array([0.0, 0.0, 1.0])),
        }
    )


MAKERS = {
    "flute": flute,
    "oboe": oboe,
    "clarinet": clarinet,
    "bassoon": bassoon,
    "sax": sax,
}
