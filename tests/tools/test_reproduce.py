"""tools/reproduce.py: what is run and what is not, and the page of what the runs wrote."""

import json
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT, RunMain

from cmgen.media import images
from cmgen.utils.errors import UserError
from tools.reproduction import figures, page, progress, table
from tools.reproduction.numbers import Numbers
from tools.reproduction.progress import DONE, FAILED, MISSING, NOT_RUN, WAITING
from tools.reproduction.table import Step
from tools.reproduction.targets import TARGETS

ADD = "import pathlib, sys; f = pathlib.Path(sys.argv[1]); f.parent.mkdir(exist_ok=True); "
ADD += "f.write_text((f.read_text() if f.exists() else '') + 'x'); print('wrote', f)"


def adding(name: str, folder: Path, **more) -> Step:
    """A step that adds a letter to its file each time that it is run."""
    proof = folder / "made" / name
    return Step(name, ("-c", ADD, str(proof)), proof, **more)


def failing(name: str, folder: Path) -> Step:
    return Step(name, ("-c", "import sys; sys.exit('no luck')"), folder / name)


def kinds(steps: list[Step], output: Path) -> dict[str, str]:
    return {name: state.kind for name, state in progress.states(steps, output).items()}


def run_all(steps: list[Step], output: Path) -> list[str]:
    return progress.run(steps, progress.choose(steps, []), output)


def test_a_step_that_is_done_is_not_run_again(tmp_path, capsys) -> None:
    steps = [adding("a", tmp_path)]
    assert kinds(steps, tmp_path) == {"a": NOT_RUN}
    assert run_all(steps, tmp_path) == [] == run_all(steps, tmp_path)
    assert steps[0].proof.read_text() == "x" and kinds(steps, tmp_path) == {"a": DONE}
    assert "wrote" in capsys.readouterr().out
    assert "wrote" in (tmp_path / "logs" / "a.log").read_text()


def test_another_command_a_lost_file_and_a_newer_need_make_it_run_again(tmp_path) -> None:
    first, second = adding("a", tmp_path), adding("b", tmp_path, needs=("a",))
    steps = [first, second]
    run_all(steps, tmp_path)
    changed = Step("b", (*second.arguments, "more"), second.proof, ("a",))
    assert kinds([first, changed], tmp_path) == {"a": DONE, "b": NOT_RUN}
    path = tmp_path / "steps" / "a.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"date": "2099-01-01"}))
    assert kinds(steps, tmp_path) == {"a": DONE, "b": NOT_RUN}
    first.proof.unlink()
    assert kinds(steps, tmp_path) == {"a": NOT_RUN, "b": WAITING}


def test_a_failing_step_is_named_and_those_that_need_it_wait(tmp_path, capsys) -> None:
    needing = adding("b", tmp_path, needs=("bad",))
    steps = [failing("bad", tmp_path), needing, adding("c", tmp_path)]
    assert run_all(steps, tmp_path) == ["bad", "b"]
    assert kinds(steps, tmp_path) == {"bad": FAILED, "b": WAITING, "c": DONE}
    assert "bad: FAILED, see" in capsys.readouterr().out
    assert "no luck" in (tmp_path / "logs" / "bad.log").read_text()
    assert "logs/bad.log" in progress.states(steps, tmp_path)["bad"].why


def test_a_step_that_writes_nothing_has_failed(tmp_path) -> None:
    assert run_all([Step("a", ("-c", ""), tmp_path / "a")], tmp_path) == ["a"]


def test_a_step_without_its_preset_is_skipped_and_has_not_failed(tmp_path, capsys) -> None:
    command = ("-m", "cmgen.train", "--flagfile=nobody.flags")
    steps = [
        Step("a", command, tmp_path / "a"),
        Step("b", ("tools/none.py",), tmp_path / "b"),
        adding("c", tmp_path, needs=("a",)),
    ]
    assert run_all(steps, tmp_path) == []
    assert kinds(steps, tmp_path) == {"a": MISSING, "b": MISSING, "c": WAITING}
    assert "a: skipped, the preset nobody.flags is not there" in capsys.readouterr().out


def test_what_is_needed_is_run_as_well(tmp_path) -> None:
    steps = [adding("a", tmp_path), adding("b", tmp_path, needs=("a",)), adding("c", tmp_path)]
    progress.run(steps, ["b"], tmp_path)
    assert kinds(steps, tmp_path) == {"a": DONE, "b": DONE, "c": NOT_RUN}


def test_files_are_taken_over_unless_others_are_there(tmp_path) -> None:
    first = adding("a", tmp_path)
    target = tmp_path / "to" / "file"
    step = adding("b", tmp_path, needs=("a",), copies=((first.proof, target),))
    assert run_all([first, step], tmp_path) == [] and target.read_text() == "x"
    (tmp_path / "steps" / "b.json").unlink()
    target.write_text("other")
    assert run_all([first, step], tmp_path) == ["b"]
    assert "remove" in (tmp_path / "logs" / "b.log").read_text()


def test_interrupting_a_step_leaves_no_record(tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_all([Step("a", ("-c", "import sys; sys.exit(130)"), tmp_path / "a")], tmp_path)
    assert not (tmp_path / "steps").exists()


def test_stopping_it_stops_the_step_that_runs(tmp_path) -> None:
    stop = "import os, signal, sys, time; os.kill(os.getppid(), signal.SIGTERM); time.sleep(600); "
    step = Step("a", ("-c", stop + "open(sys.argv[1], 'w')", str(tmp_path / "a")), tmp_path / "a")
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_all([step], tmp_path)
    assert time.monotonic() - began < 300 and not step.proof.exists()


def test_a_step_that_is_stopped_may_say_and_save_what_it_has(tmp_path) -> None:
    program = (
        "import os, signal, sys, time\n"
        "def save(number, frame):\n"
        "    print('saving', flush=True); open(sys.argv[1], 'w').close(); sys.exit(130)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "os.kill(os.getppid(), signal.SIGTERM); time.sleep(600)"
    )
    step = Step("a", ("-c", program, str(tmp_path / "saved")), tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        run_all([step], tmp_path)
    assert (tmp_path / "saved").exists() and not (tmp_path / "steps").exists()


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UserError, match="no step 'z'; steps: s2i, s2i_c"):
        progress.choose(table.all_steps(ROOT, Path("out"), False), ["s2i", "z"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only=s2i,nobody",), "--only=s2i,nobody: no step 'nobody'; steps: s2i,"),
        (("--only=s2i", "--report_only"), "--only: has no use with --report_only"),
    ],
)
def test_bad_flags_are_one_line_and_exit_code_2(arguments, said: str, run_main: RunMain) -> None:
    ran = run_main("tools/reproduce.py", *arguments)
    assert (ran.returncode, ran.stdout) == (2, ""), ran.stderr
    assert ran.stderr.startswith("reproduce.py: error: ") and said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("quick", [False, True])
def test_every_step_has_its_name_and_its_needs_before_it(quick: bool) -> None:
    steps = table.all_steps(ROOT, Path("out"), quick)
    names = [step.name for step in steps]
    assert len(set(names)) == len(names)
    for number, step in enumerate(steps):
        assert set(step.needs) <= set(names[:number]), step.name
        assert {source.parent.name for source, _ in step.copies} <= set(step.needs)
    measured = {name for target in TARGETS for name in target.steps}
    assert measured <= set(names)


def test_the_papers_recipe_sees_as_many_pairs() -> None:
    found = dict(flag.lstrip("-").split("=") for flag in table.as_long_as_s2i())
    assert int(found["train_steps"]) * 64 == 3000 * 32
    assert int(found["checkpoint_steps"]) == 150


def test_quick_videos_are_copied_once(tmp_path) -> None:
    table.write_quick_videos(ROOT, tmp_path)
    found = {p: p.stat().st_mtime_ns for p in (tmp_path / "videos").rglob("*.*")}
    assert len([p for p in found if p.suffix == ".mp4"]) == 3 * 5
    assert len([p for p in found if p.suffix == ".npz"]) == 3 * 5
    table.write_quick_videos(ROOT, tmp_path)
    assert {p: p.stat().st_mtime_ns for p in found} == found
    assert table.recording(tmp_path / "videos", "violin").is_file()


# The page.


EVALUATION = {
    "task": "s2i",
    "accuracy_train": 0.95,
    "accuracy_train_ci95": [0.94, 0.96],
    "accuracy_test": 0.91,
    "accuracy_test_ci95": [0.89, 0.93],
    "sound_encoder_accuracy_test": 0.98,
    "seed": 7,
}
MEASURES = {
    "kid": 0.5,
    "kid_floor": 0.1,
    "cas": 0.6,
    "cas_real": 0.9,
    "pose_correlation_mean": 0.72,
    "pose_correlation_shuffled": -0.02,
    "pose_correlation_real": 0.8,
    "nearest_train_distance": 2.0,
    "nearest_train_distance_real": 1.9,
    "control_class_mean": 0.3,
    "measures": {
        "pose_correlation_mean": {
            "by_instrument": {
                "generated": {"pitch": {"violin": 0.5, "oboe": 0.6}, "bow": {"violin": 0.4}},
                "real": {"pitch": {"violin": 0.7, "oboe": 0.8}, "bow": {"violin": 0.9}},
            }
        }
    },
}
STUDY = {
    "rows": [
        {
            "name": "lms_4",
            "accuracy_test": 0.9712,
            "accuracy_test_ci95": [0.96, 0.98],
            "command": "python -m cmgen.train --lms_4",
            "seed": 3,
            "date": "2026-01-02T00:00:00+00:00",
        }
    ]
}


def finish(step: Step, output: Path, content: dict) -> None:
    """Leaves what a step that was run would leave."""
    step.proof.parent.mkdir(parents=True, exist_ok=True)
    step.proof.write_text(json.dumps(content))
    record = {
        "command": progress.command(step),
        "settings": [],
        "exit_code": 0,
        "date": "2026-01-01T00:00:00+00:00",
        "needs": {need: "2026-01-01T00:00:00+00:00" for need in step.needs},
        "log": "log",
    }
    (output / "steps").mkdir(exist_ok=True)
    (output / "steps" / f"{step.name}.json").write_text(json.dumps(record))


@pytest.fixture
def found(tmp_path, monkeypatch) -> Numbers:
    """Numbers of fake runs: all but i2s and those whose preset is missing."""
    monkeypatch.setattr(progress, "_settings", lambda step: [])
    monkeypatch.setattr(
        progress, "_absent", lambda step: "the preset" if step.name == "s2i_a" else ""
    )
    steps = table.all_steps(ROOT, tmp_path, False)
    for step in steps:
        if step.name == "encoder_study":
            finish(step, tmp_path, STUDY)
        elif step.name.startswith("measure_"):
            paper = step.name == "measure_s2i_paper"
            finish(step, tmp_path, EVALUATION | MEASURES | ({"kid": 1.3} if paper else {}))
        elif not step.name.startswith("show_") and step.name != "i2s":
            finish(step, tmp_path, EVALUATION)
    curve = [{"step": 350, "train": 0.5, "test": 0.4}, {"step": 700, "train": 0.9, "test": 0.8}]
    (tmp_path / "runs" / "s2i" / "curve.json").write_text(json.dumps(curve))
    images.write_png(tmp_path / "runs" / "s2i" / "curve.png", images.draw_lms(np.zeros((8, 8))))
    return Numbers(progress.states(steps, tmp_path))


def cells(text: str, start: str) -> list[str]:
    """Of the first row that begins so."""
    row = next(line for line in text.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_every_row_has_as_many_cells_as_its_head(found, tmp_path) -> None:
    text = page.write(found, {}, tmp_path / "RESULTS.md", False)
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1, block


def test_rows_stand_beside_published_ones_with_seed_date_and_run(found, tmp_path) -> None:
    text = page.write(found, {}, tmp_path / "RESULTS.md", False)
    assert text.startswith("# Results\n") and "**The data differ**" in text
    row = cells(text, "S2I-C")
    assert row[1:6] == [
        "87.37 %", "75.56 %", "95.00 % (94.0 to 96.0)", "91.00 % (89.0 to 93.0)", "98.00 %"
    ]  # fmt: skip
    assert row[6:] == ["7", "2026-01-01", "`s2i_c`"]
    assert cells(text, "lms | 4")[2:] == [
        "87.44 %", "97.12 % (96.0 to 98.0)", "3", "2026-01-02", "`encoder_study/lms_4`"
    ]  # fmt: skip
    assert cells(text, "lms | 3")[3] == page.NO
    assert cells(text, "350") == ["350", "0.500", "0.400"]
    assert cells(text, "35 |") == ["35", "0.875", "0.755"]
    assert cells(text, "violin") == ["violin", "0.50 / 0.70", "0.40 / 0.90"]
    assert cells(text, "oboe") == ["oboe", "0.60 / 0.80", ""]


def test_the_last_table_has_the_command_of_every_run_once(found, tmp_path) -> None:
    text = page.write(found, {}, tmp_path / "RESULTS.md", False)
    commands = text.partition("## Commands")[2]
    trained = cells(commands, "`s2i_c` |")[1]
    assert "cp " in trained and "python -m cmgen.train --flagfile=s2i_c.flags" in trained
    assert cells(commands, "`encoder_study/lms_4`")[1] == "`python -m cmgen.train --lms_4`"
    named = set(
        re.findall(r"`([a-z0-9_/]+)`(?:<br>[^|]*)? \|$", text.partition("## Commands")[0], re.M)
    )
    assert named and all(f"| `{name}` |" in commands for name in named)
    lines = [line for line in text.splitlines() if line.startswith("|") and "python -" in line]
    lines = [cells(line, "")[-1] for line in lines]
    assert len(lines) == len(set(lines))


def test_targets_are_judged_from_the_numbers(found, tmp_path) -> None:
    text = page.write(found, {}, tmp_path / "RESULTS.md", False)
    rows = [cells(text, target.what) for target in TARGETS]
    assert f"{sum(row[4] == 'yes' for row in rows)} of {len(TARGETS) - 1} were reached" in text
    judged = {target.what: cells(text, target.what)[2:5] for target in TARGETS}
    assert judged["sound encoder, LMS: test sounds recognised"] == [
        "at least 97.00 %", "98.00 %", "yes"
    ]  # fmt: skip
    recognised = judged["generated pictures of `s2i.flags` recognised"]
    assert recognised == ["at least 95.00 %", "91.00 %", "**no**"]
    kid = next(cells(text, t.what) for t in TARGETS if t.what.startswith("KID"))
    assert kid[2:5] == ["at most 50.00 %", "33.33 %", "yes"]
    assert kid[7] == "`measure_s2i`<br>`measure_s2i_paper`"
    assert judged["generated spectrograms recognised"][1] == page.NO
    assert judged["the same for shuffled pairs, absolute value"][1:] == ["0.020", "yes"]


@pytest.mark.parametrize(
    ("name", "hashes"), [("s2i_n", {"data": "x" * 16}), ("measure_s2i_n", {"verifier": "x" * 16})]
)
def test_runs_that_were_measured_unlike_are_refused(found, tmp_path, name, hashes) -> None:
    path = found.states["s2i"].step.proof
    path.write_text(json.dumps(EVALUATION | {"hashes": dict.fromkeys(("data", "verifier"), "d")}))
    page.write(found, {}, tmp_path / "RESULTS.md", False)
    found.states[name].step.proof.write_text(json.dumps(EVALUATION | {"hashes": hashes}))
    with pytest.raises(UserError, match=rf"{name} was measured with .* than s2i \(x{{16}}, d\)"):
        page.write(found, {}, tmp_path / "RESULTS.md", False)


def test_what_is_not_done_is_said(found, tmp_path) -> None:
    text = page.write(found, {}, tmp_path / "RESULTS.md", False)
    assert cells(text, "s2i_a | missing")[2] == "the preset is not there"
    assert cells(text, "measure_s2i_a |")[1:3] == ["waiting", "needs s2i_a"]
    assert cells(text, "i2s |")[1] == "not run"
    assert cells(text, "S2I-A")[3:5] == [page.NO, page.NO]


def test_smoke_runs_say_so_in_the_first_line(found, tmp_path) -> None:
    first = page.write(found, {}, tmp_path / "RESULTS.md", True).splitlines()[0]
    assert "SMOKE RUN" in first


def test_figures_are_copied_and_linked_from_where_the_page_is(found, tmp_path) -> None:
    made = figures.draw_all(found, tmp_path)
    assert set(made) == {"curve"} and made["curve"].is_file()
    text = page.write(found, made, tmp_path / "docs" / "RESULTS.md", False)
    assert re.findall(r"!\[.*?\]\((.*?)\)", text) == ["../figures/curve.png"]


def test_the_pose_figure_has_the_real_pictures_below(tmp_path) -> None:
    steps = table.all_steps(ROOT, tmp_path, False)
    step = next(step for step in steps if step.name == "show_s2i_violin")
    image = images.draw_lms(np.zeros((86, 870)))
    images.write_png(step.proof, image, '{"model": {"data_hash": "0123"}}')
    numbers = Numbers({step.name: progress.State(step, DONE)})
    drawn, sources = figures.draw_poses(numbers, "violin")
    assert drawn.shape[1] == 870 and drawn.shape[0] == 86 + 64 + 2 * 28
    assert sources == [step.proof]
    told = json.loads(images.comment_of(figures.draw_all(numbers, tmp_path)["pose_violin"]))
    assert told["of"] == [{"model": {"data_hash": "0123"}}] and told["versions"]


def test_report_only_of_nothing_is_a_page(run_main: RunMain, tmp_path) -> None:
    ran = run_main("tools/reproduce.py", "--report_only", "--quick", "--results=page.md")
    assert ran.returncode == 0, ran.stderr
    text = (tmp_path / "page.md").read_text()
    assert "SMOKE RUN" in text.splitlines()[0] and "| s2i | not run |" in text
    assert str(sys.prefix) not in text
