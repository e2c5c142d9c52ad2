"""Fixtures that several test files share."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cmgen import cli

ROOT = Path(__file__).parents[1]
RunMain = Callable[..., "subprocess.CompletedProcess[str]"]

cli.quiet_tensorflow()


def pytest_configure() -> None:
    """Splits the processor in two, for the tests of two replicas; only possible before first use."""
    import tensorflow as tf

    processor = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(processor, halves)


@pytest.fixture
def run_main(tmp_path: Path) -> RunMain:
    """Runs a main as a user does, in an empty folder: run_main("cmgen.train", "--help")."""

    def run(
        main: str, *arguments: str, python: tuple[str, ...] = (), timeout: float = 300
    ) -> "subprocess.CompletedProcess[str]":
        where = [str(ROOT / main)] if main.endswith(".py") else ["-m", main]
        command = [sys.executable, *python, *where, *arguments]
        # This checkout, whichever copy of cmgen the environment may have installed.
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
