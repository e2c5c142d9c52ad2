"""Runs the steps as processes, keeps a record of each, and says which of them are done.

A step that ended leaves OUTPUT/steps/NAME.json and OUTPUT/logs/NAME.log. It is done if it succeeded,
its command and the presets in that are still the same, its file is there, and what it was made
from was not made anew since.
"""

import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cmgen.utils import cli
from cmgen.utils.errors import UserError
from cmgen.utils.files import write_text
from tools.reproduction.table import Step

DONE, FAILED, MISSING, WAITING, NOT_RUN = "done", "failed", "missing", "waiting", "not run"


@dataclass(frozen=True)
class State:
    """How far a step is.

    Attributes:
      step: the step.
      kind: DONE, FAILED, MISSING (its preset or tool isn't there), WAITING (what it needs isn't
        done) or NOT_RUN (or run with another command).
      why: what is to be known about a step that isn't done.
      record: of its last end; None without one.
    """

    step: Step
    kind: str
    why: str = ""
    record: Mapping[str, Any] | None = None


def states(steps: Iterable[Step], output: Path) -> dict[str, State]:
    """Name -> state of every step of a table, what others need standing before them."""
    result: dict[str, State] = {}
    for step in steps:
        result[step.name] = _state(step, output, result)
    return result


def _state(step: Step, output: Path, before: Mapping[str, State]) -> State:
    absent = _absent(step)
    if absent:
        return State(step, MISSING, f"{absent} is not there")
    record = _read_record(output, step.name)
    open_needs = [need for need in step.needs if before[need].kind != DONE]
    if open_needs:
        return State(step, WAITING, f"needs {', '.join(open_needs)}", record)
    if record is None:
        return State(step, NOT_RUN)
    if record["settings"] != _settings(step):
        return State(step, NOT_RUN, "its command or preset has changed since", record)
    if record["exit_code"]:
        return State(step, FAILED, f"exit code {record['exit_code']}, see {record['log']}", record)
    if not step.proof.is_file():
        return State(step, NOT_RUN, f"{step.proof} is gone", record)
    if record["needs"] != _dates(step, before):
        return State(step, NOT_RUN, "what it was made from is newer", record)
    return State(step, DONE, record=record)


def run(steps: Sequence[Step], names: Sequence[str], output: Path) -> list[str]:
    """Runs the named steps and what they need, each unless it is done; returns those that failed.

    A step whose preset or tool isn't there is left out; it has not failed. The others go on when
    one fails, save those that need it.
    """
    wanted = _with_needs(steps, names)
    failed = []
    for number, step in enumerate(wanted, 1):
        before = states(steps, output)
        state = before[step.name]
        head = f"[{number}/{len(wanted)}] {step.name}"
        if state.kind == DONE:
            print(f"{head}: done already", flush=True)
        elif state.kind == MISSING or (state.kind == WAITING and _needs_missing(step, before)):
            print(f"{head}: skipped, {state.why}", flush=True)
        elif state.kind == WAITING:
            print(f"{head}: not run, {state.why}", flush=True)
            failed.append(step.name)
        else:
            print(f"{head}: {command(step)}", flush=True)
            if _run_one(step, output, _dates(step, before)):
                print(f"{step.name}: FAILED, see {log_path(output, step.name)}", flush=True)
                failed.append(step.name)
    return failed


def command(step: Step) -> str:
    """What to type in a shell to do the step."""
    parts = [f"mkdir -p {shlex.quote(str(to.parent))}" for _, to in step.copies[:1]]
    parts += [shlex.join(["cp", str(source), str(to)]) for source, to in step.copies]
    return " && ".join([*parts, shlex.join(["python", *step.arguments])])


def choose(steps: Sequence[Step], only: Sequence[str]) -> list[str]:
    """The names to run: `only`, or all if that is empty; an unknown one is a UserError."""
    names = [step.name for step in steps]
    unknown = [name for name in only if name not in names]
    if unknown:
        raise UserError(
            f"--only={','.join(only)}: no step {unknown[0]!r}; steps: {', '.join(names)}"
        )
    return list(only) or names


def _with_needs(steps: Sequence[Step], names: Sequence[str]) -> list[Step]:
    by_name = {step.name: step for step in steps}
    wanted = set(names)
    for step in reversed(steps):  # what is needed stands before what needs it
        if step.name in wanted:
            wanted |= set(by_name[step.name].needs)
    return [step for step in steps if step.name in wanted]


def _needs_missing(step: Step, before: Mapping[str, State]) -> bool:
    return any(
        before[need].kind == MISSING or _needs_missing(before[need].step, before)
        for need in step.needs
    )


def _run_one(step: Step, output: Path, needs: Mapping[str, str]) -> int:
    """Runs a step, its output shown and logged, and writes its record; returns the exit code."""
    log = log_path(output, step.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("wb") as file:
        code = _copy_files(step, file) or _show_and_log([sys.executable, *step.arguments], file)
    if code == cli.INTERRUPTED:
        raise KeyboardInterrupt
    if code == 0 and not step.proof.is_file():
        print(f"{step.name}: wrote no {step.proof}", flush=True)
        code = 1
    record = {
        "name": step.name,
        "command": command(step),
        "settings": _settings(step),
        "exit_code": code,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - began),
        "needs": needs,
        "log": str(log),
    }
    write_text(_record_path(output, step.name), json.dumps(record, indent=2) + "\n")
    return code


def _copy_files(step: Step, log: Any) -> int:
    """Copies what the step takes over; 1, and the reason in the log, if another file is there."""
    for source, target in step.copies:
        if target.exists() and target.read_bytes() != source.read_bytes():
            reason = f"{target} is not the file {source}; remove {target.parent} to train it anew"
            print(reason, flush=True)
            log.write(f"{reason}\n".encode())
            return 1
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    return 0


def _show_and_log(arguments: Sequence[str], log: Any) -> int:
    """Runs a process, its output going to this one's and to the log as it comes."""
    process: subprocess.Popen[bytes] | None = None
    terminated = False

    def pass_on(number: int = 0, frame: Any = None) -> None:
        # Left alone, it would go on training in a folder that the next run takes for its own.
        nonlocal terminated
        terminated = True
        if process is not None:
            process.terminate()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if terminated:  # while it was being started
            pass_on()
        assert process.stdout is not None
        while chunk := process.stdout.read1(4096):  # type: ignore[attr-defined]
            log.write(chunk)
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        return process.wait()
    except KeyboardInterrupt:
        if process is not None:
            process.wait()  # it was interrupted as well, and saves what it has
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        if process is not None:
            with process:  # closes what is left of it
                pass


def _absent(step: Step) -> str:
    """The preset or the tool that a step has no use of being run without, if it isn't there."""
    script = step.arguments[0]
    if script.endswith(".py") and not Path(script).is_file():
        return f"the tool {script}"
    for argument in step.arguments:
        name = argument.removeprefix("--flagfile=")
        if name != argument and name not in cli.preset_names():
            return f"the preset {name}"
    return ""


def _settings(step: Step) -> list[str]:
    """The command line with its presets written out, so that a change of these counts."""
    return [*cli.expand_flagfiles(step.arguments), *(str(to) for _, to in step.copies)]


def _dates(step: Step, before: Mapping[str, State]) -> dict[str, str]:
    """When each step that this one needs was done."""
    records = {need: before[need].record for need in step.needs}
    return {need: record["date"] for need, record in records.items() if record is not None}


def _read_record(output: Path, name: str) -> dict[str, Any] | None:
    path = _record_path(output, name)
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: is damaged ({error}); remove it to run the step again") from error


def _record_path(output: Path, name: str) -> Path:
    return output / "steps" / f"{name}.json"


def log_path(output: Path, name: str) -> Path:
    """What a step printed."""
    return output / "logs" / f"{name}.log"
