"""Dresses a performer: skin, face, hair and clothes as clean pieces that follow the skeleton.

Skin and hair belong to the performer (they depend on its index alone); clothes are given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tools.orchestra.bodies import Performers
from tools.orchestra.hair import Head, grow_hair
from tools.orchestra.looks import Looks, looks_of
from tools.orchestra.mesh import Mesh
from tools.orchestra.surface import Surface, compact, cut, inflate, join, keep, smooth

Color = tuple[float, float, float]
TOPS = ("shirt", "tee", "jacket", "dress")
# Vertices of MakeHuman's base mesh (its order is kept by the bake).
LIPS_MEET = (468, 494)
CHIN = 5171
NOSE_TIP = 297
SOLE_CLEARANCE = 0.012


@dataclass(frozen=True)
class Clothes:
    """What a performer wears; colours are sRGB in 0..1.

    top: one of TOPS. inner_color shows in a jacket's opening. sleeve: 0 bare upper arm .. 1 wrist.
    """

    top: str = "shirt"
    top_color: Color = (0.25, 0.35, 0.5)
    bottom_color: Color = (0.1, 0.1, 0.12)
    inner_color: Color = (0.9, 0.9, 0.88)
    shoe_color: Color = (0.06, 0.05, 0.05)
    sleeve: float = 1.0
    skirt: bool = False

    def outer_bottom(self) -> Color:
        """The colour of what is seen below the waist: a dress has one colour all over."""
        return self.top_color if self.top == "dress" else self.bottom_color

    def __post_init__(self) -> None:
        if self.top not in TOPS:
            raise ValueError(f"top={self.top!r}: must be one of {', '.join(TOPS)}")


@dataclass(frozen=True)
class Part:
    """A piece of the dressed performer: which vertices and faces of the whole it is."""

    first: int
    last: int
    faces: np.ndarray
    color: np.ndarray
    gloss: float


class Outfit:
    """All pieces of one dressed performer, skinned together by one matrix product."""

    def __init__(self, pieces: list[tuple[Surface, Color | np.ndarray, float]]):
        whole = join([surface for surface, _, _ in pieces])
        self._rest = whole.rest
        self._normals = np.concatenate([surface.normals() for surface, _, _ in pieces])
        self._weights = sparse.csr_matrix(whole.weights)
        self._parts = []
        first = 0
        for surface, color, gloss in pieces:
            last = first + len(surface.rest)
            self._parts.append(Part(first, last, surface.faces, np.asarray(color), gloss))
            first = last

    def posed(self, rotations: np.ndarray, shifts: np.ndarray) -> list[Mesh]:
        """Linear blend skinning by bone rotations [B, 3, 3] and shifts [B, 3]."""
        bones = np.concatenate([rotations.reshape(-1, 9), shifts], axis=1).astype(np.float32)
        blend = self._weights @ bones
        turns = blend[:, :9].reshape(-1, 3, 3)
        vertices = np.einsum("nij,nj->ni", turns, self._rest) + blend[:, 9:]
        normals = np.einsum("nij,nj->ni", turns, self._normals)
        return [
            Mesh(
                vertices[part.first : part.last],
                part.faces,
                part.color,
                part.gloss,
                normals=normals[part.first : part.last],
            )
            for part in self._parts
        ]


class Measures:
    """Heights and axes of one body at rest that clothes and face are cut by."""

    def __init__(self, performers: Performers, index: int):
        self.rest = performers.vertices[index]
        self.weights = performers.weights
        self.faces = performers.faces
        self.bones = performers.bones
        joints = performers.joints[index]
        self.joint = {name: joints[number] for number, name in enumerate(performers.bones)}
        arm = [n.startswith(("upperarm", "lowerarm", "wrist", "finger", "meta")) for n in self.bones]
        self.arm_share = self.weights[:, np.array(arm)].sum(1)
        self.mouth = self.rest[list(LIPS_MEET)].mean(0)

    def part(self, name: str) -> Surface:
        return compact(self.rest, self.weights, self.faces[name])

    def arm_of(self, surface: Surface) -> np.ndarray:
        """Share of arm bones in each vertex's weights, [n] in 0..1."""
        arm = [n.startswith(("upperarm", "lowerarm", "wrist", "finger", "meta")) for n in self.bones]
        return surface.weights[:, np.array(arm)].sum(1)

    def along_arm(self, points: np.ndarray) -> np.ndarray:
        """How far down the arm: 0 at the shoulder, 1 at the elbow, 2 at the wrist, [n]."""
        out = np.full(len(points), -1.0)
        for side, sign in (("L", 1), ("R", -1)):
            mine = points[:, 0] * sign > 0
            stations = [self.joint[f"{b}.{side}"] for b in ("upperarm01", "lowerarm01", "wrist")]
            way = [
                (points[mine] - a) @ (b - a) / ((b - a) @ (b - a))
                for a, b in zip(stations[:-1], stations[1:], strict=True)
            ]
            out[mine] = np.where(way[1] > 0, 1 + way[1], np.minimum(way[0], 1.0))
        return out

    def below_collar(self, points: np.ndarray, drop: float = 0.0) -> np.ndarray:
        """Metres under a collar that lies on the shoulders and dips in front, [n]."""
        neck = self.joint["neck01"]
        return neck[2] + 0.012 - drop + 0.5 * (points[:, 1] - neck[1]) - points[:, 2]


def face_points(performers: Performers, index: int) -> dict[str, np.ndarray]:
    """Rest places [3] of "mouth" and "chin", and heights: "sole" of the foot's joint over
    the floor, "thigh" of the hip over the chair."""
    rest = performers.vertices[index]
    foot = performers.joints[index][performers.bones.index("foot.L")]
    sole = np.array([0.0, 0.0, foot[2] - rest[:, 2].min() + SOLE_CLEARANCE])
    # Sitting turns the back of the thigh down: the skin behind the hips' height.
    hip = performers.joints[index][performers.bones.index("upperleg01.L")]
    thigh = rest[(np.abs(rest[:, 2] - hip[2] + 0.12) < 0.04) & (np.abs(rest[:, 0]) < 0.2)]
    depth = np.array([0.0, 0.0, thigh[:, 1].max() - hip[1] + 0.01])
    mouth = rest[list(LIPS_MEET)].mean(0)
    return {"mouth": mouth, "chin": rest[CHIN].copy(), "sole": sole, "thigh": depth}


def dress(performers: Performers, index: int, clothes: Clothes) -> Outfit:
    """Builds the pieces of performer `index` in `clothes`."""
    body = Measures(performers, index)
    looks = looks_of(performers, index)
    pieces = [*_head(body, looks), *_arms(body, looks, clothes), *_clothes(body, clothes)]
    return Outfit(pieces)


def _head(body: Measures, looks: Looks) -> list[tuple[Surface, Color, float]]:
    skin = body.part("skin")
    bare = keep(skin, -body.below_collar(skin.rest, drop=0.03))
    face, lips = _cut_lips(bare, body.mouth)
    pieces = [(face, looks.skin, 0.25), (lips, looks.lips, 0.3)]
    for name, side in (("eye_l", "L"), ("eye_r", "R")):
        ball = body.part(name)
        centre = ball.rest.mean(0)
        away = np.hypot(ball.rest[:, 0] - centre[0], ball.rest[:, 2] - centre[2])
        iris, white = cut(ball, np.where(ball.rest[:, 1] < centre[1], 0.0068 - away, -1.0))
        pieces += [(white, (0.93, 0.92, 0.9), 0.5), (iris, looks.eyes, 0.7)]
    head = Head(
        eyes=(body.joint["eye.L"] + body.joint["eye.R"]) / 2,
        mouth=body.mouth,
        skull=face.rest[face.rest[:, 2] > body.joint["eye.L"][2] - 0.02],
        bone=body.bones.index("head"),
        bones=len(body.bones),
    )
    return pieces + [(piece, looks.hair, 0.35) for piece in grow_hair(head, looks)]


def _cut_lips(skin: Surface, mouth: np.ndarray) -> tuple[Surface, Surface]:
    """(face without lips, lips): an ellipse around where they meet."""
    off = skin.rest - mouth
    height = np.where(off[:, 2] > 0, 0.0085, 0.0105)
    field = 1 - (off[:, 0] / 0.024) ** 2 - (off[:, 2] / height) ** 2
    lips, face = cut(skin, np.where(off[:, 1] < 0.02, field, -1.0))
    return face, lips


def _arms(body: Measures, looks: Looks, clothes: Clothes) -> list[tuple[Surface, Color, float]]:
    skin = body.part("skin")
    arm = keep(skin, body.arm_of(skin) - 0.6)
    end = 2 * clothes.sleeve - 0.08
    return [(keep(arm, body.along_arm(arm.rest) - end), looks.skin, 0.25)]


def _clothes(body: Measures, clothes: Clothes) -> list[tuple[Surface, Color, float]]:
    cloth = smooth(body.part("cloth"), 4)
    cloth = keep(cloth, body.below_collar(cloth.rest))
    waist = body.joint["upperleg01.L"][2]
    arm = body.arm_of(cloth) > 0.5
    hem = np.where(arm, 1.0, cloth.rest[:, 2] - (waist - 0.03))
    top = keep(cloth, hem)
    top = keep(top, np.where(body.arm_of(top) > 0.5, 2 * clothes.sleeve - body.along_arm(top.rest), 1.0))
    legs = keep(cloth, np.where(arm, -1.0, waist + 0.06 - cloth.rest[:, 2]))
    ankle = body.joint["foot.L"][2] + 0.015
    trousers, shoes = cut(legs, legs.rest[:, 2] - ankle)
    return [
        (inflate(top, 0.012), clothes.top_color, 0.08),
        (inflate(trousers, 0.006), clothes.bottom_color, 0.08),
        (inflate(shoes, 0.008), clothes.shoe_color, 0.5),
    ]
