"""Value of --data -> prepared folder: the demo, a prepared folder, or a raw one."""

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from cmgen.config import DEMO, DataConfig
from cmgen.data.shards import FORMAT_VERSION, INFO_FILE, is_whole, read_info
from cmgen.prepare.listing import is_folder
from cmgen.prepare.local import prepare
from cmgen.prepare.plan import PrepareConfig
from cmgen.prepare.sources import find_source
from cmgen.utils.errors import FAILED_WORK, UserError, disk_is_full
from cmgen.utils.files import explained_disk_errors
from cmgen.utils.locks import one_after_another


def resolve(config: DataConfig, assigned: Mapping[str, str] | None = None) -> Path:
    """Returns the prepared folder for `config.data`; prepares raw data once, into the cache.

    Args:
      config: `data` is "demo", a prepared folder or a raw one; `image_size` applies to raw ones.
      assigned: of raw data, the recordings to take and their splits; None divides all of them.
    """
    folder = raw_folder(config)
    if config.data != DEMO:
        if not is_folder(folder):
            raise UserError(f"--data={config.data}: no such folder; name a folder, or {DEMO!r}")
        if os.access(folder / INFO_FILE, os.F_OK):
            _check_size(folder, config)
            return folder
    settings = PrepareConfig(image_size=config.image_size, assigned=assigned)
    prepared = place(folder, settings)
    if not is_whole(prepared):
        _check_writable(prepared.parent)
        with one_after_another(prepared):
            _prepare(folder, prepared, settings)
    return prepared


def raw_folder(config: DataConfig) -> Path:
    """Returns the folder that --data names, which may be missing."""
    return demo_folder() if config.data == DEMO else Path(config.data).expanduser()


def place(folder: Path, settings: PrepareConfig) -> Path:
    """Returns where in the cache a raw folder is prepared."""
    return cache_folder() / f"{folder.name}-{fingerprint(folder, settings)}"


def _prepare(folder: Path, prepared: Path, settings: PrepareConfig) -> None:
    """Prepares the data, unless another process has done so in the meantime."""
    if is_whole(prepared):
        return
    if prepared.exists():
        print(f"note: {prepared}: is damaged, so it is removed and made again", flush=True)
        with explained_disk_errors(prepared):
            shutil.rmtree(prepared)
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
    try:
        if base := os.environ.get("CMGEN_CACHE"):
            return Path(base).expanduser()
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(home).expanduser() / "cmgen"
    except RuntimeError as error:
        raise UserError(
            "prepared data have no place, for your home folder is not known (HOME is not set); set "
            "the environment's CMGEN_CACHE to a folder that you may write to"
        ) from error


def _check_writable(cache: Path) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(cache, os.W_OK | os.X_OK) else "no permission"
    except OSError as error:
        if disk_is_full(error):
            raise
        reason = str(error.strerror)
    if reason:
        raise UserError(
            f"{cache}: prepared data may not be written here ({reason}); set the environment's "
            "CMGEN_CACHE to a folder that you may write to",
            FAILED_WORK,
        )


def fingerprint(folder: Path, settings: PrepareConfig) -> str:
    """Identifies the recordings, the settings that shape the result and the format; 16 hex digits.

    Files of recordings count by name, size and time of change; those of the demo by content, since
    installing a package resets the times. Other files don't count.
    """
    by_content = folder == _demo_path()

    def mark(path: Path) -> list[Any]:
        status = path.stat()
        return [status.st_size, _digest(path.read_bytes()) if by_content else status.st_mtime_ns]

    source = find_source(folder)
    items = [
        [
            item.id,
            item.class_name,
            item.split,
            [[name, *mark(folder / name)] for name in item.files],
        ]
        for item in source.items
    ]
    shaping = dataclasses.asdict(settings)
    del shaping["workers"], shaping["skip_bad_files"], shaping["limits"]
    if settings.assigned is None:
        del shaping["assigned"]
    values = [FORMAT_VERSION, shaping, source.kind, items]
    return _digest(json.dumps(values, sort_keys=True).encode())


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
