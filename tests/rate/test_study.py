import json
from pathlib import Path

import pytest
from tiny_study import SOURCES, make_manifest, write_study

from cmgen.rate import study
from cmgen.rate.study import Manifest, rater_order
from cmgen.utils.errors import UserError


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return make_manifest(per_class=5)


def test_a_study_is_read_whole(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study")
    found = study.read_study(folder)
    assert len(found.pictures) == len(found.manifest.items) == 6 * len(SOURCES)
    assert len(found.sounds) == len(found.manifest.windows) == 6
    assert all(data.startswith(b"\x89PNG") for data in found.pictures.values())
    assert found.id == study.read_manifest(folder)[0] and len(found.id) == 16


def test_names_of_files_tell_nothing(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study")
    names = " ".join(path.name for path in folder.rglob("*.*")).replace(study.MANIFEST, "")
    assert not any(word in names for word in (*SOURCES, "bell", "drum", "flute"))


@pytest.mark.parametrize("kind", ["pictures", "sounds"])
def test_a_changed_or_missing_file_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    folder = write_study(tmp_path / "study")
    path = next((folder / kind).iterdir())
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UserError, match=f"{path.name}: is not the file"):
        study.read_study(folder)
    path.unlink()
    with pytest.raises(UserError, match=f"{path.name}: can't be read"):
        study.read_study(folder)


def change(values: dict, **changes) -> str:
    return json.dumps({**values, **changes})


def test_bad_manifests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no manifest"):
        study.read_manifest(tmp_path)
    folder = write_study(tmp_path / "study")
    path = folder / study.MANIFEST
    values = json.loads(path.read_text())
    outside = {**values["items"][0], "picture": "../../../etc/pass"}
    for text, said in (
        ("{", "damaged"),
        ("[]", "damaged"),
        (change(values, format_version=9), "format version 9"),
        (change(values, items=values["items"][1:]), "one picture for each window"),
        (change(values, items=[outside, *values["items"][1:]]), "keys of 16 hex digits"),
        (change(values, surprise=1), r"unexpected names: .*surprise.*; collect the study again"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=said):
            study.read_manifest(folder)


@pytest.mark.parametrize("names", [["real"], [""], ["a/b"], ["x" * 25], ["A", "A"]])
def test_bad_names_of_sources_are_refused(names: list[str]) -> None:
    with pytest.raises(UserError, match="--run="):
        study.check_sources(names)


def test_each_rater_sees_every_picture_once_in_an_order_of_their_own(manifest: Manifest) -> None:
    orders = [rater_order(manifest, number) for number in range(6)]
    for order in orders:
        assert sorted(i.picture for i in order) == sorted(i.picture for i in manifest.items)
    assert len({tuple(i.picture for i in order) for order in orders}) == len(orders)
    assert orders[2] == rater_order(manifest, 2)


@pytest.mark.parametrize("number", range(5))
def test_a_rater_who_stops_early_leaves_balanced_sources(manifest: Manifest, number: int) -> None:
    order = rater_order(manifest, number)
    for stop in range(1, len(order) + 1):
        shown = [item.source for item in order[:stop]]
        counts = [shown.count(source) for source in manifest.sources]
        assert max(counts) - min(counts) <= 2  # the last block of a round may be short


def test_no_sound_comes_again_before_all_others(manifest: Manifest) -> None:
    order, round_length = rater_order(manifest, 1), len(manifest.windows)
    for turn in range(len(manifest.sources)):
        windows = [item.window for item in order[turn * round_length : (turn + 1) * round_length]]
        assert sorted(windows) == list(range(round_length))


def test_first_rounds_cover_everything_twice(manifest: Manifest) -> None:
    seen: dict[str, int] = {}
    for number in range(2 * len(manifest.sources)):
        for item in rater_order(manifest, number)[: len(manifest.windows)]:
            seen[item.picture] = seen.get(item.picture, 0) + 1
    assert seen == {item.picture: 2 for item in manifest.items}
