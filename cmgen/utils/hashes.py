"""Hashes of what results depend on: data, splits, windows and weights."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIGITS = 16
_PART = 1 << 20


def file_hash(path: Path) -> str:
    """SHA-256 of a file of any length, 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART):
            digest.update(part)
    return digest.hexdigest()


def data_hash(checksums: Mapping[str, str]) -> str:
    """Identifies prepared recordings, wherever they lie; 16 hex digits.

    Args:
      checksums: name of each shard -> its `file_hash`.
    """
    digest = hashlib.sha256()
    for name, checksum in sorted(checksums.items()):
        digest.update(f"{name} {checksum}\n".encode())
    return digest.hexdigest()[:DIGITS]


def splits_hash(splits: Mapping[str, Iterable[str]]) -> str:
    """Identifies the assignment of recordings to splits; 16 hex digits.

    Args:
      splits: name -> ids of its recordings, in any order.
    """
    lines = sorted(f"{split}\t{name}" for split, names in splits.items() for name in names)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS]


def windows_hash(splits: Mapping[str, Iterable[NDArray[Any]]]) -> str:
    """Identifies the windows that were scored, and their order; 16 hex digits.

    Args:
      splits: name -> columns of a value for each window: its recording, place, class, ...
    """
    digest = hashlib.sha256()
    for split, columns in sorted(splits.items()):
        digest.update(f"{split}\n".encode())
        for column in columns:
            digest.update("\t".join(map(str, column.tolist())).encode() + b"\n")
    return digest.hexdigest()[:DIGITS]


def weights_hash(path: Path) -> str:
    """Identifies a network's weights, whichever NumPy wrote them and when; 16 hex digits.

    Args:
      path: an .npz file of `models.weights.save_weights`; its metadata don't count.
    """
    digest = hashlib.sha256()
    with np.load(path, allow_pickle=False) as arrays:
        for name in sorted(name for name in arrays.files if not name.startswith("fact/")):
            array = arrays[name]
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:DIGITS]
