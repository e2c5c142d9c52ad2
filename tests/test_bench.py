"""tools/bench.py: its sub-commands, table and JSON; never whether a time is good."""

import json

import numpy as np
import pytest
from tiny_run import sounds, write_run

from cmgen import checkpoint, exporting
from cmgen.benchmarks import serve, timing
from cmgen.errors import UserError
from cmgen.export_data import Samples

CLASSES = ("bell", "drum", "flute")


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    root = tmp_path_factory.mktemp("work")
    pictures = np.zeros((2, 32, 32, 3), np.float32)
    for task, given in (("s2i", sounds(2)), ("i2s", pictures)):
        run = checkpoint.load_run(write_run(root / task, CLASSES, task=task))
        exporting.export(run, root / "exports" / task, Samples(given, None, "test"), {})
    return root / "exports"


def test_timed_calls_are_counted_and_summed_up():
    calls = []
    found = timing.timed(lambda: calls.append(1), "nothing", 4, 1, 30, 60.0)
    assert len(calls) == 30 + timing.WARM_UP_CALLS and found.calls == 30
    assert 0 < found.fastest_ms <= found.p50_ms <= found.p99_ms
    assert found.items_per_second == pytest.approx(4000 / found.p50_ms)
    assert timing.timed(lambda: None, "short", 1, 1, 10**9, 0.01).calls < 10**9


def test_the_command_prints_a_table_and_writes_json(exports, run_main, tmp_path):
    done = run_main(
        "tools/bench.py", "serve", f"--model={exports / 's2i'}", "--calls=3", "--batches=1,2",
        "--threads=1,2", "--json=bench.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "bench.json").read_text())
    cases = {
        "ONNX, waveform -> picture",
        "SavedModel, waveform -> picture",
        "SavedModel, bytes -> PNG",
    }
    found = [(r["case"], r["batch"], r["threads"], r["calls"]) for r in written["results"]]
    assert sorted(found) == sorted((c, b, t, 3) for c in cases for b in (1, 2) for t in (1, 2))
    assert written["benchmark"] == "serve" and written["machine"]["cores"] >= 1
    assert {"processor", "load_average"} <= written["machine"].keys()
    assert {"tensorflow", "onnxruntime"} <= written["versions"].keys()
    lines = done.stdout.splitlines()
    assert lines[0].split()[:2] == ["case", "batch"] and len(lines) == 1 + len(found) + 1


def test_models_of_sounds_are_timed_too(exports):
    found = serve.measure(1, exports / "i2s", (1,), 2, 60.0)
    assert [t.case for t in found] == [
        "ONNX, picture -> LMS", "SavedModel, picture -> LMS", "SavedModel, bytes -> WAV"
    ]  # fmt: skip


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="no exported model"):
        serve.newest_version(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "a command is missing; say serve"),
        (("train",), "'train' is no command; say serve"),
        (("serve", "--threads=0"), "--threads=0: needs whole numbers"),
        (("serve", "--model=nowhere"), "--model=nowhere: no exported model"),
    ],
)
def test_what_is_wrong_is_said(run_main, arguments, message):
    done = run_main("tools/bench.py", *arguments)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
