"""Shards are the same whichever runner makes them, wherever they lie; bad files never end the run."""

import json
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from checkout import RunMain
from fixtures import write_corpus

from cmgen.data.shards import read_info
from cmgen.prepare import plan
from cmgen.prepare.local import prepare
from cmgen.prepare.plan import PrepareConfig
from cmgen.prepare.sources import FileItem
from cmgen.utils.errors import BAD_INPUT, FAILED_WORK, UserError
from cmgen.utils.typed_json import signed, take_checksum
from tools import make_sub_urmp_fixture

WHY = 'needs Apache Beam: pip install -c requirements.lock -e ".[beam]"'
beam_pipeline = pytest.importorskip("cmgen.prepare.beam", reason=WHY)
storage = pytest.importorskip("cmgen.prepare.storage", reason=WHY)

ALONE = PrepareConfig(image_size=32, workers=1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = write_corpus(tmp_path_factory.mktemp("corpus") / "raw", seconds=0.8)
    (folder / "train" / "drum" / "text.mp4").write_text("not a video " * 100)
    (folder / "train" / "drum" / ".hidden.mp4").write_bytes(b"1")
    (folder / "notes.txt").write_bytes(b"1")
    return folder


@pytest.fixture(scope="module")
def prepared(corpus):
    """What the command without a runner makes of the corpus."""
    config = PrepareConfig(image_size=32, workers=1, skip_bad_files=True)
    prepare(corpus, corpus.parent / "prepared", config)
    return corpus.parent / "prepared"


@pytest.fixture
def memory(tmp_path):
    """A folder of TensorFlow's file system in memory."""
    address = f"ram://{tmp_path.name}"
    yield address
    if tf.io.gfile.exists(address):
        tf.io.gfile.rmtree(address)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def upload(folder: Path, address: str) -> None:
    for path in (path for path in folder.rglob("*") if path.is_file()):
        target = f"{address}/{path.relative_to(folder).as_posix()}"
        tf.io.gfile.makedirs(target.rpartition("/")[0])
        tf.io.gfile.copy(str(path), target)


def download(address: str, folder: Path) -> Path:
    folder.mkdir()
    for name in tf.io.gfile.listdir(address):
        tf.io.gfile.copy(f"{address}/{name}", str(folder / name))
    return folder


def run_beam(source, output, config: PrepareConfig = ALONE, *options: str):
    return beam_pipeline.prepare_with_beam(
        str(source), str(output), config, "DirectRunner", options
    )


def test_a_pipeline_writes_what_the_command_alone_writes(corpus, prepared, tmp_path):
    info = run_beam(corpus, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(prepared)
    assert info == read_info(tmp_path / "out")
    assert info.left_out == {"hidden": 1, "suffix .txt is not read": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_two_processes_write_the_same(corpus, prepared, tmp_path, run_main: RunMain):
    flags = ["--image_size=32", "--runner=DirectRunner", "--workers=2"]
    done = run_main("cmgen.prepare", f"--input={corpus}", "--output=out", *flags)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "out") == contents(prepared)
    assert "set aside        1 files" in done.stdout
    assert "text.mp4: not a readable" in done.stderr


def test_two_threads_write_many_shards_of_a_class_in_order(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "_SHARD_BYTES", 1)
    prepare(corpus, tmp_path / "alone", PrepareConfig(workers=1, skip_bad_files=True))
    options = ("direct_num_workers=2", "direct_running_mode=multi_threading")
    info = run_beam(corpus, tmp_path / "out", PrepareConfig(), *options)
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")
    assert [shard.recordings for shard in info.splits["train"].shards] == [1] * 6


def test_a_dry_run_shows_what_was_understood_elsewhere_too(corpus, memory, run_main: RunMain):
    upload(corpus, f"{memory}/raw")
    plans = [beam_pipeline.plan_anywhere(where, ALONE) for where in (str(corpus), f"{memory}/raw")]
    assert plans[0].shards == plans[1].shards
    assert plans[0].source.left_out == plans[1].source.left_out
    done = run_main("cmgen.prepare", f"--input={corpus}", "--dry_run", "--runner=DirectRunner")
    assert done.returncode == 0, done.stderr
    assert plan.describe(plans[0]) in done.stdout


def test_songs_of_chunks_come_out_the_same(tmp_path, memory):
    make_sub_urmp_fixture.write_tree(tmp_path / "raw", 4)
    prepare(tmp_path / "raw", tmp_path / "alone", ALONE)
    run_beam(tmp_path / "raw", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")
    upload(tmp_path / "raw", f"{memory}/raw")
    run_beam(f"{memory}/raw", tmp_path / "remote")
    assert shards(tmp_path / "remote") == shards(tmp_path / "alone")


@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize("again", ["copied", "decoded anew"])
def test_a_recording_in_two_splits_is_refused(corpus, tmp_path, memory, where, again):
    raw = shutil.copytree(corpus, tmp_path / "raw")
    planted = raw / "train" / "drum" / "planted.mp4"
    shutil.copy(raw / "test" / "drum" / "drum_0.mp4", planted)
    if again == "decoded anew":
        planted.write_bytes(planted.read_bytes() + b"\0\0\0\x08free")  # an empty box at the end
    source, output = (
        (raw, tmp_path / "out") if where == "here" else (f"{memory}/raw", f"{memory}/out")
    )
    if where == "elsewhere":
        upload(raw, source)
    said = r"drum_0.mp4 in test is the same recording as train/drum/planted.mp4 in train"
    with pytest.raises(UserError, match=said):
        run_beam(source, output)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
    assert not tf.io.gfile.exists(f"{memory}/out") or not tf.io.gfile.listdir(f"{memory}/out")


def shards(folder: Path) -> dict[str, bytes]:
    return {n: data for n, data in contents(folder).items() if n.endswith(".tfrecord")}


def test_other_file_systems_give_and_take_the_same(corpus, prepared, tmp_path, memory):
    upload(corpus, f"{memory}/raw")
    info = run_beam(f"{memory}/raw/", f"{memory}/out/")
    found = download(f"{memory}/out", tmp_path / "found")
    assert set(contents(found)) == set(contents(prepared))
    assert shards(found) == shards(prepared)
    expected = json.loads((prepared / "dataset.json").read_text())
    assert take_checksum(expected)
    expected["source"]["path"] = f"{memory}/raw"
    assert json.loads((found / "dataset.json").read_text()) == signed(expected)
    assert info.set_aside == 1
    assert contents(found)["left_out.jsonl"] == contents(prepared)["left_out.jsonl"]
    [line] = (found / "set_aside.jsonl").read_text().splitlines()
    assert json.loads(line)["file"] == "train/drum/text.mp4"
    assert json.loads(line)["error"].startswith(f"{memory}/raw/train/drum/text.mp4: not a readable")


def test_a_file_that_cannot_be_fetched_is_set_aside(corpus, tmp_path, memory, monkeypatch):
    upload(corpus, f"{memory}/raw")
    fetch, tries = storage.fetch, []

    def refuse(folder, files, copy):
        if files[0].endswith("bell_0.mp4") and files[0].startswith("train"):
            tries.append(files)
            raise OSError("403: not for you")
        if files[0].endswith("flute_0.mp4") and not tries.count("flute"):
            tries.append("flute")
            raise OSError("503: later")
        fetch(folder, files, copy)

    monkeypatch.setattr(storage, "fetch", refuse)
    monkeypatch.setattr(beam_pipeline.time, "sleep", lambda seconds: None)
    info = run_beam(f"{memory}/raw", tmp_path / "out")
    assert info.set_aside == 2 and info.splits["train"].per_class == {
        "bell": 1,
        "drum": 2,
        "flute": 2,
    }
    assert "train/bell/bell_0.mp4: cannot be fetched (OSError: 403" in (
        (tmp_path / "out" / "set_aside.jsonl").read_text()
    )
    assert tries.count(("train/bell/bell_0.mp4",)) == 3


def test_an_error_that_nobody_foresaw_is_the_files_own(corpus, tmp_path, monkeypatch):
    good = FileItem.read

    def read(item, folder, options):
        if item.id == "train/bell/bell_0.mp4":
            raise ValueError("planes of no known layout")
        return good(item, folder, options)

    monkeypatch.setattr(FileItem, "read", read)
    assert run_beam(corpus, tmp_path / "out").set_aside == 2


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_losing_a_class_is_refused_and_leaves_nothing(corpus, tmp_path, memory, where):
    raw = shutil.copytree(corpus, tmp_path / "raw")
    for path in (raw / "train" / "bell").iterdir():
        path.write_bytes(b"")
    output = f"{memory}/out" if where == "elsewhere" else tmp_path / "out"
    with pytest.raises(UserError, match="no readable train recordings of bell"):
        run_beam(raw, output)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
    assert not tf.io.gfile.glob(f"{memory}/out/*")


def test_a_failing_pipeline_is_one_line_and_leaves_nothing(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(beam_pipeline.WriteShard, "setup", lambda self: 1 / 0)
    with pytest.raises(UserError, match=r"DirectRunner: the pipeline failed: .*division") as caught:
        run_beam(corpus, tmp_path / "out")
    assert caught.value.exit_code == FAILED_WORK and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_workers_of_other_versions_are_refused():
    wanted = {**beam_pipeline.versions(), "av": "1.0"}
    worker = beam_pipeline.WriteShard("raw", "out", ALONE.read_options, wanted)
    with pytest.raises(UserError, match=r"started with .*'av': '1.0'.*install the same"):
        worker.setup()


def test_a_full_folder_elsewhere_is_left_alone(corpus, memory):
    storage.write_text(f"{memory}/out/mine.txt", "mine")
    with pytest.raises(UserError, match="out: is not empty"):
        run_beam(corpus, f"{memory}/out")
    assert storage.take_text(f"{memory}/out/mine.txt") == "mine"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ram://nowhere", "ram://nowhere: no such folder"),
        ("nothing://bucket/videos", "nothing://bucket/videos: cannot be listed"),
        ("ram://a*/videos", "has \\*, \\? or \\["),
    ],
)
def test_bad_addresses_are_named(tmp_path, address, message):
    with pytest.raises(UserError, match=message):
        run_beam(address, tmp_path / "out")


def test_an_output_that_looks_like_a_pattern_is_refused(corpus, tmp_path):
    with pytest.raises(UserError, match=r"out\[1\]: has \*, \? or \["):
        run_beam(corpus, tmp_path / "out[1]")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("runner", "workers", "option", "message"),
    [
        ("DirectRunner", 0, "projet=mine", "--beam_option=projet: Beam has no such option"),
        ("DirectRunner", 0, "direct_num_workers=x", "--beam_option: .*direct_num_workers: invalid"),
        ("DataflowRunner", 0, "region", "--beam_option: .*region: expected one argument"),
        ("DirectRunner", 0, "runner=Other", "--beam_option=runner: is chosen by --runner"),
        ("FlinkRunner", 2, "parallelism=2", "--workers=2: holds for DirectRunner alone"),
    ],
)
def test_bad_options_are_named(runner, workers, option, message):
    with pytest.raises(UserError, match=message) as caught:
        beam_pipeline.make_options(runner, [option], workers)
    assert caught.value.exit_code == BAD_INPUT and "\n" not in str(caught.value)


def test_options_reach_beam():
    options = ["project=mine", "--region=europe-west1", "no_use_public_ips"]
    made = beam_pipeline.make_options("DataflowRunner", options, 0).get_all_options()
    assert made["project"] == "mine" and made["region"] == "europe-west1"
    assert made["use_public_ips"] is False
    made = beam_pipeline.make_options("DirectRunner", ["direct_num_workers=3"], 2)
    assert made.get_all_options()["direct_num_workers"] == 3


def test_a_runner_that_wants_more_options_says_which(corpus, tmp_path):
    with pytest.raises(UserError, match=r"--runner=DataflowRunner: .*region"):
        beam_pipeline.prepare_with_beam(
            str(corpus), str(tmp_path / "out"), PrepareConfig(), "DataflowRunner"
        )
    assert list(tmp_path.iterdir()) == []
