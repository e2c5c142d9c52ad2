"""Odd names, odd folders and odd clocks: nothing goes wrong, or it is said what."""

import json
import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import fixtures
import numpy as np
import pytest
import tensorflow as tf
from tiny_exports import write_export
from tiny_training import TINY

from cmgen.generate.model import load
from cmgen.prepare import plan, sources
from cmgen.train.checkpoints import Checkpoints
from cmgen.utils.locks import OWNER_FILE, only_writer

ODD = "Übung Nr. 1 – 音楽 'n' $HOME #%20"


def linked(folder: Path, name: str, target: Path) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def test_links_in_circles_and_to_nothing_are_left_out_by_name(tmp_path):
    raw = fixtures.write_corpus(tmp_path / "raw", {"train": 1, "test": 1}, seconds=0.6)
    clean = sources.find_source(raw)
    linked(raw, "train/drum/again", raw)  # a folder that holds itself
    linked(raw, "train/drum/here.mp4", Path("there.mp4"))
    linked(raw, "train/drum/there.mp4", Path("here.mp4"))
    linked(raw, "train/drum/gone.mp4", tmp_path / "nowhere.mp4")
    found = sources.find_source(raw)
    assert found.items == clean.items and len(clean.items) == 6
    left_out = {left.file.rpartition("/")[2]: left.reason for left in found.left_out}
    circles = dict.fromkeys(("again", "here.mp4", "there.mp4"), "link in a circle")
    assert left_out == circles | {"gone.mp4": "link to nothing"}


@pytest.mark.slow
def test_a_hundred_thousand_files(tmp_path):
    for label in range(10):
        folder = tmp_path / "raw" / f"class_{label}"
        folder.mkdir(parents=True)
        first = folder / "00000.flac"
        first.write_bytes(b"x" * 100)
        for index in range(1, 10_000):  # ext4 has no more than 65,000 links to a file
            os.link(first, folder / f"{index:05d}.flac")
    made = plan.make_plan(sources.find_source(tmp_path / "raw"), plan.PrepareConfig())
    ids = [item.id for shard in made.shards for item in shard.items]
    assert len(ids) == len(set(ids)) == 100_000
    count = {split: 0 for split in ("train", "validation", "test")}
    for shard in made.shards:
        count[shard.split] += len(shard.items)
    assert count == {"train": 70_000, "validation": 15_000, "test": 15_000}
    assert len(made.shards) < 1000


def saved_at(folder: Path, steps: tuple[int, ...]) -> tuple[tf.Variable, Checkpoints]:
    value = tf.Variable(np.zeros(10, np.float32))
    saved = Checkpoints(folder, 2, value=value)
    for step in steps:
        value.assign(tf.fill([10], float(step)))
        saved.save(step)
    return value, saved


def test_a_clock_that_is_set_back_changes_neither_the_newest_nor_the_oldest(tmp_path, monkeypatch):
    saved_at(tmp_path, (5, 10))
    for path in tmp_path.iterdir():  # written tomorrow, as far as the files know
        os.utime(path, (time.time() + 86400,) * 2)
    value, saved = saved_at(tmp_path, ())
    assert saved.restore() == 10
    yesterday = time.time() - 86400
    monkeypatch.setattr(time, "time", lambda: yesterday)
    value.assign(tf.fill([10], 15.0))
    saved.save(15)
    again, newest = saved_at(tmp_path, ())
    assert newest.restore() == 15 and float(again[0]) == 15.0
    # Of two that are kept, the one with the lower step went, not the one with the older date.
    assert sorted(path.stem for path in tmp_path.glob("*.index")) == ["ckpt-10", "ckpt-15"]


def test_the_time_zone_does_not_matter(tmp_path, monkeypatch):
    said = []
    for zone in ("UTC", "Asia/Kathmandu", "America/St_Johns"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        with only_writer(tmp_path):
            said.append(json.loads((tmp_path / OWNER_FILE).read_text())["since"])
    monkeypatch.undo()
    time.tzset()
    moments = [datetime.fromisoformat(moment) for moment in said]
    assert len({moment.utcoffset() for moment in moments}) == 3  # each in its zone, and says so
    assert max(moments) - min(moments) < timedelta(minutes=5)


def test_exports_of_any_date_count_by_their_number(tmp_path):
    write_export(tmp_path / "s2i", seed=1, step=7)
    write_export(tmp_path / "s2i", seed=2, version=10, step=9)
    os.utime(tmp_path / "s2i" / "10", (0, 0))
    assert load(tmp_path / "s2i").metadata.step == 9


@pytest.mark.slow
def test_the_full_pipeline_in_odd_folders_by_relative_paths(run_main, tmp_path):
    fixtures.write_corpus(tmp_path / ODD / "raw", seconds=1.2)

    def done(main: str, *arguments: str) -> None:
        ran = run_main(main, *arguments, timeout=900)
        assert ran.returncode == 0, ran.stderr[-3000:]

    data, run = f"{ODD}/prepared", f"{ODD}/läufe/s2i"
    done("cmgen.prepare", f"--input={ODD}/raw", f"--output={data}", "--image_size=32")
    done("cmgen.train", *TINY, f"--data={data}", f"--workdir={run}")
    scores = f"{ODD}/Noten.json"
    done("cmgen.evaluate", f"--workdir={run}", f"--output={scores}")
    test = min((tmp_path / ODD / "raw" / "test").rglob("*.mp4")).relative_to(tmp_path)
    picture = f"{ODD}/bild ✓.png"
    done("cmgen.generate", f"--model={run}", f"--input={test}", f"--output={picture}")
    done("cmgen.export", f"--workdir={run}", f"--output={ODD}/ausgabe/s2i")
    for name in (scores, picture, f"{ODD}/ausgabe/s2i/s2i.onnx", f"{ODD}/ausgabe/s2i/README.md"):
        assert (tmp_path / name).stat().st_size, name
    # The run knows its data by the whole path, so it is measured from anywhere.
    facts = json.loads((tmp_path / run / "data.json").read_text())
    assert facts["data"] == str(tmp_path / data)
