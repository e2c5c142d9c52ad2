"""RESULTS.md: what was measured, beside what was published."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.reproduction import published
from tools.reproduction.bars import BARS, Bar
from tools.reproduction.numbers import NotMeasuredError, Numbers
from tools.reproduction.progress import DONE, command
from tools.reproduction.published import PUBLISHED
from tools.reproduction.table import INSTRUMENTS, PICTURE_RUNS

NO = "not measured"
TAIL = ("seed", "date", "command")
SMOKE = "# Results of a SMOKE RUN (`--quick`): a few steps on a few recordings; the numbers mean nothing"
ABOUT = """
Written by `python tools/reproduce.py` from the JSON files of its runs. **The data differ**: the
published numbers are of Sub-URMP, recordings of people in one studio; those measured here are of
the demo corpus, which is rendered, with other players, rooms and clothes in its test split. The
numbers stand beside each other, but they don't compare the methods: only runs on the same data do.
Brackets hold the 95 % interval by bootstrap over recordings. Everything is of test recordings,
unless said; what is kept of a run is chosen on validation recordings. "Recognised" is said by a
classifier trained on real train pictures (or sounds); all picture runs have the same one."""
REPRESENTATIONS = ("lms", "mfcc", "cqt", "stft", "ms")
RUN_NAMES = {
    "s2i": "`s2i.flags`, recommended",
    "s2i_c": "S2I-C",
    "s2i_n": "S2I-N, no mismatched pairs",
    "s2i_a": "S2I-A, encoding of an autoencoder",
    "s2i_pose": "`s2i_pose.flags`",
    "s2i_paper": "`s2i_paper.flags`",
    "label_control": "control: told the class alone",
}
# A measure's key and that of the same number of real pictures.
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
    "control_class_mean": "the mean picture of the class heard",
    "control_class_conditional": "a GAN told the true class alone",
    "control_class_conditional_heard": "the same told the class heard",
}


def write(numbers: Numbers, figures: Mapping[str, Path], place: Path, quick: bool) -> str:
    """The whole page as Markdown.

    Args:
      numbers: of the finished steps.
      figures: name -> picture file, those that there are.
      place: where the page will be; links are relative to it.
      quick: whether it is of a smoke run.

    Raises:
      UserError: runs that stand beside each other were measured on other data or by other verifiers.
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
        "Not part of this: it needs raters. `cmgen.rate` asks them with the paper's scale.",
        "## Published numbers and their sources",
        table(
            ["number", "value", "source"],
            [[key, value.value, value.source] for key, value in PUBLISHED.items()],
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _recognition(numbers: Numbers, links: Mapping[str, str]) -> Iterator[str]:
    yield "## What it must show"
    heads = ["", "published best", "to reach", "here", "reached", *TAIL]
    yield table(heads, [_bar_row(numbers, bar) for bar in BARS])
    yield "What was tried where a bar is missed is in `docs/short_of_the_bars.md` of the repository."
    yield "## Sound encoders (the paper's Table 1)"
    yield "Percent of test windows in which something sounds whose instrument is named."
    heads = ["sound as", "convolutions", "published", "here", *TAIL]
    yield table(heads, list(encoder_rows(numbers)))
    yield "## Generated pictures recognised (the paper's Table 5)"
    heads = ["", "published train", "test", "here train", "test", "sounds recognised", *TAIL]
    yield table(heads, list(picture_rows(numbers)))
    yield from _shown(links, "confusion")


def _figured(numbers: Numbers, links: Mapping[str, str]) -> Iterator[str]:
    yield "## Over training (the paper's Fig. 9)"
    yield from _curve(numbers)
    yield from _shown(links, "curve")
    yield "## Pose (the paper's Fig. 10)"
    yield "Correlation of the pose read off generated pictures with the true one of the recording."
    yield from _poses(numbers)
    yield from _shown(links, *(f"pose_{instrument}" for instrument in INSTRUMENTS))
    yield "## Pictures to sound (the paper's Fig. 11)"
    heads = ["", "published train", "test", "here train", "test", *TAIL]
    yield table(heads, list(sound_rows(numbers)))
    yield from _shown(links, *(f"i2s_{instrument}" for instrument in INSTRUMENTS))
    yield from _shown(links, "confusion_i2s", "curve_i2s")


def _measured(numbers: Numbers, links: Mapping[str, str]) -> Iterator[str]:
    yield "## The other measures"
    yield "No published numbers. Generated / real pictures (for KID, real train against real test)."
    yield table(["", *MEASURES, *TAIL], list(measure_rows(numbers)))
    yield from _shown(links, "nearest")
    yield "### Controls of `s2i.flags`"
    yield table(["who draws", "recognised", *TAIL], list(control_rows(numbers)))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _bar_row(numbers: Numbers, bar: Bar) -> list[str]:
    known = "; ".join(PUBLISHED[key].value for key in bar.published) or "never measured"
    to_reach = f"{'at most' if bar.at_most else 'at least'} {_number(bar.bound, bar.percent)}"
    try:
        value = bar.value(numbers)
    except NotMeasuredError:
        return [bar.what, known, to_reach, NO, "", "", "", ""]
    reached = "yes" if bar.reached(value) else "**no**"
    shown = _number(value, bar.percent)
    return [bar.what, known, to_reach, shown, reached, *numbers.origin(*bar.steps)]


def encoder_rows(numbers: Numbers) -> Iterator[list[str]]:
    """Each representation with 3 and with 4 convolutions, then the recommended encoder."""
    try:
        study = {row["name"]: row for row in numbers.report("encoder_study")["rows"]}
    except NotMeasuredError:
        study = {}
    for kind in REPRESENTATIONS:
        for count in (3, 4):
            known = PUBLISHED[f"encoder/{kind}_{count}"].value
            yield [kind, str(count), known, *_study_cells(study.get(f"{kind}_{count}"))]
    yield ["lms, recommended", "", "", *_study_cells(study.get("recommended"))]


def _study_cells(row: Mapping[str, Any] | None) -> list[str]:
    if row is None:
        return [NO, "", "", ""]
    found = _with_interval(row["accuracy_test"], row["accuracy_test_ci95"])
    return [found, str(row["seed"]), row["date"][:10], f"`{row['command']}`"]


def picture_rows(numbers: Numbers) -> Iterator[list[str]]:
    """The follow-ups, then every run that makes pictures."""
    for name, source in (("cmcgan", published.CMCGAN), ("sa_cmgan", published.SA_CMGAN)):
        values = [PUBLISHED[f"s2i/{name}/{split}"].value for split in ("train", "test")]
        yield [source, *values, "", "", "", "", "", ""]
    for run in (*PICTURE_RUNS, "label_control"):
        known = [
            PUBLISHED[f"{run}/{split}"].value if f"{run}/{split}" in PUBLISHED else ""
            for split in ("train", "test")
        ]
        heard = _cell(numbers, run, "sound_encoder_accuracy_test")
        yield [RUN_NAMES[run], *known, *_recognised(numbers, run), heard, *numbers.origin(run)]


def sound_rows(numbers: Numbers) -> Iterator[list[str]]:
    """Generated spectrograms recognised."""
    for name in ("chen", "cmcgan", "sa_cmgan"):
        test = PUBLISHED[f"i2s/{name}/test"]
        train = PUBLISHED.get(f"i2s/{name}/train")
        yield [test.source, train.value if train else "", test.value, "", "", "", "", ""]
    yield ["`i2s.flags`", "", "", *_recognised(numbers, "i2s"), *numbers.origin("i2s")]


def _recognised(numbers: Numbers, run: str) -> list[str]:
    return [_cell(numbers, run, f"accuracy_{split}") for split in ("train", "test")]


def _curve(numbers: Numbers) -> Iterator[str]:
    yield f"Published ({published.CURVE_SOURCE}), then `s2i.flags`: share recognised."
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
        yield f"By instrument, of {RUN_NAMES[run]}: generated / real pictures."
        yield _by_instrument(detail["by_instrument"])


def _by_instrument(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    variables = list(found["generated"])
    names = sorted({name for values in found["generated"].values() for name in values})
    rows = [
        [
            name,
            *(
                f"{found['generated'][v][name]:.2f} / {found['real'][v][name]:.2f}"
                if name in found["generated"][v]
                else ""
                for v in variables
            ),
        ]
        for name in names
    ]
    return table(["", *variables], rows)


def measure_rows(numbers: Numbers) -> Iterator[list[str]]:
    """Every other measure of every run that makes pictures."""
    for run in PICTURE_RUNS:
        cells = []
        for key, real in MEASURES.values():
            made = _cell(numbers, run, key, False, interval=False)
            beside = _cell(numbers, run, real, False, interval=False) if real else NO
            cells.append(made if beside == NO else f"{made} / {beside}")
        yield [RUN_NAMES[run], *cells, *numbers.origin(f"measure_{run}")]


def control_rows(numbers: Numbers) -> Iterator[list[str]]:
    """Who never draws a picture of the sound itself."""
    for key, words in {"accuracy_test": "`s2i.flags`", **CONTROLS}.items():
        yield [words, _cell(numbers, "s2i", key), *numbers.origin("measure_s2i")]


def _unfinished(numbers: Numbers) -> str:
    """What could not be run, or has not been yet, and why."""
    rows = [
        [name, state.kind, state.why, f"`{command(state.step)}`"]
        for name, state in numbers.states.items()
        if state.kind != DONE
    ]
    if not rows:
        return ""
    said = "**Not all of it has been run.** What is missing below belongs to these steps:"
    return f"{said}\n\n{table(['step', 'state', 'why', 'command'], rows)}"


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
