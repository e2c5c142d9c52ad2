"""Whole files or none, whatever happens while they are written."""

import errno
from pathlib import Path

import pytest

from cmgen.utils import files
from cmgen.utils.errors import FAILED_WORK, UserError


def test_a_written_file_replaces_the_old_one(tmp_path):
    path = tmp_path / "new" / "text.txt"
    files.write_text(path, "first")
    files.write_text(path, "zweite Fassung: ü")
    assert path.read_text(encoding="utf-8") == "zweite Fassung: ü"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "text.txt"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError), files.atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stopped")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_temporary_file_keeps_the_suffix(tmp_path):
    with files.atomic_file(tmp_path / "a.mp4") as temporary:
        temporary.touch()
        assert temporary.suffix == ".mp4"


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "data"
    with pytest.raises(KeyboardInterrupt), files.atomic_folder(path) as temporary:
        (temporary / "a").write_text("a")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with files.atomic_folder(path) as temporary:
        (temporary / "a").write_text("a")
        assert not path.exists()
    assert [p.name for p in path.iterdir()] == ["a"]


def test_a_folder_that_is_still_being_written_is_left_alone(tmp_path):
    with files.atomic_folder(tmp_path / "data") as first:
        (first / "a").touch()
        with files.atomic_folder(tmp_path / "data") as second:
            (second / "b").touch()
        assert (first / "a").exists()
        (tmp_path / "data" / "b").unlink()
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")] == ["data", "data/a"]


def test_an_empty_folder_may_be_filled_but_a_full_one_is_left_alone(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    with files.atomic_folder(path) as temporary:
        (temporary / "a").write_text("mine")
    with pytest.raises(UserError, match="not an empty folder"), files.atomic_folder(path):
        pytest.fail("must not be entered")
    assert (path / "a").read_text() == "mine"


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_explained(tmp_path, error):
    path = tmp_path / "weights.h5"
    with (
        pytest.raises(UserError, match=r"weights\.h5: the disk is full") as caught,
        files.atomic_file(path) as temporary,
    ):
        temporary.write_bytes(b"half")
        raise OSError(error, "full")
    assert caught.value.exit_code == FAILED_WORK
    assert list(tmp_path.iterdir()) == []


def test_other_libraries_full_disk_is_recognised_by_its_text(tmp_path):
    with (
        pytest.raises(UserError, match="free some space"),
        files.explained_disk_errors(tmp_path / "x"),
    ):
        raise RuntimeError("shard-0: No space left on device")


def test_a_real_full_device_is_explained(tmp_path):
    with (
        pytest.raises(UserError, match="the disk is full"),
        files.explained_disk_errors(tmp_path / "x"),
        Path("/dev/full").open("wb") as full,
    ):
        full.write(b"x")


def test_a_folder_without_permission_is_explained(tmp_path):
    with (
        pytest.raises(UserError, match="name another folder"),
        files.explained_disk_errors(tmp_path / "x"),
    ):
        raise PermissionError(errno.EACCES, "Permission denied")
