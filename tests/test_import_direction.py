"""Imports go one way, the way of the data; read from the source, so function-level ones count."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from checkout import ROOT

BASE = {"config", "typed_json", "errors", "files", "limits"}
SIGNALS = BASE | {"sound_files", "mel", "audio", "images"}
# What each room may import from cmgen; a name covers the modules inside it (data = data.*).
MAY_IMPORT = {
    "errors": set(),
    "config": {"errors"},
    "typed_json": {"errors"},
    "files": {"errors"},
    "limits": {"errors"},
    "cli": {"errors"},
    "cluster": {"errors"},
    "workers": {"errors", "cluster", "replica"},
    "losses": set(),
    "replica": set(),
    "augment": set(),
    "precision": set(),
    "hashes": set(),
    "comparison": BASE,
    "convolutions": set(),
    "layers": {"config", "convolutions"},
    "networks": {"config", "layers"},
    "autoencoder": {"config", "layers"},
    "optimizers": set(),
    "gan": {"config", "networks", "losses", "replica", "augment", "layers"},
    "metrics": BASE,
    "charts": BASE | {"images"},
    # What trains and what reports import the measures, not the other way round.
    "measures": SIGNALS
    | {"networks", "losses", "augment", "classifier", "data", "checkpoint", "precision", "hashes"}
    | {"optimizers"}
    | {"metrics", "evaluation", "charts", "measures", "origin", "pose"},
    "pose": SIGNALS | {"augment", "classifier", "data", "networks", "optimizers"},
    "sound_files": BASE,
    "mel": BASE,
    "audio": BASE | {"sound_files", "mel"},
    "representations": BASE | {"sound_files", "audio"},
    "images": BASE,
    "video": SIGNALS,
    "data": SIGNALS | {"hashes", "video", "run_lock", "data"},
    "graph_files": SIGNALS,
    "graph_ops": {"errors"},
    "serving": SIGNALS | {"networks", "layers", "graph_files", "graph_ops"},
    "export_folder": {"errors"},
    "saved_models": SIGNALS | {"serving", "export_folder", "graph_ops"},
    "onnx_export": SIGNALS | {"networks", "layers"},
    "onnx_files": {"errors", "export_folder"},
    "exported": BASE | {"export_folder", "onnx_files", "origin"},
    "access": set(),
    "page_flags": {"errors", "access"},
    "web": {"errors", "access"},
    "web_server": {"errors", "access", "web"},
    # What exported models do on a page; knows no TensorFlow and no run.
    "studio_server": SIGNALS - {"audio"}
    | {"exported", "access", "web", "web_server", "video", "generation", "sound_generation"}
    | {"origin", "studio_server"},
    "smaller": SIGNALS | {"onnx_export"},
    "clients": set(),
    "benchmarks": BASE
    | {
        "images",
        "sound_files",
        "versions",
        "export_folder",
        "onnx_files",
        "graph_ops",
        "benchmarks",
    }
    | {"audio", "checkpoint", "data", "fitting", "gan", "losses", "replica", "workers"}
    | {"charts", "precision", "video"},
    # Runs the mains as processes and reads what they wrote; knows no network and no run.
    "reproduction": SIGNALS
    | {"cli", "comparison", "generation", "origin", "video", "reproduction"},
}
MAINS = {"train", "evaluate", "generate", "prepare", "rate", "studio"}
# What serves and counts the votes of a study runs without TensorFlow; collect makes the study.
RATING = {f"rating.{name}" for name in ("study", "order", "store", "app", "server", "results")}
REPRODUCTION = {f"reproduction.{name}" for name in ("table", "progress", "numbers", "page")}
STUDIO = {
    "export_folder",
    "onnx_files",
    "exported",
    "access",
    "web",
    "web_server",
    "mel",
    "generation",
    "sound_generation",
} | {
    f"studio_server.{name}"
    for name in ("app", "decoder", "examples", "gate", "server", "store", "work")
}
CLIENTS = {"clients.s2i", "clients.i2s"}
BENCHMARKS = {"benchmarks.timing", "benchmarks.mains", "benchmarks.serve"}
NO_TENSORFLOW = (
    {"errors", "config", "typed_json", "files", "cli", "page_flags", "cluster"}
    | MAINS
    | RATING
    | REPRODUCTION
    | STUDIO
)
NO_TENSORFLOW |= CLIENTS | BENCHMARKS
# Formulas of the measures: functions of arrays, of which no module knows a network or a run.
FORMULAS = {f"measures.{name}" for name in ("agreement", "quality", "diversity", "sound", "scores")}


def modules() -> dict[str, Path]:
    """Name inside cmgen ("data.shards") -> file."""
    package = ROOT / "cmgen"
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
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


def ours(path: Path) -> set[str]:
    """Modules of cmgen that a file imports, without the `cmgen.`."""
    return {n.removeprefix("cmgen.") for n in imports(path) if n.startswith("cmgen.")}


def room(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) in MAY_IMPORT])
def test_a_room_imports_only_what_comes_before_it(module: str) -> None:
    extra = {m for m in ours(MODULES[module]) if room(m) not in MAY_IMPORT[room(module)]}
    assert extra == set(), f"cmgen/{module} imports {sorted(extra)}"


@pytest.mark.parametrize("module", sorted(FORMULAS))
def test_formulas_of_the_measures_know_no_network(module: str) -> None:
    known = FORMULAS | {"config", "errors", "metrics", "mel"}
    assert ours(MODULES[module]) <= known
    assert not {n for n in imports(MODULES[module]) if room(n) in ("tensorflow", "keras")}


@pytest.mark.parametrize("module", sorted(RATING))
def test_the_page_imports_no_networks_and_no_data(module: str) -> None:
    extra = {
        m
        for m in ours(MODULES[module])
        if room(m) not in BASE | {"images", "access", "web", "web_server", "origin", "rating"}
    }
    assert extra == set() and "rating.collect" not in ours(MODULES[module])


def test_nothing_but_its_main_imports_the_rating_page() -> None:
    users = {m for m, path in MODULES.items() if any(room(n) == "rating" for n in ours(path))}
    assert {m for m in users if room(m) != "rating"} == {"rate"}


def test_nothing_but_its_main_imports_the_studio() -> None:
    users = {
        m for m, path in MODULES.items() if any(room(n) == "studio_server" for n in ours(path))
    }
    assert {m for m in users if room(m) != "studio_server"} == {"studio"}


def test_what_serves_never_imports_what_trains() -> None:
    """Not even by way of another module of cmgen."""
    seen: set[str] = set()
    waiting = {"serving", "saved_models"}
    while waiting:
        current = waiting.pop()
        seen.add(current)
        waiting |= (ours(MODULES[current]) & MODULES.keys()) - seen
    training = (
        "gan",
        "losses",
        "augment",
        "training",
        "fitting",
        "data",
        "checkpoint",
        "evaluation",
    )
    assert not {m for m in seen if room(m) in training}


def test_nothing_imports_a_main() -> None:
    files = [*MODULES.values(), *(ROOT / "tools").rglob("*.py")]
    found = {path: ours(path) & MAINS for path in files}
    assert {path: names for path, names in found.items() if names} == {}


def test_only_mains_define_flags() -> None:
    users = {m for m, path in MODULES.items() if any(n.startswith("absl") for n in imports(path))}
    assert users <= MAINS | {"cli", "page_flags"}


def test_imports_have_no_circle() -> None:
    remaining = {m: ours(path) & set(MODULES) - {m} for m, path in MODULES.items()}
    while True:
        free = {m for m, needs in remaining.items() if not needs & remaining.keys()}
        if not free:
            break
        remaining = {m: needs for m, needs in remaining.items() if m not in free}
    assert remaining == {}


@pytest.mark.parametrize("module", sorted(NO_TENSORFLOW & MODULES.keys()))
def test_mains_and_settings_wait_with_tensorflow(module: str) -> None:
    """Not even by way of another module of cmgen."""
    seen: set[str] = set()
    waiting = {module}
    while waiting:
        current = waiting.pop()
        seen.add(current)
        names = imports(MODULES[current], top_level_only=True)
        assert not {n for n in names if room(n) in ("tensorflow", "keras", "onnx")}, current
        inner = {n.removeprefix("cmgen.") for n in names if n.startswith("cmgen.")}
        waiting |= (inner & MODULES.keys()) - seen
