"""Bodies, cuts, colours and the renderer of the demo corpus, on small made-up shapes."""

from __future__ import annotations

import numpy as np
import pytest
from stick_figure import stick_performers

pytest.importorskip("scipy", reason="needs the [orchestra] extra")

from tools.orchestra import bodies, room, surface
from tools.orchestra.figure import Figure, turn_about
from tools.orchestra.garments import Clothes
from tools.orchestra.looks import looks_of
from tools.orchestra.mesh import Mesh, box
from tools.orchestra.renderer import Camera, Renderer

# Metres: a wrung forearm is not quite straight, which shifts the wrist.
WRINGING = 0.005
SIDES = (("L", 1.0), ("R", -1.0))


@pytest.fixture
def figure():
    return Figure(stick_performers(), 0)


@pytest.fixture(scope="module")
def renderer():
    pytest.importorskip("moderngl", reason="needs the [orchestra] extra")
    try:
        return Renderer(48)
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def looks():
    return looks_of(stick_performers(), 0)


# --- figure


@pytest.mark.parametrize("side, sign", SIDES)
def test_the_wrist_comes_to_the_target_and_the_elbow_to_its_pole(figure, side, sign):
    target = np.array([sign * 0.15, -0.35, 0.6])
    figure.reach(side, target, np.array([sign, 0.0, -0.3]))
    np.testing.assert_allclose(figure.position(f"wrist.{side}"), target, atol=WRINGING)
    elbow_outwards = figure.position(f"lowerarm01.{side}")
    figure.reach(side, target, np.array([-0.3 * sign, 0.0, -1.0]))
    elbow_down = figure.position(f"lowerarm01.{side}")
    assert elbow_outwards[2] > elbow_down[2] + 0.03
    assert sign * elbow_outwards[0] > sign * elbow_down[0] + 0.03


def test_an_arm_stretches_towards_what_it_cannot_reach(figure):
    target = np.array([0.2, -3.0, 0.6])
    figure.reach("L", target, np.array([0.0, 0.0, -1.0]))
    shoulder, wrist = figure.position("upperarm01.L"), figure.position("wrist.L")
    way, arm = target - shoulder, wrist - shoulder
    cosine = way @ arm / np.linalg.norm(way) / np.linalg.norm(arm)
    assert cosine > 0.9999


@pytest.mark.parametrize("side, sign", SIDES)
def test_the_hand_points_and_the_palm_faces_as_asked(figure, side, sign):
    direction, palm = np.array([0.2 * sign, -0.5, 0.8]), np.array([-sign, 0.1, 0.0])
    figure.reach(side, np.array([sign * 0.2, -0.3, 0.6]), np.array([sign, 0.0, -1.0]))
    figure.aim_hand(side, direction, palm)
    wrist = figure.position(f"wrist.{side}")
    along = figure.position(f"finger3-1.{side}") - wrist
    np.testing.assert_allclose(
        along / np.linalg.norm(along), direction / np.linalg.norm(direction), atol=1e-6
    )
    # Fingers bend towards the palm, so a fist's tips lie on the side that the palm faces.
    straight = figure.position(f"finger3-3.{side}")
    figure.curl(side, 0.8)
    assert (figure.position(f"finger3-3.{side}") - straight) @ palm > 0.01


def test_gripping_puts_the_knuckles_over_the_point(figure):
    point, palm = np.array([0.2, -0.35, 0.65]), np.array([0.0, 1.0, 0.0])
    figure.grip("L", point, np.array([-1.0, 0.0, 0.2]), palm, np.array([1.0, 0, -1]), 0.03)
    knuckle = figure.position("finger3-1.L")
    assert np.linalg.norm(knuckle - point) == pytest.approx(0.03, abs=WRINGING)
    assert (point - knuckle) @ palm > 0.03 - WRINGING


def test_turning_the_trunk_carries_arms_and_mouth_along(figure):
    figure.reach("L", np.array([0.2, -0.3, 0.6]), np.array([1.0, 0, -1]))
    wrist, mouth = figure.position("wrist.L"), figure.mouth()
    turn, pivot = turn_about([0, 0, 1], 0.4), figure.position("spine03")
    figure.rotate("spine03", turn)
    np.testing.assert_allclose(figure.position("wrist.L"), pivot + turn @ (wrist - pivot))
    np.testing.assert_allclose(figure.mouth(), pivot + turn @ (mouth - pivot))
    figure.move(np.array([0.0, 0.0, 0.1]))
    np.testing.assert_allclose(figure.mouth()[2], mouth[2] + 0.1)


def test_solving_one_limb_gives_what_solving_everything_gives(figure):
    figure.rotate("spine03", turn_about([1, 0, 0], 0.2))
    figure.grip(
        "R",
        np.array([-0.2, -0.4, 0.6]),
        np.array([1.0, 0, 0]),
        np.array([0, 0, -1.0]),
        np.array([-1.0, 0, -1]),
    )
    figure.curl("R", (0.1, 0.5, 0.9, 0.2), thumb=0.6)
    bones = figure.performers.bones
    before = np.stack([figure.position(bone) for bone in bones])
    figure.solve()
    np.testing.assert_array_equal(np.stack([figure.position(bone) for bone in bones]), before)


def test_unknown_bones_and_performers_are_named(figure):
    with pytest.raises(KeyError, match="no bone 'tail'"):
        figure.position("tail")
    with pytest.raises(ValueError, match="performer 7"):
        Figure(stick_performers(), 7)


# --- bodies


def test_people_differ_and_are_the_same_for_the_same_seed():
    traits = bodies.random_traits(40, 0)
    np.testing.assert_array_equal(traits, bodies.random_traits(40, 0))
    assert not np.array_equal(traits, bodies.random_traits(40, 1))
    women = traits[:, bodies.TRAITS.index("gender")] > 0.5
    assert women.sum() == 20
    assert len(np.unique(traits, axis=0)) == 40


def test_loading_says_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="no baked performers"):
        bodies.load(tmp_path / "none.npz")
    np.savez(tmp_path / "old.npz", format=np.array(0))
    with pytest.raises(ValueError, match="format 0"):
        bodies.load(tmp_path / "old.npz")


# --- surfaces


def sheet(count: int = 9) -> surface.Surface:
    """A flat square of 1 m with two bones, one a side."""
    x, y = np.meshgrid(np.linspace(0, 1, count), np.linspace(0, 1, count))
    rest = np.stack([x.ravel(), y.ravel(), np.zeros(count**2)], 1).astype(np.float32)
    row, column = np.mgrid[0 : count - 1, 0 : count - 1]
    a = (row * count + column).ravel()
    faces = np.concatenate(
        [np.stack([a, a + 1, a + count], 1), np.stack([a + 1, a + count + 1, a + count], 1)]
    )
    return surface.Surface(rest, np.stack([rest[:, 0], 1 - rest[:, 0]], 1), faces.astype(np.int32))


def area(piece: surface.Surface) -> float:
    a, b, c = (piece.rest[piece.faces[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def test_a_cut_is_straight_loses_nothing_and_keeps_sides_and_weights():
    whole = sheet()
    low, high = surface.cut(whole, 0.33 - whole.rest[:, 1])
    assert low.rest[:, 1].max() == pytest.approx(0.33, abs=1e-6)
    assert high.rest[:, 1].min() == pytest.approx(0.33, abs=1e-6)
    assert area(low) == pytest.approx(0.33, abs=1e-6)
    assert area(low) + area(high) == pytest.approx(1, abs=1e-6)
    for piece in (low, high):
        np.testing.assert_allclose(piece.weights[:, 0], piece.rest[:, 0], atol=1e-6)
        assert (piece.normals()[:, 2] > 0.999).all()


def test_smoothing_flattens_a_spike_and_inflating_lifts():
    flat = sheet()
    spiky = flat.rest.copy()
    spiky[40, 2] = 0.2
    calmer = surface.smooth(surface.Surface(spiky, flat.weights, flat.faces), 3)
    assert np.abs(calmer.rest[:, 2]).max() < 0.1
    assert surface.inflate(flat, 0.02).rest[:, 2] == pytest.approx(0.02)


# --- colours and clothes


def test_players_stand_out_from_the_wall_and_from_their_clothes(looks):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        clothes, wall = room._draw_colors(rng, looks)
        assert room._distance(wall, [clothes.top_color]) > 0.14
        assert room._distance(wall, [looks.skin]) > 0.08
        assert room._distance(clothes.top_color, [looks.skin]) > 0.08


def test_a_setting_depends_on_its_seed_alone(looks):
    first, again = (room.draw_setting(5, looks, -0.8) for _ in range(2))
    other = room.draw_setting(6, looks, -0.8)
    assert first.clothes == again.clothes
    assert first.clothes != other.clothes
    np.testing.assert_array_equal(first.room.light.key, again.room.light.key)
    for one, two in zip(first.room.meshes, again.room.meshes, strict=True):
        np.testing.assert_array_equal(one.vertices, two.vertices)
        np.testing.assert_array_equal(one.color, two.color)


def test_oklch_is_the_inverse_of_oklab():
    lab = room._oklab(np.array([room._oklch(0.6, 0.05, 0.3)]))[0]
    assert lab[0] == pytest.approx(0.6, abs=1e-3)
    assert np.hypot(*lab[1:]) == pytest.approx(0.05, abs=1e-3)


def test_clothes_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="toga"):
        Clothes(top="toga")
    with pytest.raises(ValueError, match="sleeve=3"):
        Clothes(sleeve=3)


# --- renderer

CAMERA = Camera(target=(0.0, 0.0, 0.0), width=1.0)


def stage(color=(0.9, 0.1, 0.1)) -> list[Mesh]:
    return [box([-0.1, -0.1, -0.1], [0.1, 0.1, 0.1], color)]


@pytest.fixture(scope="module")
def empty_room():
    light = room.Light(
        toward=np.array([-0.6, -1.0, 0.9]),
        key=np.full(3, 1.8),
        fill_toward=np.array([1.0, -0.5, 0.3]),
        fill=np.full(3, 0.15),
        sky=np.full(3, 0.45),
        around=np.full(3, 0.35),
        ground=np.full(3, 0.2),
    )
    return room.Room([box([-3, 0.4, -3], [3, 0.5, 3], (0.6, 0.6, 0.6))], light)


def test_a_picture_shows_the_box_where_the_camera_projects_it(renderer, empty_room):
    picture = renderer.render(stage(), empty_room, CAMERA)
    assert picture.shape == (48, 48, 3) and picture.dtype == np.uint8
    red = picture[..., 0].astype(int) > picture[..., 1].astype(int) + 60
    rows, columns = np.nonzero(red)
    corners = np.array([[x, -0.1, z] for x in (-0.1, 0.1) for z in (-0.1, 0.1)])
    places = CAMERA.project(corners) * 48
    assert columns.min() == pytest.approx(places[:, 0].min(), abs=1)
    assert columns.max() + 1 == pytest.approx(places[:, 0].max(), abs=1)
    assert rows.min() == pytest.approx(places[:, 1].min(), abs=1)
    assert rows.max() + 1 == pytest.approx(places[:, 1].max(), abs=1)


def test_projection_follows_the_turned_stage():
    turned = Camera(target=(0.0, 0.0, 0.0), width=1.0, turn=np.pi / 2)
    # Turned a quarter to the left, the performer's front points to the picture's right.
    assert turned.project(np.array([0.0, -0.2, 0.0]))[0] == pytest.approx([0.7, 0.5])
    assert CAMERA.project(np.array([0.0, 0.0, 0.2]))[0] == pytest.approx([0.5, 0.3])


def test_the_same_scene_gives_the_same_bytes(renderer, empty_room):
    first = renderer.render(stage(), empty_room, CAMERA)
    renderer.render(stage((0.1, 0.9, 0.1)), empty_room, CAMERA)
    np.testing.assert_array_equal(renderer.render(stage(), empty_room, CAMERA), first)


def test_the_box_throws_a_shadow_away_from_the_lamp(renderer, empty_room):
    nothing = [box([-0.01, -0.01, 4], [0.01, 0.01, 4.1], (0, 0, 0))]
    bare = renderer.render(nothing, empty_room, CAMERA).astype(int)
    shaded = renderer.render(stage((0.6, 0.6, 0.6)), empty_room, CAMERA).astype(int)
    darker = (bare - shaded).sum(2)
    # The lamp is up on the left, so the shadow falls down on the right of the wall.
    right_below, left_above = darker[26:44, 30:44], darker[4:20, 4:18]
    assert right_below.max() > 100
    assert left_above.max() < 15


def test_metal_and_face_colours_are_drawn(renderer, empty_room):
    flat = stage()[0]
    colors = np.tile([[0.1, 0.2, 0.9]], (len(flat.faces), 1))
    blue = Mesh(flat.vertices, flat.faces, colors, gloss=0.6, metal=True, smooth=False)
    picture = renderer.render([blue], empty_room, CAMERA)
    middle = picture[24, 24].astype(int)
    assert middle[2] > middle[0] + 30
