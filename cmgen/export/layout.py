"""The layout of an exported model's folder: its versions, and the metadata of each. No TensorFlow."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from cmgen.utils.errors import UserError

# Of the metadata and the signatures; 1 had tensors in `serving_default`.
FORMAT = 2
# TF Serving and tf.saved_model leave files in this folder alone.
EXTRA = Path("assets.extra")
METADATA_FILE = EXTRA / "cmgen.json"
# Of all files of the newest version, as sha256sum -c reads it.
SUMS_FILE = "SHA256SUMS"
AGAIN = "export it again with cmgen.export"


def versions(folder: Path) -> list[int]:
    """Numbers of the version folders in a model's folder, in order."""
    return sorted(int(p.name) for p in folder.iterdir() if p.name.isdecimal() and p.is_dir())


def newest(folder: Path) -> Path | None:
    """The SavedModel of the highest version in a model's folder, as a server takes it."""
    numbers = [n for n in versions(folder) if (folder / str(n) / "saved_model.pb").is_file()]
    return folder / str(numbers[-1]) if numbers else None


def sum_line(name: str, data: bytes) -> str:
    """A line of SUMS_FILE: the checksum of a file of that name in the model's folder."""
    return f"{hashlib.sha256(data).hexdigest()}  {name}\n"


def check_sums(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Refuses a file that isn't what was exported; a file without a checksum passes.

    Args:
      folder: the model's.
      files: names in it, and their bytes.
    """
    path = folder / SUMS_FILE
    lines = (
        path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    )
    sums = {line[66:]: line[:64] for line in lines}
    for name, data in files:
        if name in sums and sums[name] != sum_line(name, data)[:64]:
            raise UserError(
                f"{folder / name}: damaged or changed ({SUMS_FILE} has another sum); {AGAIN}"
            )
