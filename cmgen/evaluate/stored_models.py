"""Networks that judge: trained on real recordings alone, so that the next run's evaluation has them."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cmgen import __version__
from cmgen.config import PICTURE_ENCODER, SOUND_ENCODER, EncoderConfig
from cmgen.models.run import load_weights, save_weights
from cmgen.utils import provenance

Networks = dict[str, keras.Model]


@dataclass(frozen=True)
class JudgeConfig:
    """How the networks that judge are made: the same for all runs, whatever a run's own networks are.

    Attributes:
      sound, image: their architectures, and how they are trained.
      seed: of weights and batches.
      mixed_precision: as of a run.
    """

    sound: EncoderConfig = SOUND_ENCODER
    image: EncoderConfig = PICTURE_ENCODER
    seed: int = 1
    mixed_precision: bool | None = None


def kept(
    folder: Path | None,
    name: str,
    settings: Mapping[str, Any],
    data: Mapping[str, NDArray[Any]],
    build: Callable[[], Networks],
    train: Callable[[], Networks],
) -> Networks:
    """The networks of an earlier call with the same settings and data, or else newly trained ones.

    Args:
      folder: where they are kept; None keeps nothing.
      name: of the judge; its files begin with it.
      settings: everything but the data that training follows from; dataclasses and JSON types.
      data: the arrays that it is trained on.
      build: gives untrained networks by name.
      train: gives trained networks of the same names and shapes.
    """
    if folder is None:
        return train()
    mark = _fingerprint(settings, data)
    networks = build()
    paths = {part: folder / f"{name}{part and '_'}{part}-{mark}.npz" for part in networks}
    if all(path.exists() for path in paths.values()):
        for part, path in paths.items():
            load_weights(networks[part], path)
        print(f"{name}: kept from before in {folder}", flush=True)
        return networks
    networks = train()
    comment = provenance.made_by("cmgen.evaluate", judge=name, settings=_plain(settings), mark=mark)
    for part, path in paths.items():
        save_weights(networks[part], path, comment)
    return networks


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {k: asdict(v) if is_dataclass(v) else v for k, v in settings.items()}  # type: ignore[arg-type]


def _fingerprint(settings: Mapping[str, Any], data: Mapping[str, NDArray[Any]]) -> str:
    """16 hex digits that change with the settings, the data and the version of cmgen."""
    made_by = json.dumps([__version__, _plain(settings)], sort_keys=True)
    digest = hashlib.sha256(made_by.encode())
    for name, array in sorted(data.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
