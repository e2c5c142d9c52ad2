"""The data of a trained run: the recordings and splits that it began with, whatever changed since."""

import dataclasses
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cmgen.config import DataConfig
from cmgen.data.recordings import Recordings, load_split
from cmgen.data.records import MARKS
from cmgen.data.shards import INFO_FILE, read_info
from cmgen.prepare import cache, leaks
from cmgen.prepare.plan import PrepareConfig
from cmgen.prepare.sources import find_source
from cmgen.utils import hashes, typed_json
from cmgen.utils.errors import UserError
from cmgen.utils.files import read_json, write_text

RECORDINGS_FILE = "recordings.json"
_SHOWN = 5  # names in a message


@dataclass(frozen=True)
class RunData:
    """Contents of RECORDINGS_FILE.

    Attributes:
      prepared: name of the prepared folder in the cache; "" if --data was a prepared folder.
      splits: split -> id of each recording -> its group, and its marks of sound and pictures in hex.
    """

    prepared: str
    splits: dict[str, dict[str, tuple[str, str, str]]]

    @cached_property
    def assigned(self) -> dict[str, str]:
        """Maps each item of the raw folder to its split."""
        return {group: split for split, rows in self.splits.items() for group, *_ in rows.values()}

    @property
    def trained_on(self) -> leaks.Contents:
        """`leaks.contents` of the train split."""
        rows = self.splits.get("train", {}).items()
        return leaks.contents_of_rows(
            (name, group, bytes.fromhex(sound), bytes.fromhex(pictures))
            for name, (group, sound, pictures) in rows
        )


def describe(folder: Path, config: DataConfig, loaded: Iterable[Recordings] = ()) -> RunData:
    """Describes a prepared folder.

    Args:
      folder: the prepared folder.
      config: of the run.
      loaded: splits that needn't be read again.
    """
    known = {recordings.split: recordings for recordings in loaded}
    undecoded = dataclasses.replace(config, cache_gib=0.0)
    splits = {}
    for split in read_info(folder).splits:
        part = known[split] if split in known else load_split(folder, split, undecoded)
        columns = part.ids, part.groups, *(part.marks[name] for name in MARKS)
        splits[split] = {
            str(name): (str(group), sound.hex(), pictures.hex())
            for name, group, sound, pictures in zip(*columns, strict=True)
        }
    in_cache = folder.parent == cache.cache_folder()
    return RunData(folder.name if in_cache else "", splits)


def write(workdir: Path, folder: Path, config: DataConfig, loaded: Iterable[Recordings]) -> None:
    """Records what a run is trained on, once; see `describe`."""
    path = workdir / RECORDINGS_FILE
    if not path.exists():
        write_text(path, typed_json.to_json(describe(folder, config, loaded)))


def read(workdir: Path) -> RunData | None:
    """Reads RECORDINGS_FILE of a run; None for a run of an older version."""
    path = workdir / RECORDINGS_FILE
    if not path.exists():
        return None
    remedy = "restore it, for without it the run's test recordings are not known"
    return typed_json.checked(RunData, read_json(path, remedy), str(path), remedy=remedy)


def resolve(workdir: Path, config: DataConfig, data_hash: str) -> Path:
    """Returns the prepared folder of exactly the recordings and splits that a run began with.

    Args:
      workdir: of the run.
      config: of the run; `data` is where its data were.
      data_hash: of the run's data; "" of a run of an older version.

    Raises:
      UserError: recordings are missing, or others under the same names.
    """
    recorded = read(workdir)
    if recorded is not None:
        return resolve_recorded(recorded, config, data_hash)
    folder = cache.resolve(config)
    if _hash(folder) != data_hash:
        _note(
            f"--workdir={workdir}: an older cmgen did not record its recordings, and its data may have "
            "changed since; recordings that it was trained on may be in test"
        )
    return folder


def resolve_recorded(recorded: RunData, config: DataConfig, data_hash: str) -> Path:
    """Does what `resolve` does, from the contents of RECORDINGS_FILE."""
    former = cache.cache_folder() / recorded.prepared
    if not recorded.prepared or _is_unchanged(former, config):
        folder = cache.resolve(config)
    elif (former / INFO_FILE).is_file() and _hash(former) == data_hash:
        _note_changes(recorded, config)
        return former
    else:
        added, gone = _changes(recorded, config)
        if gone:
            raise UserError(
                f"--data={config.data}: lacks {_names(gone)}, with which the run began; put back what "
                "is missing, or train another run on what is there"
            )
        if added:
            _note(_left_out(config, added))
        folder = cache.resolve(config, recorded.assigned)
    if _hash(folder) != data_hash:
        _check_same(recorded, describe(folder, config), config)
    return folder


def is_own(own: str, data: str) -> bool:
    """Whether a value of --data names the data of a run, which are recorded as `own`."""
    return data == own or str(Path(data).expanduser().resolve()) == own


def check_unseen(workdir: Path, held_out: Sequence[Recordings], source: str) -> None:
    """Refuses recordings that a run was trained on; of an older run they are not known.

    Args:
      workdir: of the run.
      held_out: splits that are measured, of whatever data.
      source: of the data, for the message.
    """
    recorded = read(workdir)
    if recorded is None:
        _note(f"--workdir={workdir}: whether it was trained on any of {source} is not known")
        return
    for recordings in held_out:
        leaks.check_unseen(recorded.trained_on, leaks.contents(recordings), source)


def _is_unchanged(former: Path, config: DataConfig) -> bool:
    """Whether the raw folder still is what was prepared into `former`."""
    folder = cache.raw_folder(config)
    settings = PrepareConfig(image_size=config.image_size)
    try:
        return cache.place(folder, settings).name == former.name
    except UserError:  # it is gone, or no longer a folder of recordings
        return False


def _changes(recorded: RunData, config: DataConfig) -> tuple[list[str], list[str]]:
    """Returns what the raw folder has that the run hasn't, and what it lacks."""
    folder = cache.raw_folder(config)
    found = {item.id for item in find_source(folder).items} if folder.is_dir() else set()
    return sorted(found - recorded.assigned.keys()), sorted(recorded.assigned.keys() - found)


def _note_changes(recorded: RunData, config: DataConfig) -> None:
    try:
        added, gone = _changes(recorded, config)
    except UserError as error:  # what is there now can't be read at all
        _note(f"{error}; the run's recordings are taken from the cache")
        return
    if added:
        _note(_left_out(config, added))
    if gone:
        _note(
            f"--data={config.data}: lacks {_names(gone)}; taken from the cache, as the run had them"
        )


def _check_same(recorded: RunData, found: RunData, config: DataConfig) -> None:
    """Refuses recordings that have another content or split than those of the run."""
    differing = []
    for split in sorted(recorded.splits.keys() | found.splits.keys()):
        before, now = recorded.splits.get(split, {}), found.splits.get(split, {})
        names = before.keys() | now.keys()
        differing += [f"{name} ({split})" for name in names if before.get(name) != now.get(name)]
    if differing:
        raise UserError(
            f"--data={config.data}: {_names(sorted(differing))} not as when the run began: changed, "
            "added, gone or in another split; restore the data, or train another run on them"
        )


def _left_out(config: DataConfig, added: Sequence[str]) -> str:
    return f"--data={config.data}: {_names(added)} left out, having been added since the run began"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _hash(folder: Path) -> str:
    return hashes.data_hash(read_info(folder).checksums)


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
