"""Raw folder -> prepared folder: read by several processes, written whole or not at all."""

import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from cmgen import __version__
from cmgen.config import SAMPLE_RATE
from cmgen.data.recording import Recording
from cmgen.data.shards import (
    DatasetInfo,
    ShardInfo,
    ShardSizes,
    SplitInfo,
    write_info,
    write_shard,
)
from cmgen.prepare import leaks
from cmgen.prepare.listing import LeftOut, print_left_out
from cmgen.prepare.plan import Plan, PrepareConfig, ShardPlan, make_plan
from cmgen.prepare.reading import ReadResult, processors, read_in_order
from cmgen.prepare.sources import Source, find_source
from cmgen.utils.errors import UserError
from cmgen.utils.files import atomic_folder, write_text

SET_ASIDE_FILE, LEFT_OUT_FILE = "set_aside.jsonl", "left_out.jsonl"
_SHOWN_NOTES = 5


@dataclass(frozen=True)
class SetAside:
    """An item that could not be read: the name of its file or song, and the error."""

    file: str
    error: str


@dataclass(frozen=True)
class ShardResult:
    """Result of writing a shard.

    Attributes:
      name: of the shard.
      sizes: of its content; a shard without recordings is not written.
      set_aside: items that could not be read.
      notes: on what else was omitted.
      contents: of its recordings; see `leaks.contents`.
    """

    name: str
    sizes: ShardSizes
    set_aside: tuple[SetAside, ...] = ()
    notes: tuple[str, ...] = ()
    contents: leaks.Contents = field(default_factory=dict)


def prepare(source_folder: Path, output: Path, config: PrepareConfig) -> DatasetInfo:
    """Reads a raw folder of any known layout and writes the native format.

    Args:
      source_folder: videos, Sub-URMP, or pictures and sounds that share only their class.
      output: a new or empty folder; appears once everything is written.
      config: settings.

    Raises:
      UserError: settings or files are bad, the disk is full, or two splits share a recording.
    """
    config.validate()
    plan = make_plan(find_source(source_folder, config.skip_bad_files), config)
    with atomic_folder(output) as folder:
        leaks.check_files(plan.items, source_folder, config.read_options)
        results = _write_all(plan, folder)
        info = summarise(plan, results)
        if info.set_aside:
            write_text(folder / SET_ASIDE_FILE, set_aside_text(results))
        if info.left_out:
            write_text(folder / LEFT_OUT_FILE, left_out_text(plan.source))
        write_info(folder, info)
    return info


def make_shard(shard: ShardPlan, path: Path, reads: Iterable[ReadResult]) -> ShardResult:
    """Writes one shard of a plan.

    Args:
      shard: the plan.
      path: of the file, which is not written if nothing could be read.
      reads: result of reading each item, in order.
    """
    set_aside: list[SetAside] = []
    notes: list[str] = []
    contents: dict[str, str] = {}

    def recordings() -> Iterator[Recording]:
        for item, (read, remarks, error) in zip(shard.items, reads, strict=True):
            if error is not None:
                name = item.files[0] if len(item.files) == 1 else item.id
                set_aside.append(SetAside(name, error))
            notes.extend(remarks)
            contents.update(leaks.contents_of_read(read))
            yield from read

    sizes = write_shard(path, shard.label, recordings())
    return ShardResult(shard.name, sizes, tuple(set_aside), tuple(notes), contents)


def summarise(plan: Plan, results: Sequence[ShardResult]) -> DatasetInfo:
    """Returns the content of dataset.json; prints notes on what was omitted.

    Args:
      plan: of the folder.
      results: of the plan's shards, in order.

    Raises:
      UserError: nothing is left, a class lost all its recordings in train or test, or two splits
        share a recording.
    """
    _print_notes(results)
    print_left_out(plan.source.left_out)
    pairs = list(zip(plan.shards, results, strict=True))
    leaks.check_read(((s.split, r.contents) for s, r in pairs), plan.source.path)
    splits = {}
    for split in dict.fromkeys(shard.split for shard in plan.shards):
        written = [(s, r.sizes) for s, r in pairs if s.split == split and r.sizes.recordings]
        if written:
            splits[split] = _split_info(written)
    _check_written(plan, splits)
    return _info(plan, splits, sum(len(result.set_aside) for result in results))


def set_aside_text(results: Sequence[ShardResult]) -> str:
    """Returns the content of set_aside.jsonl: one item a line."""
    return _json_lines(a for result in results for a in result.set_aside)


def left_out_text(source: Source) -> str:
    """Returns the content of left_out.jsonl: one file a line."""
    return _json_lines(source.left_out)


def _json_lines(values: Iterable[SetAside | LeftOut]) -> str:
    return "".join(f"{json.dumps(dataclasses.asdict(value))}\n" for value in values)


def versions() -> dict[str, str]:
    """Returns the versions of all that the bytes of shards depend on."""
    names = ("av", "pillow", "soundfile", "soxr")
    return {"cmgen": __version__} | {name: metadata.version(name) for name in names}


def _write_all(plan: Plan, folder: Path) -> list[ShardResult]:
    """Reads all items in order, with a progress bar, and writes the shards."""
    config, items = plan.config, plan.items
    workers = min(config.workers or processors(), len(items))
    reads = read_in_order(
        items, Path(plan.source.path), config.read_options, workers, config.skip_bad_files
    )
    with tqdm(reads, total=len(items), unit="recording", desc="preparing", leave=False) as bar:
        read = iter(bar if config.skip_bad_files else _stop_at_errors(bar))
        return [
            make_shard(shard, folder / shard.name, islice(read, len(shard.items)))
            for shard in plan.shards
        ]


def _stop_at_errors(reads: Iterable[ReadResult]) -> Iterator[ReadResult]:
    for result in reads:
        if result[2] is not None:
            raise UserError(f"{result[2]} (cmgen.prepare --skip_bad_files leaves such files out)")
        yield result


def _split_info(written: Sequence[tuple[ShardPlan, ShardSizes]]) -> SplitInfo:
    per_class: dict[str, int] = {}
    for shard, sizes in written:
        per_class[shard.class_name] = per_class.get(shard.class_name, 0) + sizes.recordings
    samples = sum(sizes.samples for _, sizes in written)
    return SplitInfo(
        recordings=sum(per_class.values()),
        frames=sum(sizes.frames for _, sizes in written),
        samples=samples,
        seconds=round(samples / SAMPLE_RATE, 3),
        per_class=per_class,
        shards=tuple(
            ShardInfo(shard.name, shard.class_name, sizes.recordings, sizes.sha256)
            for shard, sizes in written
        ),
    )


def _check_written(plan: Plan, splits: Mapping[str, SplitInfo]) -> None:
    """Refuses splits in which files set aside leave a class of train or test empty."""
    where = plan.source.path
    if not splits:
        raise UserError(f"{where}: no readable recordings; see the notes on each file")
    for split in ("train", "test"):
        planned = dict.fromkeys(s.class_name for s in plan.shards if s.split == split)
        kept = splits[split].per_class if split in splits else {}
        empty = [name for name in planned if not kept.get(name)]
        if empty:
            raise UserError(
                f"{where}: no readable {split} recordings of {', '.join(empty)}; add some"
            )


def _info(plan: Plan, splits: dict[str, SplitInfo], set_aside: int) -> DatasetInfo:
    config, source = plan.config, plan.source
    alignment = {"sub_urmp": "pair", "unpaired": "class"}.get(source.kind, config.alignment)
    settings = dataclasses.asdict(config) | {"shares": list(config.shares)}
    del settings["workers"], settings["skip_bad_files"], settings["limits"]
    del settings["assigned"]
    return DatasetInfo(
        classes=plan.classes,
        image_size=config.image_size,
        fps=config.max_fps,
        alignment=alignment,
        splits=splits,
        source={"kind": source.kind, "path": source.path, "settings": settings},
        versions=versions(),
        set_aside=set_aside,
        left_out=dict(Counter(left.reason for left in source.left_out)),
    )


def _print_notes(results: Sequence[ShardResult]) -> None:
    notes = [f"left out: {aside.error}" for result in results for aside in result.set_aside]
    notes += [note for result in results for note in result.notes]
    for note in notes[:_SHOWN_NOTES]:
        print(f"note: {note}", file=sys.stderr)
    if len(notes) > _SHOWN_NOTES:
        print(f"note: and {len(notes) - _SHOWN_NOTES} more like these", file=sys.stderr)
