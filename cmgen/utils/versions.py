"""Versions of the packages that a result depends on."""

import platform
from functools import cache
from importlib import metadata

PACKAGES = (
    "cmgen", "tensorflow", "keras", "numpy", "av", "soundfile", "tf2onnx", "onnx", "onnxruntime",
)  # fmt: skip


def installed() -> dict[str, str]:
    """Name -> version of Python and of each package; one that isn't installed is left out."""
    return dict(_installed())


@cache  # looking them up takes milliseconds, and the studio says them of all that it makes
def _installed() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
