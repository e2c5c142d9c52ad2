"""Every file of a raw folder is listed, or left out by name with the reason, or an error."""

import errno
import os
import socket
from pathlib import Path

import pytest

from cmgen.prepare import listing
from cmgen.prepare.listing import CIRCLE, HIDDEN, NO_TARGET, NOT_UTF8, SPECIAL, list_folder
from cmgen.utils.errors import BAD_INPUT, UserError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not read yet")
    return folder


def names(listed: listing.Listing) -> list[str]:
    return [file.name for file in listed.files]


def left_out(listed: listing.Listing) -> dict[str, str]:
    return {left.file: left.reason for left in listed.left_out}


@pytest.mark.parametrize("where", ["", "bell", "train/bell"])
@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_folder_that_cannot_be_listed_is_an_error_or_left_out_by_name(
    tmp_path, monkeypatch, where, error
):
    touch(tmp_path, "bell/a.mp4", "train/bell/a.mp4", "drum/a.mp4")
    scandir = os.scandir

    def refuse(path):
        if Path(path) == tmp_path / where:
            raise OSError(error, os.strerror(error), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=f"cannot be read \\({os.strerror(error)}\\)") as caught:
        list_folder(tmp_path)
    assert caught.value.exit_code == BAD_INPUT and str(tmp_path / where) in str(caught.value)
    listed = list_folder(tmp_path, skip_bad_files=True)
    assert left_out(listed) == {where: f"cannot be read ({os.strerror(error)})"}
    assert [name for name in names(listed) if where and name.startswith(f"{where}/")] == []
    assert ("drum/a.mp4" in names(listed)) == bool(where)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may list it all")
def test_a_folder_without_permission_is_an_error(tmp_path):
    touch(tmp_path, "bell/a.mp4", "drum/a.mp4")
    (tmp_path / "bell").chmod(0)
    with pytest.raises(UserError, match="bell: cannot be read"):
        list_folder(tmp_path)
    (tmp_path / "bell").chmod(0o400)  # names can be read, what they mean can't
    with pytest.raises(UserError, match=r"a\.mp4: cannot be read"):
        list_folder(tmp_path)
    (tmp_path / "bell").chmod(0o700)


def test_links_are_followed_and_circles_are_left_out_by_name(tmp_path):
    raw = touch(tmp_path / "raw", "train/bell/a.mp4", "train/drum/b.mp4")
    touch(tmp_path / "elsewhere", "bell/c.mp4", "drum/d.mp4")
    (raw / "test").symlink_to(tmp_path / "elsewhere")  # a split
    (raw / "train/flute").symlink_to("../../elsewhere/bell")  # a class
    (raw / "train/bell/e.mp4").symlink_to("a.mp4")  # a file
    (raw / "train/itself").symlink_to(".")
    (raw / "train/drum/top").symlink_to(raw)
    (tmp_path / "elsewhere/bell/back").symlink_to(raw / "test")
    (raw / "train/one.mp4").symlink_to("two.mp4")
    (raw / "train/two.mp4").symlink_to("one.mp4")
    (raw / "train/gone.mp4").symlink_to("nowhere.mp4")
    listed = list_folder(raw)
    assert [name for name in names(listed) if "/back/" not in name] == [
        "test/bell/c.mp4",
        "test/drum/d.mp4",
        "train/bell/a.mp4",
        "train/bell/e.mp4",
        "train/drum/b.mp4",
        "train/flute/c.mp4",
    ]
    found = left_out(listed)
    assert found["train/itself"] == found["train/drum/top"] == found["test/bell/back"] == CIRCLE
    assert found["train/one.mp4"] == found["train/two.mp4"] == CIRCLE
    assert found["train/gone.mp4"] == NO_TARGET
    # Where the circle is entered at another place, one more round is listed, and then no other.
    assert sum("/back/" in name for name in names(listed)) == 1
    assert found["train/flute/back/bell"] == CIRCLE


def test_what_is_hidden_or_no_file_is_left_out_by_name(tmp_path):
    touch(
        tmp_path, "bell/a.mp4", ".DS_Store", "bell/._a.mp4", ".git/x/y.mp4", "__MACOSX/bell/a.mp4"
    )
    touch(tmp_path, "bell/Thumbs.db", "lost+found/b.mp4")
    os.mkfifo(tmp_path / "bell/pipe.mp4")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)  # a socket's path may have 108 bytes
        server.bind("socket.mp4")
        os.chdir(here)
        listed = list_folder(tmp_path)
    assert names(listed) == ["bell/a.mp4"]
    hidden = {".DS_Store", "bell/._a.mp4", ".git", "__MACOSX", "bell/Thumbs.db", "lost+found"}
    special = {"bell/pipe.mp4", "socket.mp4"}
    assert left_out(listed) == dict.fromkeys(hidden, HIDDEN) | dict.fromkeys(special, SPECIAL)


def test_names_in_other_encodings_are_left_out_and_written_with_their_bytes(tmp_path):
    touch(tmp_path, "Flöte/a.mp4", "bell/b.mp4")
    for name in (b"Fl\xf6te", b"bell/\xe9t\xe9.mp4"):  # Latin-1, as old archives have it
        path = tmp_path / os.fsdecode(name)
        if path.suffix:
            path.touch()
        else:
            touch(path, "c.mp4")
    listed = list_folder(tmp_path)
    assert names(listed) == ["Flöte/a.mp4", "bell/b.mp4"]
    assert left_out(listed) == {r"Fl\xf6te": NOT_UTF8, r"bell/\xe9t\xe9.mp4": NOT_UTF8}
    for name in left_out(listed):
        name.encode("utf-8")


def test_lists_of_other_file_systems_leave_out_the_same(tmp_path):
    touch(tmp_path, "bell/a.mp4", ".git/x/y.mp4", ".git/z.mp4", "bell/.b.mp4", "__MACOSX/c.mp4")
    flat = [
        listing.RawFile(path.relative_to(tmp_path).as_posix(), path.stat().st_size)
        for path in tmp_path.rglob("*")
        if path.is_file()
    ]
    assert listing.make_listing(str(tmp_path), flat) == list_folder(tmp_path)


def test_the_reasons_are_counted_with_the_first_names(capsys):
    left = [listing.LeftOut(f"{n}.txt", "suffix .txt is not read") for n in range(5)]
    listing.print_left_out([*left, listing.LeftOut(".git", HIDDEN)])
    assert capsys.readouterr().err.splitlines() == [
        "note: left out 5 (suffix .txt is not read): 0.txt, 1.txt, 2.txt, ...",
        "note: left out 1 (hidden): .git",
    ]
