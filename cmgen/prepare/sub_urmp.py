"""Sub-URMP as released: songs are stitched together from their overlapping chunks.

    img/{train,validation}/{instrument}/{instrument}{SS}_{MS}.jpg
    chunk/{train,validation}/{instrument}/{instrument}{SS}_{MS}.wav

SS numbers the songs of an instrument, MS = 500, 600, ... counts milliseconds; a chunk is 0.5 s at
44.1 kHz, so neighbours overlap by 80 %. A chunk is taken to begin at MS - 500, and its picture to
belong to its middle.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import soundfile

from cmgen.config import SAMPLE_RATE, WINDOW_SECONDS
from cmgen.data.recording import ReadOptions, Recording, to_int16
from cmgen.media import images
from cmgen.media.sound import check_file, finish_sound
from cmgen.prepare.listing import Listing, RawFile
from cmgen.prepare.names import split_name, suffix
from cmgen.utils.errors import UserError

_CHUNK_SAMPLES = int(WINDOW_SECONDS * SAMPLE_RATE)
_FIRST_MS = 500
_NAME = re.compile(r"(?P<instrument>.+?)(?P<song>\d{2})_(?P<ms>\d+)")
# The release calls the recordings that papers report on "validation".
_SPLITS = {"train": "train", "validation": "test", "test": "test"}


@dataclass(frozen=True)
class SongItem:
    """All chunks of one song.

    Attributes:
      id: split folder, instrument and song number.
      class_name: the instrument.
      split: cmgen's, not the folder's.
      pictures: milliseconds -> picture file within the release's folder.
      chunks: milliseconds -> sound file.
      size: of all files in bytes.
    """

    id: str
    class_name: str
    split: str
    pictures: dict[int, str]
    chunks: dict[int, str]
    size: int = 0

    @property
    def files(self) -> Sequence[str]:
        return [*self.pictures.values(), *self.chunks.values()]

    def read(self, folder: Path, options: ReadOptions) -> tuple[list[Recording], list[str]]:
        """Returns recordings whose chunks agree sample by sample where they overlap, and notes."""
        notes = []
        silent = sorted(set(self.pictures) - set(self.chunks))
        if silent:
            notes.append(
                f"{folder / self.pictures[silent[0]]}: left out, having no .wav"
                + (f" (as {len(silent)} pictures of this song)" if len(silent) > 1 else "")
            )
        sounds = {ms: _read_chunk(folder / file) for ms, file in sorted(self.chunks.items())}
        runs = agreeing_runs(sounds)
        if len(runs) > 1:
            notes.append(
                f"{self.id}: its chunks do not overlap exactly; kept as {len(runs)} pieces"
            )
        pictures = {ms: folder / file for ms, file in self.pictures.items()}
        recordings = [
            self._recording(run, sounds, pictures, options, alone=len(runs) == 1) for run in runs
        ]
        return [recording for recording in recordings if recording.frames], notes

    def _recording(
        self,
        run: Sequence[int],
        sounds: dict[int, np.ndarray],
        pictures: dict[int, Path],
        options: ReadOptions,
        alone: bool,
    ) -> Recording:
        sound = stitch(run, sounds)
        pictured = [ms for ms in run if ms in pictures]
        frames = (
            images.square(
                images.read_image(pictures[ms], options.image_size, options.limits),
                options.image_size,
            )
            for ms in pictured
        )
        times = (np.array(pictured, np.float64) - run[0]) / 1000.0 + WINDOW_SECONDS / 2
        base = Recording(self.id if alone else f"{self.id}_{run[0]}", self.id, self.class_name)
        return base.with_sound(sound).with_frames(frames, times)


def find_songs(listing: Listing) -> list[SongItem]:
    """Lists the songs of a Sub-URMP folder in order; a chunk without a picture only adds sound."""
    pictures = _by_song(listing, "img", ".jpg")
    chunks = _by_song(listing, "chunk", ".wav")
    items = []
    for key in sorted(set(pictures) | set(chunks)):
        split, instrument, song = key
        shown, played = pictures.get(key, {}), chunks.get(key, {})
        if not set(shown) & set(played):
            where = f"{listing.folder}/{'img' if shown else 'chunk'}/{split}/{instrument}"
            raise UserError(
                f"{where}: song {song} has {len(shown)} pictures and {len(played)} sounds, none of "
                "which belong together; complete or remove it"
            )
        items.append(
            SongItem(
                f"{split}/{instrument}{song}",
                instrument,
                _SPLITS.get(split_name(split), split),
                {ms: file.name for ms, file in shown.items()},
                {ms: file.name for ms, file in played.items()},
                sum(file.size for file in [*shown.values(), *played.values()]),
            )
        )
    if not items:
        raise UserError(f"{listing.folder}: img/ and chunk/ hold no songs; unpack Sub-URMP there")
    return items


def song_from_json(values: dict[str, Any]) -> SongItem:
    """Makes a song of its fields, whose milliseconds are texts in JSON."""
    files = {
        kind: {int(ms): f for ms, f in values[kind].items()} for kind in ("pictures", "chunks")
    }
    return SongItem(**values | files)


def agreeing_runs(sounds: dict[int, np.ndarray]) -> list[list[int]]:
    """Splits chunks into runs of neighbours whose samples agree where they overlap.

    Args:
      sounds: milliseconds -> int16 [22050].

    Returns:
      Lists of milliseconds, each of one unbroken piece of sound.
    """
    runs: list[list[int]] = []
    for ms in sorted(sounds):
        if runs and _agree(sounds[runs[-1][-1]], sounds[ms], ms - runs[-1][-1]):
            runs[-1].append(ms)
        else:
            runs.append([ms])
    return runs


def stitch(run: Sequence[int], sounds: dict[int, np.ndarray]) -> np.ndarray:
    """Joins the sound of a run of agreeing chunks; int16 [n]."""
    parts = [sounds[run[0]]]
    for before, ms in pairwise(run):
        # Both ends are rounded from the start of the run, so that rounding doesn't add up.
        new = _sample(ms - run[0]) - _sample(before - run[0])
        parts.append(sounds[ms][_CHUNK_SAMPLES - new :])
    return np.concatenate(parts)


def _agree(first: np.ndarray, second: np.ndarray, step_ms: int) -> bool:
    shift = _sample(step_ms)
    return shift < _CHUNK_SAMPLES and np.array_equal(first[shift:], second[: len(second) - shift])


def _sample(ms: int) -> int:
    return ms * SAMPLE_RATE // 1000


def _read_chunk(path: Path) -> np.ndarray:
    """Reads int16 [22050]; identical stereo channels stay exactly as they are."""
    check_file(path)
    try:
        with soundfile.SoundFile(str(path)) as file:
            # A chunk is half a second; the rest of a longer file is not read.
            rate = file.samplerate
            samples = file.read(rate, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise UserError(
            f"{path}: not a readable WAV file ({error.error_string}); copy it again or remove it"
        ) from error
    return to_int16(finish_sound(path, samples, rate, SAMPLE_RATE)[:_CHUNK_SAMPLES])


def _by_song(
    listing: Listing, root: str, kind: str
) -> dict[tuple[str, str, str], dict[int, RawFile]]:
    """Maps (split folder, instrument, song) -> milliseconds -> file."""
    songs: dict[tuple[str, str, str], dict[int, RawFile]] = {}
    for file in listing.files:
        path = PurePosixPath(file.name)
        if path.parts[0].casefold() != root or len(path.parts) != 4 or suffix(file.name) != kind:
            continue
        split, instrument = path.parts[1:3]
        name = _NAME.fullmatch(path.stem)
        if name is None or name["instrument"] != instrument or int(name["ms"]) < _FIRST_MS:
            raise UserError(
                f"{listing.folder}/{file.name}: expected {instrument}SS_MS{kind} with MS >= "
                f"{_FIRST_MS}; rename or remove it"
            )
        songs.setdefault((split, instrument, name["song"]), {})[int(name["ms"])] = file
    return songs
