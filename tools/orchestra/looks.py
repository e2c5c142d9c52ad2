"""What belongs to a performer whatever it wears: skin, eyes, lips, hair. From its index alone."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from tools.orchestra.bodies import TRAITS, Performers

Color = tuple[float, float, float]
# sRGB; the tone of a face is mixed from these by ancestry.
SKIN = {
    "african": ((0.34, 0.22, 0.16), (0.52, 0.36, 0.27)),
    "asian": ((0.80, 0.62, 0.49), (0.90, 0.74, 0.62)),
    "caucasian": ((0.84, 0.64, 0.54), (0.94, 0.78, 0.69)),
}
HAIR = (
    (0.05, 0.04, 0.04),
    (0.16, 0.10, 0.07),
    (0.30, 0.19, 0.11),
    (0.48, 0.23, 0.10),
    (0.72, 0.56, 0.32),
)
GREY = ((0.45, 0.44, 0.44), (0.80, 0.79, 0.77))
EYES = ((0.16, 0.09, 0.05), (0.20, 0.30, 0.40), (0.22, 0.30, 0.18))


@dataclass(frozen=True)
class Looks:
    """Colours are sRGB in 0..1; hair_style: "bald" or one of hair.CUTS; fringe: 0..1."""

    skin: Color
    lips: Color
    eyes: Color
    hair: Color
    brows: Color
    hair_style: str
    fringe: float
    beard: bool
    man: bool
    seed: int


def looks_of(performers: Performers, index: int) -> Looks:
    """The looks of performer `index`."""
    rng = np.random.default_rng([7301, index])
    traits = dict(zip(TRAITS, performers.traits[index].astype(float), strict=True))
    skin = np.zeros(3)
    for ancestry, (dark, light) in SKIN.items():
        share = rng.random()
        tone = np.array(dark) * (1 - share) + np.array(light) * share
        skin += traits[ancestry] * tone
    man = traits["gender"] < 0.5  # anny: 0 is a man, 1 a woman
    if man:
        style = rng.choice(
            ["bald", "short", "short", "curly", "bob"], p=[0.15, 0.3, 0.25, 0.2, 0.1]
        )
    else:
        style = rng.choice(["short", "curly", "bob", "long", "bun", "ponytail"])
    hair = _hair_color(rng, traits)
    return Looks(
        skin=_color(skin),
        lips=_color(skin * np.array([0.88, 0.68, 0.66]) + np.array([0.03, 0.0, 0.01])),
        eyes=EYES[rng.choice(3, p=[0.2, 0.5, 0.3]) if traits["caucasian"] > 0.6 else 0],
        hair=hair,
        brows=_color(np.array(hair) * 0.6 + skin * 0.12),
        hair_style=str(style),
        fringe=float(rng.uniform(0, 0.9)),
        beard=bool(man and rng.random() < 0.35),
        man=bool(man),
        seed=index,
    )


def _hair_color(rng: np.random.Generator, traits: dict[str, float]) -> Color:
    if rng.random() < 4 * (traits["age"] - 0.72):
        share = rng.random()
        return _color(np.array(GREY[0]) * (1 - share) + np.array(GREY[1]) * share)
    fair = traits["caucasian"] > 0.5
    pick = rng.choice(len(HAIR), p=[0.1, 0.25, 0.25, 0.15, 0.25] if fair else [0.7, 0.3, 0, 0, 0])
    hue, saturation, value = colorsys.rgb_to_hsv(*HAIR[pick])
    return colorsys.hsv_to_rgb(hue, saturation, min(1.0, value * rng.uniform(0.85, 1.15)))


def _color(values: np.ndarray) -> Color:
    red, green, blue = np.clip(values, 0, 1).tolist()
    return red, green, blue
