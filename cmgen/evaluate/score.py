"""A measured number with what it has to be compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Score:
    """One measure of a run.

    Attributes:
      name: its key in the JSON file.
      value: of the generated pictures.
      source: whose formula it is.
      interval: 95 %, by bootstrap over recordings; None where that makes no sense.
      chance: the same measure of who knows nothing; None where there is no such thing.
      real: (key, value) of the same measure of real pictures, which is as good as it gets.
      settings: what the number depends on: extractor, n, steps ...
    """

    name: str
    value: float
    source: str
    interval: tuple[float, float] | None = None
    chance: float | None = None
    real: tuple[str, float] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def headline(self) -> dict[str, Any]:
        """The number, its interval and that of real pictures, by their keys."""
        found: dict[str, Any] = {self.name: self.value}
        if self.interval is not None:
            found[f"{self.name}_ci95"] = list(self.interval)
        if self.real is not None:
            found[self.real[0]] = self.real[1]
        return found

    def detail(self) -> dict[str, Any]:
        """All of it, of JSON types."""
        return {
            "value": self.value,
            "ci95": None if self.interval is None else list(self.interval),
            "chance": self.chance,
            "real": None if self.real is None else self.real[1],
            "source": self.source,
            **self.settings,
        }


def table(details: Mapping[str, Mapping[str, Any]]) -> str:
    """The scores as text; `details` has what `Score.detail` gave, by name."""
    columns = "{:<36}{:>10}{:>22}{:>9}{:>12}"
    lines = [columns.format("measure (test)", "generated", "95 % interval", "chance", "real data")]
    for name, found in details.items():
        interval = found["ci95"]
        between = "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"
        beside = ["" if found[k] is None else f"{found[k]:.4f}" for k in ("chance", "real")]
        lines.append(columns.format(name, f"{found['value']:.4f}", between, *beside))
    return "\n".join(lines)
