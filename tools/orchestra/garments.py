"""Clothes, cut from a loose hull around the body: tops, jackets, dresses, trousers, shoes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tools.orchestra.face import Piece
from tools.orchestra.measures import Measures
from tools.orchestra.surface import Surface, cut, inflate, keep, smooth

Color = tuple[float, float, float]
TOPS = ("shirt", "tee", "jacket", "dress")
MATT, LEATHER = 0.06, 0.5


@dataclass(frozen=True)
class Clothes:
    """What a performer wears; colours are sRGB in 0..1.

    top: one of TOPS. inner_color: the shirt in a jacket's opening. sleeve: the sleeves' length,
    0.2 (short) .. 1 (to the wrist). skirt: instead of trousers (a dress always has one).
    leg_color: of the legs below a skirt.
    """

    top: str = "shirt"
    top_color: Color = (0.25, 0.35, 0.5)
    bottom_color: Color = (0.1, 0.1, 0.12)
    inner_color: Color = (0.9, 0.9, 0.88)
    tie_color: Color | None = None
    leg_color: Color = (0.12, 0.11, 0.12)
    shoe_color: Color = (0.06, 0.05, 0.05)
    sleeve: float = 1.0
    skirt: bool = False

    def __post_init__(self) -> None:
        if self.top not in TOPS:
            raise ValueError(f"top={self.top!r}: must be one of {', '.join(TOPS)}")
        if not 0.2 <= self.sleeve <= 1:
            raise ValueError(f"sleeve={self.sleeve}: must lie between 0.2 and 1")

    def without_skirt(self) -> Clothes:
        """The same with trousers; a dress becomes a shirt of its colour."""
        return replace(self, top="shirt" if self.top == "dress" else self.top, skirt=False)

    def outer_bottom(self) -> Color:
        """The colour of what is seen below the waist: a dress has one colour all over."""
        return self.top_color if self.top == "dress" else self.bottom_color


def make_garments(body: Measures, clothes: Clothes) -> list[Piece]:
    """All that is worn."""
    hull = body.part("cloth")
    hull = smooth(hull, 6, np.where(body.arm_share(hull) > 0.5, 0.25, 0.6))
    hull = keep(hull, body.below_collar(hull.rest))
    on_arm = body.arm_share(hull) > 0.5
    trunk = keep(hull, np.where(on_arm, 1.0, hull.rest[:, 2] - body.waist() + 0.06))
    shown = 2 * clothes.sleeve - body.along_arm(trunk.rest)
    trunk = keep(trunk, np.where(body.arm_share(trunk) > 0.5, shown, 1.0))
    legs = keep(hull, np.where(on_arm, -1.0, body.waist() - hull.rest[:, 2]))
    if clothes.top == "jacket":
        pieces = _jacket(body, clothes, trunk)
    else:
        pieces = [(_loose(body, trunk, 0.012), np.array(clothes.top_color), MATT)]
    skirted = clothes.skirt or clothes.top == "dress"
    leg_color = clothes.leg_color if skirted else clothes.bottom_color
    pieces += _legs(body, legs, np.array(leg_color), np.array(clothes.shoe_color))
    if skirted:
        skirt = smooth(body.part("skirt"), 3)
        knee = body.joint["lowerleg01.L"][2]
        skirt = keep(skirt, skirt.rest[:, 2] - knee + 0.06)
        pieces.append((inflate(skirt, 0.014), np.array(clothes.outer_bottom()), MATT))
    return pieces


def _loose(body: Measures, cloth: Surface, ease: float) -> Surface:
    """Stands `ease` metres off the body, less near the collar so that no gap shows."""
    near_collar = np.clip(body.below_collar(cloth.rest) / 0.07, 0.25, 1)
    return inflate(cloth, ease * near_collar)


def _jacket(body: Measures, clothes: Clothes, trunk: Surface) -> list[Piece]:
    """An open jacket over a shirt, which shows in the V between neck and button."""
    button = body.waist() + 0.1
    collar = body.joint["neck01"][2]
    rise = np.clip((trunk.rest[:, 2] - button) / (collar - button), -0.3, 1)
    opening = 0.066 * rise - np.abs(trunk.rest[:, 0])
    in_front = trunk.rest[:, 1] < body.joint["neck01"][1]
    coat = keep(trunk, np.where(in_front, -opening, 1.0))
    shirt = keep(trunk, np.where(in_front, opening + 0.05, -1.0))
    pieces = [
        (_loose(body, coat, 0.02), np.array(clothes.top_color), MATT),
        (inflate(shirt, 0.006), np.array(clothes.inner_color), MATT),
    ]
    if clothes.tie_color is not None:
        widens = 0.014 + 0.012 * np.clip((collar - shirt.rest[:, 2]) / (collar - button), 0, 1)
        tie = keep(shirt, widens - np.abs(shirt.rest[:, 0]))
        pieces.append((inflate(tie, 0.01), np.array(clothes.tie_color), 0.2))
    return pieces


def _legs(body: Measures, legs: Surface, color: np.ndarray, shoe_color: np.ndarray) -> list[Piece]:
    """Trousers or stockings, and shoes."""
    ankle = body.joint["foot.L"][2]
    trousers, _ = cut(legs, legs.rest[:, 2] - ankle - 0.005)
    shoes = keep(legs, ankle + 0.03 - legs.rest[:, 2])
    return [
        (inflate(trousers, 0.007), color, MATT),
        (inflate(smooth(shoes, 6), 0.008), shoe_color, LEATHER),
    ]
