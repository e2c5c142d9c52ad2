"""What is known about every frame of a recording, kept beside the video for measuring only.

`name.truth.npz` beside `name.mp4`. Training never reads it; checks and studies do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tools.orchestra.choreography import Moment
from tools.orchestra.pose import Pose

PLACES = ("left_hand", "right_hand", "instrument_top", "instrument_bottom")
# Columns of the stored table, each a field of Truth.
COLUMNS = ("since_onset", "level", "pitch", "bow", "loudness", "rest", "sway")
SUFFIX = ".truth.npz"


@dataclass(frozen=True)
class Truth:
    """One row per frame.

    time: seconds. midi: sounding MIDI pitch, 0 in silence. since_onset: seconds since the last
    note began, -1 before the first. level: loudness of the sound around the frame, 0..1.
    pitch, bow, loudness, rest, sway: the pose (see `Pose`).
    places [n, 4, 2]: where the hands and the instrument's ends are in the picture, in the order of
    PLACES; x runs right and y down, 0..1 inside the picture.
    """

    time: np.ndarray
    midi: np.ndarray
    since_onset: np.ndarray
    level: np.ndarray
    pitch: np.ndarray
    bow: np.ndarray
    loudness: np.ndarray
    rest: np.ndarray
    sway: np.ndarray
    places: np.ndarray


def truth_path(video: Path) -> Path:
    """The file beside a video that holds its truth."""
    return video.with_name(video.stem + SUFFIX)


def write_truth(path: Path, moments: list[Moment], fps: int, places: np.ndarray) -> None:
    """Writes the truth of a recording whose frame k is at k / fps seconds; places [n, 4, 2].

    Half precision: a thousandth of the picture is below what shows.
    """
    rows = [(moment.since_onset, moment.loudness, *_numbers(moment.pose)) for moment in moments]
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            fps=np.array(fps),
            midi=np.array([moment.pitch for moment in moments], np.uint8),
            table=np.array(rows, np.float16).T,
            places=np.asarray(places, np.float16).T,
        )


def _numbers(pose: Pose) -> tuple[float, ...]:
    return pose.pitch, pose.bow, pose.loudness, pose.rest, pose.sway


def read_truth(video: Path) -> Truth:
    """Reads the truth beside a video; float32, but midi int."""
    path = truth_path(video)
    if not path.exists():
        raise FileNotFoundError(f"{path}: the video beside it has no truth; render it again")
    with np.load(path, allow_pickle=False) as stored:
        table = stored["table"].astype(np.float32)
        return Truth(
            time=np.arange(table.shape[1]) / int(stored["fps"]),
            midi=stored["midi"].astype(int),
            places=stored["places"].astype(np.float32).T,
            **dict(zip(COLUMNS, table, strict=True)),
        )
