"""Files made by a trained model: pictures and videos of a sound, sounds of a photo or a video."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cmgen.generate import image_to_sound
from cmgen.generate.grids import enlarge, grid_times, labelled_grid, side_by_side
from cmgen.generate.model import Model
from cmgen.generate.sound_to_image import frame_times, pictures
from cmgen.generate.sources import read_pictures, read_sound
from cmgen.media import images, video
from cmgen.media.limits import LIMITS, MediaLimits
from cmgen.media.sound import SOUNDS, write_sound
from cmgen.utils import provenance
from cmgen.utils.errors import UserError

PICTURES = (".png",)
VIDEOS = (".mp4", ".gif")
OF_SOUNDS = PICTURES + VIDEOS
OF_PICTURES = (*SOUNDS, ".png", ".mp4")


def write_pictures(
    model: Model,
    source: Path,
    output: Path,
    seeds: Sequence[int],
    fps: float = 10.0,
    columns: int = 12,
    scale: int = 2,
    limits: MediaLimits = LIMITS,
) -> None:
    """Draws the performer of a sound as a grid or a video.

    Args:
      model: of task s2i.
      source: a sound or video file of at least one window (0.5 s).
      output: .png for a grid (a row for each seed, time going right), .mp4 for a video with the
        sound, .gif for a silent one; in these the seeds stand side by side.
      seeds: each fixes one noise for the whole length, so that the same player moves.
      fps: pictures per second of a video.
      columns: pictures in a row of the grid, evenly spread over the sound.
      scale: pictures are enlarged this many times.
      limits: of the source.
    """
    check_suffix(output, model.task)
    sound = read_sound(source, model.sample_rate, limits)
    duration = len(sound) / model.sample_rate
    comment = provenance.comment(model.metadata.provenance, seeds)
    if output.suffix.lower() in PICTURES:
        times = grid_times(duration, columns)
        rows = np.concatenate(list(pictures(model, model.metadata, sound, times, seeds)))
        images.write_png(
            output,
            labelled_grid(enlarge(rows, scale), times, seeds),
            comment,
        )
    else:
        times = frame_times(duration, fps)
        frames = (
            enlarge(strip[None], scale)[0]
            for batch in pictures(model, model.metadata, sound, times, seeds)
            for strip in side_by_side(batch)
        )
        video.write_video(output, frames, fps, sound, model.sample_rate, comment)


def write_audio(
    model: Model,
    source: Path,
    output: Path,
    seed: int = 0,
    seconds: float | None = None,
    scale: int = 1,
    limits: MediaLimits = LIMITS,
) -> None:
    """Writes the sound of a photo or of a video, or dubs the video with it.

    Args:
      model: of task i2s.
      source: a picture or video file of any format.
      output: .wav, .flac or .mp3; .png for the LMS; .mp4 for the video with the sound, its pictures
        copied as they are.
      seed: of the noise: the same for every half second of a video, where the picture is to change the
        sound; new for every half second of a photo, where one noise would make a loop.
      seconds: of sound from a photo, 5 if None; a video's sound is as long as it.
      scale: an LMS is drawn so many times larger.
      limits: of the source.
    """
    check_suffix(output, model.task)
    if output.suffix.lower() == ".mp4" and images.is_picture(source):
        raise UserError(
            f"--output={output}: {source} is a photo; end in {', '.join(OF_PICTURES[:-1])}, or give "
            "a video to dub"
        )
    shown = read_pictures(source, model.metadata.image_size, limits)
    lms, samples = image_to_sound.spectrogram(model, model.metadata, shown, seed, seconds)
    comment = provenance.comment(model.metadata.provenance, [seed])
    if output.suffix.lower() == ".png":
        drawn = images.draw_lms(lms).repeat(scale, axis=0).repeat(scale, axis=1)
        images.write_png(output, drawn, comment)
        return
    sound = image_to_sound.audible(lms, samples, model.metadata.sound)
    if output.suffix.lower() == ".mp4":
        video.dub_video(source, output, sound, model.sample_rate, comment)
    else:
        write_sound(output, sound, model.sample_rate, comment)


def check_suffix(output: Path, task: str) -> None:
    """Raises a UserError if a model of the task can't write a file of that suffix."""
    suffixes, kind = (OF_SOUNDS, "pictures") if task == "s2i" else (OF_PICTURES, "sounds")
    if output.suffix.lower() not in suffixes:
        raise UserError(
            f"--output={output}: must end in {', '.join(suffixes[:-1])} or {suffixes[-1]}, for the "
            f"model makes {kind}"
        )
