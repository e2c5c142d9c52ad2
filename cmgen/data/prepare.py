"""Raw folder -> prepared folder: read in several processes, split, written whole or not at all."""

import dataclasses
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import groupby
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cmgen import __version__
from cmgen.data.reading import processors, read_in_order
from cmgen.data.recording import ALIGNMENTS, ReadOptions, Recording
from cmgen.data.shards import DatasetInfo, SplitInfo, SplitWriter, write_info
from cmgen.data.sources import Item, Source, find_source
from cmgen.errors import UserError
from cmgen.files import atomic_folder
from cmgen.limits import LIMITS, Limits

_STANDARD_SPLITS = ("train", "validation", "test")
_SHOWN_NOTES = 5


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
      skip_bad_files: leave unreadable files out, with a note, instead of stopping.
      workers: processes that read; 0 for one per processor.
      limits: of one file.
    """

    image_size: int = 64
    max_fps: float = 10.0
    alignment: str = "middle"
    shares: tuple[float, float, float] = (70.0, 15.0, 15.0)
    seed: int = 1
    skip_bad_files: bool = False
    workers: int = 0
    limits: Limits = LIMITS

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


def prepare(source_folder: Path, output: Path, config: PrepareConfig) -> DatasetInfo:
    """Reads a raw folder of any known layout and writes the native format.

    Args:
      source_folder: videos, Sub-URMP, or pictures and sounds that share only their class.
      output: a new or empty folder; appears only when everything is written.
      config: settings.
    """
    config.validate()
    source = find_source(source_folder)
    items = assign_splits(source.items, config)
    check_classes(items)
    options = ReadOptions(config.image_size, config.max_fps, config.alignment, config.limits)
    classes = tuple(sorted({item.class_name for item in items}))
    notes: list[str] = []
    with atomic_folder(output) as folder:
        recordings = _read_all(items, options, config, notes)
        splits: dict[str, SplitInfo] = {}
        for split, group in groupby(recordings, key=lambda pair: pair[0].split):
            with SplitWriter(folder, split, classes) as writer:
                for _, recording in group:
                    writer.write(recording)
                splits[split] = writer.finish()
        _check_written(source_folder, classes, splits)
        info = _info(source, classes, splits, config)
        write_info(folder, info)
    _print_notes(notes)
    return info


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
    order = {name: index for index, name in enumerate(_STANDARD_SPLITS)}
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


def _read_all(
    items: Sequence[Item], options: ReadOptions, config: PrepareConfig, notes: list[str]
) -> Iterator[tuple[Item, Recording]]:
    """Recordings in the items' order, with a progress bar; collects notes on what was left out."""
    workers = config.workers or processors()
    read_ahead = read_in_order(items, options, min(workers, len(items)))
    bar = tqdm(read_ahead, total=len(items), unit="recording", desc="preparing", leave=False)
    with bar:
        for item, (recordings, remarks, error) in zip(items, bar, strict=True):
            if error is not None:
                if not config.skip_bad_files:
                    raise UserError(
                        f"{error} (cmgen.prepare --skip_bad_files leaves such files out)"
                    )
                notes.append(f"left out: {error}")
            notes.extend(remarks)
            for recording in recordings:
                yield item, recording


def _check_written(folder: Path, classes: Sequence[str], splits: dict[str, SplitInfo]) -> None:
    """After leaving bad files out, train must still have something of every class."""
    if not splits:
        raise UserError(f"{folder}: no readable recordings; see the notes on each file")
    if "train" in splits:
        empty = [name for name in classes if not splits["train"].per_class.get(name)]
        if empty:
            raise UserError(
                f"{folder}: no readable train recordings of {', '.join(empty)}; add some"
            )


def _info(
    source: Source, classes: tuple[str, ...], splits: dict[str, SplitInfo], config: PrepareConfig
) -> DatasetInfo:
    alignment = {"sub_urmp": "pair", "unpaired": "class"}.get(source.kind, config.alignment)
    settings = dataclasses.asdict(config) | {"shares": list(config.shares)}
    del settings["workers"], settings["limits"]
    return DatasetInfo(
        classes=classes,
        image_size=config.image_size,
        fps=config.max_fps,
        alignment=alignment,
        splits=splits,
        source={"kind": source.kind, "path": str(source.path), "settings": settings},
        versions={"cmgen": __version__}
        | {name: metadata.version(name) for name in ("av", "pillow", "soundfile", "soxr")},
    )


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes[:_SHOWN_NOTES]:
        print(f"note: {note}", file=sys.stderr)
    if len(notes) > _SHOWN_NOTES:
        print(f"note: and {len(notes) - _SHOWN_NOTES} more like these", file=sys.stderr)
