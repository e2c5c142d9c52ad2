"""Writes a tiny tree in the layout of the released Sub-URMP, with its odd cases.

Examples:
  python tools/make_sub_urmp_fixture.py --output=sub_urmp
  python -m cmgen.prepare --input=sub_urmp --output=prepared

Odd cases: double_bass with its underscore, two identical channels, songs in one split only (always
so in the release), one training song alone, pictures wider than high, a .jpg without its .wav, and
one song whose chunks were dithered, so that they don't agree where they overlap.
"""

from pathlib import Path

import numpy as np
import soundfile
from absl import flags
from PIL import Image

from cmgen.config import SAMPLE_RATE, WINDOW_SECONDS
from cmgen.utils import cli
from cmgen.utils.errors import UserError

FLAGS = flags.FlagValues()
flags.DEFINE_string("output", None, "New folder for the tree.", flag_values=FLAGS)
flags.DEFINE_integer(
    "chunks", 12, "Half seconds of sound in each song.", lower_bound=4, flag_values=FLAGS
)

CHUNK = round(WINDOW_SECONDS * SAMPLE_RATE)
FIRST_MS, STEP_MS = 500, 100
WIDTH, HEIGHT = 176, 144  # the release has at least 1300 x 1080

# (split, instrument, song, fundamental in Hz)
SONGS = (
    ("train", "double_bass", "00", 65.0),
    ("train", "flute", "00", 523.0),
    ("train", "flute", "02", 587.0),
    ("train", "flute", "03", 659.0),
    ("train", "violin", "01", 330.0),
    ("train", "violin", "04", 440.0),
    ("validation", "double_bass", "01", 73.0),
    ("validation", "flute", "01", 554.0),
    ("validation", "violin", "06", 392.0),
)
COLOURS = {"double_bass": (120, 60, 30), "flute": (200, 200, 210), "violin": (190, 90, 40)}
WITHOUT_WAV = ("train", "flute", "00", FIRST_MS + 3 * STEP_MS)
DITHERED = ("train", "violin", "04")


def write_tree(folder: Path, chunks: int) -> None:
    """Writes all songs; `folder` must be new or empty."""
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"--output={folder}: is not empty; name a new folder")
    for number, (split, instrument, song, pitch) in enumerate(SONGS):
        sound = song_samples(pitch, chunks, seed=number)
        for index in range(chunks):
            ms = FIRST_MS + index * STEP_MS
            name = f"{instrument}{song}_{ms}"
            begin = index * STEP_MS * SAMPLE_RATE // 1000
            piece = sound[begin : begin + CHUNK]
            if (split, instrument, song) == DITHERED:
                piece = piece + np.random.default_rng(ms).integers(-1, 2, CHUNK, np.int16)
            if (split, instrument, song, ms) != WITHOUT_WAV:
                path = folder / "chunk" / split / instrument / f"{name}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(str(path), np.stack([piece, piece], axis=1), SAMPLE_RATE, "PCM_16")
            path = folder / "img" / split / instrument / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(instrument, index, number)).save(path, quality=90)


def song_samples(pitch: float, chunks: int, seed: int) -> np.ndarray:
    """A swelling note with overtones that begins with a little silence; int16 [samples]."""
    count = CHUNK + (chunks - 1) * STEP_MS * SAMPLE_RATE // 1000
    time = np.arange(count) / SAMPLE_RATE
    wave = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 6))
    swell = np.clip(time - 0.1, 0, 0.2) * (1 + 0.3 * np.sin(3 * time + seed))
    return np.rint(wave * swell * 32768 * 0.9).astype(np.int16)


def picture(instrument: str, index: int, song: int) -> np.ndarray:
    """A curtain in the song's blue, something of the instrument's colour moving; uint8 [H, W, 3]."""
    pixels = np.full((HEIGHT, WIDTH, 3), (30, 40, 110 + 5 * song), np.uint8)
    top = 20 + 5 * index % 60
    pixels[top : top + 50, WIDTH // 2 - 25 : WIDTH // 2 + 25] = COLOURS[instrument]
    return pixels


def main() -> None:
    if not FLAGS.output:
        raise UserError("--output: missing; name a new folder")
    write_tree(Path(FLAGS.output).expanduser(), FLAGS.chunks)
    print(f"{FLAGS.output}: {len(SONGS)} songs of {FLAGS.chunks} chunks")


def console() -> None:
    cli.run(main, {"Tree": ("output", "chunks")}, FLAGS)


if __name__ == "__main__":
    console()
