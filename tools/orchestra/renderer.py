"""Draws the stage with OpenGL (moderngl): soft shadows, ambient occlusion, anti-aliasing.

Mesa's llvmpipe does the work without a graphics card or a display. Nothing is random, so the same
scene gives the same bytes on the same machine.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tools.orchestra.mesh import Mesh, face_normals, unit_rows, vertex_normals
from tools.orchestra.room import Light, Room

SHADERS = Path(__file__).parent / "shaders"
FLOATS_PER_VERTEX = 11  # position, normal, colour, (gloss, metal)
SUPERSAMPLE = 3
SHADOW_SIZE = 512
STAGE_RADIUS = 1.25  # metres around the camera's target that cast shadows
PENUMBRA = 0.028  # metres
OCCLUSION_REACH = 0.16  # metres
NEAR, FAR = 0.3, 12.0


@dataclass(frozen=True)
class Camera:
    """Looks along +y, level, from `distance` metres before `target` [3]; sees a square.

    width: metres across at the target. turn: the stage (performer and instrument, not the room)
    is turned about the z axis by so many radians, counter-clockwise from above.
    """

    target: tuple[float, float, float]
    width: float
    turn: float = 0.0
    distance: float = 3.2

    def eye(self) -> np.ndarray:
        """Where the camera is, [3]."""
        return np.array(self.target) - [0.0, self.distance, 0.0]

    def place(self) -> np.ndarray:
        """The stage's turn as a [4, 4] matrix for column vectors."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        matrix = np.eye(4)
        matrix[:2, :2] = [[cos, -sin], [sin, cos]]
        return matrix

    def view(self) -> np.ndarray:
        """World to camera space (x right, y up, z towards the viewer), [4, 4]."""
        axes = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
        matrix = np.eye(4)
        matrix[:3, :3] = axes
        matrix[:3, 3] = -axes @ self.eye()
        return matrix

    def lens(self) -> np.ndarray:
        """Camera space to OpenGL's clip space, [4, 4]."""
        zoom = 2 * self.distance / self.width
        return np.array(
            [
                [zoom, 0, 0, 0],
                [0, zoom, 0, 0],
                [0, 0, (FAR + NEAR) / (NEAR - FAR), 2 * FAR * NEAR / (NEAR - FAR)],
                [0, 0, -1, 0],
            ]
        )

    def project(self, points: np.ndarray) -> np.ndarray:
        """Picture places [n, 2] of points [n, 3] on the stage.

        x runs right and y down, both 0..1 inside the picture (beyond it if not in view).
        """
        points = np.atleast_2d(np.asarray(points, float))
        whole = np.concatenate([points, np.ones((len(points), 1))], axis=1)
        clip = whole @ (self.lens() @ self.view() @ self.place()).T
        screen = clip[:, :2] / clip[:, 3:4]
        return np.stack([screen[:, 0] + 1, 1 - screen[:, 1]], axis=1) / 2


class Renderer:
    """An OpenGL context with everything loaded; make one per process and size."""

    def __init__(self, size: int = 96):
        # One thread: recordings are rendered by several processes side by side.
        os.environ.setdefault("LP_NUM_THREADS", "1")
        import moderngl

        self.size = size
        try:
            self._gl = moderngl.create_context(standalone=True, backend="egl", require=330)
        except Exception as error:
            raise RuntimeError(
                f"no OpenGL without a display ({error}): install Mesa's EGL, "
                "e.g. apt install libegl1 libgl1-mesa-dri"
            ) from error
        self._room: tuple[Room, Batch] | None = None
        gl, samples = self._gl, size * SUPERSAMPLE
        self._stage = gl.program(_shader("stage.vert"), _shader("stage.frag"))
        self._caster = gl.program(_shader("shadow.vert"), _shader("shadow.frag"))
        self._composer = gl.program(_shader("screen.vert"), _shader("compose.frag"))
        self._shadow_map = gl.depth_texture((SHADOW_SIZE, SHADOW_SIZE))
        self._shadow_map.compare_func = "<="
        self._shadow_map.repeat_x = self._shadow_map.repeat_y = False
        self._shadows = gl.framebuffer(depth_attachment=self._shadow_map)
        self._lights = [gl.texture((samples, samples), 4, dtype="f2") for _ in range(2)]
        self._depth = gl.depth_texture((samples, samples))
        self._depth.compare_func = ""
        self._samples = gl.framebuffer(self._lights, self._depth)
        self._shown = gl.simple_framebuffer((samples, samples), 3)
        self._screen = gl.vertex_array(self._composer, [])

    def render(self, meshes: Sequence[Mesh], room: Room, camera: Camera) -> np.ndarray:
        """One picture, uint8 [size, size, 3]."""
        stage = Batch(self, [pack(mesh) for mesh in meshes])
        if self._room is None or self._room[0] is not room:
            if self._room is not None:
                self._room[1].release()
            self._room = (room, Batch(self, [pack(mesh) for mesh in room.meshes]))
        self._set_uniforms(room.light, camera)
        self._cast_shadows(stage, camera)
        self._draw(stage, self._room[1], camera)
        stage.release()
        return self._compose()

    def _set_uniforms(self, light: Light, camera: Camera) -> None:
        shadow = shadow_projection(light.toward, np.array(camera.target))
        _write(self._caster, shadow_projection=shadow, place=camera.place())
        _write(
            self._stage,
            projection=camera.lens() @ camera.view(),
            shadow_projection=shadow,
            eye=camera.eye(),
            key_direction=_unit(light.toward),
            key_color=light.key,
            fill_direction=_unit(light.fill_toward),
            fill_color=light.fill,
            sky=light.sky,
            around=light.around,
            ground=light.ground,
            penumbra=PENUMBRA / (2 * STAGE_RADIUS),
            supersample=SUPERSAMPLE,
            shadow_map=0,
        )
        _write(
            self._composer,
            inverse_projection=np.linalg.inv(camera.lens()),
            pixel_size=camera.width / camera.distance / (self.size * SUPERSAMPLE),
            reach=OCCLUSION_REACH,
            exposure=1.0,
            supersample=SUPERSAMPLE,
            direct_light=0,
            ambient_light=1,
            depth=2,
        )

    def _cast_shadows(self, stage: Batch, camera: Camera) -> None:
        gl = self._gl
        self._shadows.use()
        self._shadows.clear(depth=1.0)
        gl.enable_only(gl.DEPTH_TEST)
        stage.cast()

    def _draw(self, stage: Batch, room: Batch, camera: Camera) -> None:
        gl = self._gl
        self._samples.use()
        self._samples.clear(depth=1.0)
        gl.enable_only(gl.DEPTH_TEST)
        self._shadow_map.use(0)
        _write(self._stage, place=camera.place())
        stage.draw()  # the nearest first: what it hides need not be lit
        _write(self._stage, place=np.eye(4))
        room.draw()

    def _compose(self) -> np.ndarray:
        gl = self._gl
        self._shown.use()
        gl.enable_only(gl.NOTHING)
        for unit, texture in enumerate((*self._lights, self._depth)):
            texture.use(unit)
        self._screen.render(gl.TRIANGLES, vertices=3)
        raw = np.frombuffer(self._shown.read(components=3, alignment=1), np.uint8)
        blocks = raw.reshape(self.size, SUPERSAMPLE, self.size, SUPERSAMPLE, 3)
        mean = blocks.sum((1, 3), dtype=np.uint16)
        half = SUPERSAMPLE**2 // 2
        return ((mean + half) // SUPERSAMPLE**2).astype(np.uint8)[::-1]


class Batch:
    """Packed meshes on the graphics side."""

    def __init__(self, renderer: Renderer, packed: list[tuple[np.ndarray, np.ndarray]]):
        starts = np.cumsum([0] + [len(vertices) for vertices, _ in packed[:-1]])
        vertices = np.concatenate([vertices for vertices, _ in packed])
        faces = np.concatenate([f + s for (_, f), s in zip(packed, starts, strict=True)])
        gl = renderer._gl
        self._vertices = gl.buffer(vertices.astype(np.float32).tobytes())
        self._faces = gl.buffer(faces.astype(np.int32).tobytes())
        self._lit = gl.vertex_array(
            renderer._stage,
            [(self._vertices, "3f 3f 3f 2f", "position", "normal", "color", "material")],
            self._faces,
        )
        self._caster = gl.vertex_array(
            renderer._caster, [(self._vertices, "3f 32x", "position")], self._faces
        )

    def draw(self) -> None:
        """Draws with light."""
        self._lit.render()

    def cast(self) -> None:
        """Draws depth alone."""
        self._caster.render()

    def release(self) -> None:
        """Frees the buffers."""
        for thing in (self._lit, self._caster, self._vertices, self._faces):
            thing.release()


def pack(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """(vertices [n, 11] float32, faces [m, 3]) as the shaders read them."""
    color = np.asarray(mesh.color, np.float32)
    vertices, faces, normals = mesh.vertices, mesh.faces, mesh.normals
    if color.ndim == 2 or not mesh.smooth:
        if mesh.smooth:
            shaded = vertex_normals(vertices, faces) if normals is None else normals
            normals = shaded[faces].reshape(-1, 3)
        else:
            normals = np.repeat(unit_rows(face_normals(vertices, faces)), 3, axis=0)
        vertices = vertices[faces].reshape(-1, 3)
        if color.ndim == 2:
            color = np.repeat(color, 3, axis=0)
        faces = np.arange(len(vertices), dtype=np.int32).reshape(-1, 3)
    elif normals is None:
        normals = vertex_normals(vertices, faces)
    packed = np.empty((len(vertices), FLOATS_PER_VERTEX), np.float32)
    packed[:, :3], packed[:, 3:6], packed[:, 6:9] = vertices, normals, color**2.2
    packed[:, 9], packed[:, 10] = mesh.gloss, float(mesh.metal)
    return packed, faces


def shadow_projection(toward: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """World -> clip space of the lamp, which sees STAGE_RADIUS around `centre`, [4, 4]."""
    back = _unit(toward)
    right = _unit(np.cross([0.0, 0.0, 1.0], back))
    axes = np.stack([right, np.cross(back, right), -back]) / STAGE_RADIUS
    axes[2] /= 2  # twice as deep, so that what is near the lamp still counts
    matrix = np.eye(4)
    matrix[:3, :3] = axes
    matrix[:3, 3] = -axes @ centre
    return matrix


def _shader(name: str) -> str:
    return (SHADERS / name).read_text()


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector, float) / np.linalg.norm(vector)


def _write(program: Any, **values: Any) -> None:
    """Sets uniforms; matrices are given for column vectors (OpenGL stores columns first)."""
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            program[name].write(np.ascontiguousarray(value.T, np.float32).tobytes())
        else:
            program[name].value = value
