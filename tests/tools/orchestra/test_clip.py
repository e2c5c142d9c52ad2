"""Clips and their truth: the same input gives the same bytes, and everything is read back."""

from pathlib import Path

import av
import numpy as np
import pytest

from tools.orchestra import clip
from tools.orchestra.choreography import Moment
from tools.orchestra.pose import Pose
from tools.orchestra.truth import read_truth, truth_path, write_truth

RATE, FPS = 48000, 10


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    """A striped picture that moves, with a little noise: 30 frames of 96 x 96."""
    rng = np.random.default_rng(0)
    stripes = np.kron(rng.integers(0, 200, (12, 12, 3)), np.ones((8, 8, 1), int))
    return [
        (np.roll(stripes, shift, 1) + rng.integers(0, 6, stripes.shape)).astype(np.uint8)
        for shift in range(30)
    ]


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """3 s of near silence with a click at exactly 1 s and a tone after 2 s."""
    samples = np.random.default_rng(1).normal(0, 1e-4, 3 * RATE)
    samples[RATE : RATE + 240] += np.hanning(240) * 0.8
    samples[2 * RATE :] += 0.3 * np.sin(np.arange(RATE) * 2 * np.pi * 440 / RATE)
    return samples.astype(np.float32)


def test_same_bytes_again(frames: list[np.ndarray], sound: np.ndarray) -> None:
    once = clip.encode(frames, FPS, sound, RATE, 27)
    assert all(clip.encode(frames, FPS, sound, RATE, 27) == once for _ in range(3))


def test_sound_and_pictures_keep_their_times(
    tmp_path: Path, frames: list[np.ndarray], sound: np.ndarray
) -> None:
    path = tmp_path / "clip.mp4"
    clip.write_clip(path, frames, FPS, sound, RATE, 10**6)
    with av.open(str(path)) as container:
        pictures = list(container.decode(video=0))
    assert [picture.time for picture in pictures] == pytest.approx([k / FPS for k in range(30)])
    shown = np.stack([picture.to_ndarray(format="rgb24") for picture in pictures])
    assert np.abs(shown.astype(int) - np.stack(frames)).mean() < 12
    with av.open(str(path)) as container:
        heard = np.concatenate([part.to_ndarray()[0] for part in container.decode(audio=0)])
    assert abs(len(heard) - len(sound)) < 0.06 * RATE
    before_tone = heard[: round(1.9 * RATE)]
    assert int(np.abs(before_tone).argmax()) == pytest.approx(RATE + 120, abs=48)


def test_size_limit(tmp_path: Path, frames: list[np.ndarray], sound: np.ndarray) -> None:
    sizes = [len(clip.encode(frames, FPS, sound, RATE, factor)) for factor in clip.RATE_FACTORS]
    path = tmp_path / "clip.mp4"
    assert clip.write_clip(path, frames, FPS, sound, RATE, sizes[2]) == clip.RATE_FACTORS[2]
    assert path.stat().st_size == sizes[2]
    with pytest.raises(ValueError, match="limit 1000"):
        clip.write_clip(tmp_path / "none.mp4", frames, FPS, sound, RATE, 1000)
    assert not (tmp_path / "none.mp4").exists()


def test_truth_comes_back(tmp_path: Path) -> None:
    moments = [
        Moment(k / FPS, 60 + k if k % 3 else 0, 0.1 * k - 1, k / 100, Pose(k / 100, 0.2, 0.3, 0, 0))
        for k in range(100)
    ]
    places = np.random.default_rng(0).random((100, 4, 2))
    video = tmp_path / "x.mp4"
    write_truth(truth_path(video), moments, FPS, places)
    truth = read_truth(video)
    assert truth.time == pytest.approx([moment.time for moment in moments])
    assert truth.midi.tolist() == [moment.pitch for moment in moments]
    assert truth.since_onset == pytest.approx([m.since_onset for m in moments], abs=5e-3)
    assert truth.pitch == pytest.approx([moment.pose.pitch for moment in moments], abs=1e-3)
    assert truth.places == pytest.approx(places, abs=1e-3)
    assert truth_path(video).stat().st_size < 4000


def test_truth_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no truth"):
        read_truth(tmp_path / "x.mp4")
