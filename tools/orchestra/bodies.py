"""Bakes the performers: people shaped by `anny` (MakeHuman data, CC0), kept as one small npz.

anny needs torch and over a minute to build its model, so this runs once; everything after it
reads the npz with numpy alone. The same seed and count give the same people.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 1
TENTH_OF_MM = 1e-4
# Groups of MakeHuman's base mesh that are kept: the skin, tight clothing around it (shirt and
# trousers), a skirt hull, and the eyeballs.
GROUPS = {
    "skin": "body",
    "cloth": "helper-tights",
    "skirt": "helper-skirt",
    "hair": "helper-hair",
    "eye_l": "helper-l-eye",
    "eye_r": "helper-r-eye",
}
TRAITS = ("gender", "age", "muscle", "weight", "height", "african", "asian", "caucasian")


@dataclass(frozen=True)
class Performers:
    """Rest shapes (arms spread, metres, z up, facing -y) that share one mesh and skeleton.

    vertices [people, V, 3] float32; joints [people, B, 3] float32, where each bone starts;
    parents [B], -1 at the root; weights [V, B] float32, rows sum to 1;
    faces: part name -> [F, 3] int32; traits [people, 8], each 0..1, in the order of TRAITS.
    """

    vertices: np.ndarray
    joints: np.ndarray
    parents: np.ndarray
    bones: tuple[str, ...]
    weights: np.ndarray
    faces: dict[str, np.ndarray]
    traits: np.ndarray

    def __len__(self) -> int:
        return len(self.vertices)


def random_traits(count: int, seed: int) -> np.ndarray:
    """Draws [count, 8] traits: sexes alternate, ages go from young to old, builds vary."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(count):
        # Pure and mixed ancestries both occur; a flat Dirichlet would make everybody alike.
        ancestry = rng.dirichlet([0.45, 0.45, 0.45])
        rows.append(
            [
                rng.uniform(0.0, 0.12) if person % 2 else rng.uniform(0.88, 1.0),  # man, woman
                rng.uniform(0.6, 0.92),
                rng.uniform(0.35, 0.75),
                rng.uniform(0.25, 0.8),
                rng.uniform(0.35, 0.65),
                *ancestry,
            ]
        )
    return np.array(rows)


def bake(path: Path, count: int = 40, seed: int = 0) -> None:
    """Shapes `count` people and writes them to `path` (npz, about 4 MB)."""
    import anny
    import torch

    model = anny.Anny(topology="anny-quads-full", phenotypes="all").to(dtype=torch.float32)
    faces = _faces_of_groups(Path(anny.__file__).parent / "data/mpfb2/3dobjs/base.obj")
    weights, bone_of_weight = _strongest(
        model.vertex_bone_weights.numpy(), model.vertex_bone_indices.numpy()
    )
    used = np.unique(np.concatenate([part.ravel() for part in faces.values()]))
    new_index = np.full(len(weights), -1)
    new_index[used] = np.arange(len(used))
    traits = random_traits(count, seed)
    identity = torch.eye(4)[None, None].repeat(1, model.bone_count, 1, 1)
    vertices, joints = [], []
    for row in traits:
        phenotype = {name: float(value) for name, value in zip(TRAITS, row, strict=True)}
        shape = {**phenotype, "proportions": 0.6, "cupsize": 0.4, "firmness": 0.5}
        with torch.no_grad():
            out = model(pose_parameters=identity, phenotype_kwargs=shape)
        vertices.append(out["rest_vertices"][0].numpy()[used])
        joints.append(out["rest_bone_heads"][0].numpy())
    arrays: dict[str, Any] = {
        "format": np.array(FORMAT),
        "vertices": np.round(np.array(vertices) / TENTH_OF_MM).astype(np.int16),
        "joints": np.array(joints, np.float32),
        "parents": np.array(model.bone_parents, np.int16),
        "bones": np.array(model.bone_labels),
        "weights": np.round(weights[used] * 255).astype(np.uint8),
        "bone_of_weight": bone_of_weight[used].astype(np.uint8),
        "traits": traits.astype(np.float32),
    }
    arrays.update({f"faces_{k}": new_index[v].astype(np.uint16) for k, v in faces.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished.npz")
    np.savez_compressed(unfinished, **arrays)
    unfinished.replace(path)


def load(path: Path) -> Performers:
    """Reads what `bake` wrote."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no baked performers here; run bodies.bake first")
    with np.load(path, allow_pickle=False) as data:
        if int(data["format"]) != FORMAT:
            raise ValueError(f"{path}: format {int(data['format'])}, expected {FORMAT}: bake again")
        bones = tuple(str(name) for name in data["bones"])
        strength = data["weights"].astype(np.float32)
        weights = np.zeros((len(strength), len(bones)), np.float32)
        rows = np.arange(len(strength))[:, None]
        np.add.at(weights, (rows, data["bone_of_weight"].astype(int)), strength)
        weights /= np.maximum(weights.sum(1, keepdims=True), 1e-9)
        return Performers(
            vertices=data["vertices"].astype(np.float32) * np.float32(TENTH_OF_MM),
            joints=data["joints"].astype(np.float32),
            parents=data["parents"].astype(int),
            bones=bones,
            weights=weights,
            faces={name: data[f"faces_{name}"].astype(np.int32) for name in GROUPS},
            traits=data["traits"],
        )


def _faces_of_groups(obj: Path) -> dict[str, np.ndarray]:
    """Triangles [F, 3] of each kept group of the base mesh (its quads are split)."""
    polygons: dict[str, list[list[int]]] = {}
    group = ""
    for line in obj.read_text().splitlines():
        if line.startswith("g "):
            group = line[2:].strip()
        elif line.startswith("f "):
            corners = [int(corner.split("/")[0]) - 1 for corner in line.split()[1:]]
            polygons.setdefault(group, []).append(corners)
    return {part: _triangles(polygons[name]) for part, name in GROUPS.items()}


def _triangles(polygons: list[list[int]]) -> np.ndarray:
    return np.array(
        [[p[0], p[k], p[k + 1]] for p in polygons for k in range(1, len(p) - 1)], np.int64
    )


def _strongest(
    weights: np.ndarray, bones: np.ndarray, keep: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """The `keep` strongest bone weights of each vertex, made to sum to 1 again."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :keep]
    strongest = np.take_along_axis(weights, order, axis=1)
    strongest = strongest / np.maximum(strongest.sum(1, keepdims=True), 1e-9)
    return strongest, np.take_along_axis(bones, order, axis=1)
