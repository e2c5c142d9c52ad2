"""What numbers depend on, as hashes: data, splits, and the weights of the network that judges."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

DIGITS = 16


def data_hash(folder: Path) -> str:
    """Changes with the prepared recordings, wherever they lie; 16 hex digits.

    Args:
      folder: of cmgen.prepare.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.tfrecord")):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:DIGITS]


def splits_hash(splits: Mapping[str, Iterable[str]]) -> str:
    """Changes when a recording changes its split; 16 hex digits.

    Args:
      splits: name -> ids of its recordings, in any order.
    """
    lines = sorted(f"{split}\t{name}" for split, names in splits.items() for name in names)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS]


def weights_hash(path: Path) -> str:
    """Changes with a network's weights, whenever and by whatever NumPy they were written.

    Args:
      path: an .npz file of `checkpoint.save_weights`; its facts don't count.
    """
    digest = hashlib.sha256()
    with np.load(path, allow_pickle=False) as arrays:
        for name in sorted(name for name in arrays.files if not name.startswith("fact/")):
            array = arrays[name]
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:DIGITS]
