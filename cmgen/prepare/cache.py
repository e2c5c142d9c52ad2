"""Value of --data -> prepared folder: the demo, a prepared folder, or a raw one."""

import dataclasses
import hashlib
import json
import os
from importlib import resources
from pathlib import Path

from cmgen.config import DEMO, DataConfig
from cmgen.data.shards import FORMAT_VERSION, INFO_FILE, read_info
from cmgen.prepare.local import prepare
from cmgen.prepare.plan import PrepareConfig
from cmgen.utils.errors import UserError
from cmgen.utils.locks import one_after_another


def resolve(config: DataConfig) -> Path:
    """Returns the prepared folder for `config.data`; prepares raw data once, into the cache.

    Args:
      config: `data` is "demo", a prepared folder or a raw one; `image_size` applies to raw ones.
    """
    if config.data == DEMO:
        folder = demo_folder()
    else:
        folder = Path(config.data).expanduser()
        if not folder.is_dir():
            raise UserError(f"--data={config.data}: no such folder; name a folder, or {DEMO!r}")
        if (folder / INFO_FILE).is_file():
            _check_size(folder, config)
            return folder
    settings = PrepareConfig(image_size=config.image_size)
    prepared = cache_folder() / f"{folder.name}-{fingerprint(folder, settings)}"
    if not (prepared / INFO_FILE).is_file():
        with one_after_another(prepared):
            _prepare(folder, prepared, settings)
    return prepared


def _prepare(folder: Path, prepared: Path, settings: PrepareConfig) -> None:
    """Prepares the data, unless another process has done so in the meantime."""
    if (prepared / INFO_FILE).is_file():
        return
    print(
        f"preparing {folder} once, into {prepared}, as `python -m cmgen.prepare` does without flags",
        flush=True,
    )
    try:
        prepare(folder, prepared, settings)
    except OSError:
        if not (prepared / INFO_FILE).is_file():  # where there are no locks
            raise


def demo_folder() -> Path:
    """Returns the folder of videos that cmgen ships."""
    folder = _demo_path()
    if not folder.is_dir():
        raise UserError(f"--data={DEMO}: {folder} is missing; install cmgen again")
    return folder


def cache_folder() -> Path:
    """Returns the folder of automatically prepared data: $CMGEN_CACHE, or ~/.cache/cmgen."""
    if base := os.environ.get("CMGEN_CACHE"):
        return Path(base).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "cmgen"


def fingerprint(folder: Path, settings: PrepareConfig) -> str:
    """Identifies the files, the settings that shape the result and the format; 16 hex digits.

    Files count by name, size and time of change; those of the demo by content, since installing a
    package resets the times.
    """
    by_content = folder == _demo_path()
    files = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        status = path.stat()
        mark = _digest(path.read_bytes()) if by_content else str(status.st_mtime_ns)
        files.append([path.relative_to(folder).as_posix(), status.st_size, mark])
    shaping = dataclasses.asdict(settings)
    del shaping["workers"], shaping["skip_bad_files"], shaping["limits"]
    return _digest(json.dumps([FORMAT_VERSION, shaping, files], sort_keys=True).encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _demo_path() -> Path:
    return Path(str(resources.files("cmgen") / DEMO))


def _check_size(folder: Path, config: DataConfig) -> None:
    size = read_info(folder).image_size
    if size != config.image_size:
        raise UserError(
            f"--data={folder}: was prepared with pictures of {size} pixels, the run needs "
            f"{config.image_size}; give --image_size={size} or prepare it again"
        )
