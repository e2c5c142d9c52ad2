"""Runs side by side, by their evaluation files; refused where they were measured differently."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmgen.utils.errors import UserError
from cmgen.utils.files import read_json

# What two runs' numbers must have been measured on and with.
_SAME = {
    "data": "other data",
    "splits": "other splits",
    "windows": "other windows",
    "verifier": "another verifier",
}
_REMEDY = {
    "data": "measure both with the same --data",
    "splits": "measure both with the same --data",
    "windows": "runs of the same classes, sound window and silence level can stand side by side",
    "verifier": "copy one run's verifier.npz into the other's folder and evaluate that again",
}
# Fields of a report that must be objects if present.
_OBJECTS = ("data", "hashes", "measure_settings")
# Settings of `--measures=all` that belong to a run or a computer; weights count by their hash.
_LOCAL_SETTINGS = frozenset(("label_control", "inception_weights"))
Report = Mapping[str, Any]


def read(path: Path) -> Report:
    """What cmgen.evaluate wrote.

    Args:
      path: of its JSON file.
    """
    if not path.is_file():
        raise UserError(f"--compare={path}: no such file; give what cmgen.evaluate wrote")
    report = read_json(path, "measure the run again with cmgen.evaluate")
    if not _has_scores(report) or not all(
        isinstance(report.get(name, {}), dict) for name in _OBJECTS
    ):
        raise UserError(f"--compare={path}: was not written by cmgen.evaluate")
    return report


def is_report(path: Path) -> bool:
    """Whether cmgen.evaluate wrote what is at `path`, of whichever version."""
    try:
        return path.is_file() and _has_scores(read_json(path, ""))
    except UserError:
        return False


def _has_scores(report: Any) -> bool:
    return isinstance(report, dict) and {"task", "splits", "seed"} <= report.keys()


def check_alike(reports: Mapping[str, Report]) -> list[str]:
    """Refuses reports whose task, data, splits, windows, verifier or measuring differ.

    Args:
      reports: name -> report; the first is what the others are compared with.

    Returns:
      a note for each hash that is missing: older versions wrote none.
    """
    (first, report), *others = reports.items()
    for name, other in others:
        if other["task"] != report["task"]:
            raise UserError(f"{name} is of task {other['task']} and {first} of {report['task']}")
    notes = []
    for part, words in _SAME.items():
        marks = {name: _hash(report, part) for name, report in reports.items()}
        notes += [
            f"whether {name} was measured with {words} than the rest is not known"
            for name, mark in marks.items()
            if mark is None
        ]
        hashed = {name: mark for name, mark in marks.items() if mark is not None}
        first = next(iter(hashed), "")
        for name, mark in hashed.items():
            if mark != hashed[first]:
                raise UserError(
                    f"{name} was measured with {words} than {first} ({mark}, {hashed[first]}), so "
                    f"that their numbers can't be compared; {_REMEDY[part]}"
                )
    _check_settings(reports)
    return notes


def _check_settings(reports: Mapping[str, Report]) -> None:
    """Refuses reports of `--measures=all` with different settings, naming what differs.

    Settings that only one of them has, as older versions lacked some, don't count.
    """
    stored = {
        name: {k: v for k, v in report["measure_settings"].items() if k not in _LOCAL_SETTINGS}
        for name, report in reports.items()
        if "measure_settings" in report
    }
    first = next(iter(stored), "")
    for name, settings in stored.items():
        expected = stored[first]
        differing = [
            f"{setting}: {settings[setting]} and {expected[setting]}"
            for setting in sorted(settings.keys() & expected)
            if settings[setting] != expected[setting]
        ]
        if differing:
            raise UserError(
                f"{name} was measured otherwise than {first} ({'; '.join(differing)}), so that their "
                "numbers can't be compared; measure both with the same flags"
            )


def table(reports: Mapping[str, Report]) -> str:
    """The headlines that all reports have, with intervals if any; a column for each report.

    Args:
      reports: of `check_alike`.
    """
    first = next(iter(reports.values()))
    shared = [
        name for name in first if all(isinstance(r.get(name), float) for r in reports.values())
    ]
    rows = [("", *reports)]
    rows += [(name, *(_cell(report, name) for report in reports.values())) for name in shared]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _hash(report: Report, part: str) -> str | None:
    """None if the report has none; older versions wrote that of the data elsewhere."""
    older = report.get("data", {}).get("fingerprint") if part == "data" else None
    return report.get("hashes", {}).get(part, older)


def _cell(report: Report, name: str) -> str:
    match report.get(f"{name}_ci95"):
        case [float(low), float(high)]:
            return f"{report[name]:.4f} ({low:.3f} to {high:.3f})"
    return f"{report[name]:.4f}"
