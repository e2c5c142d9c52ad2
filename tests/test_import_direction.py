"""Imports go one way, the way of the data; read from the source, so function-level ones count."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from checkout import ROOT

# Each package, and what it may import besides itself: one row for every folder of cmgen.
MAY_IMPORT = {
    "utils": {"cmgen"},
    "config": {"utils"},
    "media": {"utils", "config"},
    "data": {"utils", "config", "media"},
    "prepare": {"cmgen", "utils", "config", "media", "data"},
    "models": {"utils", "config", "media"},
    "evaluate": {"cmgen", "utils", "config", "media", "data", "prepare", "models"},
    "train": {"utils", "config", "media", "data", "prepare", "models", "evaluate"},
    "export": {"utils", "config", "media", "data", "prepare", "models", "evaluate"},
    "generate": {"utils", "config", "media", "models", "export"},
    "rate": {"utils", "config", "media", "data", "prepare", "models", "evaluate", "generate"},
    "studio": {"utils", "config", "media", "export", "generate"},
    "cmgen": {"generate"},
}
# What starts without TensorFlow, Keras and onnx: packages and modules.
NO_TENSORFLOW = {
    "cmgen", "utils", "config", "generate", "export.layout", "export.metadata",
    "export.onnx_session", "export.clients", "rate.app", "rate.chart", "rate.results", "rate.store",
    "rate.study", "studio", "train.tf_config", "prepare.__main__", "train.__main__",
    "evaluate.__main__", "export.__main__", "rate.__main__",
}  # fmt: skip
# Formulas are functions of arrays, and know no network and no run.
FORMULAS = {"utils", "config", "media.lms", "evaluate.metrics"}
# Serving never imports what trains, not even by way of another module.
SERVING = ("export.functions", "export.saved_model")
TRAINING = {"data", "prepare", "evaluate", "train", "models.gan", "models.losses", "models.augment"}


def modules() -> dict[str, Path]:
    """Name inside cmgen ("data.shards"; a package's own module "data") -> file."""
    found = {}
    for path in sorted((ROOT / "cmgen").rglob("*.py")):
        parts = path.relative_to(ROOT / "cmgen").with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__") or "cmgen"] = path
    return found


MODULES = modules()


@cache
def imports(path: Path, top_level_only: bool = False) -> frozenset[str]:
    """Absolute names of the modules that a file imports, e.g. cmgen.data.shards, numpy."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.iter_child_nodes(tree) if top_level_only else ast.walk(tree)
    return frozenset(name for node in nodes for name in _names(node))


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "write imports absolutely"
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if inner.removeprefix("cmgen.") in MODULES else str(node.module)


def ours(path: Path, top_level_only: bool = False) -> set[str]:
    """Modules of cmgen that a file imports, without the `cmgen.`."""
    names = imports(path, top_level_only)
    return {n.removeprefix("cmgen.") for n in names if n.partition(".")[0] == "cmgen"}


def is_in(module: str, names: set[str]) -> bool:
    """Whether a module is one of `names` or lies inside one."""
    return any(module == name or module.startswith(f"{name}.") for name in names)


def reached(start: str, top_level_only: bool = False) -> set[str]:
    """A module and all that it imports, directly or not, with the packages around them."""
    seen: set[str] = set()
    waiting = {start}
    while waiting:
        current = waiting.pop()
        seen.add(current)
        around = {current.rpartition(".")[0]} & MODULES.keys()
        waiting |= (ours(MODULES[current], top_level_only) | around) - seen
    return seen


def test_the_table_has_a_row_for_every_package() -> None:
    assert {module.partition(".")[0] for module in MODULES} == MAY_IMPORT.keys()


@pytest.mark.parametrize("module", MODULES)
def test_a_package_imports_only_what_comes_before_it(module: str) -> None:
    room = module.partition(".")[0]
    extra = {m for m in ours(MODULES[module]) if not is_in(m, MAY_IMPORT[room] | {room})}
    assert extra == set(), f"cmgen.{module} imports {sorted(extra)}"


def test_imports_have_no_circle() -> None:
    remaining = {m: ours(path) & MODULES.keys() - {m} for m, path in MODULES.items()}
    while free := {m for m, needs in remaining.items() if not needs & remaining.keys()}:
        remaining = {m: needs for m, needs in remaining.items() if m not in free}
    assert remaining == {}


def test_nothing_imports_a_main_and_only_mains_define_flags() -> None:
    files = [*MODULES.values(), *(ROOT / "tools").rglob("*.py")]
    mains = {path for path in files if any(n.endswith(".__main__") for n in ours(path))}
    assert mains == {ROOT / "tools" / "export.py"}
    users = {m for m, path in MODULES.items() if any(n.startswith("absl") for n in imports(path))}
    assert {m for m in users if not m.endswith("__main__")} == {"utils.cli", "utils.web.flags"}


@pytest.mark.parametrize("module", [m for m in MODULES if is_in(m, NO_TENSORFLOW)])
def test_what_answers_at_once_waits_with_tensorflow(module: str) -> None:
    """Not even by way of another module of cmgen, or of the package that holds it."""
    for one in reached(module, top_level_only=True):
        names = imports(MODULES[one], top_level_only=True)
        slow = {n for n in names if n.partition(".")[0] in ("tensorflow", "keras", "onnx")}
        assert not slow, f"cmgen.{one} imports {sorted(slow)}"


@pytest.mark.parametrize("module", [m for m in MODULES if is_in(m, {"evaluate.metrics"})])
def test_formulas_know_no_network(module: str) -> None:
    assert {m for m in ours(MODULES[module]) if not is_in(m, FORMULAS)} == set()
    assert not {
        n for n in imports(MODULES[module]) if n.partition(".")[0] in ("tensorflow", "keras")
    }


@pytest.mark.parametrize("module", SERVING)
def test_what_serves_never_imports_what_trains(module: str) -> None:
    assert {m for m in reached(module) if is_in(m, TRAINING)} == set()


def test_the_wheel_needs_no_tools() -> None:
    assert {
        m for m, path in MODULES.items() if any(n.startswith("tools") for n in imports(path))
    } == set()
