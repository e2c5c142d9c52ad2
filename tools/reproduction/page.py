"""RESULTS.md: measured numbers beside published ones."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.reproduction import published
from tools.reproduction.numbers import NotMeasuredError, Numbers
from tools.reproduction.progress import DONE, command
from tools.reproduction.published import PUBLISHED
from tools.reproduction.table import INSTRUMENTS, PICTURE_RUNS
from tools.reproduction.targets import TARGETS, Target

NO = "not measured"
TAIL = ("seed", "date", "run")
SMOKE = "# Results of a SMOKE RUN (`--quick`): few steps, few recordings, meaningless numbers"
ABOUT = """
Written by `python tools/reproduce.py` from the JSON files of its runs. **The data differ**: the
published numbers are from Sub-URMP, recordings of people in one studio; the numbers measured here
are from the demo corpus, which is rendered and has other players, rooms and clothes in its test
split. They stand side by side, but only runs on the same data compare methods. Brackets hold the
95 % interval from a bootstrap over recordings. Unless noted otherwise, numbers are for test
recordings, and the step of a run is selected on validation recordings. "Recognised" means by a
classifier trained on real train pictures (or sounds), the same one for all picture runs. The last
table has the command of every run."""
REPRESENTATIONS = ("lms", "mfcc", "cqt", "stft", "ms")
RUN_NAMES = {
    "s2i": "`s2i.flags`, recommended",
    "s2i_c": "S2I-C",
    "s2i_n": "S2I-N, no mismatched pairs",
    "s2i_a": "S2I-A, encoding of an autoencoder",
    "s2i_pose": "`s2i_pose.flags`",
    "s2i_paper": "`s2i_paper.flags`",
    "label_control": "control: conditioned on the class alone",
}
# Measure -> its key, and the key of the same measure on real pictures.
MEASURES = {
    "balanced accuracy": ("balanced_accuracy_test", None),
    "CAS": ("cas", "cas_real"),
    "retrieval R@1": ("retrieval_r1", "retrieval_r1_real"),
    "R@5": ("retrieval_r5", "retrieval_r5_real"),
    "KID": ("kid", "kid_floor"),
    "precision": ("precision", "precision_real"),
    "recall": ("recall", "recall_real"),
    "diversity": ("diversity", "diversity_real"),
    "nearest train picture": ("nearest_train_distance", "nearest_train_distance_real"),
    "flicker": ("flicker", "flicker_real"),
}
CONTROLS = {
    "control_nearest_sound": "the train picture whose sound is nearest",
    "control_class_mean": "the mean picture of the predicted class",
    "control_class_conditional": "a GAN conditioned on the true class alone",
    "control_class_conditional_heard": "the same, on the predicted class",
}


def write(numbers: Numbers, figures: Mapping[str, Path], place: Path, quick: bool) -> str:
    """Returns the whole page as Markdown.

    Args:
      numbers: of the finished steps.
      figures: name -> picture file, of the figures that exist.
      place: where the page will be; links are relative to it.
      quick: whether this is a smoke run.

    Raises:
      UserError: runs in one table were measured on different data or by different verifiers.
    """
    numbers.check_alike(*PICTURE_RUNS, "label_control")
    numbers.check_alike("i2s")
    links = {n: Path(os.path.relpath(p, place.parent)).as_posix() for n, p in figures.items()}
    parts = [
        SMOKE if quick else "# Results",
        ABOUT.strip(),
        _unfinished(numbers),
        *_recognition(numbers, links),
        *_figured(numbers, links),
        *_measured(numbers, links),
        "## By people",
        "Not measured here: it needs raters, whose scores `cmgen.rate` collects on the paper's scale.",
        "## Published numbers and their sources",
        table(
            ["number", "value", "source"],
            [[key, value.value, value.source] for key, value in PUBLISHED.items()],
        ),
        *_commands(numbers),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _recognition(numbers: Numbers, links: Mapping[str, str]) -> Iterator[str]:
    yield "## Reproduction targets"
    heads = ["", "best published", "target", "measured", "reached", *TAIL]
    rows = [_target_row(numbers, target) for target in TARGETS]
    judged = [row[4] for row in rows if row[4]]
    if judged:
        yield (
            f"{judged.count('yes')} of {len(judged)} were reached; the repository's "
            "`docs/known_limitations.md` discusses the others."
        )
    yield table(heads, rows)
    yield "## Sound encoders (the paper's Table 1)"
    yield "Percentage of audible test windows whose instrument is recognised."
    heads = ["representation", "convolutions", "published", "measured", *TAIL]
    yield table(heads, list(encoder_rows(numbers)))
    yield "## Generated pictures recognised (the paper's Table 5)"
    heads = ["", "published train", "test", "measured train", "test", "sounds recognised", *TAIL]
    yield table(heads, list(picture_rows(numbers)))
    yield from _shown(links, "confusion")


def _figured(numbers: Numbers, links: Mapping[str, str]) -> Iterator[str]:
    yield "## Over training (the paper's Fig. 9)"
    yield from _curve(numbers)
    yield from _shown(links, "curve")
    yield "## Pose (the paper's Fig. 10)"
    yield "Correlation between the pose read off generated pictures and the recording's true pose."
    yield from _poses(numbers)
    yield from _shown(links, *(f"pose_{instrument}" for instrument in INSTRUMENTS))
    yield "## Pictures to sound (the paper's Fig. 11)"
    heads = ["", "published train", "test", "measured train", "test", *TAIL]
    yield table(heads, list(sound_rows(numbers)))
    yield from _shown(links, *(f"i2s_{instrument}" for instrument in INSTRUMENTS))
    yield from _shown(links, "confusion_i2s", "curve_i2s")


def _measured(numbers: Numbers, links: Mapping[str, str]) -> Iterator[str]:
    yield "## The other measures"
    yield "Nothing was published. Generated / real pictures (for KID: real train against real test)."
    yield table(["", *MEASURES, *TAIL], list(measure_rows(numbers)))
    yield from _shown(links, "nearest")
    yield "### Controls of `s2i.flags`"
    yield table(["pictures by", "recognised", *TAIL], list(control_rows(numbers)))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _commands(numbers: Numbers) -> Iterator[str]:
    commands = numbers.commands()
    if commands:
        yield "## Commands"
        yield table(["run", "command"], [[f"`{n}`", f"`{line}`"] for n, line in commands.items()])


def _target_row(numbers: Numbers, target: Target) -> list[str]:
    published = "; ".join(PUBLISHED[key].value for key in target.published) or "none"
    side = "at most" if target.at_most else "at least"
    row = [target.what, published, f"{side} {_number(target.bound, target.percent)}"]
    try:
        value = target.value(numbers)
    except NotMeasuredError:
        return [*row, NO, "", "", "", ""]
    reached = "yes" if target.reached(value) else "**no**"
    return [*row, _number(value, target.percent), reached, *numbers.origin(*target.steps)]


def encoder_rows(numbers: Numbers) -> Iterator[list[str]]:
    """Yields each representation with 3 and with 4 convolutions, then the recommended encoder."""
    try:
        study = {row["name"]: row for row in numbers.report("encoder_study")["rows"]}
    except NotMeasuredError:
        study = {}
    for kind in REPRESENTATIONS:
        for count in (3, 4):
            accuracy = PUBLISHED[f"encoder/{kind}_{count}"].value
            yield [kind, str(count), accuracy, *_study_cells(study.get(f"{kind}_{count}"))]
    yield ["lms, recommended", "", "", *_study_cells(study.get("recommended"))]


def _study_cells(row: Mapping[str, Any] | None) -> list[str]:
    if row is None:
        return [NO, "", "", ""]
    accuracy = _with_interval(row["accuracy_test"], row["accuracy_test_ci95"])
    return [accuracy, str(row["seed"]), row["date"][:10], f"`encoder_study/{row['name']}`"]


def picture_rows(numbers: Numbers) -> Iterator[list[str]]:
    """Yields the follow-up papers, then every run that makes pictures."""
    for name, source in (("cmcgan", published.CMCGAN), ("sa_cmgan", published.SA_CMGAN)):
        values = [PUBLISHED[f"s2i/{name}/{split}"].value for split in ("train", "test")]
        yield [source, *values, "", "", "", "", "", ""]
    for run in (*PICTURE_RUNS, "label_control"):
        values = [
            PUBLISHED[f"{run}/{split}"].value if f"{run}/{split}" in PUBLISHED else ""
            for split in ("train", "test")
        ]
        encoder = _cell(numbers, run, "sound_encoder_accuracy_test")
        yield [RUN_NAMES[run], *values, *_recognised(numbers, run), encoder, *numbers.origin(run)]


def sound_rows(numbers: Numbers) -> Iterator[list[str]]:
    """Yields the share of generated spectrograms recognised: published, then measured."""
    for name in ("chen", "cmcgan", "sa_cmgan"):
        test = PUBLISHED[f"i2s/{name}/test"]
        train = PUBLISHED.get(f"i2s/{name}/train")
        yield [test.source, train.value if train else "", test.value, "", "", "", "", ""]
    yield ["`i2s.flags`", "", "", *_recognised(numbers, "i2s"), *numbers.origin("i2s")]


def _recognised(numbers: Numbers, run: str) -> list[str]:
    return [_cell(numbers, run, f"accuracy_{split}") for split in ("train", "test")]


def _curve(numbers: Numbers) -> Iterator[str]:
    yield f"Share recognised: published ({published.CURVE_SOURCE}), then `s2i.flags`."
    yield table(
        ["epoch", "train", "test"],
        [[str(epoch), f"{train:.3f}", f"{test:.3f}"] for epoch, train, test in published.CURVE],
    )
    try:
        rows = numbers.curve("s2i")
    except NotMeasuredError:
        yield NO.capitalize() + "."
        return
    splits = [name for name in rows[0] if name != "step"]
    yield table(
        ["step", *splits],
        [[str(row["step"]), *(f"{row[split]:.3f}" for split in splits)] for row in rows],
    )


def _poses(numbers: Numbers) -> Iterator[str]:
    heads = ["", "generated", "shuffled pairs", "real pictures", *TAIL]
    keys = ("pose_correlation_mean", "pose_correlation_shuffled", "pose_correlation_real")
    yield table(
        heads,
        [
            [
                RUN_NAMES[run],
                *(_cell(numbers, run, key, False) for key in keys),
                *numbers.origin(f"measure_{run}"),
            ]
            for run in PICTURE_RUNS
        ],
    )
    for run in ("s2i", "s2i_pose"):
        try:
            detail = numbers.report(f"measure_{run}")["measures"]["pose_correlation_mean"]
        except (NotMeasuredError, KeyError):
            continue
        yield f"By instrument, {RUN_NAMES[run]}: generated / real pictures."
        yield _by_instrument(detail["by_instrument"])


def _by_instrument(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    variables = list(scores["generated"])
    names = sorted({name for values in scores["generated"].values() for name in values})
    rows = [
        [
            name,
            *(
                f"{scores['generated'][v][name]:.2f} / {scores['real'][v][name]:.2f}"
                if name in scores["generated"][v]
                else ""
                for v in variables
            ),
        ]
        for name in names
    ]
    return table(["", *variables], rows)


def measure_rows(numbers: Numbers) -> Iterator[list[str]]:
    """Yields the other measures of every run that makes pictures."""
    for run in PICTURE_RUNS:
        cells = []
        for key, real in MEASURES.values():
            generated = _cell(numbers, run, key, False, interval=False)
            beside = _cell(numbers, run, real, False, interval=False) if real else NO
            cells.append(generated if beside == NO else f"{generated} / {beside}")
        yield [RUN_NAMES[run], *cells, *numbers.origin(f"measure_{run}")]


def control_rows(numbers: Numbers) -> Iterator[list[str]]:
    """Yields `s2i.flags` and its controls, which know less or copy."""
    for key, words in {"accuracy_test": "`s2i.flags`", **CONTROLS}.items():
        yield [words, _cell(numbers, "s2i", key), *numbers.origin("measure_s2i")]


def _unfinished(numbers: Numbers) -> str:
    """A table of the steps that are not done, with the reason; empty if all are."""
    rows = [
        [name, state.kind, state.why, f"`{command(state.step)}`"]
        for name, state in numbers.states.items()
        if state.kind != DONE
    ]
    if not rows:
        return ""
    note = "**Not everything has been run.** Numbers missing below belong to these steps:"
    return f"{note}\n\n{table(['step', 'state', 'why', 'command'], rows)}"


def _shown(links: Mapping[str, str], *names: str) -> list[str]:
    return [f"![{name.replace('_', ' ')}]({links[name]})" for name in names if name in links]


def _cell(numbers: Numbers, run: str, key: str, percent: bool = True, interval: bool = True) -> str:
    value = numbers.find(run, key)
    if value is None:
        return NO
    bounds = numbers.find(run, f"{key}_ci95") if interval else None
    return _number(value, percent) if bounds is None else _with_interval(value, bounds, percent)


def _with_interval(value: float, bounds: Sequence[float], percent: bool = True) -> str:
    low, high = (f"{100 * b:.1f}" if percent else f"{b:.3f}" for b in bounds)
    return f"{_number(value, percent)} ({low} to {high})"


def _number(value: float, percent: bool = True) -> str:
    return f"{100 * value:.2f} %" if percent else f"{value:.3f}"
