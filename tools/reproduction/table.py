"""The steps of the reproduction: what is run, in which order, and which file shows that it is done."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from cmgen.config import TrainConfig
from cmgen.utils import cli

# The runs that turn sound into pictures, the recommended one first.
PICTURE_RUNS = ("s2i", "s2i_c", "s2i_n", "s2i_a", "s2i_pose", "s2i_paper")
# Fig. 10 of the paper shows these; a smoke run has no others.
INSTRUMENTS = ("cello", "viola", "violin")
SHOWN_RUNS = ("s2i", "s2i_pose")
# Of each split and class, so many recordings of the demo corpus are in a smoke run.
QUICK_RECORDINGS = {"train": 2, "validation": 1, "test": 2}
QUICK = (
    "--train_steps=20",
    "--checkpoint_steps=10",
    "--batch_size=12",
    "--generator_channels=8",
    "--discriminator_channels=8",
    "--sound_encoder_train_steps=10",
    "--image_encoder_train_steps=10",
    "--verifier_train_steps=10",
)
QUICK_MEASURES = ("--measure_steps=5",)


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
      name: for --only, and of its record and log.
      arguments: what follows `python` on its command line.
      proof: a file that is there once the step is done.
      needs: names of the steps that must be done before.
      copies: (from, to): files of these steps that the command finds already made.
    """

    name: str
    arguments: tuple[str, ...]
    proof: Path
    needs: tuple[str, ...] = ()
    copies: tuple[tuple[Path, Path], ...] = ()


def all_steps(root: Path, output: Path, quick: bool) -> list[Step]:
    """The whole table, in the order in which it is run.

    Args:
      root: the checkout.
      output: receives everything.
      quick: few steps of training on few recordings.
    """
    videos = output / "videos" if quick else root / "cmgen" / "demo"
    return [
        *_trainings(output, quick),
        _encoder_study(root, output, quick),
        *_measurings(output, quick),
        *_showings(output, videos),
    ]


def write_quick_videos(root: Path, output: Path) -> None:
    """A few recordings of the demo corpus with their pose tracks, for a smoke run."""
    for split, count in QUICK_RECORDINGS.items():
        for instrument in INSTRUMENTS:
            source = root / "cmgen" / "demo" / split / instrument
            target = output / "videos" / split / instrument
            target.mkdir(parents=True, exist_ok=True)
            for video in sorted(source.glob("*.mp4"))[:count]:
                for path in source.glob(f"{video.stem}.*"):
                    if not (target / path.name).exists():
                        shutil.copy2(path, target)


def _trainings(output: Path, quick: bool) -> list[Step]:
    more = (*QUICK, f"--data={output / 'videos'}") if quick else ()
    runs = output / "runs"
    # One judge for all pictures, or their numbers could not be compared; and the label control
    # hears with the ears of the run that it is put beside.
    shared: dict[str, tuple[str, ...]] = {name: ("verifier.npz",) for name in PICTURE_RUNS[1:]}
    shared["label_control"] = ("sound_encoder.npz", "verifier.npz")
    steps = []
    for name in (*PICTURE_RUNS, "i2s", "label_control"):
        workdir = runs / name
        options = as_long_as_s2i() if name == "s2i_paper" else ()
        command = ("-m", "cmgen.train", f"--flagfile={name}.flags", *options, *more)
        steps.append(
            Step(
                name,
                (*command, f"--workdir={workdir}"),
                workdir / "evaluation.json",
                ("s2i",) if name in shared else (),
                tuple((runs / "s2i" / file, workdir / file) for file in shared.get(name, ())),
            )
        )
    return steps


def as_long_as_s2i() -> tuple[str, ...]:
    """Flags of s2i_paper.flags with which it sees as many pairs as s2i.flags."""
    pairs = _preset_number("s2i", "train_steps") * _preset_number("s2i", "batch_size")
    steps = pairs // _preset_number("s2i_paper", "batch_size")
    return (f"--train_steps={steps}", f"--checkpoint_steps={max(1, steps // 10)}")


def _preset_number(preset: str, flag: str) -> int:
    """A whole number that a preset sets: its last word on it, or else the default value."""
    number = int(getattr(TrainConfig(), flag))
    for argument in cli.expand_flagfiles([f"--flagfile={preset}.flags"]):
        name, _, value = argument.lstrip("-").partition("=")
        if name == flag:
            number = int(value)
    return number


def _encoder_study(root: Path, output: Path, quick: bool) -> Step:
    folder = output / "runs" / "encoder_study"
    more = ("--quick", f"--data={output / 'videos'}") if quick else ()
    command = (str(root / "tools" / "encoder_study.py"), f"--output={folder}", *more)
    return Step("encoder_study", command, folder / "encoder_study.json")


def _measurings(output: Path, quick: bool) -> list[Step]:
    runs = output / "runs"
    steps = []
    for name in PICTURE_RUNS:
        scores = output / "measures" / f"{name}.json"
        command = (
            "-m",
            "cmgen.evaluate",
            f"--workdir={runs / name}",
            f"--output={scores}",
            f"--judges={output / 'judges'}",
        )
        control: tuple[str, ...] = (f"--label_control={runs / 'label_control'}",)
        needs: tuple[str, ...] = (name, "label_control")
        if name != "s2i":
            control, needs = (), (name,)
        more = QUICK_MEASURES if quick else ()
        arguments = (*command, "--measures=all", *control, *more)
        steps.append(Step(f"measure_{name}", arguments, scores, needs))
    return steps


def _showings(output: Path, videos: Path) -> list[Step]:
    """Pictures of what a held-out recording becomes: made/RUN_INSTRUMENT.png."""
    steps = []
    for run in (*SHOWN_RUNS, "i2s"):
        for instrument in INSTRUMENTS:
            picture = output / "made" / f"{run}_{instrument}.png"
            command = (
                "-m",
                "cmgen.generate",
                f"--model={output / 'runs' / run}",
                f"--input={recording(videos, instrument)}",
                f"--output={picture}",
                "--scale=1",
            )
            steps.append(Step(f"show_{run}_{instrument}", command, picture, (run,)))
    return steps


def recording(videos: Path, instrument: str) -> Path:
    """The test recording that the figures show: the first by name."""
    folder = videos / "test" / instrument
    return min(folder.glob("*.mp4"), default=folder / f"{instrument}.mp4")
