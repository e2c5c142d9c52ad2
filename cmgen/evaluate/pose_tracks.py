"""Pose tracks: what is known of the player's pose in every frame. For measuring only.

`name.truth.npz` beside `name.mp4`, as the demo corpus has them. Training of encoders and GANs never
reads them; the regressor that measures poses does.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmgen.config import DEMO
from cmgen.data.recordings import Recordings
from cmgen.prepare import cache
from cmgen.prepare.names import TRACK_SUFFIX
from cmgen.utils.errors import UserError
from cmgen.utils.files import read_arrays

# Rows of the stored table.
COLUMNS = ("since_onset", "level", "pitch", "bow", "loudness", "rest", "sway")
VARIABLES = ("pitch", "bow")
BOWED = ("cello", "double_bass", "viola", "violin")
_MAX_BYTES = 1 << 28  # of a track's numbers: days of video
_LOWERED = 0.3  # with more `rest` than this the instrument is on its way down


@dataclass(frozen=True)
class Tracks:
    """Poses of all frames of a split, in the order of its recordings.

    Attributes:
      values: float32 [frames, VARIABLES], about 0 to 1: the pitch-driven variable, and how far the
        bow is drawn.
      counts: bool [frames, VARIABLES]: a note sounds, and the instrument has such a variable.
    """

    values: np.ndarray
    counts: np.ndarray


def read_tracks(recordings: Recordings) -> Tracks | None:
    """The tracks beside the videos that a split was prepared from; None if there are none.

    Raises:
      UserError: some recordings have a track and others none, or one of another length.
    """
    folder = _source_folder(recordings)
    paths = [(folder / str(name)).with_suffix(TRACK_SUFFIX) for name in recordings.ids]
    missing = [path for path in paths if not path.is_file()]
    if len(missing) == len(paths):
        return None
    if missing:
        raise UserError(f"{missing[0]}: missing, though other recordings have pose tracks; add it")
    frames = np.diff(recordings.frame_offsets)
    values, counts = [], []
    for path, label, count in zip(paths, recordings.labels, frames, strict=True):
        pose, playing = read_track(path, int(count))
        bowed = recordings.classes[label] in BOWED
        values.append(pose)
        counts.append(np.stack([playing, playing & bowed], axis=1))
    return Tracks(np.concatenate(values), np.concatenate(counts))


def _source_folder(recordings: Recordings) -> Path:
    folder = Path(str(recordings.info.source["path"]))
    if folder.is_dir():
        return folder
    # The demo is prepared once for all installations of it.
    return cache.demo_folder() if folder.name == DEMO else folder


def read_track(path: Path, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """The VARIABLES of each frame, float32 [frames, 2], and whether a note is played, bool [frames].

    Args:
      path: of the track.
      frames: pictures that its video has.

    Raises:
      UserError: no track, or one of another length.
    """
    try:
        stored = read_arrays(path, _MAX_BYTES, ("table", "midi"))
        table, midi = stored["table"].astype(np.float32), stored["midi"].astype(np.float32)
    except Exception as error:  # damaged bytes make zipfile and NumPy raise nearly anything
        raise UserError(f"{path}: not a pose track ({error}); render it again") from error
    if table.shape != (len(COLUMNS), frames) or midi.shape != (frames,):
        described = table.shape[-1] if table.ndim else 0
        raise UserError(
            f"{path}: describes {described} frames, its video has {frames}; render it again"
        )
    pose = np.stack([table[COLUMNS.index(name)] for name in VARIABLES], axis=1)
    return pose, (midi > 0) & (table[COLUMNS.index("rest")] < _LOWERED)
