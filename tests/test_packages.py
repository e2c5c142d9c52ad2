"""What is built for others: the sdist, the wheel made from it, each installed and used."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import NamedTuple

import pytest
from checkout import ROOT
from fixtures import write_corpus
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tiny_training import TINY

pytestmark = pytest.mark.slow

SCRIPTS = ("train", "evaluate", "export", "generate", "prepare", "rate", "studio")
# Of a checkout, what only those need who develop it or wrote results into it.
NOT_SHIPPED = (".ci/", ".git", "exports/", "findings/", "results/figures/")
STRAYS = (
    "runs/s2i/generator.npz",
    "results/runs/s2i/generator.npz",
    "exports/s2i/s2i.onnx",
    ".ci/log",
    "cmgen/__pycache__/train.cpython-311.pyc",
    "tests/__pycache__/test_gan.cpython-311.pyc",
    "build/lib/cmgen/old.py",
    "mutants/cmgen/train/__main__.py",
)
BUILD = "import sys; from setuptools import build_meta as b; b.build_{}(sys.argv[1])"


class Packages(NamedTuple):
    sdist: Path
    wheel: Path


def run(*command: str | Path, cwd: Path) -> str:
    """Runs a command that knows nothing of this checkout and must succeed; its output."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    ran = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout[-1000:]}{ran.stderr[-3000:]}"
    return ran.stdout


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    """The names of all files that belong to the project."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout, to know which files belong to it")
    names = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    return {name for name in names if name and (ROOT / name).exists()}


@pytest.fixture(scope="module")
def packages(tracked: set[str], tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Built from a copy in which somebody has worked; the wheel from the unpacked sdist."""
    folder = tmp_path_factory.mktemp("packages")
    checkout, made = folder / "checkout", folder / "made"
    made.mkdir()
    for name in tracked:
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((ROOT / name).read_bytes())
    for name in STRAYS:
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"stray")
    run(sys.executable, "-c", BUILD.format("sdist"), made, cwd=checkout)
    (sdist,) = made.iterdir()
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    run(sys.executable, "-c", BUILD.format("wheel"), made, cwd=unpacked)
    (wheel,) = made.glob("*.whl")
    return Packages(sdist, wheel)


def needed(package: Distribution) -> dict[str, Distribution]:
    """What a package requires without any extra, and what that requires, by name."""
    found: dict[str, Distribution] = {}
    waiting = [(package, frozenset[str]())]
    while waiting:
        one, extras = waiting.pop()
        for requirement in map(Requirement, one.requires or ()):
            marker, name = requirement.marker, canonicalize_name(requirement.name)
            wanted = not marker or any(marker.evaluate({"extra": x}) for x in ("", *extras))
            if wanted and (name not in found or requirement.extras):
                found[name] = distribution(name)
                waiting.append((found[name], frozenset(requirement.extras)))
    return found


def link(packages: Iterable[Distribution], site: Path) -> None:
    """Puts these of this environment's packages into another one."""
    here = Path(sysconfig.get_path("purelib"))
    for one in packages:
        for part in {file.parts[0] for file in one.files or ()} - {"..", "__pycache__"}:
            if not (site / part).exists():
                (site / part).symlink_to(here / part)


def install(package: Path, folder: Path) -> Path:
    """The bin folder of an environment that has this package and what it requires, without extras."""
    pytest.importorskip("pip", reason="needs pip, which installs the packages")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    link([distribution("setuptools")], site)  # which builds an sdist
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--force-reinstall", "-q")
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--prefix", folder, *options, package, cwd=folder)
    (info,) = site.glob("cmgen-*.dist-info")
    link(needed(Distribution.at(info)).values(), site)
    found = run(python, "-c", "import cmgen; print(cmgen.__file__)", cwd=folder)
    assert Path(found.strip()).is_relative_to(site)
    return folder / "bin"


def test_the_sdist_is_the_checkout_without_what_work_leaves_behind(packages, tracked) -> None:
    with tarfile.open(packages.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames() if "/" in name}
        files = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    made = {name for name in files if ".egg-info/" in name or name == "PKG-INFO"}
    assert files - made == {name for name in tracked if not name.startswith(NOT_SHIPPED)}
    assert not names & set(STRAYS)


def test_the_wheel_is_the_package_and_its_papers(packages, tracked) -> None:
    with zipfile.ZipFile(packages.wheel) as archive:
        names = set(archive.namelist())
    papers = {name for name in names if ".dist-info/" in name}
    assert names - papers == {name for name in tracked if name.startswith("cmgen/")}
    assert {"LICENSE", "NOTICE"} <= {Path(name).name for name in papers}


@pytest.mark.parametrize("kind", Packages._fields)
def test_every_console_script_answers_from_an_empty_folder(packages, kind, tmp_path) -> None:
    programs = install(getattr(packages, kind), tmp_path / "environment")
    empty = tmp_path / "empty"
    empty.mkdir()
    for name in SCRIPTS:
        assert f"usage: cmgen.{name}" in run(programs / f"cmgen-{name}", "--help", cwd=empty)
    assert not list(empty.iterdir())


def test_an_installed_wheel_trains_exports_and_shows_its_demo(
    packages, tmp_path, monkeypatch
) -> None:
    programs = install(packages.wheel, tmp_path / "environment")
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path / "cache"))
    data = write_corpus(tmp_path / "videos")
    train = (programs / "cmgen-train", *TINY, "--train_steps=6", "--workdir=run")
    run(*train, f"--data={data}", cwd=empty)
    (package,) = (tmp_path / "environment").glob("lib/python*/site-packages/cmgen")
    video = min((package / "demo" / "test").rglob("*.mp4"))
    run(
        *(programs / "cmgen-generate", "--model=run", f"--input={video}", "--output=grid.png"),
        cwd=empty,
    )
    assert (empty / "grid.png").read_bytes().startswith(b"\x89PNG")
    run(programs / "cmgen-export", "--workdir=run", "--output=exports/s2i", cwd=empty)
    program = "import cmgen; print(cmgen.load('exports/s2i').classes)"
    assert "bell" in run(programs / "python", "-c", program, cwd=empty)
