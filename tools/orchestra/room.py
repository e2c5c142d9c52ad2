"""What surrounds a performer, and what it wears: drawn from one seed per recording.

Colours are drawn until the wall stands out from clothes, skin, hair, brass and wood, so that the
player never sinks into the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.orchestra.garments import Clothes, Color
from tools.orchestra.looks import Looks
from tools.orchestra.mesh import Mesh, box
from tools.orchestra.walls import WALLS, Wall, build_wall

CEILING = 3.0  # metres above the floor
HALF_WIDTH = 3.2
FRONT = -5.0
# What instruments are made of: brass, silver, light and dark wood (sRGB).
INSTRUMENT_COLORS = ((0.86, 0.66, 0.25), (0.8, 0.8, 0.84), (0.62, 0.3, 0.12), (0.3, 0.12, 0.06))
DRAWS = 60
# Linear sRGB -> cone responses -> Oklab.
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@dataclass(frozen=True)
class Light:
    """toward [3], fill_toward [3]: directions to key and fill lamp.

    Colours [3] are linear light: key 1 shows a white surface that faces the lamp as white.
    sky, around, ground: ambient light from above, from the walls, from the floor.
    """

    toward: np.ndarray
    key: np.ndarray
    fill_toward: np.ndarray
    fill: np.ndarray
    sky: np.ndarray
    around: np.ndarray
    ground: np.ndarray


@dataclass(frozen=True, eq=False)
class Room:
    """meshes stand still for a whole recording; the light falls on them and on the stage."""

    meshes: list[Mesh]
    light: Light


@dataclass(frozen=True)
class Setting:
    """Everything about a recording's look that is not the performer or the instrument."""

    room: Room
    clothes: Clothes


def draw_setting(seed: int, looks: Looks, floor: float) -> Setting:
    """Room, light and clothes of the recording with this seed.

    looks: of the performer (figure.looks), to keep wall and clothes apart from skin and hair.
    floor: height of the performer's soles (figure.floor(), in the recording's posture).
    """
    rng = np.random.default_rng([9176, seed])
    clothes, wall_color = _draw_colors(rng, looks)
    floor_color = _oklch(rng.uniform(0.4, 0.65), rng.uniform(0.01, 0.07), rng.uniform(0.12, 0.22))
    wall = Wall(
        kind=str(rng.choice(WALLS)),
        color=wall_color,
        y=rng.uniform(0.75, 1.5),
        floor=floor,
        half_width=HALF_WIDTH,
        height=CEILING,
    )
    meshes = build_wall(rng, wall)
    meshes += _floor(rng, floor, wall.y, floor_color)
    light = _draw_light(rng, np.array(wall_color), np.array(floor_color))
    return Setting(Room(meshes, light), clothes)


def chair(seat: np.ndarray, floor: float, color: Color = (0.13, 0.11, 0.1)) -> list[Mesh]:
    """A plain chair without arms; seat [3] is the middle of its surface."""
    x, y, z = seat
    half = 0.016  # of a leg's width
    legs = [
        box([x + dx - half, y + dy - half, floor], [x + dx + half, y + dy + half, z], color, 0.3)
        for dx in (-0.19, 0.19)
        for dy in (-0.21, 0.17)
    ]
    plate = box([x - 0.22, y - 0.24, z - 0.045], [x + 0.22, y + 0.2, z], color, 0.2)
    return [plate, *legs]


def _draw_colors(rng: np.random.Generator, looks: Looks) -> tuple[Clothes, Color]:
    """The draw, out of DRAWS, whose wall stands out best enough from all before it."""
    best: tuple[float, Clothes, Color] | None = None
    for _ in range(DRAWS):
        clothes = _draw_clothes(rng, looks)
        wall = _oklch(rng.uniform(0.45, 0.88), 0.08 * rng.random() ** 1.3, rng.random())
        hair = [] if looks.hair_style == "bald" else [looks.hair]
        # Each distance over the least that is wanted of it.
        distance = min(
            _distance(wall, [clothes.top_color]) / 0.16,
            _distance(wall, [clothes.outer_bottom()]) / 0.12,
            _distance(wall, [looks.skin]) / 0.09,
            _distance(wall, hair) / 0.1,
            _distance(wall, INSTRUMENT_COLORS) / 0.085,
            _distance(clothes.top_color, [looks.skin]) / 0.15,
            _distance(clothes.bottom_color, [looks.skin]) / 0.13,
            _distance(clothes.top_color, INSTRUMENT_COLORS) / 0.08,
        )
        if distance >= 1:
            return clothes, wall
        if best is None or distance > best[0]:
            best = (distance, clothes, wall)
    assert best is not None
    return best[1], best[2]


def _draw_clothes(rng: np.random.Generator, looks: Looks) -> Clothes:
    kinds = ("shirt", "tee", "jacket") if looks.man else ("shirt", "tee", "jacket", "dress")
    top = str(rng.choice(kinds))
    dark = top == "jacket" and rng.random() < 0.6
    if dark:
        top_color = _oklch(rng.uniform(0.24, 0.4), rng.uniform(0.0, 0.05), rng.random())
    else:
        top_color = _oklch(rng.uniform(0.35, 0.92), rng.uniform(0.02, 0.16), rng.random())
    bottom = _oklch(rng.uniform(0.22, 0.45), rng.uniform(0.0, 0.07), rng.uniform(0.6, 0.8))
    if rng.random() < 0.3:
        bottom = _oklch(rng.uniform(0.45, 0.8), rng.uniform(0.01, 0.06), rng.uniform(0.1, 0.3))
    return Clothes(
        top=top,
        top_color=top_color,
        bottom_color=top_color if dark else bottom,
        inner_color=_oklch(rng.uniform(0.85, 0.95), rng.uniform(0.0, 0.05), rng.random()),
        tie_color=_oklch(0.45, 0.12, rng.random()) if looks.man and rng.random() < 0.5 else None,
        leg_color=looks.skin if rng.random() < 0.4 else _oklch(rng.uniform(0.2, 0.35), 0.01, 0.75),
        shoe_color=_oklch(rng.uniform(0.18, 0.4), rng.uniform(0, 0.05), 0.15),
        sleeve=0.36 if top == "tee" else float(rng.choice([0.35, 1.0])) if top == "dress" else 1.0,
        skirt=top == "dress" or (not looks.man and rng.random() < 0.3),
    )


def _draw_light(rng: np.random.Generator, wall: np.ndarray, floor: np.ndarray) -> Light:
    side = rng.choice([-1.0, 1.0])
    warmth = rng.uniform(-1, 1)
    tone = np.array([1 + 0.09 * warmth, 1.0, 1 - 0.13 * warmth])
    strength = rng.uniform(1.7, 2.2)
    ambient = rng.uniform(0.42, 0.58)
    cool = np.array([1 - 0.05 * warmth, 1.0, 1 + 0.07 * warmth])
    bounce = 0.55 + 0.45 * wall**2.2
    return Light(
        toward=np.array([side * rng.uniform(0.35, 0.95), -1.0, rng.uniform(0.75, 1.25)]),
        key=tone * strength,
        fill_toward=np.array([-side * rng.uniform(0.7, 1.2), -0.8, 0.25]),
        fill=cool * rng.uniform(0.1, 0.22),
        sky=cool * ambient,
        around=bounce * ambient * 0.75,
        ground=(0.25 + floor**2.2) * ambient * 0.6,
    )


def _floor(rng: np.random.Generator, height: float, wall_y: float, color: Color) -> list[Mesh]:
    """Boards that run to the wall, or one plain carpet."""
    if rng.random() < 0.4:
        low, high = [-HALF_WIDTH, FRONT, height - 0.1], [HALF_WIDTH, wall_y + 0.1, height]
        return [box(np.array(low), np.array(high), np.array(color), 0.05)]
    wide = rng.uniform(0.12, 0.3)
    edges = np.arange(-HALF_WIDTH, HALF_WIDTH, wide)
    shades = rng.uniform(0.88, 1.08, len(edges))[:, None] * np.array(color)
    return [
        box(
            np.array([x, FRONT, height - 0.1]),
            np.array([x + wide - 0.006, wall_y + 0.1, height]),
            np.clip(shade, 0, 1),
            0.25,
        )
        for x, shade in zip(edges, shades, strict=True)
    ]


def _distance(color: Color, others: Sequence[Color]) -> float:
    """The least perceived difference (Euclidean in Oklab) to any of `others`; inf if none."""
    if not others:
        return float("inf")
    return float(np.linalg.norm(_oklab(np.array(others)) - _oklab(np.array([color])), axis=1).min())


def _oklab(srgb: np.ndarray) -> np.ndarray:
    """sRGB [n, 3] in 0..1 -> Oklab [n, 3] (Ottosson, "A perceptual color space", 2020)."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ TO_CONES.T) @ TO_LAB.T


def _oklch(lightness: float, chroma: float, hue: float) -> Color:
    """The sRGB colour, clipped, of Oklab's lightness 0..1, chroma 0..0.3, hue in turns 0..1."""
    angle = 2 * np.pi * hue
    lab = np.array([lightness, chroma * np.cos(angle), chroma * np.sin(angle)])
    linear = np.clip(np.linalg.inv(TO_CONES) @ (np.linalg.inv(TO_LAB) @ lab) ** 3, 0, 1)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = srgb.tolist()
    return red, green, blue
