"""Provenance of generated files: a line of JSON in each file's own comment."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cmgen.utils.versions import installed

# Metadata of a model that its files name: which weights, trained how, on what.
FIELDS = ("name", "task", "step", "seed", "data", "data_hash")


def select_fields(metadata: Mapping[str, Any]) -> dict[str, str | int]:
    """Selects FIELDS from the metadata of a run or an export, where they are integers or texts."""
    return {name: metadata[name] for name in FIELDS if type(metadata.get(name)) in (int, str)}


def comment(metadata: Mapping[str, str | int], noise_seeds: Sequence[int]) -> str:
    """Returns the comment of a generated file: its model, the seeds of its noise, and versions.

    Args:
      metadata: the model's, from `select_fields` or `Run.metadata`.
      noise_seeds: of the file's pictures or sounds.
    """
    return made_by("cmgen.generate", model=dict(metadata), noise_seeds=list(noise_seeds))


def made_by(program: str, **details: Any) -> str:
    """Returns a line of JSON: the program that made a file, the details, and all versions."""
    return json.dumps({"made_by": program, **details, "versions": installed()})
