"""Renders the demo corpus: short videos, with sound, of people playing instruments.

    python -m tools.orchestra.render --output=cmgen/demo --assets=DIR --workers=2

The same seed gives the same corpus, byte for byte on the same machine. A run that was stopped
continues where it stopped. Assets are fetched by `python -m tools.orchestra.fetch`.
"""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from absl import app, flags

from cmgen.utils.files import atomic_file
from cmgen.utils.paths import keep_inputs
from tools.orchestra import bodies, choreography, corpus_card
from tools.orchestra.clip import write_clip
from tools.orchestra.figure import Figure
from tools.orchestra.plan import SPLITS, Recording, plan
from tools.orchestra.player import framing, pose_player, sits
from tools.orchestra.renderer import Renderer
from tools.orchestra.room import draw_setting
from tools.orchestra.scores import Melody, load_melodies
from tools.orchestra.sound import RATE, perform
from tools.orchestra.truth import PLACES, truth_path, write_truth

PERFORMERS_FILE = "performers.npz"


@dataclass(frozen=True)
class Job:
    """One recording to render into `output`, with pictures of `size` pixels a side."""

    recording: Recording
    output: Path
    assets: Path
    size: int
    limit: int

    @property
    def video(self) -> Path:
        """The file that is there when the job is done."""
        return self.output / f"{self.recording.path}.mp4"


# What a worker process loads once.
@cache
def _performers(assets: Path) -> bodies.Performers:
    return bodies.load(assets / PERFORMERS_FILE)


@cache
def _melodies() -> list[Melody]:
    return load_melodies()


@cache
def _renderer(size: int) -> Renderer:
    return Renderer(size)


def run(job: Job) -> None:
    """Renders one recording: truth first, then the video, each whole or not at all."""
    recording = job.recording
    sound, moments = play(recording, _melodies()[recording.melody], job.assets)
    figure = Figure(_performers(job.assets), recording.performer)
    frames, places = picture(recording, moments, figure, _renderer(job.size))
    with atomic_file(truth_path(job.video)) as unfinished:
        write_truth(unfinished, moments, choreography.FPS, places)
    write_clip(job.video, frames, choreography.FPS, sound, RATE, job.limit)


def play(
    recording: Recording, melody: Melody, assets: Path
) -> tuple[np.ndarray, list[choreography.Moment]]:
    """The sound of a recording, float32 [samples] at RATE, and its moments, one a frame."""
    rng = np.random.default_rng([recording.sound_seed, 1])
    notes = choreography.compose(melody, recording.instrument, rng)
    sound = perform(notes, recording.timbre, assets, [recording.sound_seed, 2])
    phase = float(rng.uniform(0.0, 2 * np.pi))
    return sound, choreography.moments(notes, sound, RATE, recording.instrument, phase)


def picture(
    recording: Recording,
    moments: list[choreography.Moment],
    figure: Figure,
    renderer: Renderer,
) -> tuple[list[np.ndarray], np.ndarray]:
    """The frames, uint8 [size, size, 3] each, and the PLACES in them, [frames, 4, 2]."""
    instrument, look = recording.instrument, recording.look_seed
    pose_player(figure, instrument, moments[0].pose, look)
    setting = draw_setting(recording.room_seed, figure.looks, figure.floor())
    clothes = setting.clothes.without_skirt() if sits(instrument) else setting.clothes
    camera = framing(instrument, figure)
    frames, places = [], []
    for moment in moments:
        performance = pose_player(figure, instrument, moment.pose, look)
        meshes = figure.meshes(clothes) + performance.meshes
        frames.append(renderer.render(meshes, setting.room, camera))
        points = np.stack([performance.landmarks[name] for name in PLACES])
        places.append(camera.project(points))
    return frames, np.stack(places)


def render_corpus(jobs: list[Job], workers: int) -> None:
    """Renders what is not there yet, showing progress."""
    from tqdm import tqdm

    missing = [job for job in jobs if not job.video.exists()]
    print(f"{len(jobs)} recordings, {len(jobs) - len(missing)} of them already rendered")
    # One thread a worker, and no state that depends on which worker renders what.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LP_NUM_THREADS"):
        os.environ[variable] = "1"
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers) as pool, tqdm(total=len(missing), unit="recording") as bar:
        for _ in pool.imap_unordered(run, missing):
            bar.update()


def chosen(recordings: list[Recording]) -> list[Recording]:
    """The recordings that the flags ask for, in the plan's order."""
    for name in FLAGS.only:
        if name not in choreography.INSTRUMENTS:
            names = ", ".join(choreography.INSTRUMENTS)
            raise app.UsageError(f"--only={name}: must be among {names}")
    for name in FLAGS.splits:
        if name not in SPLITS:
            raise app.UsageError(f"--splits={name}: must be among {', '.join(SPLITS)}")
    kept = [
        recording
        for recording in recordings
        if (not FLAGS.only or recording.instrument in FLAGS.only)
        and (not FLAGS.splits or recording.split in FLAGS.splits)
    ]
    return kept[: FLAGS.recordings or None]


def main(argv: list[str]) -> None:
    """Renders the corpus that the flags describe, and its README and ATTRIBUTION."""
    del argv
    output, assets = Path(FLAGS.output), Path(FLAGS.assets)
    keep_inputs({"output": output}, {}, {"assets": assets})
    melodies = load_melodies()
    recordings = plan(FLAGS.seed, melodies)
    jobs = [
        Job(recording, output, assets, FLAGS.size, FLAGS.clip_kilobytes * 1000)
        for recording in chosen(recordings)
    ]
    render_corpus(jobs, FLAGS.workers)
    sources = [melodies[recording.melody].source for recording in recordings]
    corpus_card.write(output, recordings, sources, FLAGS.seed)


FLAGS = flags.FLAGS

if __name__ == "__main__":
    flags.DEFINE_string("output", "cmgen/demo", "Folder for the corpus.")
    flags.DEFINE_string("assets", None, "Folder of soundfonts and performers.", required=True)
    flags.DEFINE_integer("seed", 1, "Seed of the whole corpus.")
    flags.DEFINE_integer("workers", 2, "Processes, each with one thread.", lower_bound=1)
    flags.DEFINE_list("only", [], "Instruments to render; all if empty.")
    flags.DEFINE_list("splits", [], "Splits to render; all if empty.")
    flags.DEFINE_integer("recordings", 0, "Render the first so many; 0 for all.", lower_bound=0)
    flags.DEFINE_integer("size", 96, "Side of the pictures, in pixels, even.", lower_bound=16)
    flags.DEFINE_integer("clip_kilobytes", 83, "Largest size of one video.", lower_bound=45)
    app.run(main)
