"""Shows who may be playing in a sound: pictures over time as a .png, or a video with the sound.

Examples:
  python -m cmgen.generate --model=runs/s2i --input=recording.wav --output=grid.png --seeds=0-7
  python -m cmgen.generate --model=exports/s2i --input=concert.mp4 --output=player.mp4
  python -m cmgen.generate --model=exports/s2i/s2i.onnx --input=song.flac --output=player.gif
"""

from pathlib import Path

from absl import flags

from cmgen import cli
from cmgen.errors import UserError

FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "model", "runs/s2i", "A run's folder, an exported one, or an .onnx file.", flag_values=FLAGS
)
flags.DEFINE_string(
    "input", None, "A sound or video file of at least 0.5 s, any format.", flag_values=FLAGS
)
flags.DEFINE_string(
    "output",
    "pictures.png",
    ".png: a grid, one row for each seed, time going right; .mp4: a video with the input's sound; "
    ".gif: the same without sound.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "seeds",
    "0",
    "Players to show, e.g. 0-7 or 1,5: each seed is one noise, held for the whole length.",
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "fps",
    10.0,
    "Pictures per second of a video.",
    lower_bound=0.1,
    upper_bound=60.0,
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "columns",
    12,
    "Pictures in a row of a grid.",
    lower_bound=1,
    upper_bound=200,
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "scale",
    2,
    "Pictures are enlarged so many times.",
    lower_bound=1,
    upper_bound=16,
    flag_values=FLAGS,
)
GROUPS = {
    "What": ("model", "input", "seeds"),
    "Result": ("output", "fps", "columns", "scale"),
}


def main() -> None:
    if not FLAGS.input:
        raise UserError("--input: name a sound or video file")
    from cmgen import generation  # TensorFlow is imported only when the work starts

    output, seeds = Path(FLAGS.output), generation.parse_seeds(FLAGS.seeds)
    generation.check_output(output)
    model = generation.load_model(Path(FLAGS.model))
    generation.generate_file(
        model, Path(FLAGS.input), output, seeds, FLAGS.fps, FLAGS.columns, FLAGS.scale
    )
    print(output)


def console() -> None:
    cli.run(main, GROUPS, FLAGS)


if __name__ == "__main__":
    console()
