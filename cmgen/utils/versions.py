"""Versions of the packages that results depend on."""

import platform
from functools import cache
from importlib import metadata

PACKAGES = (
    "cmgen", "tensorflow", "keras", "numpy", "av", "soundfile", "tf2onnx", "onnx", "onnxruntime",
)  # fmt: skip


def installed() -> dict[str, str]:
    """Returns name -> version of Python and of each installed package."""
    return dict(_installed())


@cache  # looking them up takes milliseconds, and the studio writes them into every file
def _installed() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
