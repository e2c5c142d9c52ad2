"""Inputs and outputs are apart: nothing that a command writes replaces what it reads."""

import os
from collections.abc import Mapping
from pathlib import Path

from cmgen.utils.errors import UserError

Paths = Mapping[str, Path | str | None]


def keep_inputs(outputs: Paths, inputs: Paths, whole: Paths | None = None) -> None:
    """Refuses outputs that would replace an input or mix with what is read.

    Paths are compared as files: through links, by any name, and where nothing is yet.

    Args:
      outputs: flag -> the file or folder that it has written.
      inputs: flag -> the file or folder that it has read; None where there is none.
      whole: the same of folders of which everything is read, so that no output may lie inside.
    """
    whole = whole or {}
    for flag, output in _given(outputs):
        for other, source in (*_given(inputs), *_given(whole)):
            if _same(output, source):
                raise UserError(
                    f"--{flag}={output}: is --{other}={source}, which it would replace; name another"
                )
        for other, source in _given(whole):
            if any(_same(parent, source) for parent in Path(_real(output)).parents):
                raise UserError(
                    f"--{flag}={output}: lies in --{other}={source}, of which every file is read; "
                    "name a place outside it"
                )


def _given(paths: Paths) -> list[tuple[str, Path | str]]:
    return [(flag, path) for flag, path in paths.items() if path is not None]


def _same(one: Path | str, other: Path | str) -> bool:
    names = _real(one), _real(other)
    try:
        return names[0] == names[1] or Path(names[0]).samefile(names[1])
    except OSError:  # one is not there, or can't be looked at
        return False


def _real(path: Path | str) -> str:
    return os.path.realpath(Path(path).expanduser())
