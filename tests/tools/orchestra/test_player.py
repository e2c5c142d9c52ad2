"""Players: hands where they belong, and poses that follow the music, for every instrument."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from stick_figure import stick_performers

pytest.importorskip("scipy", reason="needs the [orchestra] extra")

from tools.orchestra import instruments
from tools.orchestra.figure import Figure
from tools.orchestra.player import INSTRUMENTS, PARTS, Pose, framing, pose_player

BOWED = ("cello", "double_bass", "viola", "violin")
WINDS = tuple(name for name in INSTRUMENTS if name not in BOWED)
LOOK = 3


@pytest.fixture
def figure():
    return Figure(stick_performers(), 0)


def track(figure, name, variable, values, landmark):
    """Places [n, 2] in the picture (0..1) of a landmark while one variable runs."""
    camera = framing(name, figure)
    places = []
    for value in values:
        pose = replace(Pose(), **{variable: value})
        places.append(pose_player(figure, name, pose, LOOK).landmarks[landmark])
    return camera.project(np.array(places))


def travel(path):
    return np.linalg.norm(np.diff(path, axis=0), axis=1).sum()


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_instrument_is_a_closed_mesh_of_true_size(name):
    longest = {
        "bassoon": 1.3, "cello": 1.7, "clarinet": 0.68, "double_bass": 2.1, "flute": 0.67,
        "horn": 0.6, "oboe": 0.63, "sax": 0.7, "trombone": 1.15, "trumpet": 0.53, "tuba": 1.1,
        "viola": 0.72, "violin": 0.58,
    }  # fmt: skip
    made = instruments.build(name, LOOK)
    meshes = [mesh for part, group in made.parts.items() if part != "bow" for mesh in group]
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    assert np.ptp(vertices, axis=0).max() == pytest.approx(longest[name], rel=0.12)
    for mesh in meshes:
        assert np.isfinite(mesh.vertices).all()
        edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        _, uses = np.unique(edges, axis=0, return_counts=True)
        assert (uses == 2).mean() > 0.97


def test_faces_point_outwards():
    for name in INSTRUMENTS:
        for mesh in instruments.build(name, LOOK).parts["body"]:
            a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(float) for k in range(3))
            assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() > 0, name


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_look_seed_tints_and_is_repeatable(name):
    first, again, other = (instruments.build(name, seed) for seed in (1, 1, 2))
    colors = [np.concatenate([m.color for m in made.parts["body"]]) for made in (first, other)]
    assert first is again
    assert not np.allclose(*colors)
    assert np.abs(colors[0] - colors[1]).max() < 0.2


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_hands_stay_at_the_instrument(figure, name):
    bows = (0.0, 0.5, 1.0) if name in BOWED else (0.5,)
    for pitch, bow, loudness in itertools.product((0.0, 0.5, 1.0), bows, (0.0, 1.0)):
        performance = pose_player(figure, name, Pose(pitch, bow, loudness), LOOK)
        held = np.concatenate([mesh.vertices for mesh in performance.meshes])
        for side in "LR":
            nails = [figure.position(f"finger{k}-3.{side}") for k in (1, 2, 3, 4, 5)]
            nails.append(figure.position(f"finger3-1.{side}"))
            nearest = min(np.linalg.norm(held - nail, axis=1).min() for nail in nails)
            assert nearest < 0.09, (name, pitch, bow, loudness, side, nearest)


@pytest.mark.parametrize("name", WINDS)
def test_mouthpiece_is_at_the_lips_and_leaves_them_in_a_rest(figure, name):
    for rest, near in ((0.0, True), (1.0, False)):
        performance = pose_player(figure, name, Pose(rest=rest), LOOK)
        held = np.concatenate([mesh.vertices for mesh in performance.meshes])
        gap = np.linalg.norm(held - figure.mouth(), axis=1).min()
        assert (gap < 0.03) == near, (rest, gap)


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_pitch_moves_the_picture_far_and_steadily(figure, name):
    values = np.linspace(0, 1, 9)
    paths = [
        track(figure, name, "pitch", values, landmark)
        for landmark in ("instrument_top", "instrument_bottom", "left_hand", "right_hand")
    ]
    farthest = max(paths, key=travel)
    # In pixels of a 64 x 64 picture; every eighth of the range shows on its own.
    assert travel(farthest) * 64 > 9
    assert (np.linalg.norm(np.diff(farthest, axis=0), axis=1) * 64).min() > 0.5


@pytest.mark.parametrize("name", BOWED)
def test_bow_hand_travels_and_only_the_bow_moves(figure, name):
    path = track(figure, name, "bow", np.linspace(0, 1, 5), "right_hand")
    assert travel(path) * 64 > 10
    assert travel(track(figure, name, "bow", [0, 1], "instrument_top")) * 64 < 0.5


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_loudness_raises_the_player_and_feet_stay_on_the_floor(figure, name):
    camera = framing(name, figure)
    heads, floors = [], []
    for loudness in (0.0, 0.5, 1.0):
        pose_player(figure, name, Pose(loudness=loudness), LOOK)
        heads.append(camera.project(figure.position("head"))[0])
        floors.append([figure.position(f"foot.{side}")[2] for side in "LR"])
    assert (heads[0] - heads[2])[1] * 64 > 3
    assert np.ptp(floors) < 0.02


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_rest_lowers_instrument_or_bow(figure, name):
    playing = pose_player(figure, name, Pose(bow=0.0, loudness=0.5), LOOK)
    resting = pose_player(figure, name, Pose(bow=0.0, loudness=0.5, rest=1.0), LOOK)
    marks = (
        ("right_hand",) if name in ("cello", "double_bass") else ("instrument_top", "right_hand")
    )
    camera = framing(name, figure)
    lowered = [
        (camera.project(resting.landmarks[m]) - camera.project(playing.landmarks[m]))[0, 1] * 64
        for m in marks
    ]
    assert max(lowered) > 2


def test_poses_do_not_depend_on_what_came_before(figure):
    pose = Pose(0.2, 0.7, 0.9, 0.1, 0.02)
    first = pose_player(figure, "sax", pose, LOOK)
    pose_player(figure, "cello", Pose(), LOOK)
    again = pose_player(figure, "sax", pose, LOOK)
    for before, after in zip(first.meshes, again.meshes, strict=True):
        np.testing.assert_array_equal(before.vertices, after.vertices)


def test_unknown_instrument_names_the_known_ones(figure):
    with pytest.raises(ValueError, match=r"kazoo.*violin"):
        pose_player(figure, "kazoo", Pose(), LOOK)


def test_every_instrument_has_a_part():
    assert tuple(sorted(instruments.NAMES)) == INSTRUMENTS == tuple(sorted(PARTS))
