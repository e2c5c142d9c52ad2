"""Folders that people have are recognised, listed and divided into splits."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fixtures import CLASSES, tone, write_recording
from PIL import Image

from cmgen.data.recording import ReadOptions
from cmgen.prepare.sources import find_source, item_from_json, item_to_json
from cmgen.utils.errors import UserError
from tools.make_sub_urmp_fixture import write_tree


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not read yet")
    return folder


def listed(folder: Path) -> list[tuple[str, str, str]]:
    return [(item.split, item.class_name, item.id) for item in find_source(folder).items]


def test_a_folder_with_splits(tmp_path):
    touch(tmp_path, "train/bell/a.mp4", "val/bell/b.MKV", "test/bell/c.mov", "shifted/bell/d.avi")
    touch(tmp_path, "README.md", "test/bell/c.npz", ".hidden/bell/e.mp4", "test/bell/.f.mp4")
    assert listed(tmp_path) == [
        ("shifted", "bell", "shifted/bell/d.avi"),
        ("test", "bell", "test/bell/c.mov"),
        ("train", "bell", "train/bell/a.mp4"),
        ("validation", "bell", "val/bell/b.MKV"),
    ]


def test_a_folder_of_classes(tmp_path):
    touch(tmp_path, "bell/a.mp4", "drum/b.mp4")
    assert listed(tmp_path) == [("", "bell", "bell/a.mp4"), ("", "drum", "drum/b.mp4")]


def test_usual_names_of_splits_are_taken_in_any_letter_case(tmp_path):
    touch(
        tmp_path, "Train/bell/a.mp4", "TESTING/bell/b.3G2", "dev_set/bell/c.MXF", "Eval/bell/d.ts"
    )
    assert listed(tmp_path) == [
        ("Eval", "bell", "Eval/bell/d.ts"),
        ("test", "bell", "TESTING/bell/b.3G2"),
        ("train", "bell", "Train/bell/a.mp4"),
        ("validation", "bell", "dev_set/bell/c.MXF"),
    ]


@pytest.mark.parametrize("names", [("Images", "Sounds"), ("pictures", "audio")])
def test_usual_names_of_folders_of_pictures_and_sounds_are_taken(tmp_path, names):
    pictures, sounds = names
    touch(tmp_path, f"{pictures}/training/bell/a.JPG", f"{sounds}/training/bell/a.caf")
    touch(tmp_path, f"{sounds}/training/bell/a.mp4", "notes/b.png")
    source = find_source(tmp_path)
    assert source.kind == "unpaired"
    assert listed(tmp_path) == [
        ("train", "bell", "image/training/bell/a.JPG"),
        ("train", "bell", "sound/training/bell/a.caf"),
    ]
    assert {left.file for left in source.left_out} == {
        f"{sounds}/training/bell/a.mp4",
        "notes/b.png",
    }


def test_splits_of_only_the_pictures_or_only_the_sounds_are_refused(tmp_path):
    touch(tmp_path, "images/train/bell/a.jpg", "sounds/bell/a.flac")
    with pytest.raises(UserError, match="only one of images and sounds has splits"):
        find_source(tmp_path)


def test_each_file_is_in_a_recording_or_left_out_with_the_reason(tmp_path):
    touch(tmp_path, "train/bell/a.mp4", "train/bell/a.npz", "README", "train/bell/p.heic")
    touch(tmp_path, "train/bell/cover.jpg", ".DS_Store", "train/drum/only.mpc")
    (tmp_path / "train/bell/gone.mp4").symlink_to("nowhere")
    source = find_source(tmp_path)
    assert [item.id for item in source.items] == ["train/bell/a.mp4"]
    assert {left.file: left.reason for left in source.left_out} == {
        ".DS_Store": "hidden",
        "README": "no suffix",
        "train/bell/a.npz": "suffix .npz is not read",
        "train/bell/cover.jpg": "suffix .jpg is not read at this place",
        "train/bell/gone.mp4": "link to nothing",
        "train/bell/p.heic": "suffix .heic is not read; heif-convert IN.heic OUT.png converts it",
        "train/drum/only.mpc": "suffix .mpc is not read",
    }


def test_songs_leave_out_by_name_what_belongs_to_none(tmp_path):
    write_tree(tmp_path, 2)
    touch(tmp_path, "img/train/flute/notes.txt", "video/flute.mp4")
    unused = {left.file for left in find_source(tmp_path).left_out}
    assert unused == {"img/train/flute/notes.txt", "video/flute.mp4"}


COMPOSED, DECOMPOSED = "Fl\u00f6te", "Flo\u0308te"


@pytest.mark.parametrize("layout", ["{}/{}.mp4", "train/{}/{}.mp4"])
def test_a_class_is_one_class_in_either_form_of_unicode(tmp_path, layout):
    touch(tmp_path, layout.format(COMPOSED, "a"), layout.format(DECOMPOSED, "a"))
    touch(tmp_path, layout.format(DECOMPOSED, "b"))
    items = find_source(tmp_path).items
    assert {item.class_name for item in items} == {COMPOSED}
    assert len({item.id for item in items}) == len({item.files[0] for item in items}) == 3
    assert all((tmp_path / item.files[0]).is_file() for item in items)


def test_names_give_the_same_recordings_in_either_form_of_unicode(tmp_path):
    names = ["{}/b.mp4", "{}/a{}.mp4", "drum/c.mp4"]
    found = [
        listed(touch(tmp_path / form, *(name.format(form, form) for name in names)))
        for form in (COMPOSED, DECOMPOSED)
    ]
    assert found[0] == found[1]


def test_pictures_and_sounds_that_share_only_their_class(tmp_path):
    touch(tmp_path, "images/train/bell/a.jpg", "sounds/train/bell/a.flac")
    assert find_source(tmp_path).kind == "unpaired"
    assert listed(tmp_path) == [
        ("train", "bell", "image/train/bell/a.jpg"),
        ("train", "bell", "sound/train/bell/a.flac"),
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "found no"),
        (("notes.txt",), "found no"),
        (("a.mp4",), "a.mp4: every file must lie at"),
        (("bell/a.mp4", "train/bell/b.mp4"), "every file must lie at"),
        (("data/train/bell/a.mp4",), "a.mp4: every file must lie at"),
        (("bell/a.mp4", "bell/b.mp4", "train/bell/c.mp4"), "/train/bell/c.mp4: every file"),
        (("violin/anna/a.mp4", "flute/ben/b.mp4"), r"\(flute, violin\) is named train, validation"),
        (("violin/train/a.mp4", "violin/test/b.mp4"), "if they are classes, move all files up"),
        (("Train/a.mp4", "testing/b.mp4"), "has files in Train, testing where folders of classes"),
    ],
)
def test_other_layouts_are_refused_before_the_work_with_what_was_found(tmp_path, names, message):
    with pytest.raises(UserError, match=message) as caught:
        find_source(touch(tmp_path, *names))
    folders = {name.split("/")[0] for name in names if name.count("/") == 2}
    tree = str(caught.value).partition("it holds:\n")[2].splitlines()
    assert folders <= {line.split()[0] for line in tree[1:] if line[2:3] != " "}


def test_classes_may_have_names_of_splits_among_others(tmp_path):
    touch(tmp_path, "train/a.mp4", "car/b.mp4")
    assert listed(tmp_path) == [("", "car", "car/b.mp4"), ("", "train", "train/a.mp4")]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere: no such folder"):
        find_source(tmp_path / "nowhere")


def test_items_know_the_size_of_their_files_and_go_to_json_and_back(tmp_path):
    write_tree(tmp_path / "songs", 2)
    touch(tmp_path / "videos", "bell/a.mp4")
    for folder in (tmp_path / "songs", tmp_path / "videos"):
        for item in find_source(folder).items:
            assert item.size == sum((folder / name).stat().st_size for name in item.files) > 0
            assert item_from_json(json.loads(json.dumps(item_to_json(item)))) == item


def test_reading_a_video(tmp_path):
    write_recording(tmp_path / "bell" / "a.mp4", "bell", 2.0)
    [item] = find_source(tmp_path).items
    [recording], notes = item.read(tmp_path, ReadOptions(image_size=32))
    assert not notes
    assert recording.id == recording.group == "bell/a.mp4" and recording.class_name == "bell"
    assert len(recording.frames) == len(recording.times) == 20
    assert abs(recording.samples - 2 * 44100) < 1100
    np.testing.assert_allclose(recording.times, np.arange(20) / 10, atol=1e-3)


@pytest.mark.parametrize(("alignment", "shift"), [("start", 0.25), ("middle", 0), ("end", -0.25)])
def test_alignment_moves_the_middles_of_windows(tmp_path, alignment, shift):
    write_recording(tmp_path / "bell" / "a.mp4", "bell", 1.0)
    [item] = find_source(tmp_path).items
    [recording], _ = item.read(tmp_path, ReadOptions(alignment=alignment))
    np.testing.assert_allclose(recording.times, np.arange(10) / 10 + shift, atol=1e-3)


def test_reading_pictures_and_sounds(tmp_path):
    for folder in ("images/bell", "sounds/bell"):
        (tmp_path / folder).mkdir(parents=True)
    colour = CLASSES["bell"][0]
    Image.new("RGB", (200, 120), colour).save(tmp_path / "images/bell/a.png")
    soundfile.write(str(tmp_path / "sounds/bell/b.wav"), tone(880, 1.0, 1), 44100)
    picture, sound = (
        item.read(tmp_path, ReadOptions())[0][0] for item in find_source(tmp_path).items
    )
    assert len(picture.frames) == 1 and not picture.sound and picture.samples == 0
    assert not sound.frames and sound.samples == 44100
