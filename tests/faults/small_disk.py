"""Run in a name space of its own: writes each kind of file to a disk that is full, then read-only.

    python small_disk.py FOLDER REPORT

FOLDER becomes a disk of a few hundred KB; REPORT receives, as JSON, {kind: {"full": [exit code, message,
whether what was there before is still whole, new files], "read-only": [...]}}.
"""

import contextlib
import gc
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fixtures
import numpy as np
import tensorflow as tf
from tiny_run import write_run

from cmgen.export import writer
from cmgen.export.samples import Samples
from cmgen.media import images
from cmgen.models.run import load_run
from cmgen.models.weights import save_weights
from cmgen.prepare.local import PrepareConfig, prepare
from cmgen.train import callbacks
from cmgen.train.checkpoints import Checkpoints
from cmgen.utils import cli, files
from cmgen.utils.errors import UserError
from cmgen.utils.locks import only_writer

DISK_KB = 400
# What a full disk still has, so that files begin to be written; a lock would fit into that.
LEFT_KB = {"run folder": 0}
USUAL_LEFT_KB = 24
Write = Callable[[], None]


def writers(disk: Path, outside: Path) -> tuple[Write, dict[str, Write]]:
    """What is there before; and kind -> writes a file of more bytes than a full disk has."""
    run = load_run(write_run(outside / "run", ("bell", "drum", "flute")))
    raw = fixtures.write_corpus(outside / "videos", {"train": 1}, seconds=1.0)
    value = tf.Variable(np.random.default_rng(0).random(20_000, np.float32))
    saved = Checkpoints(disk / "checkpoints", 2, value=value)
    pixels = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)

    def step(number: int) -> Write:
        return lambda: saved.save(number)

    def metrics() -> None:
        log = callbacks.MetricsLog(0, disk, 10**9, 250)
        try:
            for number in range(20_000):
                log.step = number
                log.write({"loss": float(number)})
        finally:
            with contextlib.suppress(tf.errors.ResourceExhaustedError):
                log.writer.close()  # as the end of a process would

    def export() -> None:
        waveform = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 22050)).astype(np.float32)
        writer.export(run, disk / "s2i", Samples(waveform, None, "noise"), {})

    def lock() -> None:
        with only_writer(disk / "new" / "run"):
            pass

    return step(1), {
        "checkpoint": step(2),
        "weights": lambda: save_weights(run.encoder, disk / "sound_encoder.npz"),
        "samples": lambda: images.write_png(disk / "samples" / "1.png", pixels),
        "scores": lambda: files.write_text(disk / "evaluation.json", "9" * 500_000),
        "metrics": metrics,
        "prepare": lambda: prepare(raw, disk / "prepared", PrepareConfig(image_size=32)) and None,
        "export": export,
        "run folder": lock,
    }


def attempt(write: Write) -> tuple[int, str]:
    try:
        write()
    except UserError as error:
        return error.exit_code, str(error)
    except Exception as error:  # for the report: a person would see a traceback
        return -1, repr(error)
    return 0, ""


def snapshot(disk: Path) -> dict[str, bytes]:
    return {
        str(p): p.read_bytes() for p in disk.rglob("*") if p.is_file() and "logs" not in p.parts
    }


def main(disk: Path, report: Path) -> None:
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_KB}k", "tmpfs", str(disk)], check=True
    )
    cli.quiet_tensorflow()
    found: dict[str, dict[str, tuple[int, str, bool, list[str]]]] = {}
    before_all, kinds = writers(disk, report.parent)
    for kind, write in kinds.items():
        found[kind] = {}
        for state in ("full", "read-only"):
            before_all()
            if state == "full":
                fill(disk, LEFT_KB.get(kind, USUAL_LEFT_KB))
            else:
                gc.collect()  # closes what errors before left open; else the disk is busy
                subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            before = snapshot(disk)
            code, message = attempt(write)
            after = snapshot(disk)
            whole = all(after.get(name) == data for name, data in before.items())
            new = [name for name in after if name not in before and not is_log(name, after[name])]
            found[kind][state] = (code, message, whole, sorted(new))
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            for path in sorted(disk.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
    report.write_text(json.dumps(found))


def fill(disk: Path, left: int) -> None:
    """Leaves so many KB."""
    gc.collect()  # closes what errors before left open, whose space is not free yet
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - left * 1024))
    assert shutil.disk_usage(disk).free == left * 1024


def is_log(name: str, data: bytes) -> bool:
    """Whether it is a log of whole lines, which keeps what could be written of it."""
    if not name.endswith("metrics.jsonl"):
        return False
    lines = data.decode().splitlines(keepends=True)
    return len(lines) > 100 and all(json.loads(line) and line.endswith("\n") for line in lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
