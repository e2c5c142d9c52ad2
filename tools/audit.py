"""Asks PyPI whether known vulnerabilities concern the packages of requirements.lock, by pip-audit.

pip-audit says "No known vulnerabilities found" even where it could look up nothing; this says how
much was looked up. Exit code 1: something was found.

Examples:
  python tools/audit.py --requirements=requirements.lock
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags

from cmgen.utils import cli
from cmgen.utils.errors import FAILED_WORK, UserError

FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "requirements",
    str(Path(__file__).parents[1] / "requirements.lock"),
    "The file with name==version in each line.",
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "patience", 60.0, "Seconds after which it is given up.", lower_bound=1.0, flag_values=FLAGS
)
GROUPS = {"What": ("requirements", "patience")}

Run = Callable[..., Any]


def audit(requirements: Path, patience: float, run: Run = subprocess.run) -> tuple[str, list[str]]:
    """What was looked up, in a sentence, and a line for each vulnerability.

    Args:
      requirements: pinned packages.
      patience: seconds.
      run: of subprocess.
    """
    if not requirements.is_file():
        raise UserError(f"--requirements={requirements}: no such file")
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements)]
    options = ["--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off"]
    try:
        done = run([*command, *options], capture_output=True, text=True, timeout=patience)
        packages = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return f"NOT AUDITED: no answer within {patience:g} s.", []
    except (ValueError, KeyError):
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return f"NOT AUDITED: pip-audit could not ask its database ({reason}).", []
    audited = [package for package in packages if "skip_reason" not in package]
    vulnerabilities = [
        f"{package['name']} {package['version']}: {one['id']}, fixed in "
        f"{', '.join(one['fix_versions']) or 'no version yet'}"
        for package in audited
        for one in package["vulns"]
    ]
    if not audited:
        return f"NOT AUDITED: the database knows none of {len(packages)} packages from here.", []
    left = "; the others are unknown to the database" if len(audited) < len(packages) else ""
    return f"{len(audited)} of {len(packages)} packages were looked up{left}.", vulnerabilities


def main() -> None:
    summary, vulnerabilities = audit(Path(FLAGS.requirements), FLAGS.patience)
    print(summary)
    if vulnerabilities:
        raise UserError(
            f"{len(vulnerabilities)} known vulnerabilities:\n" + "\n".join(vulnerabilities),
            FAILED_WORK,
        )


def console() -> None:
    cli.run(main, GROUPS, FLAGS)


if __name__ == "__main__":
    console()
