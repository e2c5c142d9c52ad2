"""What will be written, decided before anything is read: splits, and which items each shard takes.

So the shards are the same, however many processes or machines read, and in whatever order they
finish. No TensorFlow.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from cmgen.config import FPS, IMAGE_SIZE
from cmgen.data.recording import ALIGNMENTS, ReadOptions
from cmgen.media.limits import LIMITS, MediaLimits
from cmgen.prepare.sources import Item, Source
from cmgen.utils.errors import UserError

STANDARD_SPLITS = ("train", "validation", "test")
_SHARD_BYTES = 256 * 2**20  # of raw files
_LEAST_BYTES = 2**20  # that an item counts, or a shard would take thousands of small pictures


@dataclass(frozen=True)
class PrepareConfig:
    """How raw data are prepared.

    Attributes:
      image_size: side of the stored pictures in pixels.
      max_fps: pictures kept per second of video.
      alignment: which instant of its half second of sound a video's picture shows.
      shares: percent of a class's recordings for train, validation and test, where the folder
        doesn't say.
      seed: of the splitting.
      skip_bad_files: set unreadable files aside, with their errors, instead of stopping.
      workers: processes that read; 0 for one per processor.
      limits: of one file.
    """

    image_size: int = IMAGE_SIZE
    max_fps: float = FPS
    alignment: str = "middle"
    shares: tuple[float, float, float] = (70.0, 15.0, 15.0)
    seed: int = 1
    skip_bad_files: bool = False
    workers: int = 0
    limits: MediaLimits = LIMITS

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
    """One file of a prepared folder.

    Attributes:
      name: of the file.
      split: that it belongs to.
      class_name: of all its recordings.
      label: index of the class.
      items: what it is made of, in this order.
    """

    name: str
    split: str
    class_name: str
    label: int
    items: Sequence[Item]


@dataclass(frozen=True)
class Plan:
    """A whole prepared folder.

    Attributes:
      source: what is prepared.
      config: how.
      classes: sorted names.
      shards: all files, split by split and class by class.
    """

    source: Source
    config: PrepareConfig
    classes: tuple[str, ...]
    shards: Sequence[ShardPlan]

    @property
    def items(self) -> list[Item]:
        """Those of all shards."""
        return [item for shard in self.shards for item in shard.items]


def make_plan(source: Source, config: PrepareConfig) -> Plan:
    """Splits and shards of everything in a source; refuses splits that lack classes."""
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


def assign_splits(items: Sequence[Item], config: PrepareConfig) -> list[Item]:
    """Gives every item its split; sorted by split, class and id.

    Where the folder has no splits, each class is divided by `shares` (seeded): at least one test
    recording from two recordings on, at least one validation recording from three on. Where it has
    train and test but no validation, that is cut out of train, in the share that validation has of
    the two, from classes with at least two train recordings.
    """
    by_class = defaultdict(list)
    for item in items:
        by_class[item.class_name].append(item)
    found = {item.split for item in items}
    assigned: list[Item] = []
    for name, members in sorted(by_class.items()):
        random = np.random.default_rng([config.seed, *name.encode()])
        if found == {""}:
            for kind in _kinds(members):
                assigned += _divide(kind, config.shares, random)
        elif "train" in found and "test" in found and "validation" not in found:
            assigned += [item for item in members if item.split != "train"]
            share = 100 * config.shares[1] / max(config.shares[0] + config.shares[1], 1)
            for kind in _kinds([item for item in members if item.split == "train"]):
                assigned += _divide(kind, (100 - share, share, 0), random)
        else:
            assigned += members
    order = {name: index for index, name in enumerate(STANDARD_SPLITS)}
    return sorted(assigned, key=lambda i: (order.get(i.split, 3), i.split, i.class_name, i.id))


def check_classes(items: Iterable[Item]) -> None:
    """Every class must be where it is trained on and where it is measured."""
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
    """Pictures, sounds and videos apart, so that each split receives some of each."""
    kinds = defaultdict(list)
    for item in items:
        kinds[item.id.partition("/")[0] if item.id.startswith(("image/", "sound/")) else ""].append(
            item
        )
    return [kinds[key] for key in sorted(kinds)]


def _divide(
    items: Sequence[Item], shares: tuple[float, float, float], random: np.random.Generator
) -> list[Item]:
    """Shuffles and divides into train, validation and test, none of them empty if avoidable."""
    count = len(items)
    wanted = [round(count * share / 100) for share in shares]
    parts = [max(n, int(share > 0)) for n, share in zip(wanted, shares, strict=True)]
    validation, test = parts[1], parts[2]
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
    """Divides the items of a split into shards: of one class, and full by the size of their files."""
    parts: list[list[Item]] = []
    filled = 0
    for item in items:
        if not parts or filled >= _SHARD_BYTES or parts[-1][0].class_name != item.class_name:
            parts.append([])
            filled = 0
        parts[-1].append(item)
        filled += max(item.size, _LEAST_BYTES)
    return parts
