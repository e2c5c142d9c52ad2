"""Stores what the golden tests compare with, after a change that is meant: look at the difference.

Example:
  python tests/golden/record.py networks first_weights
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "support")]

import subject  # noqa: E402 - found by the lines above

RECORDS = {
    "networks": lambda: {preset: subject.networks(preset)[0] for preset in subject.PRESETS},
    "first_weights": lambda: {preset: subject.networks(preset)[1] for preset in subject.PRESETS},
    "trained_weights": subject.trained_once,
    "exports": lambda: {task: subject.exported(task)[0] for task in ("s2i", "i2s")},
    "flags": lambda: dict(zip(("flags", "usage"), subject.helps(), strict=True)),
    "configs": lambda: {preset: subject.configuration(preset) for preset in subject.PRESETS},
}

if __name__ == "__main__":
    for name in sys.argv[1:] or RECORDS:
        subject.store(name, RECORDS[name]())
        print(name)
