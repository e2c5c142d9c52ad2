"""Folders that people have are recognised, listed and divided into splits."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fixtures import CLASSES, tone, write_recording
from PIL import Image

from cmgen.data import plan
from cmgen.data.plan import PrepareConfig, assign_splits, check_classes
from cmgen.data.recording import ReadOptions
from cmgen.data.sources import FileItem, Source, find_source, item_from_json, item_to_json
from cmgen.errors import UserError
from tools.make_sub_urmp_fixture import write_tree


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not read yet")
    return folder


def listed(folder: Path) -> list[tuple[str, str, str]]:
    return [(item.split, item.class_name, item.id) for item in find_source(folder).items]


def make_items(counts: dict[str, dict[str, int]]) -> list[FileItem]:
    """{split: {class: count}} -> items."""
    return [
        FileItem("unused", f"{split}/{name}/{index}.mp4", name, split)
        for split, classes in counts.items()
        for name, count in classes.items()
        for index in range(count)
    ]


def count_splits(items, name: str) -> dict[str, int]:
    return dict(Counter(item.split for item in items if item.class_name == name))


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
    ],
)
def test_other_layouts_are_refused(tmp_path, names, message):
    with pytest.raises(UserError, match=message):
        find_source(touch(tmp_path, *names))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere: no such folder"):
        find_source(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (2, {"train": 1, "test": 1}),
        (3, {"train": 1, "validation": 1, "test": 1}),
        (10, {"train": 6, "validation": 2, "test": 2}),
        (20, {"train": 14, "validation": 3, "test": 3}),
        (100, {"train": 70, "validation": 15, "test": 15}),
    ],
)
def test_recordings_are_divided_by_class(count, expected):
    items = make_items({"": {"bell": count, "drum": 3}})
    assert count_splits(assign_splits(items, PrepareConfig()), "bell") == expected


def test_dividing_depends_on_the_seed_alone():
    items = make_items({"": {"bell": 20}})

    def held_out(seed: int, given: list[FileItem]) -> list[str]:
        divided = assign_splits(given, PrepareConfig(seed=seed))
        return [item.id for item in divided if item.split == "test"]

    assert held_out(1, items) == held_out(1, items)
    assert held_out(1, items) != held_out(2, items)
    # Other classes don't change how this one is divided.
    more = make_items({"": {"bell": 20, "drum": 5}})
    assert held_out(1, items) == [i for i in held_out(1, more) if "bell" in i]


def test_shares_can_make_everything_one_split():
    items = assign_splits(make_items({"": {"bell": 3}}), PrepareConfig(shares=(0, 0, 100)))
    assert count_splits(items, "bell") == {"test": 3}


def test_a_missing_validation_split_is_cut_out_of_train():
    items = make_items({"train": {"bell": 10, "drum": 1}, "test": {"bell": 2, "drum": 2}})
    divided = assign_splits(items, PrepareConfig())
    assert count_splits(divided, "bell") == {"train": 8, "validation": 2, "test": 2}
    assert count_splits(divided, "drum") == {"train": 1, "test": 2}


def test_given_splits_are_kept():
    given = {"train": {"bell": 2}, "validation": {"bell": 1}, "test": {"bell": 1}}
    items = make_items(given)
    assert {(i.id, i.split) for i in assign_splits(items, PrepareConfig())} == {
        (i.id, i.split) for i in items
    }


def test_pictures_and_sounds_are_divided_apart():
    items = [
        FileItem("x", f"{kind}/bell/{n}", "bell", "")
        for kind, count in (("image", 6), ("sound", 4))
        for n in range(count)
    ]
    divided = Counter((i.split, i.id[:5]) for i in assign_splits(items, PrepareConfig()))
    assert all(divided[split, kind] for split in ("train", "test") for kind in ("image", "sound"))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"train": {"bell": 3, "drum": 3}, "test": {"bell": 1}}, "'drum' is in train but not in"),
        ({"train": {"bell": 3}, "test": {"bell": 1, "drum": 1}}, "'drum' is in test but not in"),
        ({"": {"bell": 3, "drum": 1}}, "'drum' is in train but not in test"),
        ({"train": {"bell": 3}, "shifted": {"drum": 1}}, "'drum' is in shifted but not in train"),
    ],
)
def test_a_class_seen_in_one_split_only_is_refused(counts, message):
    with pytest.raises(UserError, match=message):
        check_classes(assign_splits(make_items(counts), PrepareConfig()))


def test_a_validation_split_may_lack_a_class_and_a_test_set_may_stand_alone():
    check_classes(
        make_items({"train": {"a": 1, "b": 2}, "validation": {"b": 1}, "test": {"a": 1, "b": 1}})
    )
    check_classes(make_items({"test": {"a": 1}}))


def sized_items(sizes: dict[str, list[int]]) -> Source:
    """{class: sizes in MiB} -> a source of train items."""
    items = [
        FileItem("unused", f"train/{name}/{index}.mp4", name, "train", size * 2**20)
        for name, group in sizes.items()
        for index, size in enumerate(group)
    ]
    return Source("videos", "unused", items)


def test_shards_hold_one_class_and_are_full_by_the_size_of_the_files():
    made = plan.make_plan(sized_items({"bell": [200, 60, 300, 1], "drum": [10]}), PrepareConfig())
    assert made.classes == ("bell", "drum")
    assert [(s.name, s.label, [i.size // 2**20 for i in s.items]) for s in made.shards] == [
        ("train-00000-of-00004.tfrecord", 0, [200, 60]),
        ("train-00001-of-00004.tfrecord", 0, [300]),
        ("train-00002-of-00004.tfrecord", 0, [1]),
        ("train-00003-of-00004.tfrecord", 1, [10]),
    ]


def test_small_files_fill_a_shard_by_their_number():
    made = plan.make_plan(sized_items({"bell": [0] * 300}), PrepareConfig())
    assert [len(shard.items) for shard in made.shards] == [256, 44]


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
