"""Plans splits and shards before any item is read. No TensorFlow.

So shards don't depend on the number of processes or machines, nor on the order in which they finish.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from cmgen.config import FPS, IMAGE_SIZE
from cmgen.data.recording import ALIGNMENTS, ReadOptions
from cmgen.media.limits import LIMITS, MediaLimits
from cmgen.prepare.names import STANDARD_SPLITS, draw_tree
from cmgen.prepare.sources import Item, Source
from cmgen.utils.errors import UserError

_SHARD_BYTES = 256 * 2**20  # of raw files
_LEAST_BYTES = 2**20  # counted for an item, so that no shard takes thousands of small pictures


@dataclass(frozen=True)
class PrepareConfig:
    """How raw data are prepared.

    Attributes:
      image_size, max_fps, alignment, limits: as in `ReadOptions`.
      shares: percent of a class's recordings for train, validation and test, where the folder
        has no splits.
      seed: of the splits.
      skip_bad_files: sets unreadable files aside, with their errors, instead of stopping.
      workers: processes that read; 0 for one per processor.
      assigned: id of each item to take -> its split, instead of shares and the folder's splits.
    """

    image_size: int = IMAGE_SIZE
    max_fps: float = FPS
    alignment: str = "middle"
    shares: tuple[float, float, float] = (70.0, 15.0, 15.0)
    seed: int = 1
    skip_bad_files: bool = False
    workers: int = 0
    limits: MediaLimits = LIMITS
    assigned: Mapping[str, str] | None = None

    @property
    def read_options(self) -> ReadOptions:
        return ReadOptions(self.image_size, self.max_fps, self.alignment, self.limits)

    def validate(self) -> None:
        """Raises a UserError for a value that cannot work."""
        if not 8 <= self.image_size <= 1024:
            raise UserError(f"--image_size={self.image_size}: must be from 8 to 1024")
        if self.max_fps <= 0:
            raise UserError(f"--max_fps={self.max_fps:g}: must be more than 0")
        if self.alignment not in ALIGNMENTS:
            raise UserError(f"--alignment={self.alignment}: must be one of {', '.join(ALIGNMENTS)}")
        if min(self.shares) < 0 or sum(self.shares) != 100:
            text = ",".join(f"{share:g}" for share in self.shares)
            raise UserError(f"--shares={text}: must be three numbers that make 100")
        if self.workers < 0:
            raise UserError(f"--workers={self.workers}: must not be negative")


@dataclass(frozen=True)
class ShardPlan:
    """A file of a prepared folder.

    Attributes:
      name: of the file.
      split: to which it belongs.
      class_name: of all its recordings.
      label: index of the class.
      items: its sources, in order.
    """

    name: str
    split: str
    class_name: str
    label: int
    items: Sequence[Item]


@dataclass(frozen=True)
class Plan:
    """A prepared folder.

    Attributes:
      source: of the raw data.
      config: settings.
      classes: sorted names.
      shards: all files, split by split and class by class.
    """

    source: Source
    config: PrepareConfig
    classes: tuple[str, ...]
    shards: Sequence[ShardPlan]

    @property
    def items(self) -> list[Item]:
        """Items of all shards."""
        return [item for shard in self.shards for item in shard.items]


def make_plan(source: Source, config: PrepareConfig) -> Plan:
    """Assigns all items of a source to splits and shards; refuses splits that lack classes."""
    items = assign_splits(source.items, config)
    check_classes(items)
    classes = tuple(sorted({item.class_name for item in items}))
    shards: list[ShardPlan] = []
    for split, group in groupby(items, key=lambda item: item.split):
        parts = _cut(list(group))
        for index, part in enumerate(parts):
            name = f"{split}-{index:05d}-of-{len(parts):05d}.tfrecord"
            class_name = part[0].class_name
            shards.append(ShardPlan(name, split, class_name, classes.index(class_name), part))
    return Plan(source, config, classes, shards)


def describe(plan: Plan) -> str:
    """Draws what was understood of a raw folder: splits, classes and their numbers of recordings."""
    return draw_tree(plan.source.path, (f"{_origin(i)}/{i.class_name}" for i in plan.items))


def _origin(item: Item) -> str:
    """Returns the split of an item, with the folder that it comes from if that is named otherwise."""
    *_, folder, _, _ = ["", *item.files[0].split("/")]
    return item.split if folder in ("", item.split) else f"{item.split} (in {folder})"


def assign_splits(items: Sequence[Item], config: PrepareConfig) -> list[Item]:
    """Assigns each item to its split; sorted by split, class and id.

    Where the folder has no splits, each class is divided by `shares` (seeded): at least one test
    recording from two recordings on, at least one validation recording from three on. Where it has
    train and test but no validation, that is cut out of train by the ratio of their shares, from
    classes with at least two train recordings.
    """
    if config.assigned is not None:
        split_of = config.assigned
        kept = [item for item in items if item.id in split_of]
        return _in_order(
            [dataclasses.replace(item, split=split_of[item.id]) for item in kept]  # type: ignore[type-var]
        )
    by_class = defaultdict(list)
    for item in items:
        by_class[item.class_name].append(item)
    splits = {item.split for item in items}
    assigned: list[Item] = []
    for name, members in sorted(by_class.items()):
        random = np.random.default_rng([config.seed, *name.encode()])
        if splits == {""}:
            for kind in _kinds(members):
                assigned += _divide(kind, config.shares, random)
        elif "train" in splits and "test" in splits and "validation" not in splits:
            assigned += [item for item in members if item.split != "train"]
            share = 100 * config.shares[1] / max(config.shares[0] + config.shares[1], 1)
            for kind in _kinds([item for item in members if item.split == "train"]):
                assigned += _divide(kind, (100 - share, share, 0), random)
        else:
            assigned += members
    return _in_order(assigned)


def _in_order(items: Iterable[Item]) -> list[Item]:
    order = {name: index for index, name in enumerate(STANDARD_SPLITS)}
    return sorted(items, key=lambda i: (order.get(i.split, 3), i.split, i.class_name, i.id))


def check_classes(items: Iterable[Item]) -> None:
    """Refuses classes that are missing in train, or in test."""
    splits: dict[str, set[str]] = defaultdict(set)
    for item in items:
        splits[item.split].add(item.class_name)
    if "train" not in splits or len(splits) == 1:
        return
    for split in splits:
        _check_subset(splits[split], split, splits["train"], "train")
    if "test" in splits:
        _check_subset(splits["train"], "train", splits["test"], "test")


def _check_subset(names: set[str], split: str, others: set[str], other: str) -> None:
    missing = sorted(names - others)
    if missing:
        raise UserError(
            f"class {missing[0]!r} is in {split} but not in {other}"
            + (f" (and so are {', '.join(missing[1:])})" if missing[1:] else "")
            + f": add recordings of it to {other} (at least two per class in all), or remove it"
        )


def _kinds(items: Sequence[Item]) -> list[list[Item]]:
    """Separates pictures, sounds and videos, so that each split receives some of each."""
    kinds = defaultdict(list)
    for item in items:
        prefix = item.id.partition("/")[0]
        kinds[prefix if item.id.startswith(("image/", "sound/")) else ""].append(item)
    return [kinds[key] for key in sorted(kinds)]


def _divide(
    items: Sequence[Item], shares: tuple[float, float, float], random: np.random.Generator
) -> list[Item]:
    """Shuffles and divides into train, validation and test, none of them empty if avoidable."""
    count = len(items)
    _, validation, test = (max(round(count * s / 100), int(s > 0)) for s in shares)
    # Train keeps at least one recording, then test, then validation.
    if shares[0] > 0:
        test = min(test, count - 1)
        validation = min(validation, count - 1 - test)
    elif shares[1] > 0:
        test = min(test, count)
        validation = count - test
    else:
        test = count
    names = ["train"] * (count - validation - test) + ["validation"] * validation + ["test"] * test
    shuffled = [items[i] for i in random.permutation(count)]
    return [
        dataclasses.replace(item, split=name) for item, name in zip(shuffled, names, strict=True)
    ]


def _cut(items: Sequence[Item]) -> list[list[Item]]:
    """Divides the items of a split into shards of one class, by the size of their files."""
    parts: list[list[Item]] = []
    filled = 0
    for item in items:
        if not parts or filled >= _SHARD_BYTES or parts[-1][0].class_name != item.class_name:
            parts.append([])
            filled = 0
        parts[-1].append(item)
        filled += max(item.size, _LEAST_BYTES)
    return parts
