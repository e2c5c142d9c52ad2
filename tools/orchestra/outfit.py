"""A dressed performer: pieces of skin, hair and cloth that follow the skeleton together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tools.orchestra.face import Piece, make_face
from tools.orchestra.garments import Clothes, make_garments
from tools.orchestra.hair import grow_hair
from tools.orchestra.looks import Looks
from tools.orchestra.measures import Measures
from tools.orchestra.mesh import Mesh
from tools.orchestra.surface import join, keep


@dataclass(frozen=True)
class Part:
    """Which vertices and faces of the whole belong to one piece, and what it is made of."""

    first: int
    last: int
    faces: np.ndarray
    color: np.ndarray
    gloss: float


class Outfit:
    """All pieces of one dressed performer, skinned together by one matrix product."""

    def __init__(self, pieces: list[Piece]):
        whole = join([surface for surface, _, _ in pieces])
        self._rest = whole.rest
        self._normals = np.concatenate([surface.normals() for surface, _, _ in pieces])
        self._weights = sparse.csr_matrix(whole.weights)
        self._parts = []
        first = 0
        for surface, color, gloss in pieces:
            last = first + len(surface.rest)
            self._parts.append(Part(first, last, surface.faces, color, gloss))
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


def dress(body: Measures, looks: Looks, clothes: Clothes) -> Outfit:
    """The body with these looks in these clothes."""
    skin = body.part("skin")
    arms = keep(skin, body.arm_share(skin) - 0.6)
    bare = keep(arms, body.along_arm(arms.rest) - 2 * clothes.sleeve + 0.08)
    return Outfit(
        [
            *make_face(body, looks),
            *grow_hair(body, looks),
            (bare, np.array(looks.skin), 0.25),
            *make_garments(body, clothes),
        ]
    )
