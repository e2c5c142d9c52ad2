"""What the finished steps measured, read from their JSON files."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cmgen.evaluate import compare
from cmgen.utils.errors import UserError
from tools.reproduction.progress import DONE, State


class NotMeasuredError(LookupError):
    """A number that no finished step has."""


class Numbers:
    """The numbers of the steps that are done; those of others are not measured.

    Args:
      found: of `progress.states`.
    """

    def __init__(self, states: Mapping[str, State]):
        self.states = states

    def report(self, name: str) -> Any:
        """What the JSON file of a finished step holds."""
        state = self.states.get(name)
        if state is None or state.kind != DONE:
            raise NotMeasuredError(name)
        return read_json(state.step.proof)

    def find(self, run: str, key: str) -> Any:
        """A number of a run, by `--measures=all` or else its own evaluation; None without one."""
        for name in (f"measure_{run}", run):
            try:
                return self.report(name)[key]
            except (NotMeasuredError, KeyError):
                continue
        return None

    def of(self, run: str, key: str) -> Any:
        """The same; a NotMeasuredError where there is none."""
        value = self.find(run, key)
        if value is None:
            raise NotMeasuredError(f"{run}: {key}")
        return value

    def check_alike(self, *runs: str) -> None:
        """Refuses runs of which any was measured on other data or by another verifier than the rest."""
        done = {}
        for name in (name for run in runs for name in (run, f"measure_{run}")):
            with suppress(NotMeasuredError):
                done[name] = self.report(name)
        if done:
            compare.check_alike(done)

    def curve(self, run: str) -> list[dict[str, float]]:
        """A run's accuracy over training, a row for each step."""
        path = self.file(run).with_name("curve.json")
        rows = read_json(path) if path.is_file() else []
        if not rows:
            raise NotMeasuredError(f"{run}: curve")
        return rows

    def file(self, name: str) -> Path:
        """The file of a finished step."""
        state = self.states.get(name)
        if state is None or state.kind != DONE:
            raise NotMeasuredError(name)
        return state.step.proof

    def origin(self, *names: str) -> list[str]:
        """Seed, date and name of finished steps: the last three cells of a row."""
        states = [self.states[name] for name in names if name in self.states]
        cells = [
            [self._seed(state), state.record["date"][:10], f"`{state.step.name}`"]
            for state in states
            if state.kind == DONE and state.record
        ]
        return ["<br>".join(dict.fromkeys(column)) for column in zip(*cells, strict=True)] or [
            ""
        ] * 3

    def commands(self) -> dict[str, str]:
        """The command of every finished step, and of every encoder of the study."""
        done: dict[str, str] = {}
        for name, state in self.states.items():
            if state.kind == DONE and state.record:
                done[name] = state.record["command"]
                if name == "encoder_study":
                    rows = self.report(name)["rows"]
                    done |= {f"{name}/{row['name']}": row["command"] for row in rows}
        return done

    def _seed(self, state: State) -> str:
        if state.step.proof.suffix != ".json":
            return ""
        report = read_json(state.step.proof)
        return str(report.get("seed", ""))


def read_json(path: Path) -> Any:
    """The content of a JSON file; a damaged one is a UserError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: can't be read ({error}); remove it and run again") from error
