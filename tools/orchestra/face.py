"""The head's pieces: skin, lips, brows, eyes and beard, cut from the skin by drawn lines."""

from __future__ import annotations

import numpy as np

from tools.orchestra.looks import Looks
from tools.orchestra.measures import Measures
from tools.orchestra.surface import Surface, cut, inflate, keep

IRIS_RADIUS = 0.0068
Piece = tuple[Surface, np.ndarray, float]  # surface, colour(s), gloss


def make_face(body: Measures, looks: Looks) -> list[Piece]:
    """Everything above the collar but the hair."""
    skin = body.part("skin")
    bare = keep(skin, 0.035 - body.below_collar(skin.rest))
    lips, face = cut(bare, _lips(body, bare.rest, grown=0.0))
    brows = keep(face, _brows(body, face.rest))
    pieces = [
        (face, np.array(looks.skin), 0.2),
        (lips, np.array(looks.lips), 0.3),
        (inflate(brows, 0.0015), np.array(looks.brows), 0.1),
        *_eyes(body, looks),
    ]
    if looks.beard:
        beard = keep(face, _beard(body, face.rest))
        pieces.append((inflate(beard, 0.006), np.array(looks.hair) * 0.85, 0.1))
    return pieces


def _lips(body: Measures, points: np.ndarray, grown: float) -> np.ndarray:
    """Field: inside an ellipse around where the lips meet, `grown` metres larger."""
    off = points - body.mouth
    height = np.where(off[:, 2] > 0, 0.0085, 0.0105) + grown
    inside = 1 - (off[:, 0] / (0.024 + grown)) ** 2 - (off[:, 2] / height) ** 2
    return np.where(off[:, 1] < 0.025, inside, -1.0)


def _brows(body: Measures, points: np.ndarray) -> np.ndarray:
    """Field: inside two arcs over the eyes, thinner outwards."""
    eye = body.joint["eye.L"]
    across = (np.abs(points[:, 0]) - eye[0]) / 0.021  # -1 at the nose, 1 at the temple
    middle = eye[2] + 0.0195 + 0.004 * (1 - (across - 0.2) ** 2)
    thick = 0.0042 - 0.0012 * across
    inside = np.minimum(thick - np.abs(points[:, 2] - middle), (1 - np.abs(across)) * 0.02)
    return np.where(points[:, 1] < eye[1] + 0.01, inside, -1.0)


def _beard(body: Measures, points: np.ndarray) -> np.ndarray:
    """Field: moustache, chin and jaw up to the ears, with a hole for the lips."""
    aside = np.abs(points[:, 0])
    reach = body.eyes[2] - body.mouth[2]
    top = body.mouth[2] + np.interp(
        aside, [0.0, 0.028, 0.045, 0.06, 0.07], [0.019, 0.016, -0.012, 0, reach]
    )
    jaw = body.joint["eye.L"][1] + 0.056  # the ears start behind it
    low = body.chin[2] - 0.022 + 0.25 * np.maximum(points[:, 1] - body.chin[1], 0)
    inside = np.minimum.reduce([top - points[:, 2], points[:, 2] - low, jaw - points[:, 1]])
    return np.where(_lips(body, points, grown=0.003) > 0, -0.01, inside)


def _eyes(body: Measures, looks: Looks) -> list[Piece]:
    pieces: list[Piece] = []
    for name in ("eye_l", "eye_r"):
        ball = body.part(name)
        off = ball.rest - ball.rest.mean(0)
        from_axis = np.hypot(off[:, 0], off[:, 2])
        iris, white = cut(ball, np.where(off[:, 1] < 0, IRIS_RADIUS - from_axis, -1.0))
        pieces.append((white, np.array([0.93, 0.92, 0.9]), 0.5))
        pieces.append((iris, np.array(looks.eyes), 0.7))
    return pieces
