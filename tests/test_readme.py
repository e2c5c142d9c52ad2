"""The README's commands, flags, links and snippets hold."""

import ast
import importlib
import re
import sys

import pytest
from absl import flags
from checkout import ROOT
from readme import PYTHON, README, SHELL, main_commands

from cmgen.train import __main__ as train
from cmgen.utils import cli

GUIDE = "".join(
    (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("serving", "preparing_large_collections")
)


def flags_of(main: str) -> flags.FlagValues:
    main, _, command = main.partition(" ")
    if main.endswith(".py"):
        sys.modules.setdefault("tools", importlib.import_module("tools"))
        main = main.removesuffix(".py").replace("/", ".")
    name = main if main.startswith("tools.") else f"{main}.__main__"
    module = importlib.import_module(name)
    return module.COMMANDS[command].flag_values if command else module.FLAGS


@pytest.mark.parametrize(("main", "arguments"), main_commands() + main_commands(GUIDE))
def test_command_has_only_known_flags(main: str, arguments: list[str]) -> None:
    known = flags_of(main)
    expanded = cli.expand_flagfiles(arguments)
    names = [argument.lstrip("-").partition("=")[0] for argument in expanded]
    assert arguments and all(argument.startswith("--") for argument in expanded)
    assert [n for n in names if n not in known and n.removeprefix("no") not in known] == []


def test_train_commands_make_valid_settings(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = [arguments for main, arguments in main_commands() if main == "cmgen.train"]
    assert ["--flagfile=s2i.flags", "--workdir=runs/s2i"] in commands
    for arguments in commands:
        values = flags.FlagValues()
        train.define_flags(values)
        cli.parse(values, ["cmgen.train", *arguments])
        assert train.config_from_flags(values).workdir.startswith("runs/")


def test_two_one_line_commands_set_up_from_a_checkout() -> None:
    setups = [line for line in SHELL if line.startswith("python3 -m venv")]
    assert len(setups) == 2
    for line in setups:
        assert "pip install -q -c requirements.lock -e" in line
    assert setups[1].endswith("-m pytest")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`--(\w+)`", README))))
def test_flag_in_the_text_exists(name: str) -> None:
    mains = ["cmgen.train", "cmgen.evaluate", "cmgen.generate", "cmgen.prepare", "cmgen.studio"]
    mains += ["cmgen.export"]
    mains += [f"cmgen.rate {command}" for command in ("collect", "serve", "report")]
    assert name in ("help", "helpfull") or any(name in flags_of(main) for main in mains)


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "exports/README.md"]
)
def test_linked_files_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)#]+)", text) + re.findall(r'src="([^"]+)"', text)
    local = [link for link in links if not re.match(r"\w+:", link)]
    assert [link for link in local if not ((ROOT / document).parent / link).exists()] == []


@pytest.mark.parametrize("snippet", PYTHON)
def test_snippet_is_python(snippet: str) -> None:
    assert ast.parse(snippet).body
