"""Frozen dataclasses to JSON with a checksum, and back with every name and type checked."""

import dataclasses
import hashlib
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from cmgen.utils.errors import UserError

CHECKSUM = "sha256"  # of all other names of a JSON file
_AGAIN = "train again or use the version that wrote it"
T = TypeVar("T")


def to_json(config: Any) -> str:
    """Returns a config as indented JSON text, names in the order of declaration, with a checksum."""
    values = dataclasses.asdict(config)
    return json.dumps(signed(values), indent=2) + "\n"


def from_json(cls: type[T], text: str | bytes, source: str = "config.json") -> T:
    """Reads what `to_json` wrote; unknown and missing names are errors that list both.

    Args:
      cls: the dataclass to build.
      text: JSON text; its checksum may be missing, but not wrong.
      source: name of the file, for messages.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source}: not valid JSON ({error}); restore the file") from error
    restore = "restore the file, for its run had other settings"
    return checked(cls, values, source, restore=restore)


def checked(
    cls: type[T],
    values: Any,
    source: str,
    whole: bool = True,
    remedy: str = _AGAIN,
    restore: str | None = None,
) -> T:
    """Builds a dataclass from what `signed` returned; a wrong checksum is a UserError.

    Args:
      cls, values, source, whole, remedy: as for `build`.
      restore: ends the message of a wrong checksum; `remedy` if None.
    """
    unchanged = not isinstance(values, dict) or take_checksum(values)
    config = build(cls, values, source, whole, remedy)
    if not unchanged:
        changed = f"{source}: was changed since cmgen wrote it (its {CHECKSUM} does not fit)"
        raise UserError(f"{changed}; {restore or remedy}")
    return config


def signed(values: dict[str, Any]) -> dict[str, Any]:
    """Returns the values of a JSON file with their checksum."""
    return values | {CHECKSUM: _checksum(values)}


def take_checksum(values: dict[str, Any]) -> bool:
    """Removes the checksum that `signed` added; False if it is wrong. Older files have none."""
    checksum = values.pop(CHECKSUM, None)
    return checksum is None or checksum == _checksum(values)


def _checksum(values: dict[str, Any]) -> str:
    """Returns the SHA-256 of values of JSON types; lists and tuples count the same."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def build(cls: type[T], values: Any, where: str, whole: bool = True, remedy: str = _AGAIN) -> T:
    """Builds a dataclass, nested ones included, from JSON values; misfits are a UserError.

    Args:
      cls: the dataclass.
      values: a dict of its fields.
      where: begins the message.
      whole: no field may be missing; otherwise those with a default may.
      remedy: ends the message.
    """
    if not isinstance(values, dict):
        raise UserError(f"{where}: expected an object, found {_short(values)}; {remedy}")
    hints = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    needed = {f.name for f in fields if whole or not _has_default(f)}
    unknown, missing = sorted(set(values) - hints.keys()), sorted(needed - set(values))
    if unknown or missing:
        raise UserError(
            f"{where}: does not fit this version of cmgen; unexpected names: {unknown or 'none'}, "
            f"missing names: {missing or 'none'}; {remedy}"
        )
    return cls(
        **{k: _convert(hints[k], v, f"{where}: {k}", whole, remedy) for k, v in values.items()}
    )


def _has_default(field: "dataclasses.Field[Any]") -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _convert(hint: Any, value: Any, where: str, whole: bool, remedy: str) -> Any:
    """Converts a JSON value to a field of type `hint`."""
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value, where, whole, remedy)
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if kind is tuple and isinstance(value, list):
        each = inner[:1] * len(value) if inner[-1] is ... else inner
        if len(each) == len(value):
            pairs = zip(each, value, strict=True)
            return tuple(_convert(one, v, where, whole, remedy) for one, v in pairs)
    elif kind in (dict, Mapping) and isinstance(value, dict):
        return {k: _convert(inner[1], v, f"{where}: {k}", whole, remedy) for k, v in value.items()}
    else:
        allowed = inner if kind is types.UnionType else (hint,)
        if float in allowed and type(value) is int:
            return value
        if type(value) in allowed and not (type(value) is float and not math.isfinite(value)):
            return value
    wanted = hint.__name__ if isinstance(hint, type) and not inner else str(hint)
    raise UserError(f"{where}: is {_short(value)}, not {wanted}; {remedy}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:56]}..."
