"""What holds for every flag of every main: inputs survive, and senseless values are refused at once.

The tables below have every main of the repository and every flag of theirs that may be a path; the
first tests fail where a new main or flag is missing.
"""

import importlib
import os
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from absl import flags
from checkout import ROOT

from cmgen.config import CHOICES

IN, OUT, BOTH, NO_PATH = "in", "out", "in and out", "no path"
PAGE = dict.fromkeys(("host", "proxy"), NO_PATH) | {"password_file": IN}
BENCH = {"model": IN, "data": IN, "output": OUT} | dict.fromkeys(
    ("threads", "batches", "sizes", "batch_sizes"), NO_PATH
)
# Main and command -> its flags of texts and lists.
ROLES = {
    "cmgen.train": {"workdir": OUT, "data": IN},
    "cmgen.evaluate": {
        "workdir": IN,
        "output": OUT,
        "data": IN,
        "measures": NO_PATH,
        "label_control": IN,
        "judges": BOTH,
        "inception_weights": IN,
        "compare": IN,
    },
    "cmgen.export": {"workdir": IN, "output": OUT, "scores": IN},
    "cmgen.generate": {"model": IN, "input": IN, "output": OUT, "seeds": NO_PATH},
    "cmgen.prepare": {
        "input": IN,
        "output": OUT,
        "alignment": NO_PATH,
        "shares": NO_PATH,
        "runner": NO_PATH,
        "beam_option": NO_PATH,
    },
    "cmgen.rate collect": {"output": OUT, "run": IN, "data": IN},
    "cmgen.rate serve": {**PAGE, "study": IN, "database": OUT},
    "cmgen.rate report": {"output": OUT, "study": IN, "database": IN},
    "cmgen.studio": {**PAGE, "exports": IN},
    "tools.audit": {"requirements": IN},
    **{f"tools.bench {c}": BENCH for c in ("lms", "input", "train", "serve", "all", "growth")},
    "tools.encoder_study": {"output": OUT, "data": IN, "only": NO_PATH},
    "tools.fuzz": {"targets": NO_PATH, "corpus": IN, "found": OUT, "output": OUT},
    "tools.make_gallery": {"output": OUT, "document": OUT},
    "tools.make_sub_urmp_fixture": {"output": OUT},
    "tools.reproduce": {"output": OUT, "results": OUT, "only": NO_PATH},
}
# Ends of the names of a run's settings that are one of a few words, numbers or classes.
SETTINGS = (*CHOICES, "widths", "strides", "class")
# Another main's flags, or none that name what is read beside what is written.
OTHER_MAINS = {
    "tools.export": "cmgen.export",
    "tools.orchestra.render": "assets and output, which keep_inputs compares",
    "tools.orchestra.fetch": "an output alone",
    "tools.orchestra.scores": "an output alone",
    "tools.orchestra.signal_check": "one folder, whose README gets a section",
    "tools.fuzzing.one": "called by tools.fuzz",
    "tools.fuzzing.seeds": "an output alone",
}
# What a main wants besides the flags of a pair.
REQUIRED = {
    "cmgen.evaluate": ("--measures=all",),
    "cmgen.generate": ("--input=there.wav",),
    "cmgen.prepare": ("--input=there", "--output=new"),
    "cmgen.rate collect": ("--output=new", "--run=a=runs/a"),
    "tools.make_gallery": ("--output=new",),
    "tools.make_sub_urmp_fixture": ("--output=new",),
}
SUFFIX = {
    ("cmgen.evaluate", "output"): ".json",
    ("cmgen.generate", "output"): ".mp4",
    ("cmgen.rate report", "output"): ".md",
}
FOLDERS = {"workdir", "judges", "found", "corpus", "run", "label_control"}
VALUE = {"run": "name={}", "database": "sqlite:///{}"}
# Inputs of which only certain files are read; where these are is told by tests below.
PARTS = {("cmgen.rate serve", "study"), ("cmgen.rate report", "study")}
# Folders of which every file is read.
WHOLE = {"data", "input", "corpus"}


def flags_of(main: str) -> flags.FlagValues:
    name, _, command = main.partition(" ")
    module = importlib.import_module(name if name.startswith("tools") else f"{name}.__main__")
    return module.COMMANDS[command].flag_values if command else module.FLAGS


def of_kind(main: str, *kinds: str) -> list[str]:
    found = flags_of(main)
    return [n for n in found if n not in ("flagfile", "undefok") and kind(found[n]) in kinds]


def kind(flag: flags.Flag) -> str:
    if flag.boolean:
        return "switch"
    return {"int": "int", "float": "float"}.get(flag.flag_type(), "text")


def unparse(values: Any) -> None:
    values.unparse_flags()
    for flag in values:
        values[flag].unparse()


def start(main: str, *arguments: str) -> None:
    """In this process, as a command line would."""
    name, _, command = main.partition(" ")
    module = importlib.import_module(name if name.startswith("tools") else f"{name}.__main__")
    values = flags_of(main)
    unparse(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [main, *filter(None, [command]), *arguments])
        try:
            module.console()
        finally:
            unparse(values)


def refusal(capsys: Any, main: str, *arguments: str) -> str:
    """The message with which a main refuses arguments; nothing in the folder has changed by it."""
    before = contents()
    with pytest.raises(SystemExit) as ended:
        start(main, *arguments)
    said = capsys.readouterr()
    assert ended.value.code == 2, (arguments, said)
    assert contents() == before
    return said.err


def contents() -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in Path().rglob("*")}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path.parent / "cache"))


def test_the_tables_have_every_main() -> None:
    listed = subprocess.run(
        ["git", "grep", "-l", "^if __name__ ==", "--", "cmgen", "tools"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = {name.removesuffix(".py").replace("/", ".") for name in listed.stdout.split()}
    mains = {name.removesuffix(".__main__") for name in files if ".clients." not in name}
    assert mains == {name.partition(" ")[0] for name in ROLES} | OTHER_MAINS.keys()


@pytest.mark.parametrize("main", ROLES)
def test_the_tables_have_every_flag(main: str) -> None:
    texts = set(of_kind(main, "text"))
    if main == "cmgen.train":
        texts = {name for name in texts if not name.endswith(SETTINGS)}
    assert texts <= ROLES[main].keys()


def pairs() -> Iterator[tuple[str, str, str]]:
    for main, roles in ROLES.items():
        there = [(name, roles[name]) for name in of_kind(main, "text") if name in roles]
        sources = [name for name, role in there if role in (IN, BOTH)]
        outputs = [name for name, role in there if role in (OUT, BOTH)]
        for source, output in product(sources, outputs):
            if source != output and (main, source) not in PARTS:
                yield main, source, output


@pytest.mark.parametrize("way", ["the same", "another name", "symbolic link", "hard link"])
@pytest.mark.parametrize(("main", "source", "output"), [*pairs()])
def test_no_output_replaces_an_input(
    main: str, source: str, output: str, way: str, capsys: Any
) -> None:
    """Of every main, for every pair of flags, by whatever name the file is called."""
    suffix = SUFFIX.get((main, output), "")
    one, other = Path(f"one{suffix}"), Path(f"other{suffix}")
    if {source, output} & FOLDERS or (main, source) == ("cmgen.generate", "model"):
        one.mkdir()
        (one / "mine").write_text("mine")
    else:
        one.write_text('{"task": "s2i", "splits": {}, "seed": 1}')
    if way == "the same":
        other = one
    elif way == "another name":
        other = Path("..", Path.cwd().name, one)
    elif way == "symbolic link":
        other.symlink_to(one)
    elif one.is_file():
        os.link(one, other)
    else:  # folders have none, but may be named through a link of another
        Path("link").symlink_to(".")
        other = Path("link", one)
    given = {source: one, output: other}
    said = refusal(
        capsys,
        main,
        *(a for a in REQUIRED.get(main, ()) if a.partition("=")[0].lstrip("-") not in given),
        *(f"--{flag}={VALUE.get(flag, '{}').format(path)}" for flag, path in given.items()),
    )
    assert f"--{output}" in said and f"--{source}" in said and "would replace" in said


def inside() -> Iterator[tuple[str, str, str]]:
    for main, source, output in pairs():
        if source in WHOLE and not main.startswith(("tools.bench", "cmgen.generate")):
            yield main, source, output


@pytest.mark.parametrize(("main", "source", "output"), [*inside()])
def test_no_output_lies_in_what_is_read_whole(
    main: str, source: str, output: str, capsys: Any
) -> None:
    """A raw folder in which something was written would be other data the next time."""
    Path("raw/train/drum").mkdir(parents=True)
    Path("link").symlink_to("raw/train")
    suffix = SUFFIX.get((main, output), "")
    for place in (f"raw/new{suffix}", f"link/drum/new{suffix}", f"raw/new/newer{suffix}"):
        given = {source: "raw", output: place}
        said = refusal(
            capsys,
            main,
            *(a for a in REQUIRED.get(main, ()) if a.partition("=")[0].lstrip("-") not in given),
            *(f"--{flag}={path}" for flag, path in given.items()),
        )
        assert f"--{output}={place}: lies in --{source}=raw" in said


def test_evaluate_replaces_nothing_but_scores(capsys: Any) -> None:
    """A run's config.json, a package.json and the like end in .json, too."""
    Path("run").mkdir()
    for text in ('{"task": "s2i"}', "no JSON", "[" * 100_000):
        Path("run/config.json").write_text(text)
        said = refusal(capsys, "cmgen.evaluate", "--workdir=run", "--output=run/config.json")
        assert "--output=run/config.json: is there and was not written by cmgen.evaluate" in said


def test_scores_to_compare_with_outlive_the_default_output(capsys: Any) -> None:
    Path("scores.json").write_text('{"task": "s2i", "splits": {}, "seed": 1}')
    said = refusal(capsys, "cmgen.evaluate", "--compare=./scores.json")
    assert "--output=scores.json: is --compare=./scores.json, which it would replace" in said


def test_a_report_leaves_the_study_as_it_is(capsys: Any) -> None:
    """Its chart, a .png beside it, neither."""
    Path("study/pictures").mkdir(parents=True)
    Path("study/pictures/0123.png").write_bytes(b"a picture")
    said = refusal(capsys, "cmgen.rate report", "--study=study", "--output=study/pictures/0123.md")
    assert "lies in --study=study/pictures" in said


NUMBERS = [(main, flag) for main in ROLES for flag in of_kind(main, "int", "float")]


@pytest.mark.parametrize(("main", "flag"), NUMBERS)
def test_numbers_are_finite_and_not_below_their_least(main: str, flag: str, capsys: Any) -> None:
    """Every number of every main: refused before anything is written, in one line."""
    floating = kind(flags_of(main)[flag]) == "float"
    values = ["nan", "inf", "-inf", "1e300"] if floating else ["-1", "9" * 30]
    if flag == "seed":
        values.append(str(2**32))
    for value in values:
        said = refusal(capsys, main, *REQUIRED.get(main, ()), f"--{flag}={value}")
        assert f"--{flag}=" in said and len(said.splitlines()) == 1, said


TEXTS = [(main, flag) for main in ROLES for flag in of_kind(main, "text")]


@pytest.mark.parametrize(("main", "flag"), TEXTS)
def test_texts_and_lists_say_something(main: str, flag: str, capsys: Any) -> None:
    """Empty paths would be the current folder; an empty variable of a script is no choice."""
    values = ["", " ", "a,,b"] if kind_of_list(main, flag) else ["", " "]
    if flag.endswith("strides"):  # "if empty" in their help
        values.remove("")
    for value in values:
        required = [a for a in REQUIRED.get(main, ()) if not a.startswith(f"--{flag}=")]
        said = refusal(capsys, main, *required, f"--{flag}={value}")
        assert f"--{flag}=" in said and len(said.splitlines()) == 1, said


def kind_of_list(main: str, flag: str) -> bool:
    return isinstance(flags_of(main)[flag].default, list | tuple) and flag not in (
        "run",
        "beam_option",
    )
