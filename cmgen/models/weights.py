"""Finished weights of one network in one .npz file."""

import math
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cmgen.utils.errors import UserError
from cmgen.utils.files import TooLargeError, atomic_file, read_arrays

_METADATA = "fact/"  # begins the names of metadata in a file of weights


def weights_path(workdir: Path, name: str) -> Path:
    """Where the finished weights of "sound_encoder", "verifier", "generator" ... are kept."""
    return workdir / f"{name}.npz"


def named_variables(network: keras.layers.Layer) -> dict[str, Any]:
    """Variables by the names under which files hold them."""
    by_name = {v.path.split("/", 1)[1]: v for v in network.variables}
    if len(by_name) != len(network.variables):
        raise ValueError(f"{network.name}: two variables share a name; name the layers")
    return by_name


def save_weights(
    network: keras.Model, path: Path, comment: str = "", **metadata: int | float
) -> None:
    """Writes all variables by name into one .npz, with metadata (e.g. the step) beside them.

    The comment, which says what made them, is the archive's; `unzip -z` shows it.
    """
    arrays = {name: keras.ops.convert_to_numpy(v) for name, v in named_variables(network).items()}
    arrays |= {f"{_METADATA}{name}": np.asarray(value) for name, value in metadata.items()}
    # As np.savez does it, which leaves its archive open when the disk is full.
    with atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.comment = comment.encode()
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def load_weights(network: keras.Model, path: Path) -> dict[str, float]:
    """Reads what `save_weights` wrote; names or shapes that differ are an error that lists both.

    Returns:
      the metadata.
    """
    variables = named_variables(network)
    try:
        stored = read_arrays(path, _bytes_of(variables.values()))
        metadata = {n: array for n, array in stored.items() if n.startswith(_METADATA)}
        arrays = {name: array for name, array in stored.items() if name not in metadata}
        _check_numbers(metadata, arrays)
    except FileNotFoundError as error:
        raise UserError(f"{path}: not found; train the run first, or check --workdir") from error
    except TooLargeError as error:
        raise UserError(
            f"{path}: does not fit the network {network.name} ({error}); use the settings that the "
            "weights were trained with (config.json of their run)"
        ) from error
    except Exception as error:  # damaged bytes make zipfile and NumPy raise nearly anything
        raise UserError(
            f"{path}: damaged, or not a weights file of cmgen ({error}); delete it and train again"
        ) from error
    expected = {name: tuple(v.shape) for name, v in variables.items()}
    actual = {name: tuple(a.shape) for name, a in arrays.items()}
    if expected != actual:
        missing = [f"{n} {s}" for n, s in expected.items() if actual.get(n) != s]
        extra = [f"{n} {s}" for n, s in actual.items() if expected.get(n) != s]
        raise UserError(
            f"{path}: does not fit the network {network.name}\n"
            f"  missing from the file: {', '.join(missing) or 'nothing'}\n"
            f"  not in the network:    {', '.join(extra) or 'nothing'}\n"
            "use the settings that the weights were trained with (config.json of their run)"
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return {name.removeprefix(_METADATA): value.item() for name, value in metadata.items()}


def _bytes_of(variables: Iterable[Any]) -> int:
    """More than a file of them can hold, in their widest type."""
    return sum(8 * math.prod(v.shape) + 4096 for v in variables) + (1 << 20)


def _check_numbers(metadata: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray]) -> None:
    """Refuses what `save_weights` never writes."""
    for name, array in {**metadata, **arrays}.items():
        scalar = name in metadata
        if array.dtype.kind not in "fiub" or (scalar and (array.ndim or not np.isfinite(array))):
            raise ValueError(f"{name} holds {array.dtype} of shape {array.shape}")
