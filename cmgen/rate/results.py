"""The report of a study's votes: counts, means with intervals, and agreement, as in the paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import krippendorff
import numpy as np
from numpy.typing import NDArray

from cmgen.evaluate.metrics.classification import percentile_interval
from cmgen.media.images import write_png
from cmgen.rate.chart import SourceVotes, draw_votes
from cmgen.rate.store import Vote
from cmgen.rate.study import SCORES, Manifest
from cmgen.utils import provenance
from cmgen.utils.errors import FAILED_WORK, UserError
from cmgen.utils.files import write_text

RESAMPLES = 10_000
SEED = 2017  # of the bootstrap, so that the same votes give the same numbers


@dataclass(frozen=True)
class Results:
    """The numbers of a report.

    Attributes:
      sources: in the study's order.
      raters: how many voted.
      alpha: Krippendorff's, for ordinal scores; None where no two raters judged the same picture,
        or all gave the same score.
      shared: pictures that at least two raters judged.
    """

    sources: tuple[SourceVotes, ...]
    raters: int
    alpha: float | None
    shared: int


def summarize(manifest: Manifest, votes: Sequence[Vote]) -> Results:
    """Counts the votes of a study; none at all is an error."""
    if not votes:
        raise UserError(
            "nobody has voted on this study yet; let people rate with `cmgen.rate serve`",
            FAILED_WORK,
        )
    items = {item.picture: item for item in manifest.items}
    votes = [vote for vote in votes if vote.item in items]
    scores = np.array([vote.score for vote in votes])
    raters = np.array([vote.rater for vote in votes])
    sources = np.array([items[vote.item].source for vote in votes])
    recordings = np.array([manifest.windows[items[v.item].window].recording for v in votes])
    by_source = []
    for source in manifest.sources:
        rows = sources == source
        counts = tuple(int(np.sum(scores[rows] == score)) for score in SCORES)
        mean = low = high = float("nan")
        if rows.any():
            mean = float(scores[rows].mean())
            low, high = mean_interval(scores[rows], raters[rows], recordings[rows])
        by_source.append(SourceVotes(source, counts, mean, low, high))
    table = reliability_table(votes)
    shared = int(np.sum(np.sum(~np.isnan(table), axis=0) >= 2))
    return Results(tuple(by_source), len(np.unique(raters)), ordinal_alpha(table), shared)


def mean_interval(
    scores: NDArray[np.int64],
    raters: NDArray[np.int64],
    recordings: NDArray[np.str_],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean score over raters and recordings at once.

    Votes of one rater are alike, and so are votes on one recording; both are drawn again, each
    vote weighing as often as its rater times its recording was drawn (Owen, "The pigeonhole
    bootstrap", 2007). With a single rater the interval says nothing of other raters.

    Args:
      scores: int [votes], 0 to 3.
      raters: who gave each vote [votes].
      recordings: the recording of each vote's picture [votes].
      resamples: number of bootstrap samples.
      seed: of the resampling.

    Returns:
      (low, high).
    """
    draw = np.random.default_rng(seed)
    rows, row = np.unique(raters, return_inverse=True)
    columns, column = np.unique(recordings, return_inverse=True)
    sums, counts = np.zeros((2, len(rows), len(columns)))
    np.add.at(sums, (row, column), scores)
    np.add.at(counts, (row, column), 1)
    by_row = draw.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), resamples)
    by_column = draw.multinomial(len(columns), np.full(len(columns), 1 / len(columns)), resamples)
    totals = np.sum((by_row @ counts) * by_column, axis=1)
    points = np.sum((by_row @ sums) * by_column, axis=1)
    # Resamples without any vote are left out.
    return percentile_interval(points[totals > 0] / totals[totals > 0])


def reliability_table(votes: Sequence[Vote]) -> NDArray[np.float64]:
    """Scores as float [raters, items], NaN where a rater did not judge an item."""
    raters, row = np.unique([vote.rater for vote in votes], return_inverse=True)
    items, column = np.unique([vote.item for vote in votes], return_inverse=True)
    table = np.full((len(raters), len(items)), np.nan)
    table[row, column] = [vote.score for vote in votes]
    return table


def ordinal_alpha(table: NDArray[np.float64]) -> float | None:
    """Krippendorff's alpha of `reliability_table`: 1 is full agreement, 0 that of chance.

    None where it is not defined: no item has two scores, or all scores of such items are the same.
    """
    paired = table[:, np.sum(~np.isnan(table), axis=0) >= 2]
    if len(np.unique(paired[~np.isnan(paired)])) < 2:
        return None
    return float(krippendorff.alpha(reliability_data=paired, level_of_measurement="ordinal"))


def write_report(manifest: Manifest, votes: Sequence[Vote], output: Path) -> str:
    """Writes the table as Markdown and the chart as a .png beside it; returns the table."""
    results = summarize(manifest, votes)
    chart = output.with_suffix(".png")
    text = markdown(manifest, results)
    study = {"seed": manifest.seed, **manifest.facts}
    comment = provenance.made_by("cmgen.rate", study=study, votes=len(votes))
    write_png(chart, draw_votes(results.sources), comment)
    picture = f"![Votes for each score]({chart.name})"
    write_text(output, f"# Human evaluation\n\n{picture}\n\n{text}\n\nMade of: `{comment}`\n")
    return text


def markdown(manifest: Manifest, results: Results) -> str:
    """The results as a table, with the numbers of raters, pictures and recordings."""
    lines = [
        f"| pictures | {' | '.join(map(str, SCORES))} | votes | mean | 95 % interval |",
        f"|{'---|' * (len(SCORES) + 4)}",
    ]
    for row in results.sources:
        votes = sum(row.counts)
        mean = f"**{row.mean:.2f}** | {row.low:.2f} to {row.high:.2f}" if votes else "- | -"
        lines.append(f"| {row.source} | {' | '.join(map(str, row.counts))} | {votes} | {mean} |")
    recordings = len({window.recording for window in manifest.windows})
    scale = "; ".join(f"{score}: {meaning}" for score, meaning in SCORES.items())
    return "\n".join(
        [
            *lines,
            "",
            f"{scale}.",
            "",
            f"Raters: {results.raters}. {_agreement(results)}",
            f"Pictures of {len(manifest.windows)} half-seconds from {recordings} test recordings of "
            f"{len(manifest.classes)} classes; intervals by bootstrap over raters and recordings"
            f"{_single_rater(results)}.",
        ]
    )


def _agreement(results: Results) -> str:
    if results.alpha is None:
        why = "all scores are the same" if results.shared else "no picture was judged by two raters"
        return f"Krippendorff's alpha is not defined: {why}."
    return (
        f"Krippendorff's alpha (ordinal) is {results.alpha:.3f}, on {results.shared} pictures that "
        "two or more raters judged."
    )


def _single_rater(results: Results) -> str:
    return "; with one rater they say nothing of others" if results.raters == 1 else ""
