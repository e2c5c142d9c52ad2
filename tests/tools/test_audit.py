"""What an audit says: found, looked up, or that it could not look."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from checkout import ROOT

from tools.audit import audit

LOCK = ROOT / "requirements.lock"
GOOD = {"name": "good", "version": "1", "vulns": []}
BAD = {"name": "bad", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1", "3"]}]}
UNKNOWN = {"name": "x", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "said", "found"),
    [
        ([GOOD, GOOD], "2 of 2 packages were looked up.", []),
        ([GOOD, BAD], "2 of 2 packages", ["bad 2: PYSEC-1, fixed in 2.1, 3"]),
        ([GOOD, UNKNOWN], "1 of 2 packages were looked up; the others are unknown", []),
        ([UNKNOWN, UNKNOWN], "NOT AUDITED: the database knows none of 2 packages", []),
    ],
)
def test_what_was_looked_up_is_said(packages: list[Any], said: str, found: list[str]) -> None:
    answer = SimpleNamespace(stdout=json.dumps({"dependencies": packages}), stderr="")
    told = audit(LOCK, 1.0, lambda *arguments, **options: answer)
    assert told[0].startswith(said) and told[1] == found


def test_no_answer_is_no_success() -> None:
    def late(*arguments: Any, **options: Any) -> None:
        raise subprocess.TimeoutExpired("pip-audit", 1.0)

    assert audit(LOCK, 1.0, late) == ("NOT AUDITED: no answer within 1 s.", [])
    broken = SimpleNamespace(stdout="", stderr="a warning\nno route to host\n")
    said, _ = audit(LOCK, 1.0, lambda *arguments, **options: broken)
    assert said == "NOT AUDITED: pip-audit could not ask its database (no route to host)."


def test_bandit_is_told_why_where_it_is_told_to_be_silent() -> None:
    for path in [*(ROOT / "cmgen").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]:
        for line in path.read_text(encoding="utf-8").splitlines():
            assert "nosec" not in line or "# nosec B" in line, f"{path}: names no check"


def test_a_missing_file_is_named(run_main: Any, tmp_path: Path) -> None:
    result = run_main("tools/audit.py", f"--requirements={tmp_path}/none.lock")
    assert result.returncode == 2 and "none.lock: no such file" in result.stderr
