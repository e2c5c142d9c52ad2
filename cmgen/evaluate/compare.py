"""Runs side by side, by what cmgen.evaluate wrote of each; refused where they were measured unlike."""

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
_MEND = {
    "data": "measure both with the same --data",
    "splits": "measure both with the same --data",
    "windows": "runs of the same classes, sound window and silence level can stand side by side",
    "verifier": "copy one run's verifier.npz into the other's folder and evaluate that again",
}
# Fields of a report that are objects where they are there.
_OBJECTS = ("data", "hashes", "measure_settings")
# Of `--measures=all`: what belongs to a run or a computer; weights count by their hash.
_OWN_SETTINGS = frozenset(("label_control", "inception_weights"))
Report = Mapping[str, Any]


def read(path: Path) -> Report:
    """What cmgen.evaluate wrote.

    Args:
      path: of its JSON file.
    """
    if not path.is_file():
        raise UserError(f"--compare={path}: no such file; give what cmgen.evaluate wrote")
    report = read_json(path, "measure the run again with cmgen.evaluate")
    whole = isinstance(report, dict) and {"task", "splits", "seed"} <= report.keys()
    if not whole or not all(isinstance(report.get(name, {}), dict) for name in _OBJECTS):
        raise UserError(f"--compare={path}: was not written by cmgen.evaluate")
    return report


def check_alike(reports: Mapping[str, Report]) -> list[str]:
    """Refuses reports whose task, data, splits, windows, verifier or measuring differ.

    Args:
      reports: name -> report; the first is what the others are compared with.

    Returns:
      a note for each of which something isn't known: older versions wrote no hashes.
    """
    (first, one), *others = reports.items()
    for name, other in others:
        if one["task"] != other["task"]:
            raise UserError(f"{name} is of task {other['task']} and {first} of {one['task']}")
    notes = []
    for kind, words in _SAME.items():
        marks = {name: _hash(report, kind) for name, report in reports.items()}
        known = {name: mark for name, mark in marks.items() if mark is not None}
        notes += [
            f"whether {name} was measured with {words} than the rest is not known"
            for name in marks
            if name not in known
        ]
        _check_equal(kind, known)
    _check_settings(reports)
    return notes


def _check_equal(kind: str, marks: Mapping[str, str]) -> None:
    """Refuses hashes of which one differs from the first, naming both reports."""
    first = next(iter(marks), "")
    for name, mark in marks.items():
        if mark != marks[first]:
            raise UserError(
                f"{name} was measured with {_SAME[kind]} than {first} ({mark}, {marks[first]}), so "
                f"that their numbers can't be compared; {_MEND[kind]}"
            )


def _check_settings(reports: Mapping[str, Report]) -> None:
    """Refuses reports of `--measures=all` that measured otherwise, naming what differs.

    What only one of them has, such as settings that older versions lacked, says nothing.
    """
    known = {
        name: {k: v for k, v in report["measure_settings"].items() if k not in _OWN_SETTINGS}
        for name, report in reports.items()
        if "measure_settings" in report
    }
    first = next(iter(known), "")
    for name, settings in known.items():
        one = known[first]
        differing = [
            f"{key}: {settings[key]} and {one[key]}"
            for key in sorted(settings.keys() & one)
            if settings[key] != one[key]
        ]
        if differing:
            raise UserError(
                f"{name} was measured otherwise than {first} ({'; '.join(differing)}), so that their "
                "numbers can't be compared; measure both with the same flags"
            )


def table(reports: Mapping[str, Report]) -> str:
    """The headlines that all of them have, a column for each, with intervals where there are any.

    Args:
      reports: of `check_alike`.
    """
    (_, one), *others = reports.items()
    shared = [
        name
        for name, value in one.items()
        if isinstance(value, float) and all(isinstance(r.get(name), float) for _, r in others)
    ]
    rows = [("", *reports)]
    rows += [(name, *(_cell(report, name) for report in reports.values())) for name in shared]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _hash(report: Report, kind: str) -> str | None:
    """None where it isn't known; the data's once stood elsewhere."""
    older = report.get("data", {}).get("fingerprint") if kind == "data" else None
    return report.get("hashes", {}).get(kind, older)


def _cell(report: Report, name: str) -> str:
    match report.get(f"{name}_ci95"):
        case [float(low), float(high)]:
            return f"{report[name]:.4f} ({low:.3f} to {high:.3f})"
    return f"{report[name]:.4f}"
