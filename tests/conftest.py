"""Fixtures that several test files share."""

import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import CHROMIUM, ROOT, RunMain

from cmgen.utils import cli

# Files that take longest go first, so that no worker is alone with one at the end.
LONGEST = [
    ROOT / "tests" / name
    for name in (
        "train/test_run.py",
        "models/test_gan.py",
        "tools/test_bench.py",
        "export/test_writer.py",
        "export/test_saved_model.py",
        "golden/test_weights.py",
        "evaluate/test_accuracy.py",
        "evaluate/test_suite.py",
    )
]

OUTCOMES = ("passed", "failed", "error", "skipped")

cli.quiet_tensorflow()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    assert all(path.is_file() for path in LONGEST)
    items.sort(key=lambda item: item.path not in LONGEST)


def pytest_configure() -> None:
    """Splits the processor in two, for the tests of two replicas; only possible before first use."""
    import tensorflow as tf

    processor = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(processor, halves)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints what tests/faults/ tried and how it went: the table of results/reliability.md."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for outcome in OUTCOMES:
        for report in terminalreporter.getreports(outcome):
            path, _, case = report.nodeid.partition("::")
            if Path(path).parent.name == "faults":
                name = case.partition("[")[0].removeprefix("test_").replace("_", " ")
                counts[Path(path).name, name][outcome] += 1
    if not counts:
        return
    terminalreporter.section("faults")
    terminalreporter.line(f"| file | what | {' | '.join(OUTCOMES)} |")
    terminalreporter.line("|---|---|" + "---|" * len(OUTCOMES))
    for (file, name), found in sorted(counts.items()):
        cells = (str(found[outcome]) for outcome in OUTCOMES)
        terminalreporter.line(f"| `{file}` | {name} | {' | '.join(cells)} |")


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


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless browser of Playwright, with a microphone that beeps."""
    if not CHROMIUM:
        pytest.skip("no Chromium is installed; on Debian: apt-get install chromium")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason='needs playwright: pip install -e ".[dev]"'
    )
    arguments = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    # Chromium refuses to run as root with its sandbox, which is how containers run.
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()
