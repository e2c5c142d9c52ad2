"""What the golden tests look at: here alone they import cmgen and the helpers of other tests."""

import hashlib
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import flags

from cmgen.config import TrainConfig
from cmgen.models import run
from cmgen.train import __main__ as train
from cmgen.train import encoders
from cmgen.train import run as training
from cmgen.utils import cli, typed_json

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PRESETS = [name.removesuffix(".flags") for name in cli.preset_names()]
CLASSES = 13
# Main -> its commands, "" for none. tools/export.py will be cmgen.export: its name is left out.
MAINS = {
    "cmgen.train": ("",),
    "cmgen.evaluate": ("",),
    "cmgen.generate": ("",),
    "cmgen.prepare": ("",),
    "cmgen.rate": ("", "collect", "serve", "report"),
    "cmgen.studio": ("",),
    "tools/export.py": ("",),
    "tools/reproduce.py": ("",),
    "tools/bench.py": ("", "serve", "lms", "train", "input", "growth", "all"),
}
NAMELESS = "tools/export.py"
# Runs mains one after the other in one process, each as `python -m MAIN` or `python MAIN` would be.
RUN_MAINS = """
import contextlib, io, json, runpy, sys
texts = []
for main, *arguments in json.load(sys.stdin):
    sys.argv = [main, *arguments]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        if main.endswith(".py"):
            runpy.run_path(main, run_name="__main__")
        else:
            runpy.run_module(main, run_name="__main__", alter_sys=True)
    texts.append(printed.getvalue())
json.dump(texts, sys.stdout)
"""


def stored(name: str) -> Any:
    """What record.py wrote to NAME.json."""
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


def store(name: str, values: Any) -> None:
    """Writes NAME.json."""
    text = json.dumps(values, indent=1, ensure_ascii=False)
    # Lists of numbers on one line.
    text = re.sub(r"\[[^\[\]{}\"]*\]", lambda found: " ".join(found[0].split()), text)
    (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def settings(preset: str, *others: str) -> TrainConfig:
    """The settings of `cmgen.train --flagfile=PRESET.flags` with other flags."""
    values = flags.FlagValues()
    train.define_flags(values)
    cli.parse(values, ["cmgen.train", f"--flagfile={preset}.flags", *others])
    return train.config_from_flags(values)


def configuration(preset: str) -> dict[str, Any]:
    """config.json of a preset, without its checksum."""
    values = json.loads(typed_json.to_json(settings(preset)))
    del values[typed_json.CHECKSUM]
    return values


def trainer(
    name: str, config: TrainConfig
) -> tuple[keras.Model, keras.Model, dict[str, keras.layers.Layer]]:
    """An encoder, what trains it, and what is trained beside it, as training makes them."""
    encoder = run.make_encoder(name, CLASSES, config, "float32")
    model, beside = encoders._classifier(encoder, name, config, "float32")
    model.compile()
    return encoder, model, beside


def gan(config: TrainConfig) -> Any:
    """A GAN with an encoder of its own, as training makes them."""
    encoder = run.make_encoder(config.direction.encoder, CLASSES, config, "float32")
    return training._build_gan(encoder, config, "float32")


@cache
def networks(preset: str) -> tuple[dict[str, dict[str, list[int]]], dict[str, str]]:
    """(network -> variable -> shape, network -> hash of the initial weights) of a preset's run.

    All are made in the order of training, and then the encoder that this direction has no need of.
    """
    config = settings(preset)
    keras.utils.set_random_seed(config.seed)
    made: dict[str, keras.layers.Layer] = {}
    for name in (config.direction.encoder, "verifier"):
        made[name], _, beside = trainer(name, config)
        made |= {f"{name}/{part}": network for part, network in beside.items()}
    model = gan(config)
    made |= {name: getattr(model, name) for name in ("generator", "discriminator", "average")}
    (other,) = {"sound_encoder", "image_encoder"} - {config.direction.encoder}
    made[other] = run.make_encoder(other, CLASSES, config, "float32")
    weights = {name: arrays(network) for name, network in made.items()}
    shapes = {
        name: {path: list(array.shape) for path, array in some.items()}
        for name, some in weights.items()
    }
    return shapes, {name: digest(some) for name, some in weights.items()}


def arrays(network: keras.layers.Layer) -> dict[str, np.ndarray]:
    """All variables by the names under which checkpoints and .npz files hold them."""
    return {path: np.asarray(value) for path, value in run._named(network).items()}


def digest(weights: dict[str, np.ndarray]) -> str:
    """SHA-256 of names and values."""
    whole = hashlib.sha256()
    for path, array in weights.items():
        whole.update(path.encode() + array.tobytes())
    return whole.hexdigest()


@cache
def helps() -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """(command -> flag -> its default and help, command -> usage line), of all mains."""
    commands = [(main, command) for main, some in MAINS.items() for command in some]
    calls = [
        [main, *filter(None, [command]), option]
        for main, command in commands
        for option in ("--helpfull", "--help")
    ]
    ran = subprocess.run(
        [sys.executable, "-c", RUN_MAINS],
        cwd=ROOT,
        input=json.dumps(calls),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    texts = iter(json.loads(ran.stdout))
    full, usage = {}, {}
    for main, command in commands:
        name = f"{main} {command}".strip()
        entries = _flags(next(texts))
        line = next(texts).partition("\n")[0]
        if command or len(MAINS[main]) == 1:
            full[name] = entries
        usage[name] = re.sub(r"^usage: \S+ ", "", line) if main == NAMELESS else line
    return full, usage


def _flags(text: str) -> dict[str, str]:
    """Flag -> default and help, of the text of --helpfull; the modules' headings are left out."""
    lines = text.partition("\nflags:\n")[2].splitlines()
    body = "\n".join(line for line in lines if line.startswith("  "))
    found = {}
    for entry in re.split(r"^  (?=-)", body, flags=re.MULTILINE)[1:]:
        name, _, rest = entry.partition(":")
        found[name] = " ".join(rest.split())
    return dict(sorted(found.items()))
