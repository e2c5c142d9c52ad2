"""Splits and shards, decided from a list of items before anything is read."""

from collections import Counter

import pytest

from cmgen.data.recording import ReadOptions
from cmgen.media.limits import MediaLimits
from cmgen.prepare.plan import (
    Plan,
    PrepareConfig,
    ShardPlan,
    assign_splits,
    check_classes,
    make_plan,
)
from cmgen.prepare.sources import FileItem, Source
from cmgen.utils.errors import UserError


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


@pytest.mark.parametrize(
    ("shares", "count", "validation"),
    # Validation has 2 of the 9 parts that it and train have; then half of what little they have.
    [((70, 20, 10), 450, 100), ((0.5, 0.5, 99), 8, 4)],
)
def test_what_is_cut_out_of_train_is_the_share_of_the_two(shares, count, validation):
    items = make_items({"train": {"bell": count}, "test": {"bell": 2}})
    divided = count_splits(assign_splits(items, PrepareConfig(shares=shares)), "bell")
    assert divided == {"train": count - validation, "validation": validation, "test": 2}


def test_items_are_sorted_by_split_class_and_name():
    given = {split: {"drum": 2, "bell": 1} for split in ("other", "test", "another", "validation")}
    items = assign_splits(make_items(given | {"train": {"drum": 1}}), PrepareConfig())
    assert [item.id for item in items] == ["train/drum/0.mp4"] + [
        f"{split}/{name}"
        for split in ("validation", "test", "another", "other")
        for name in ("bell/0.mp4", "drum/0.mp4", "drum/1.mp4")
    ]


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
    check_classes(make_items({"validation": {"a": 1}, "test": {"b": 1}}))


@pytest.mark.parametrize(("lacking", "more"), [("b", ""), ("bc", "c"), ("bcd", "c, d")])
def test_all_classes_that_a_split_lacks_are_named(lacking, more):
    items = make_items({"train": dict.fromkeys("a" + lacking, 1), "test": {"a": 1}})
    with pytest.raises(UserError) as error:
        check_classes(items)
    assert str(error.value) == (
        "class 'b' is in train but not in test"
        + (f" (and so are {more})" if more else "")
        + ": add recordings of it to test (at least two per class in all), or remove it"
    )


def test_a_plan_says_what_it_was_made_of():
    source, config = Source("videos", "unused", make_items({"train": {"bell": 2}})), PrepareConfig()
    name = "train-00000-of-00001.tfrecord"
    shard = ShardPlan(name, "train", "bell", 0, source.items)
    assert make_plan(source, config) == Plan(source, config, ("bell",), [shard])


def sized_items(sizes: dict[str, list[int]]) -> Source:
    """{class: sizes in MiB} -> a source of train items."""
    items = [
        FileItem("unused", f"train/{name}/{index}.mp4", name, "train", size * 2**20)
        for name, group in sizes.items()
        for index, size in enumerate(group)
    ]
    return Source("videos", "unused", items)


def test_shards_hold_one_class_and_are_full_by_the_size_of_the_files():
    made = make_plan(sized_items({"bell": [200, 60, 300, 1], "drum": [10]}), PrepareConfig())
    assert made.classes == ("bell", "drum")
    assert [(s.name, s.label, [i.size // 2**20 for i in s.items]) for s in made.shards] == [
        ("train-00000-of-00004.tfrecord", 0, [200, 60]),
        ("train-00001-of-00004.tfrecord", 0, [300]),
        ("train-00002-of-00004.tfrecord", 0, [1]),
        ("train-00003-of-00004.tfrecord", 1, [10]),
    ]


def test_a_shard_is_full_to_the_byte():
    half = 2**27
    for second, shards in ((half, [2, 1]), (half - 1, [3])):
        items = [
            FileItem("unused", f"train/bell/{n}.mp4", "bell", "train", size)
            for n, size in enumerate((half, second, half))
        ]
        made = make_plan(Source("videos", "unused", items), PrepareConfig())
        assert [len(shard.items) for shard in made.shards] == shards


def test_small_files_fill_a_shard_by_their_number():
    made = make_plan(sized_items({"bell": [0] * 300}), PrepareConfig())
    assert [len(shard.items) for shard in made.shards] == [256, 44]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"image_size": 7}, "--image_size=7: must be from 8 to 1024"),
        ({"image_size": 1025}, "--image_size=1025: must be from 8 to 1024"),
        ({"max_fps": 0.0}, "--max_fps=0: must be more than 0"),
        ({"alignment": "left"}, "--alignment=left: must be one of middle, start, end"),
        ({"shares": (70.0, 20.0, 20.0)}, "--shares=70,20,20: must be three numbers that make 100"),
        ({"shares": (120.0, -40.0, 20.0)}, "--shares=120,-40,20: must be three numbers"),
        ({"workers": -1}, "--workers=-1: must not be negative"),
    ],
)
def test_settings_that_cannot_work_are_named(setting, message):
    with pytest.raises(UserError, match=f"^{message}"):
        PrepareConfig(**setting).validate()


@pytest.mark.parametrize(
    "setting",
    [{}, {"image_size": 8}, {"image_size": 1024}, {"max_fps": 0.5}, {"shares": (100.0, 0.0, 0.0)}],
)
def test_settings_at_their_limits_can(setting):
    PrepareConfig(**setting).validate()


def test_readers_are_told_what_concerns_them():
    limits = MediaLimits(seconds=7.0)
    config = PrepareConfig(48, 5.0, "start", limits=limits)
    assert config.read_options == ReadOptions(48, 5.0, "start", limits)


@pytest.mark.parametrize(
    ("shares", "count", "expected"),
    [
        ((80, 0, 20), 5, {"train": 4, "test": 1}),
        ((0, 40, 60), 5, {"validation": 2, "test": 3}),
        ((0, 50, 50), 1, {"test": 1}),
        ((0, 100, 0), 3, {"validation": 3}),
        ((0, 1, 99), 100, {"validation": 1, "test": 99}),
        # Not zero is at least one, however little, and one stays for train.
        ((99, 0.5, 0.5), 10, {"train": 8, "validation": 1, "test": 1}),
        ((0.5, 49.5, 50), 4, {"train": 1, "validation": 1, "test": 2}),
    ],
)
def test_shares_are_kept_as_nearly_as_whole_recordings_can(shares, count, expected):
    divided = assign_splits(make_items({"": {"bell": count}}), PrepareConfig(shares=shares))
    assert count_splits(divided, "bell") == expected


def test_each_kind_is_divided_by_the_shares_wherever_its_files_lie():
    # Ten of a kind give 6, 2 and 2; twenty would give 14, 3 and 3.
    names = [f"{folder}/bell/{n % 5}/{n}" for folder in ("image", "sound") for n in range(10)]
    names += [f"{'abcde'[n % 5]}/bell/{n}.mp4" for n in range(10)]
    items = [FileItem("x", name, "bell", "") for name in names]
    divided = Counter(
        (i.split, kind if (kind := i.id.split("/")[0]) in ("image", "sound") else "video")
        for i in assign_splits(items, PrepareConfig())
    )
    assert divided == {
        (split, kind): count
        for kind in ("image", "sound", "video")
        for split, count in (("train", 6), ("validation", 2), ("test", 2))
    }
