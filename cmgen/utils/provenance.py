"""Where a generated file came from: a line of JSON in its own place for comments."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cmgen.utils.versions import installed

# Facts of a model that its files name: which weights, trained how, on what.
FACTS = ("name", "task", "step", "seed", "data", "data_hash")


def facts_of(known: Mapping[str, Any]) -> dict[str, str | int]:
    """Those of FACTS that are there, of a run or an export, whole numbers and texts alone."""
    return {name: known[name] for name in FACTS if type(known.get(name)) in (int, str)}


def comment(facts: Mapping[str, str | int], noise_seeds: Sequence[int]) -> str:
    """What a generated file says of itself: its model, the seeds of its noise, and versions.

    Args:
      facts: of the model, from `facts_of` or `Run.facts`.
      noise_seeds: those that were drawn.
    """
    return said("cmgen.generate", model=dict(facts), noise_seeds=list(noise_seeds))


def said(made_by: str, **what: Any) -> str:
    """One line of JSON: the program that made a file, of what, and with which versions."""
    return json.dumps({"made_by": made_by, **what, "versions": installed()})
