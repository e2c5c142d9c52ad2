"""Prepares raw data for training: videos, the Sub-URMP release, or pictures and sounds.

The input folder may hold, recognised by its folders:
  split/class/name.mp4       videos of any container and codec; splits train, validation, test, ...,
                             also by names such as Training, val or test_set
  class/name.mp4             the same, divided by recording (--shares, --seed)
  img/ and chunk/            the released Sub-URMP; its "validation" becomes test, and a validation
                             split is cut out of train where an instrument has several songs
  images/ and sounds/        pictures and sounds, each split/class/name, that share only their class

Examples:
  python -m cmgen.prepare --input=my_videos --output=data/mine
  python -m cmgen.train --flagfile=s2i.flags --data=data/mine --workdir=runs/mine
  python -m cmgen.prepare --input=gs://mine/videos --output=gs://mine/prepared \
    --runner=DataflowRunner --beam_option=project=mine --beam_option=region=europe-west1
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from cmgen.config import FPS, IMAGE_SIZE
from cmgen.media.limits import LIMITS, MediaLimits
from cmgen.utils import cli
from cmgen.utils.errors import UserError
from cmgen.utils.paths import keep_inputs

if TYPE_CHECKING:
    from cmgen.prepare.plan import PrepareConfig

FLAGS = flags.FlagValues()
flags.DEFINE_string("input", None, "Folder of raw data.", flag_values=FLAGS)
flags.DEFINE_string(
    "output", None, "New folder for the prepared data; written whole or not.", flag_values=FLAGS
)
flags.DEFINE_integer(
    "image_size", IMAGE_SIZE, "Side of the stored pictures in pixels.", flag_values=FLAGS
)
flags.DEFINE_float("max_fps", FPS, "Pictures kept per second of video.", flag_values=FLAGS)
flags.DEFINE_enum(
    "alignment",
    "middle",
    ["middle", "start", "end"],
    "Which instant of its half second of sound a video's picture shows.",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "shares",
    ["70", "15", "15"],
    "Percent of each class's recordings for train, validation and test, where the folder has no "
    "splits; 0,0,100 makes all a test split.",
    flag_values=FLAGS,
)
flags.DEFINE_integer("seed", 1, "Of the division into splits.", flag_values=FLAGS)
flags.DEFINE_bool(
    "skip_bad_files",
    False,
    "Set unreadable files aside, in set_aside.jsonl, instead of stopping; always with --runner.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "dry_run", False, "Show what was understood of --input, and write nothing.", flag_values=FLAGS
)
flags.DEFINE_integer("workers", 0, "Processes that read; 0: one a processor.", flag_values=FLAGS)
flags.DEFINE_enum(
    "runner",
    None,
    ["DirectRunner", "FlinkRunner", "DataflowRunner", "SparkRunner"],
    "Works as an Apache Beam pipeline (extra [beam]), which one or many machines run; --input and "
    "--output may then be addresses such as gs://bucket/videos.",
    flag_values=FLAGS,
)
flags.DEFINE_multi_string(
    "beam_option", [], "An option of the runner, NAME=VALUE; may be repeated.", flag_values=FLAGS
)
flags.DEFINE_float(
    "max_seconds",
    LIMITS.seconds,
    "Longest recording that is taken.",
    lower_bound=1.0,
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "max_megapixels",
    LIMITS.megapixels,
    "Largest picture that is taken, alone or in a video, in millions of pixels.",
    lower_bound=0.01,
    flag_values=FLAGS,
)

GROUPS = {
    "Data": ("input", "output", "dry_run"),
    "Pictures and sound": ("image_size", "max_fps", "alignment"),
    "Splits": ("shares", "seed"),
    "Limits": ("max_seconds", "max_megapixels"),
    "Work": ("skip_bad_files", "workers"),
    "Large collections": ("runner", "beam_option"),
}


def main() -> None:
    for name in ("input",) if FLAGS.dry_run else ("input", "output"):
        if not FLAGS[name].value:
            raise UserError(f"--{name}: missing; name a folder")
    _check_runner()
    keep_inputs({"output": FLAGS.output}, {}, {"input": FLAGS.input})
    # TensorFlow is imported only when the work starts.
    from cmgen.prepare.plan import PrepareConfig

    config = PrepareConfig(
        image_size=FLAGS.image_size,
        max_fps=FLAGS.max_fps,
        alignment=FLAGS.alignment,
        shares=_shares(FLAGS.shares),
        seed=FLAGS.seed,
        skip_bad_files=FLAGS.skip_bad_files,
        workers=FLAGS.workers,
        limits=MediaLimits(FLAGS.max_seconds, FLAGS.max_megapixels),
    )
    if FLAGS.dry_run:
        _show_plan(config)
        return
    if FLAGS.runner:
        with cli.extra("beam"), _without_warnings():
            from cmgen.prepare.beam import prepare_with_beam

        info = prepare_with_beam(FLAGS.input, FLAGS.output, config, FLAGS.runner, FLAGS.beam_option)
    else:
        from cmgen.prepare.local import prepare

        info = prepare(Path(FLAGS.input).expanduser(), Path(FLAGS.output).expanduser(), config)
    print(f"{FLAGS.output}: {len(info.classes)} classes ({', '.join(info.classes)})")
    for name, split in info.splits.items():
        print(
            f"  {name:<11} {split.recordings:>6} recordings {split.frames:>8} pictures "
            f"{split.seconds / 60:>7.1f} min of sound"
        )
    if info.set_aside:
        print(f"  set aside   {info.set_aside:>6} files, named in set_aside.jsonl there")
    if info.left_out:
        print(
            f"  left out    {sum(info.left_out.values()):>6} files, named in left_out.jsonl there"
        )


def _show_plan(config: "PrepareConfig") -> None:
    from cmgen.prepare.listing import print_left_out
    from cmgen.prepare.plan import describe, make_plan
    from cmgen.prepare.sources import find_source

    config.validate()
    if FLAGS.runner:
        with cli.extra("beam"), _without_warnings():
            from cmgen.prepare.beam import plan_anywhere
        plan = plan_anywhere(FLAGS.input, config)
    else:
        plan = make_plan(find_source(Path(FLAGS.input).expanduser(), config.skip_bad_files), config)
    print_left_out(plan.source.left_out)
    print(f"{len(plan.items)} recordings of {len(plan.classes)} classes, understood as:")
    print(describe(plan))


def _check_runner() -> None:
    if FLAGS.runner:
        return
    if FLAGS.beam_option:
        raise UserError(f"--beam_option={FLAGS.beam_option[0]}: needs --runner")
    for name in ("input", "output"):
        if "://" in str(FLAGS[name].value):
            raise UserError(
                f"--{name}={FLAGS[name].value}: only a folder of this machine without --runner; "
                "add --runner=DirectRunner, or another"
            )


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Hides warnings on missing packages of clouds, which importing Beam logs."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _shares(texts: list[str]) -> tuple[float, float, float]:
    try:
        train, validation, test = (float(text) for text in texts)
    except ValueError as error:
        raise UserError(
            f"--shares={','.join(texts)}: must be three numbers, such as 70,15,15"
        ) from error
    return train, validation, test


def console() -> None:
    cli.run(main, GROUPS, FLAGS)


if __name__ == "__main__":
    console()
