"""Hair as shells around the skull: a cap down to the hairline, with curtains, bun or ponytail.

Angles are seen from the skull's middle: azimuth 0 in front, pi behind; polar 0 at the crown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.orchestra.face import Piece
from tools.orchestra.looks import Looks
from tools.orchestra.measures import Measures
from tools.orchestra.surface import Surface

AROUND, DOWN = 72, 18
GLOSS = 0.35


@dataclass(frozen=True)
class Cut:
    """Shape of a shell. Metres, degrees.

    top, sides: thickness. hairline: polar angles of the edge at azimuths HAIRLINE_AT.
    drop: how far a curtain falls below the skull's widest ring. bumps: curls' height.
    """

    top: float
    sides: float
    hairline: tuple[float, ...]
    drop: float = 0.0
    bumps: float = 0.0


HAIRLINE_AT = (0, 35, 58, 78, 92, 110, 180)
CUTS = {
    "short": Cut(0.017, 0.008, (50, 53, 62, 92, 88, 112, 122)),
    "curly": Cut(0.035, 0.024, (50, 53, 64, 94, 96, 114, 124), bumps=0.006),
    "bob": Cut(0.017, 0.017, (52, 56, 72, 90, 90, 90, 90), drop=0.115),
    "long": Cut(0.016, 0.015, (50, 54, 70, 90, 90, 90, 90), drop=0.27),
    "bun": Cut(0.012, 0.008, (50, 53, 62, 90, 92, 114, 124)),
    "ponytail": Cut(0.012, 0.008, (50, 53, 62, 90, 92, 114, 124)),
}


@dataclass(frozen=True)
class Skull:
    """The ellipsoid that a skull fills: centre [3] and half axes [3]."""

    centre: np.ndarray
    axes: np.ndarray


def grow_hair(body: Measures, looks: Looks) -> list[Piece]:
    """The pieces of the performer's hair style; none for a bald head."""
    if looks.hair_style == "bald":
        return []
    rng = np.random.default_rng([4401, looks.seed])
    skull = _measure_skull(body)
    shapes = [_shell(skull, CUTS[looks.hair_style], rng, fringe=looks.fringe)]
    if looks.hair_style == "bun":
        middle = skull.centre + skull.axes * [0, 0.85, 0.75] + [0, 0.02, 0.015]
        shapes.append(_ball(middle, np.array([0.042, 0.036, 0.036])))
    if looks.hair_style == "ponytail":
        shapes.append(_tail(skull))
    pieces = []
    for rings in shapes:
        faces = _between_rings(*rings.shape[:2])
        colors = _strands(rng, looks, *rings.shape[:2])
        pieces.append((_hang(body, rings.reshape(-1, 3), faces), colors, GLOSS))
    return pieces


def _shell(skull: Skull, style: Cut, rng: np.random.Generator, fringe: float) -> np.ndarray:
    """The cap and its curtain: rings [DOWN, AROUND, 3] from the crown to the edge."""
    azimuth = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    front = np.degrees(np.abs(np.angle(np.exp(1j * azimuth))))
    edge = np.interp(front, HAIRLINE_AT, style.hairline)
    # A parting: the fringe hangs lower on one side of the forehead.
    lower = np.clip(1 - front / 60, 0, 1) * (0.6 + 0.4 * np.sin(azimuth * 1.5 + _parting(rng)))
    edge = np.radians(edge + 16 * fringe * lower)
    falls = np.clip((front - 66) / 10, 0, 1) * style.drop
    radius = float(skull.axes.mean())
    length = radius * edge + falls
    share = np.linspace(0, 1, DOWN)[:, None] ** 0.9
    way = share * length
    polar = np.minimum(way / radius, np.where(falls > 0, np.minimum(edge, np.pi / 2), edge))
    down = np.where(falls > 0, np.maximum(way - radius * polar, 0), 0)
    thick = style.sides + (style.top - style.sides) * np.cos(np.minimum(polar, np.pi / 2))
    ragged = 0.0022 * np.sin(azimuth * 23 + rng.uniform(0, 6)) + 0.0018 * np.sin(azimuth * 37)
    thick = thick + ragged * np.sin(polar)
    if style.bumps:
        wave = np.sin(azimuth * 17 + 3 * np.sin(way * 90)) * np.sin(way * 160 + azimuth * 4)
        thick = thick + style.bumps * wave
    # The edge dives under the skin, so that no gap shows there; a curtain's end stays outside.
    dive = np.clip((1 - share) * 7, 0, 1)
    thick = np.where(falls > 0, thick, thick * dive - 0.004 * (1 - dive))
    inwards = 1 - 0.22 * np.clip(down / 0.2, 0, 1)
    ring = np.stack(
        [
            np.sin(polar) * np.sin(azimuth) * (skull.axes[0] + thick) * inwards,
            -np.sin(polar) * np.cos(azimuth) * (skull.axes[1] + thick) * inwards,
            np.cos(polar) * (skull.axes[2] + thick) - down,
        ],
        axis=-1,
    )
    return skull.centre + ring


def _parting(rng: np.random.Generator) -> float:
    """A parting to the left or to the right."""
    return float(rng.choice([0.0, np.pi]))


def _measure_skull(body: Measures) -> Skull:
    skin = body.part("skin").rest
    head = skin[skin[:, 2] > body.eyes[2] - 0.01]
    above_ears = head[head[:, 2] > body.eyes[2] + 0.045]
    front, back = above_ears[:, 1].min(), head[:, 1].max()
    centre = np.array([0.0, (front + back) / 2, body.eyes[2] + 0.018])
    wide = np.abs(above_ears[:, 0]).max()
    return Skull(centre, np.array([wide, (back - front) / 2, head[:, 2].max() - centre[2]]))


def _ball(middle: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """An ellipsoid's rings, [12, 18, 3]."""
    polar, azimuth = np.meshgrid(
        np.linspace(0, np.pi, 12), np.linspace(0, 2 * np.pi, 18, endpoint=False), indexing="ij"
    )
    unit = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], -1
    )
    return middle + axes * unit


def _tail(skull: Skull) -> np.ndarray:
    """A ponytail: rings [14, 14, 3] along a curve that leaves the back of the head and falls."""
    share = np.linspace(0, 1, 14)
    start = skull.centre + skull.axes * [0, 0.9, 0.5]
    along = start + np.stack(
        [0 * share, 0.075 * np.sin(np.minimum(share * 2.2, 1.6)), 0.02 * share - 0.3 * share**1.6],
        axis=1,
    )
    thick = np.interp(share, [0, 0.1, 0.4, 0.9, 1], [0.014, 0.02, 0.033, 0.018, 0.002])
    azimuth = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    ring = np.stack([np.sin(azimuth), 0.7 * np.cos(azimuth), 0 * azimuth], -1)
    return along[:, None] + thick[:, None, None] * ring


def _strands(rng: np.random.Generator, looks: Looks, rows: int, columns: int) -> np.ndarray:
    """Colours [faces, 3] between rings that vary from strand to strand, not along one."""
    shade = np.tile(rng.uniform(0.82, 1.12, columns), 2 * (rows - 1))
    return np.clip(shade[:, None] * np.array(looks.hair), 0, 1)


def _between_rings(rows: int, columns: int) -> np.ndarray:
    """Triangles [2 * (rows - 1) * columns, 3] between closed rings: all first halves, then all
    second halves of the quads.
    """
    row, column = np.mgrid[0 : rows - 1, 0:columns]
    a = (row * columns + column).ravel()
    b = (row * columns + (column + 1) % columns).ravel()
    return np.concatenate(
        [np.stack([a, a + columns, b], 1), np.stack([b, a + columns, b + columns], 1)]
    ).astype(np.int32)


def _hang(body: Measures, vertices: np.ndarray, faces: np.ndarray) -> Surface:
    """Fixed to the head; what hangs below the neck's start goes with the back instead."""
    neck = body.joint["neck01"][2]
    with_head = np.clip((vertices[:, 2] - neck + 0.08) / 0.1, 0, 1)
    weights = np.zeros((len(vertices), len(body.bones)), np.float32)
    weights[:, body.bones.index("head")] = with_head
    weights[:, body.bones.index("spine01")] = 1 - with_head
    return Surface(vertices.astype(np.float32), weights, faces)
