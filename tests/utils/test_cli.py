import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags
from checkout import ROOT, RunMain

from cmgen.utils import cli
from cmgen.utils.errors import FAILED_WORK, UserError

MAINS = [f"cmgen.{n}" for n in ("train", "evaluate", "export", "generate", "prepare", "studio")]
WITH_COMMANDS = {"cmgen.rate": ("collect", "serve", "report")}


@pytest.fixture
def flag_values() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_integer("steps", 3, "How many steps.", flag_values=values)
    flags.DEFINE_string("name", "a", "What to call it.", flag_values=values)
    flags.DEFINE_bool("fast", None, "Whether to hurry.", flag_values=values)
    return values


def main_that(error: BaseException | None):
    def main() -> None:
        if error is not None:
            raise error

    return main


def outcome(capsys, flag_values, error: BaseException | None = None, *arguments: str):
    """(exit code, stdout, stderr) of a main that raises `error`."""
    with pytest.raises(SystemExit) as exit_:
        cli.run(main_that(error), {"Some": ("steps",)}, flag_values, ["program", *arguments])
    return exit_.value.code, *capsys.readouterr()


@pytest.mark.parametrize("main", MAINS)
def test_help_is_grouped_and_loads_no_tensorflow(main: str, run_main: RunMain) -> None:
    ran = run_main(main, "--help", python=("-X", "importtime"))
    assert ran.returncode == 0, ran.stderr[-2000:]
    name = Path(main).name
    assert ran.stdout.startswith(f"usage: {name}")
    assert "\nExamples:\n" in ran.stdout and "--helpfull" in ran.stdout
    imported = [line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()]
    assert "absl.flags" in imported
    heavy = ("tensorflow", "keras", "librosa", "onnx", "matplotlib")
    assert [name for name in imported if name.partition(".")[0] in heavy] == []


@pytest.mark.parametrize("main", WITH_COMMANDS)
def test_help_lists_the_commands_of_a_main_and_their_flags(main: str, run_main: RunMain) -> None:
    listed = run_main(main, "--help", python=("-X", "importtime")).stdout
    assert listed.startswith(f"usage: {main} {{{','.join(WITH_COMMANDS[main])}}}")
    for command in WITH_COMMANDS[main]:
        ran = run_main(main, command, "--help", python=("-X", "importtime"))
        assert ran.returncode == 0 and ran.stdout.startswith(f"usage: {main} {command} [--flag")
        assert f"  {command} " in listed and "\nExamples:\n" in ran.stdout
        imported = {
            line.rpartition("|")[2].strip().partition(".")[0] for line in ran.stderr.splitlines()
        }
        assert imported & {"tensorflow", "keras", "flask", "sqlalchemy", "numpy"} == set()


def test_a_command_that_is_missing_or_unknown_is_refused(run_main: RunMain) -> None:
    for arguments, said in (((), "a command is missing"), (("server",), "'server' is no command")):
        ran = run_main("cmgen.rate", *arguments)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr == (
            f"cmgen.rate: error: {said}; give collect, serve or report (see --help)\n"
        )


@pytest.mark.parametrize("main", MAINS)
def test_unknown_flag_is_one_line_and_exit_code_2(main: str, run_main: RunMain) -> None:
    ran = run_main(main, "--no_such_flag=1")
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"{Path(main).name}: error: Unknown command line flag")
    assert len(ran.stderr.splitlines()) == 1


def test_train_names_bad_settings_and_presets(run_main: RunMain) -> None:
    odd = run_main("cmgen.train", "--batch_size=3")
    assert (odd.returncode, odd.stdout) == (2, "")
    assert odd.stderr.startswith("cmgen.train: error: --batch_size=3: must be even")
    lost = run_main("cmgen.train", "--flagfile=nothing.flags")
    assert lost.returncode == 2 and "s2i.flags" in lost.stderr


def test_work_that_succeeds_exits_with_0(capsys, flag_values) -> None:
    assert outcome(capsys, flag_values, None, "--steps=5") == (0, "", "")
    assert flag_values["steps"].value == 5


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("x.wav: empty"), 2, "error: x.wav: empty"),
        (UserError("x: broke off", FAILED_WORK), 1, "error: x: broke off"),
        (KeyboardInterrupt(), 130, "stopped by Ctrl-C"),
        (MemoryError("1 TiB"), 1, "out of memory (1 TiB)"),
        (OSError(errno.ENOSPC, "No space", "a.bin"), 1, "the disk is full while writing a.bin"),
    ],
)
def test_errors_become_messages(capsys, flag_values, error, code, said) -> None:
    found, out, err = outcome(capsys, flag_values, error)
    assert (found, out) == (code, "")
    assert said in err and "Traceback" not in err


def test_tensorflow_errors_are_told_apart(capsys, flag_values) -> None:
    resource_exhausted = type("ResourceExhaustedError", (Exception,), {})
    full = resource_exhausted("a.index; No space left on device")
    assert "the disk is full" in outcome(capsys, flag_values, full)[2]
    assert "out of memory" in outcome(capsys, flag_values, resource_exhausted("OOM [64,64]"))[2]


def test_unexpected_errors_keep_their_traceback(flag_values) -> None:
    with pytest.raises(ZeroDivisionError):
        cli.run(main_that(ZeroDivisionError()), {}, flag_values, ["program"])


def test_stray_arguments_and_bad_values_are_refused(capsys, flag_values) -> None:
    assert "unexpected argument 'stray'" in outcome(capsys, flag_values, None, "stray")[2]
    code, _, err = outcome(capsys, flag_values, None, "--steps=many")
    assert code == 2 and "--steps=many" in err and "see --help" in err


def test_help_shows_groups_defaults_and_the_manual(flag_values) -> None:
    manual = "Does it.\n\nExamples:\n  program --steps=2\n"
    text = cli.help_text("program", manual, {"First": ("steps",), "Then": ("fast",)}, flag_values)
    assert text.index("Does it.") < text.index("First:") < text.index("--steps=3")
    assert text.index("Then:") < text.index("--[no]fast") < text.index("  program --steps=2")
    assert "(default: automatic)" in text
    assert "Presets" not in text  # no preset fits a main with these flags


def test_flagfiles_nest_and_the_last_flag_wins(tmp_path, monkeypatch, flag_values) -> None:
    (tmp_path / "inner").write_text("# comment\n\n// comment\n--steps=1\n--name=inner\n")
    (tmp_path / "outer").write_text("--flagfile=inner\n--name=outer\n")
    monkeypatch.chdir(tmp_path.parent)
    cli.parse(flag_values, ["program", "--flagfile", str(tmp_path / "outer"), "--steps=9"])
    assert (flag_values["steps"].value, flag_values["name"].value) == (9, "outer")


def test_a_file_here_comes_before_a_preset_of_its_name(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = cli.expand_flagfiles(["--flagfile=s2i.flags"])
    assert "--task=s2i" in shipped
    (tmp_path / "s2i.flags").write_text("--seed=7\n")
    assert cli.expand_flagfiles(["--flagfile=s2i.flags"]) == ["--seed=7"]
    # A preset that includes a preset means the shipped one.
    assert cli.expand_flagfiles(["--flagfile=smoke.flags"])[: len(shipped)] == shipped


def test_bad_flagfiles_are_refused(tmp_path: Path) -> None:
    circle, prose, binary = (tmp_path / name for name in ("circle", "prose", "binary"))
    circle.write_text("--flagfile=circle\n")
    prose.write_text("steps=3\n")
    binary.write_bytes(b"\xff\xfe\x00")
    for path, said in ((circle, "includes itself"), (prose, "no flag"), (binary, "not a text")):
        with pytest.raises(UserError, match=said):
            cli.expand_flagfiles([f"--flagfile={path}"])
    with pytest.raises(UserError, match="needs a file"):
        cli.expand_flagfiles(["--flagfile"])


def test_console_scripts_exist() -> None:
    text = (ROOT / "setup.cfg").read_text()
    scripts = [line.strip() for line in text.splitlines() if ":console" in line]
    mains = [main for main in (*MAINS, *WITH_COMMANDS) if main.startswith("cmgen.")]
    assert scripts == [f"cmgen-{main[6:]} = {main}.__main__:console" for main in mains]


def test_a_package_that_is_missing_is_named_with_its_extra() -> None:
    with pytest.raises(UserError, match=r"'no_such' is missing.*\[rating\]"), cli.extra("rating"):
        raise ModuleNotFoundError(name="no_such.inner")
    with pytest.raises(ModuleNotFoundError), cli.extra("rating"):
        raise ModuleNotFoundError(name="cmgen.gone")


@pytest.mark.parametrize(
    ("tool", "flag", "said"),
    [
        ("fuzz.py", "--targets=x", "no target; there"),
        ("make_gallery.py", "--output=.", "is not empty"),
    ],
)
def test_tools_find_their_modules_where_only_cmgen_is_installed(tmp_path, tool, flag, said):
    """Another package is called tools, too."""
    (tmp_path / "cmgen").symlink_to(ROOT / "cmgen")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / tool), flag],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and said in done.stderr, done.stderr
