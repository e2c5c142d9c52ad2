"""Shows who may be playing in a sound: pictures over time as a .png, or a video with the sound. With
a model of --task=i2s, makes the sound of a photo or a silent video.

Examples:
  python -m cmgen.generate --model=runs/s2i --input=recording.wav --output=grid.png --seeds=0-7
  python -m cmgen.generate --model=exports/s2i --input=concert.mp4 --output=player.mp4
  python -m cmgen.generate --model=exports/s2i/s2i.onnx --input=song.flac --output=player.gif
  python -m cmgen.generate --model=runs/i2s --input=photo.jpg --output=sound.wav --seconds=10
  python -m cmgen.generate --model=runs/i2s --input=silent.mp4 --output=dubbed.mp4
"""

from pathlib import Path

from absl import flags

from cmgen.media.limits import LIMITS, MediaLimits
from cmgen.utils import cli
from cmgen.utils.errors import UserError
from cmgen.utils.paths import keep_inputs

FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "model", "runs/s2i", "A run's folder, an exported one, or an .onnx file.", flag_values=FLAGS
)
flags.DEFINE_string(
    "input",
    None,
    "A sound or video file of at least 0.5 s, any format; for an i2s model a photo or a video.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "output",
    "pictures.png",
    ".png: a grid, one row for each seed, time going right; .mp4: a video with the input's sound; "
    ".gif: the same without sound. Of an i2s model .wav, .flac, .mp3; .png: the spectrogram; .mp4: "
    "the video dubbed.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "seeds",
    "0",
    "Players to show, e.g. 0-7 or 1,5: each seed is one noise, held for the whole length; one "
    "seed for a sound.",
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
flags.DEFINE_float(
    "seconds",
    None,
    "Length of the sound of a photo; 5 if left out. A video's sound is as long as the video.",
    lower_bound=0.5,
    upper_bound=300.0,
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "max_seconds",
    LIMITS.seconds,
    "Longest input that is taken; an hour of stereo needs 1.4 GB of memory.",
    lower_bound=1.0,
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "max_megapixels",
    LIMITS.megapixels,
    "Largest picture that is taken, in millions of pixels.",
    lower_bound=0.01,
    flag_values=FLAGS,
)
GROUPS = {
    "What": ("model", "input", "seeds"),
    "Result": ("output", "seconds", "fps", "columns", "scale"),
    "Limits": ("max_seconds", "max_megapixels"),
}


def main() -> None:
    if not FLAGS.input:
        raise UserError("--input: name a sound, video or picture file")
    keep_inputs({"output": FLAGS.output}, {"input": FLAGS.input, "model": FLAGS.model})
    # NumPy, PyAV and ONNX Runtime are imported only when the work starts
    from cmgen.generate import files, sound_to_image
    from cmgen.generate.model import load

    source, output = Path(FLAGS.input), Path(FLAGS.output)
    seeds = sound_to_image.parse_seeds(FLAGS.seeds)
    if output.suffix.lower() not in files.OF_PICTURES:
        files.check_suffix(output, "s2i")
    limits = MediaLimits(FLAGS.max_seconds, FLAGS.max_megapixels)
    try:
        model = load(FLAGS.model)
    except UserError as error:  # which begins with the path
        raise UserError(f"--model={error}", error.exit_code) from error
    if model.task == "s2i":
        if FLAGS.seconds is not None:
            raise UserError(
                f"--seconds={FLAGS.seconds:g}: of sounds alone, and the model makes pictures; "
                "leave it out"
            )
        files.write_pictures(
            model, source, output, seeds, FLAGS.fps, FLAGS.columns, FLAGS.scale, limits
        )
    else:
        if len(seeds) > 1:
            raise UserError(f"--seeds={FLAGS.seeds}: one sound has one seed; give one number")
        files.write_audio(model, source, output, seeds[0], FLAGS.seconds, FLAGS.scale, limits)
    print(output)


def console() -> None:
    cli.run(main, GROUPS, FLAGS)


if __name__ == "__main__":
    console()
