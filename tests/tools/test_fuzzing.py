"""Seeds and former findings of the fuzzer, through the same functions."""

from pathlib import Path

import pytest
from checkout import ROOT, RunMain
from werkzeug.test import run_wsgi_app

from cmgen.utils.errors import UserError
from tools.fuzzing import running, seeds, targets

CORPUS = ROOT / "tests" / "fuzz"
TEXTS = ("names", "config", "cluster", "study", "export", "scores", "dataset")
REQUESTS = ("rating_page", "studio_page")


@pytest.mark.parametrize("name", list(targets.TARGETS))
def test_every_kept_input_is_read_or_refused(name: str) -> None:
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    target = targets.make(name)
    for path in inputs:
        target(path.read_bytes())


def test_the_seeds_are_those_that_the_command_writes(tmp_path: Path) -> None:
    seeds.write(tmp_path)
    written = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    kept = {p.relative_to(CORPUS) for p in CORPUS.rglob("*") if p.is_file()}
    assert written <= kept and {path.parts[0] for path in kept} == set(targets.TARGETS)
    assert sum(p.stat().st_size for p in CORPUS.rglob("*") if p.is_file()) < 500_000
    for path in written:  # text is the same everywhere, coded media depend on the library's version
        if path.parts[0] in (*TEXTS, *REQUESTS, "saved_facts"):
            assert (CORPUS / path).read_bytes() == (tmp_path / path).read_bytes(), path


@pytest.mark.parametrize(
    "name", [*TEXTS, "sound", "video", "onnx", "saved_facts", "weights", "track"]
)
def test_the_seeds_are_good_files(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the search would begin at refusals."""
    monkeypatch.setattr(targets, "refusing", lambda work: work)
    read = targets.make(name)
    for path in sorted((CORPUS / name).iterdir()):
        if not path.name.startswith("found"):
            read(path.read_bytes())


@pytest.mark.parametrize(("name", "welcome"), [("rating_page", 8), ("studio_page", 13)])
def test_pages_answer_the_seeds_and_a_fault_of_theirs_is_a_finding(
    name: str, welcome: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses: list[str] = []

    def run(app, environ, buffered):
        answer = run_wsgi_app(app, environ, buffered)
        statuses.append(answer[1][:3])
        return answer

    monkeypatch.setattr("werkzeug.test.run_wsgi_app", run)
    send = targets.make(name)
    for path in sorted((CORPUS / name).iterdir()):
        send(path.read_bytes())
    assert statuses.count("200") == welcome, statuses
    monkeypatch.setattr("werkzeug.test.run_wsgi_app", lambda *args, **options: ([], "500 X", []))
    with pytest.raises(AssertionError, match="500 X"):
        send(b"GET /")


def test_a_fault_is_a_finding_and_a_refusal_is_none() -> None:
    def refuse(data: bytes) -> None:
        raise UserError("no")

    def fail(data: bytes) -> None:
        raise IndexError("fault")

    targets.refusing(refuse)(b"")
    with pytest.raises(IndexError):
        targets.refusing(fail)(b"")


def _pretend(monkeypatch: pytest.MonkeyPatch, *processes: tuple[int, str, str]) -> list[list[str]]:
    """Replaces processes by their exit code, output and finding; returns the list of commands."""
    commands: list[list[str]] = []

    def fuzz(command, stdout, **others):
        code, output, finding = processes[len(commands)]
        commands.append(command)
        stdout.write(output.encode())
        if finding:
            (prefix,) = (x for x in command if x.startswith("-artifact_prefix="))
            Path(prefix.partition("=")[2], finding).write_bytes(b"{")
        return type("Ended", (), {"returncode": code})()

    monkeypatch.setattr(running.subprocess, "run", fuzz)
    return commands


SAID = "#2 INITED cov: 5 ft: 6\n#9 NEW cov: 17 ft: 20\n"
ENDED = SAID + "Done 123 runs in 4 second(s)\n"
PAUSED = SAID + "ALARM: working on the last Unit\nstat::number_of_executed_units: 100\n"


def test_the_fuzzer_s_output_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, (0, ENDED, ""))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "new").write_bytes(b"{}")
    count = running.run("config", tmp_path / "none", tmp_path, running.Limits(123, 9, 1, 1))
    assert count == running.Count("config", 123, 0, 0, 17, 1, ())


def test_a_pause_is_no_hang_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = _pretend(monkeypatch, (70, PAUSED, "timeout-a"), (0, "", ""), (0, ENDED, ""))
    count = running.run("config", tmp_path / "none", tmp_path, running.Limits(223, 9, 1, 1))
    assert (count.executions, count.findings) == (223, ())
    assert commands[1][-1] == str(tmp_path / "config-findings" / "timeout-a")
    assert "-runs=223" in commands[0] and "-runs=123" in commands[2]


def test_hangs_that_stay_and_other_faults_end_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(monkeypatch, (70, PAUSED, "timeout-a"), (70, "", ""))
    limits = running.Limits(1000, 9, 1, 1)
    assert running.run("config", tmp_path, tmp_path / "a", limits).findings == ("timeout-a",)
    _pretend(monkeypatch, (77, SAID, "crash-b"))
    count = running.run("config", tmp_path, tmp_path / "b", limits)
    assert (count.executions, count.findings) == (9, ("crash-b",))


def test_a_fuzzer_that_does_not_start_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code in (1, 0):
        _pretend(monkeypatch, (code, "No module named x", ""))
        with pytest.raises(UserError, match=r"could not be fuzzed \(No module named x"):
            running.run("config", tmp_path, tmp_path, running.Limits(10, 9, 1, 1))


def test_a_short_run_by_the_command(run_main: RunMain, tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason='needs atheris: pip install -e ".[fuzz]"')
    ran = run_main(
        "tools/fuzz.py",
        "--targets=config",
        "--runs=300",
        f"--corpus={CORPUS}",
        "--output=fuzz.json",
    )
    assert ran.returncode == 0, ran.stderr
    assert "300 executions" in ran.stdout and (tmp_path / "fuzz.json").is_file()
