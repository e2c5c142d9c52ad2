"""Violin, viola, cello and double bass, and their bows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tools.orchestra.instruments import Instrument, Material, Workshop
from tools.orchestra.instruments.shapes import box, loft, plate, rod, smooth, sweep, turned

EBONY = Material((0.06, 0.05, 0.05), gloss=0.45, smooth=False)
STEEL = Material((0.80, 0.81, 0.83), gloss=0.6, metal=True)
STRING = Material((0.88, 0.86, 0.80), gloss=0.5)
MAPLE = Material((0.85, 0.68, 0.42), gloss=0.3, smooth=False)
HAIR = Material((0.97, 0.96, 0.92), gloss=0.1, smooth=False)
STICK = Material((0.90, 0.74, 0.50), gloss=0.4)

# A violin's outline: place from button to neck, half width, both as parts of the body's length.
OUTLINE = np.array(
    [
        [0.000, 0.030], [0.015, 0.120], [0.045, 0.185], [0.100, 0.250], [0.170, 0.284],
        [0.250, 0.290], [0.320, 0.270], [0.375, 0.262], [0.395, 0.258], [0.415, 0.212],
        [0.455, 0.170], [0.520, 0.152], [0.580, 0.158], [0.625, 0.188], [0.645, 0.222],
        [0.665, 0.226], [0.720, 0.232], [0.790, 0.236], [0.860, 0.225], [0.920, 0.185],
        [0.960, 0.130], [0.985, 0.080], [1.000, 0.040],
    ]
)  # fmt: skip
# Sloping shoulders of the double bass: how much narrower it is from the upper corners up.
SLOPE = np.interp(OUTLINE[:, 0], [0.0, 0.7, 0.85, 1.0], [1.0, 1.0, 0.82, 0.55])


@dataclass(frozen=True)
class Kind:
    """What tells one bowed instrument from another; lengths in metres."""

    body: float
    ribs: float
    varnish: Material
    bow: float
    width: float = 1.0
    endpin: float = 0.0
    sloping: bool = False

    @property
    def small(self) -> bool:
        return self.endpin == 0.0


KINDS = {
    "violin": Kind(0.345, 0.036, Material((0.80, 0.36, 0.10), 0.6), bow=0.62),
    "viola": Kind(0.430, 0.046, Material((0.33, 0.13, 0.055), 0.6), bow=0.64, width=1.02),
    "cello": Kind(0.75, 0.12, Material((0.62, 0.22, 0.07), 0.6), bow=0.66, endpin=0.33),
    "double_bass": Kind(
        1.04, 0.19, Material((0.46, 0.24, 0.10), 0.55), bow=0.66, endpin=0.35, sloping=True
    ),
}


def _top(kind: Kind, x: float, y: float) -> float:
    """Height of the arched top above the rim's middle at (x, y), in parts of the body's length."""
    width = np.interp(x, OUTLINE[:, 0], OUTLINE[:, 1])
    arch = 0.045 * max(0.0, 1 - float(y / width) ** 2) ** 0.8 * np.sin(np.pi * x) ** 0.5
    return kind.ribs / kind.body / 2 + arch


def make(name: str, look_seed: int) -> Instrument:
    """One bowed instrument and its bow; the strings end at points `nut` and `bridge`."""
    kind = KINDS[name]
    shop = Workshop()
    varnish = kind.varnish.tinted(look_seed)
    unit = kind.body
    width = OUTLINE[:, 1] * kind.width * (SLOPE if kind.sloping else 1.0)
    fine = np.linspace(0, 1, 44)
    outline = np.interp(fine, OUTLINE[:, 0], width)
    shop.add(varnish, plate(fine * unit, outline * unit, kind.ribs, 0.045 * unit))
    bridge = (0.545, 0.0, _top(kind, 0.545, 0) + 0.085)
    nut = (1.365, 0.0, _top(kind, 0.545, 0) + 0.012)
    _neck(shop, kind, varnish, nut, bridge)
    _fittings(shop, kind, nut, bridge)
    _bow(shop, kind)
    scroll = (1.66 * unit, 0.0, (nut[2] - 0.06) * unit)
    return shop.finish(
        {
            "nut": tuple(unit * np.array(nut)),
            "bridge": tuple(unit * np.array(bridge)),
            "scroll": scroll,
            "neck": (unit, 0.0, 0.0),
            "button": (0.0, 0.0, 0.0),
            "endpin": (-kind.endpin, 0.0, 0.0),
            "chinrest": (0.10 * unit, 0.12 * unit, kind.ribs / 2 + 0.05 * unit),
            "bow_tip": (kind.bow, 0.0, 0.0),
        }
    )


def _neck(
    shop: Workshop,
    kind: Kind,
    varnish: Material,
    nut: tuple[float, float, float],
    bridge: tuple[float, float, float],
) -> None:
    """Neck, pegbox and scroll in varnish, fingerboard and pegs in ebony."""
    u, z = kind.body, nut[2]
    rows = np.array(
        [
            [0.93, 0.050, -kind.ribs / u / 2, z - 0.01], [1.00, 0.042, -0.01, z - 0.01],
            [1.06, 0.032, z - 0.075, z - 0.01], [1.36, 0.026, z - 0.065, z - 0.01],
            [1.38, 0.030, z - 0.085, z + 0.0], [1.52, 0.024, z - 0.125, z - 0.02],
            [1.62, 0.020, z - 0.13, z - 0.06],
        ]
    )  # fmt: skip
    shop.add(varnish, loft(rows * u))
    curl = np.array([1.625, 0.0, z - 0.075]) * u
    shop.add(varnish, rod(curl - [0, 0.035 * u, 0], curl + [0, 0.035 * u, 0], 0.048 * u, 12))
    shop.add(varnish, rod(curl - [0, 0.055 * u, 0], curl + [0, 0.055 * u, 0], 0.024 * u, 10))
    slope = (bridge[2] - nut[2]) / (bridge[0] - nut[0])
    end = 0.62
    height = z + slope * (end - nut[0]) - 0.022
    board = np.array([[1.37, 0.034, z - 0.03, z - 0.004], [end, 0.060, height - 0.02, height]])
    shop.add(EBONY, loft(board[::-1] * u))
    for index in range(4):
        side = 1 if index % 2 else -1
        peg = np.array([1.42 + 0.042 * index, 0.0, z - 0.055]) * u
        shop.add(EBONY, rod(peg, peg + [0, side * 0.095 * u, 0], 0.011 * u, 6))
        tip = peg + np.array([0, side * 0.085 * u, 0])
        shop.add(EBONY, rod(tip, tip + [0, side * 0.03 * u, 0], 0.022 * u, 6))


def _fittings(
    shop: Workshop,
    kind: Kind,
    nut: tuple[float, float, float],
    bridge: tuple[float, float, float],
) -> None:
    """Bridge, tailpiece, strings, f-holes, chin rest or endpin."""
    u = kind.body
    foot = _top(kind, bridge[0], 0)
    middle = (foot + bridge[2]) / 2
    shop.add(
        MAPLE,
        box(np.array([bridge[0], 0, middle]) * u, np.array([0.02, 0.11, bridge[2] - foot]) * u),
    )
    rear = _top(kind, 0.1, 0) + 0.02
    tail = np.array(
        [[0.02, 0.025, rear - 0.02, rear], [0.36, 0.062, bridge[2] - 0.06, bridge[2] - 0.035]]
    )
    shop.add(EBONY, loft(tail * u))
    for offset in (-0.75, -0.25, 0.25, 0.75):
        top = np.array([bridge[0], offset * 0.085, bridge[2]])
        path = np.array(
            [[nut[0], offset * 0.045, nut[2]], top, [0.34, offset * 0.06, bridge[2] - 0.03]]
        )
        shop.add(STRING, sweep(path * u, 0.0055 * u, 4))
    for side in (-1, 1):
        knots = [
            [0.44, 0.155],
            [0.455, 0.130],
            [0.52, 0.125],
            [0.585, 0.100],
            [0.64, 0.085],
            [0.645, 0.11],
        ]
        holes = smooth([[x, side * y, _top(kind, x, y) - 0.001] for x, y in knots], 14)
        shop.add(EBONY, sweep(holes * u, 0.011 * u, 5))
    if kind.small:
        rest = np.array([0.09, 0.13, _top(kind, 0.09, 0.1) + 0.01]) * u
        shop.add(EBONY, turned(rest, (0, 0, 1), [0, 0.012, 0.02], [0.035, 0.04, 0.03], 12))
    else:
        shop.add(STEEL, rod((0.01, 0, 0), (-kind.endpin, 0, 0), 0.008, 6))
        shop.add(EBONY, turned((-0.03, 0, 0), (1, 0, 0), [0, 0.04], [0.016, 0.022], 8))


def _bow(shop: Workshop, kind: Kind) -> None:
    """The bow in a frame of its own: hair along z = 0 from the hand (origin) to the tip (+x).

    Stick and hair are about three times as thick as in life, or they would vanish at 64 x 64.
    """
    length = kind.bow
    curve = smooth(
        [[-0.03, 0, 0.024], [0.3 * length, 0, 0.017], [0.7 * length, 0, 0.016], [length, 0, 0.026]],
        10,
    )
    thickness = np.linspace(0.0125, 0.0105, len(curve))
    shop.add(STICK, sweep(curve, thickness, 6), part="bow")
    shop.add(HAIR, loft([[0.0, 0.017, -0.006, 0.006], [length, 0.015, -0.006, 0.006]]), part="bow")
    shop.add(EBONY, box((0.0, 0, 0.010), (0.055, 0.018, 0.026)), part="bow")
    shop.add(EBONY, rod((-0.05, 0, 0.024), (-0.025, 0, 0.024), 0.010, 6), part="bow")
    head = [[length - 0.018, 0.012, -0.006, 0.036], [length + 0.018, 0.011, 0.006, 0.036]]
    shop.add(HAIR, loft(head), part="bow")


def _maker(name: str) -> Callable[[int], Instrument]:
    return lambda look_seed: make(name, look_seed)


MAKERS = {name: _maker(name) for name in KINDS}
