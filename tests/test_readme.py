"""Commands, flags, links and snippets of README.md and of the pages in docs/ hold."""

import ast
import importlib
import re
import sys

import pytest
from absl import flags
from checkout import ROOT
from readme import DOCUMENTS, PYTHON, README, SHELL, main_commands

from cmgen.train import __main__ as train
from cmgen.utils import cli

MAINS = ["train", "evaluate", "export", "generate", "prepare", "studio"]
MAINS += [f"rate {command}" for command in ("collect", "serve", "report")]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for folder in (".", "docs", "results", "exports", "findings", "cmgen/demo")
    for path in (ROOT / folder).glob("*.md")
)


def flags_of(main: str) -> flags.FlagValues:
    main, _, command = main.partition(" ")
    if main.endswith(".py"):
        sys.modules.setdefault("tools", importlib.import_module("tools"))
        main = main.removesuffix(".py").replace("/", ".")
    name = main if main.startswith("tools.") else f"{main}.__main__"
    module = importlib.import_module(name)
    return module.COMMANDS[command].flag_values if command else module.FLAGS


@pytest.mark.parametrize(("main", "arguments"), main_commands())
def test_command_has_only_known_flags(main: str, arguments: list[str]) -> None:
    known = flags_of(main)
    expanded = cli.expand_flagfiles(arguments)
    names = [argument.lstrip("-").partition("=")[0] for argument in expanded]
    assert all(argument.startswith("--") for argument in expanded)
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


def test_readme_is_short_and_leads_to_every_page() -> None:
    assert len(README.splitlines()) <= 150
    pages = {page.name for page in (ROOT / "docs").glob("*.md")}
    assert pages == set(re.findall(r"\(docs/(\w+\.md)\)", README))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`--(\w+)[`=]", DOCUMENTS))))
def test_flag_in_the_text_exists(name: str) -> None:
    known = any(name in flags_of(f"cmgen.{main}") for main in MAINS)
    assert known or name in ("flagfile", "help", "helpfull")


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)]+)", text) + re.findall(r'src="([^"]+)"', text)
    for link in links:
        if not re.match(r"\w+:", link):
            path, _, anchor = link.partition("#")
            target = (ROOT / page).parent / path if path else ROOT / page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", [page for page in PAGES if "results" not in page])
def test_modules_in_the_text_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for name in re.findall(r"`((?:cmgen|tests|tools)/[\w/.]+|test_\w+\.py)`", text):
        assert (ROOT / name).exists() or any((ROOT / "tests").rglob(name)), name


@pytest.mark.parametrize("snippet", PYTHON)
def test_snippet_is_python(snippet: str) -> None:
    assert ast.parse(snippet).body
