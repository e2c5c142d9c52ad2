"""cmgen: cross-modal audio-visual generation (sound -> picture of the performer, and back).

>>> import cmgen
>>> model = cmgen.load("runs/s2i")
>>> model.generate("a.wav", seeds=[0, 1], fps=10).shape
(20, 2, 64, 64, 3)
"""

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["Model", "load"]


def __getattr__(name: str) -> Any:
    # On first use (PEP 562), so that `--help` waits for no numerical library.
    if name in __all__:
        return getattr(importlib.import_module("cmgen.generate.model"), name)
    raise AttributeError(f"module 'cmgen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
