"""The 13 instruments as meshes in metres, each in a frame of its own.

An `Instrument` has parts that move rigidly (`body`, and where it has them `slide`, `bow`,
`valve1` ...) and named points, both in the instrument's frame. The frames:

* strings: origin where the body ends (button), +x towards the scroll, +z out of the top plate;
* flute, oboe, clarinet, trumpet, trombone: origin at the lips, +x along the tube away from them,
  +z towards the side that carries the keys or valves;
* sax, bassoon, horn, tuba: origin at the lips, axes of a performer who faces -y, +x their left.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from tools.orchestra.instruments.shapes import Solid
from tools.orchestra.mesh import Mesh, vertex_normals

NAMES = (
    "bassoon",
    "cello",
    "clarinet",
    "double_bass",
    "flute",
    "horn",
    "oboe",
    "sax",
    "trombone",
    "trumpet",
    "tuba",
    "viola",
    "violin",
)


@dataclass(frozen=True)
class Material:
    """color: sRGB 0..1; gloss 0 matte .. 1 mirror-like; smooth: round, not boxy."""

    color: tuple[float, float, float]
    gloss: float = 0.4
    metal: bool = False
    smooth: bool = True

    def tinted(self, look_seed: int, amount: float = 0.08) -> Material:
        """The same material a little lighter or darker, redder or yellower."""
        rng = np.random.default_rng([look_seed, 7])
        shade = rng.uniform(1 - amount, 1 + amount) * rng.uniform(1 - amount / 2, 1 + amount / 2, 3)
        red, green, blue = np.clip(np.array(self.color) * shade, 0, 1)
        return replace(self, color=(float(red), float(green), float(blue)))


@dataclass(frozen=True)
class Instrument:
    """parts: name -> meshes that move together; points: name -> [3] in the instrument's frame."""

    parts: dict[str, tuple[Mesh, ...]]
    points: dict[str, np.ndarray]


@dataclass
class Workshop:
    """Collects solids by part and material, and joins those that share both into one mesh."""

    solids: dict[tuple[str, Material], list[Solid]] = field(default_factory=dict)

    def add(self, material: Material, *solids: Solid, part: str = "body") -> None:
        self.solids.setdefault((part, material), []).extend(solids)

    def finish(self, points: dict[str, tuple[float, float, float]]) -> Instrument:
        parts: dict[str, tuple[Mesh, ...]] = {}
        for (part, material), solids in self.solids.items():
            parts[part] = (*parts.get(part, ()), _joined(solids, material))
        return Instrument(parts, {name: np.array(point) for name, point in points.items()})


def _joined(solids: list[Solid], material: Material) -> Mesh:
    starts = np.cumsum([0] + [len(vertices) for vertices, _ in solids[:-1]])
    vertices = np.concatenate([vertices for vertices, _ in solids]).astype(np.float32)
    numbered = [faces + start for (_, faces), start in zip(solids, starts, strict=True)]
    faces = np.concatenate(numbered).astype(np.int32)
    return Mesh(
        vertices=vertices,
        faces=faces,
        color=np.array(material.color),
        gloss=material.gloss,
        metal=material.metal,
        smooth=material.smooth,
        normals=vertex_normals(vertices, faces) if material.smooth else None,
    )


def _scaled(instrument: Instrument, size: float) -> Instrument:
    parts = {
        name: tuple(
            replace(mesh, vertices=(mesh.vertices * size).astype(np.float32)) for mesh in meshes
        )
        for name, meshes in instrument.parts.items()
    }
    return Instrument(parts, {name: point * size for name, point in instrument.points.items()})


@lru_cache(maxsize=32)
def build(name: str, look_seed: int, size: float = 1.0) -> Instrument:
    """The instrument, its wood or brass tinted by `look_seed`; cached, so don't change it.

    size: scales all of it, for players much smaller or taller than 1.8 m.
    """
    from tools.orchestra.instruments import brass, strings, woodwinds

    for maker in (strings, woodwinds, brass):
        if name in maker.MAKERS:
            return _scaled(maker.MAKERS[name](look_seed), size)
    raise ValueError(f"instrument {name!r}: must be one of {', '.join(NAMES)}")
