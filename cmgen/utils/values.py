"""Rules that every flag and setting obeys, whatever it is for."""

import math
from typing import Any

from cmgen.utils.errors import UserError

MAX_SEED = 2**32 - 1  # of NumPy, and with it of Keras
LARGEST = 1e15  # beyond it, sums in samples or bytes overflow


def check_value(flag: str, value: Any, may_be_empty: bool = False) -> None:
    """Refuses numbers that no program can count with, and texts and lists that say nothing.

    Args:
      flag: its name without dashes; `seed` must also suit the random number generators.
      value: a number, a text, or a list or tuple of these.
      may_be_empty: whether an empty text or list has a meaning.
    """
    listed = isinstance(value, list | tuple)
    given = f"--{flag}={','.join(map(str, value)) if listed else value}"
    if not may_be_empty and (value == "" or (listed and not value)):
        raise UserError(f"{given}: is empty; name something, or leave the flag out")
    for item in value if listed else (value,):
        if isinstance(item, str) and (item.isspace() or "\0" in item or (listed and not item)):
            raise UserError(f"{given}: {item!r} says nothing; name something, or leave it out")
        if type(item) in (int, float) and not math.fabs(item) <= LARGEST:  # NaN is no number
            raise UserError(f"{given}: must be a finite number, at most {LARGEST:g}")
    if flag == "seed" and not 0 <= value <= MAX_SEED:
        raise UserError(f"{given}: must be from 0 to {MAX_SEED}")
