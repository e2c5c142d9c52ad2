"""A performer of mere joints, for testing poses without baking bodies."""

from __future__ import annotations

import numpy as np

# Bone: (parent, where it starts in metres). The right side mirrors the left.
MIDDLE = {
    "root": ("", (0.0, -0.01, 0.14)),
    "spine05": ("root", (0.0, -0.01, 0.14)),
    "spine03": ("spine05", (0.0, 0.02, 0.30)),
    "spine01": ("spine03", (0.0, 0.05, 0.50)),
    "neck01": ("spine01", (0.0, -0.02, 0.72)),
    "neck02": ("neck01", (0.0, -0.02, 0.74)),
    "head": ("neck02", (0.0, -0.05, 0.82)),
}
LEFT = {
    "eye": ("head", (0.03, -0.13, 0.86)),
    "upperleg01": ("root", (0.12, 0.0, 0.13)),
    "lowerleg01": ("upperleg01", (0.15, -0.03, -0.29)),
    "foot": ("lowerleg01", (0.20, -0.01, -0.74)),
    "clavicle": ("spine01", (0.02, -0.03, 0.64)),
    "upperarm01": ("clavicle", (0.19, -0.02, 0.61)),
    "upperarm02": ("upperarm01", (0.24, -0.02, 0.55)),
    "lowerarm01": ("upperarm02", (0.38, -0.02, 0.40)),
    "lowerarm02": ("lowerarm01", (0.44, -0.12, 0.34)),
    "wrist": ("lowerarm02", (0.52, -0.22, 0.27)),
    "finger1-1": ("wrist", (0.507, -0.259, 0.271)),
    "finger1-2": ("finger1-1", (0.483, -0.282, 0.262)),
    "finger1-3": ("finger1-2", (0.469, -0.318, 0.248)),
    "finger2-1": ("wrist", (0.536, -0.316, 0.236)),
    "finger2-2": ("finger2-1", (0.540, -0.340, 0.220)),
    "finger2-3": ("finger2-2", (0.539, -0.359, 0.202)),
    "finger3-1": ("wrist", (0.554, -0.297, 0.223)),
    "finger3-2": ("finger3-1", (0.562, -0.321, 0.194)),
    "finger3-3": ("finger3-2", (0.565, -0.341, 0.171)),
    "finger4-1": ("wrist", (0.563, -0.278, 0.214)),
    "finger4-2": ("finger4-1", (0.573, -0.295, 0.187)),
    "finger4-3": ("finger4-2", (0.578, -0.310, 0.164)),
    "finger5-1": ("wrist", (0.564, -0.257, 0.203)),
    "finger5-2": ("finger5-1", (0.571, -0.266, 0.182)),
    "finger5-3": ("finger5-2", (0.573, -0.273, 0.166)),
}
MOUTH, CHIN, SOLE = (0.0, -0.165, 0.77), (0.0, -0.16, 0.73), -0.83


def stick_performers():
    """`Performers` with one person of 1.8 m, whose few vertices mark mouth, chin and sole."""
    from tools.orchestra import measures
    from tools.orchestra.bodies import GROUPS, TRAITS, Performers

    bones = dict(MIDDLE)
    for side, sign in (("L", 1.0), ("R", -1.0)):
        for name, (parent, (x, y, z)) in LEFT.items():
            mirrored = f"{parent}.{side}" if parent in LEFT else parent
            bones[f"{name}.{side}"] = (mirrored, (sign * x, y, z))
    names = tuple(bones)
    vertices = np.full((measures.CHIN + 4, 3), MOUTH, np.float32)
    vertices[measures.CHIN] = CHIN
    vertices[-3:] = [[0.2, -0.01, SOLE], [0.2, -0.1, SOLE], [0.1, -0.01, SOLE]]
    weights = np.zeros((len(vertices), len(names)), np.float32)
    weights[:, names.index("head")] = 1
    sole = np.arange(len(vertices) - 3, len(vertices), dtype=np.int32)[None]
    return Performers(
        vertices=vertices[None],
        joints=np.array([[place for _, place in bones.values()]], np.float32),
        parents=np.array([names.index(parent) if parent else -1 for parent, _ in bones.values()]),
        bones=names,
        weights=weights,
        faces={group: sole for group in GROUPS},
        traits=np.full((1, len(TRAITS)), 0.5, np.float32),
    )
