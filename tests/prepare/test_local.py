"""cmgen.prepare: whole folders or none, and messages for what cannot be read."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from checkout import ROOT
from fixtures import tone, write_corpus, write_recording

from cmgen.config import DataConfig
from cmgen.data import pipeline
from cmgen.data.shards import read_info
from cmgen.media.video import write_video
from cmgen.prepare import __main__ as prepare_main
from cmgen.prepare import plan
from cmgen.prepare.cache import fingerprint, resolve
from cmgen.prepare.local import PrepareConfig, prepare
from cmgen.prepare.sources import FileItem
from cmgen.utils import cli
from cmgen.utils.errors import BAD_INPUT, FAILED_WORK, UserError
from tools import make_sub_urmp_fixture


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus") / "raw", seconds=1.0)


@pytest.fixture
def raw(corpus, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(corpus, tmp_path / "raw")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_info_tells_what_was_prepared(corpus, tmp_path):
    info = prepare(corpus, tmp_path / "out", PrepareConfig(image_size=32))
    assert info == read_info(tmp_path / "out")
    assert info.classes == ("bell", "drum", "flute") and info.image_size == 32
    assert list(info.splits) == ["train", "validation", "test"]
    train = info.splits["train"]
    assert train.recordings == 6 and train.per_class == {"bell": 2, "drum": 2, "flute": 2}
    assert train.frames == 60 and 6.0 <= train.seconds < 6.3
    assert info.alignment == "middle" and info.fps == 10 and info.sample_rate == 44100
    assert info.source["kind"] == "videos" and info.source["settings"]["seed"] == 1
    assert {"cmgen", "av", "soundfile"} <= set(info.versions)


def test_several_processes_give_the_same_as_one(corpus, tmp_path, monkeypatch):
    prepare(corpus, tmp_path / "one", PrepareConfig(workers=1))
    monkeypatch.setattr("cmgen.prepare.reading._FEW_ITEMS", 0)
    prepare(corpus, tmp_path / "two", PrepareConfig(workers=2))
    for path in (tmp_path / "one").glob("*.tfrecord"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def spoil(raw, kind):
    """Puts one bad file among the good ones; returns it."""
    path = raw / "train" / "bell" / f"{kind}.mp4"
    good = next((raw / "train" / "bell").glob("*.mp4"))
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("not a video " * 100)
    elif kind == "truncated":
        path.write_bytes(good.read_bytes()[:-2000])
    elif kind == "silent":
        write_video(path, [np.zeros((32, 32, 3), np.uint8)] * 10)
    elif kind == "short":
        write_recording(path, "bell", 0.3)
    elif kind == "unmatched":
        # The only picture lies at 0 s, where no window has its middle.
        write_video(path, [np.zeros((32, 32, 3), np.uint8)], 10.0, tone(440, 1.0))
    return path


BAD = {
    "empty": "is empty",
    "text": "not a readable",
    "truncated": "truncated",
    "silent": "has no sound",
    "short": "0.3.* s of sound",
    "unmatched": "no picture lies in the middle",
}


@pytest.mark.parametrize(("kind", "message"), BAD.items())
def test_a_bad_file_stops_the_work_and_is_named(raw, tmp_path, kind, message):
    path = spoil(raw, kind)
    with pytest.raises(UserError, match=message) as caught:
        prepare(raw, tmp_path / "out", PrepareConfig())
    assert str(path) in str(caught.value) and "--skip_bad_files" in str(caught.value)
    assert caught.value.exit_code == BAD_INPUT
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]


def test_bad_files_can_be_left_out(raw, tmp_path, capsys):
    paths = [spoil(raw, kind) for kind in ("empty", "text")]
    info = prepare(raw, tmp_path / "out", PrepareConfig(skip_bad_files=True))
    assert info.splits["train"].per_class["bell"] == 2
    notes = capsys.readouterr().err
    assert all(f"note: left out: {path}" in notes for path in paths)
    lines = (tmp_path / "out" / "set_aside.jsonl").read_text().splitlines()
    asides = {line["file"]: line["error"] for line in map(json.loads, lines)}
    assert list(asides) == ["train/bell/empty.mp4", "train/bell/text.mp4"] and info.set_aside == 2
    assert "is empty" in asides["train/bell/empty.mp4"]


def test_nothing_is_said_of_files_set_aside_where_all_are_good(corpus, tmp_path):
    info = prepare(corpus, tmp_path / "out", PrepareConfig(skip_bad_files=True))
    assert info.set_aside == 0 and not (tmp_path / "out" / "set_aside.jsonl").exists()


def test_an_error_that_nobody_foresaw_is_the_files_own_if_files_may_be_left_out(
    raw, tmp_path, monkeypatch
):
    good = FileItem.read

    def read(item, folder, options):
        if item.id == "train/bell/bell_0.mp4":
            raise ValueError("planes\nof no known layout")
        return good(item, folder, options)

    monkeypatch.setattr(FileItem, "read", read)
    with pytest.raises(ValueError, match="planes"):
        prepare(raw, tmp_path / "out", PrepareConfig(workers=1))
    info = prepare(raw, tmp_path / "out", PrepareConfig(workers=1, skip_bad_files=True))
    assert info.splits["train"].per_class["bell"] == 1
    [line] = (tmp_path / "out" / "set_aside.jsonl").read_text().splitlines()
    assert "bell_0.mp4: cannot be read (ValueError: planes of no known layout)" in line


def test_a_shard_without_readable_files_is_missing(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "_SHARD_BYTES", 1)
    (raw / "train" / "drum" / "drum_0.mp4").write_bytes(b"")
    info = prepare(raw, tmp_path / "out", PrepareConfig(skip_bad_files=True))
    expected = [f"train-{index:05d}-of-00006.tfrecord" for index in (0, 1, 3, 4, 5)]
    assert [shard.name for shard in info.splits["train"].shards] == expected
    assert sorted(path.name for path in (tmp_path / "out").glob("train*")) == expected
    assert len(pipeline.load_split(tmp_path / "out", "train", DataConfig()).ids) == 5


@pytest.mark.parametrize("split", ["train", "test"])
def test_leaving_out_all_of_a_class_is_refused(raw, tmp_path, split, capsys):
    for path in (raw / split / "bell").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match=f"no readable {split} recordings of bell"):
        prepare(raw, tmp_path / "out", PrepareConfig(skip_bad_files=True))
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]
    assert "bell_0.mp4: is empty" in capsys.readouterr().err


def test_a_class_in_one_split_only_is_refused(raw, tmp_path):
    shutil.rmtree(raw / "test" / "drum")
    with pytest.raises(UserError, match="'drum' is in train but not in test"):
        prepare(raw, tmp_path / "out", PrepareConfig())


def test_a_full_disk_leaves_nothing(corpus, tmp_path, monkeypatch):
    class FullDisk(tf.io.TFRecordWriter):
        def write(self, record):
            raise tf.errors.ResourceExhaustedError(None, None, "x; No space left on device")

    monkeypatch.setattr(tf.io, "TFRecordWriter", FullDisk)
    with pytest.raises(UserError, match="out: the disk is full") as caught:
        prepare(corpus, tmp_path / "out", PrepareConfig())
    assert caught.value.exit_code == FAILED_WORK
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(corpus, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not an empty folder"):
        prepare(corpus, tmp_path / "out", PrepareConfig())
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("config", "flag"),
    [
        (PrepareConfig(image_size=2), "--image_size=2"),
        (PrepareConfig(max_fps=0), "--max_fps=0"),
        (PrepareConfig(alignment="left"), "--alignment=left"),
        (PrepareConfig(shares=(70, 20, 20)), "--shares=70,20,20"),
        (PrepareConfig(workers=-1), "--workers=-1"),
    ],
)
def test_bad_settings_are_named(corpus, tmp_path, config, flag):
    with pytest.raises(UserError, match=flag):
        prepare(corpus, tmp_path / "out", config)


def test_sub_urmp_becomes_train_validation_and_test(tmp_path):
    make_sub_urmp_fixture.write_tree(tmp_path / "raw", 6)
    info = prepare(tmp_path / "raw", tmp_path / "out", PrepareConfig())
    assert info.classes == ("double_bass", "flute", "violin") and info.alignment == "pair"
    # double_bass has one train song, which stays there.
    assert set(info.splits["validation"].per_class) == {"flute", "violin"}
    assert info.splits["train"].per_class["double_bass"] == 1
    assert info.splits["test"].per_class == {"double_bass": 1, "flute": 1, "violin": 1}
    recordings = pipeline.load_split(tmp_path / "out", "test", DataConfig())
    assert recordings.frame_times[:6].tolist() == [11025 + 4410 * i for i in range(6)]


def test_whatever_is_left_out_is_counted_and_named(raw, tmp_path, run_main):
    for name in ("notes.txt", "train/bell/bell_0.txt", "train/bell/a.heic", "train/bell/.b.mp4"):
        (raw / name).write_bytes(b"1")
    (raw / "train/again").symlink_to(raw)
    done = run_main("cmgen.prepare", f"--input={raw}", "--output=out", "--image_size=32")
    assert done.returncode == 0, done.stderr
    assert "left out         5 files, named in left_out.jsonl there" in done.stdout
    assert "left out 2 (suffix .txt is not read): notes.txt, train/bell/bell_0.txt" in done.stderr
    lines = (tmp_path / "out" / "left_out.jsonl").read_text().splitlines()
    reasons = {line["file"]: line["reason"] for line in map(json.loads, lines)}
    assert reasons.keys() == {
        *("notes.txt", "train/bell/bell_0.txt", "train/bell/a.heic", "train/bell/.b.mp4"),
        "train/again",
    }
    assert read_info(tmp_path / "out").left_out == Counter(reasons.values())


def test_a_dry_run_shows_what_was_understood_and_writes_nothing(raw, tmp_path, run_main):
    (raw / "test").rename(raw / "Testing")
    shutil.rmtree(raw / "validation")
    (raw / "notes.txt").touch()
    done = run_main("cmgen.prepare", f"--input={raw}", "--dry_run")
    assert done.returncode == 0, done.stderr
    first, root, *tree = done.stdout.splitlines()
    assert first == "9 recordings of 3 classes, understood as:" and root == f"{raw}/"
    assert [line.split() for line in tree if line[2] != " "] == [
        ["train", "3"],
        ["validation", "(in", "train)", "3"],
        ["test", "(in", "Testing)", "3"],
    ]
    assert "left out 1 (suffix .txt is not read): notes.txt" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
    (raw / "Testing").rename(raw / "other")
    (raw / "train").rename(raw / "another")
    done = run_main("cmgen.prepare", f"--input={raw}", "--dry_run")
    assert done.returncode == BAD_INPUT and "Traceback" not in done.stderr
    assert "none of its folders (another, other) is named train" in done.stderr


def test_the_main_prepares_and_the_catalog_takes_it(corpus, tmp_path, run_main):
    out = tmp_path / "prepared"
    done = run_main("cmgen.prepare", f"--input={corpus}", f"--output={out}")
    assert done.returncode == 0, done.stderr
    assert "3 classes (bell, drum, flute)" in done.stdout
    assert "6 recordings" in done.stdout
    assert resolve(DataConfig(data=str(out))) == out
    assert list(read_info(out).splits) == ["train", "validation", "test"]
    with pytest.raises(UserError, match="--image_size=64"):
        resolve(DataConfig(data=str(out), image_size=32))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--input: missing"),
        (("--input=nowhere", "--output=out"), "nowhere: no such folder"),
        (("--input=.", "--output=../out", "--shares=a,b"), "--shares=a,b"),
        (("--input=.", "--output=../out"), "found no"),
        (("--input=gs://a/b", "--output=out"), "--input=gs://a/b: only a folder of this machine"),
        (("--input=.", "--output=s3://a/b"), "add --runner=DirectRunner"),
        (("--input=.", "--output=out", "--beam_option=a=b"), "--beam_option=a=b: needs --runner"),
        (("--input=.", "--output=out", "--runner=Other"), "--runner"),
    ],
)
def test_the_main_explains_bad_flags(run_main, arguments, message):
    done = run_main("cmgen.prepare", *arguments)
    assert done.returncode == BAD_INPUT
    assert message in done.stderr and "Traceback" not in done.stderr


def test_a_runner_says_which_extra_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(sys.modules, "cmgen.prepare.beam", raising=False)
    monkeypatch.delitem(sys.modules, "cmgen.prepare.storage", raising=False)
    flags = ["prepare", "--input=in", "--output=out", "--runner=DirectRunner"]
    cli.parse(prepare_main.FLAGS, flags)
    with pytest.raises(UserError, match=r'apache_beam.*-e "\.\[beam\]"'):
        prepare_main.main()


def test_raw_data_are_prepared_once_into_the_cache(raw, cache, capsys):
    config = DataConfig(data=str(raw), image_size=32)
    folder = resolve(config)
    assert folder.parent == cache and read_info(folder).image_size == 32
    assert "preparing" in capsys.readouterr().out
    assert resolve(config) == folder
    assert "preparing" not in capsys.readouterr().out
    write_recording(raw / "train" / "bell" / "new.mp4", "bell", 1.0)
    assert resolve(config) != folder
    assert resolve(DataConfig(data=str(raw), image_size=64)) != folder


def test_only_files_of_recordings_make_data_be_prepared_again(raw, cache):
    before = fingerprint(raw, PrepareConfig())
    for name in (".DS_Store", "README.md", "train/bell/._bell_0.mp4", "train/bell/bell_0.npz"):
        (raw / name).write_bytes(b"1")
    (raw / "train/gone.mp4").symlink_to("nowhere.mp4")
    assert fingerprint(raw, PrepareConfig()) == before
    (raw / "train").rename(raw / "extra")  # another split
    assert fingerprint(raw, PrepareConfig()) != before


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing", "info", "info missing"])
def test_damaged_data_in_the_cache_are_prepared_again(raw, cache, capsys, damage):
    config = DataConfig(data=str(raw), image_size=32)
    folder = resolve(config)
    good = {path.name: path.read_bytes() for path in folder.iterdir()}
    spoilt = folder / ("dataset.json" if "info" in damage else min(folder.glob("train*")).name)
    if "missing" in damage:
        spoilt.unlink()
    elif damage == "cut":
        spoilt.write_bytes(good[spoilt.name][:-9])
    else:
        spoilt.write_bytes(_flipped(good[spoilt.name], len(good[spoilt.name]) // 2))
    capsys.readouterr()
    assert resolve(config) == folder
    assert f"{folder}: is damaged" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == good
    assert resolve(config) == folder and "damaged" not in capsys.readouterr().out


def test_a_home_that_is_not_known_has_a_remedy(raw, monkeypatch):
    """As in containers that run under a number without a name."""
    for name in ("HOME", "CMGEN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(number):
        raise KeyError(number)

    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(UserError, match=r"home folder is not known.*set .*CMGEN_CACHE"):
        resolve(DataConfig(data=str(raw)))


@pytest.mark.parametrize("variable", ["HOME", "CMGEN_CACHE"])
def test_a_cache_that_cannot_be_written_has_a_remedy(raw, tmp_path, monkeypatch, variable):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("CMGEN_CACHE", raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"may not be written here \(.*CMGEN_CACHE") as caught:
        resolve(DataConfig(data=str(raw)))
    assert caught.value.exit_code == FAILED_WORK


def test_a_path_from_a_home_that_is_not_known_has_a_remedy(run_main):
    done = run_main("cmgen.prepare", "--input=~nobody_of_this_name/raw", "--output=out")
    assert done.returncode == FAILED_WORK and "Traceback" not in done.stderr
    assert "the home folder is not known: give the whole path" in done.stderr


KILLED = """
import os, signal, sys
from pathlib import Path
from cmgen.prepare import local

def summarise(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    local.summarise = summarise
    local.prepare(Path(sys.argv[1]), Path(sys.argv[2]), local.PrepareConfig(workers=1))
"""


def test_what_a_killed_command_leaves_is_removed_by_the_next(corpus, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, str(corpus), str(tmp_path / "out")]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    [leftover] = tmp_path.iterdir()
    assert leftover.name.startswith(".out.") and list(leftover.glob("*.tfrecord"))
    prepare(corpus, tmp_path / "out", PrepareConfig(image_size=32))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_missing_folder_is_named(cache):
    with pytest.raises(UserError, match="--data=nowhere: no such folder"):
        resolve(DataConfig(data="nowhere"))


def test_the_demo_counts_by_content(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("cmgen.prepare.cache._demo_path", lambda: tmp_path / "demo")
    shutil.copytree(corpus, tmp_path / "demo")
    before = fingerprint(tmp_path / "demo", PrepareConfig())
    path = next((tmp_path / "demo").rglob("*.mp4"))
    path.touch()
    assert fingerprint(tmp_path / "demo", PrepareConfig()) == before
    path.write_bytes(path.read_bytes()[::-1])
    assert fingerprint(tmp_path / "demo", PrepareConfig()) != before


def _flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_damaged_shards_are_named(corpus, tmp_path):
    prepare(corpus, tmp_path / "out", PrepareConfig())
    path = sorted((tmp_path / "out").glob("train*"))[0]
    data = path.read_bytes()
    for gib in (2.0, 0.0):  # in memory, and streamed, where only the sizes are read at first
        for damage in (data[:-100], _flipped(data, len(data) // 2)):
            path.write_bytes(damage)
            with pytest.raises(UserError, match=f"{path.name}: is damaged, or was changed"):
                pipeline.load_split(tmp_path / "out", "train", DataConfig(cache_gib=gib))
    path.unlink()
    with pytest.raises(UserError, match=f"{path.name}: is missing"):
        pipeline.load_split(tmp_path / "out", "train", DataConfig())
    info = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert info["format_version"] == 2
