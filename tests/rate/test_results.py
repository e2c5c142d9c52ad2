import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_study import make_manifest

from cmgen.media.images import comment_of
from cmgen.rate import chart, results
from cmgen.rate.chart import SourceVotes
from cmgen.rate.store import Vote
from cmgen.rate.study import SCORES, Manifest
from cmgen.utils.errors import UserError

NAN = np.nan
# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: four observers,
# twelve units, missing values; alpha is 0.743 (nominal), 0.815 (ordinal), 0.849 (interval).
PUBLISHED = np.array([
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
])  # fmt: skip


@pytest.fixture
def manifest() -> Manifest:
    return make_manifest(per_class=2, sources=("real", "S2I-C"))


def votes_of(manifest: Manifest, table: dict[str, list[list[int]]]) -> list[Vote]:
    """Source -> for each rater the scores of that source's first items."""
    found = []
    for source, rows in table.items():
        items = [item.picture for item in manifest.items if item.source == source]
        for rater, row in enumerate(rows):
            found += [Vote(rater, items[place], score) for place, score in enumerate(row)]
    return found


def test_alpha_is_that_of_the_published_example() -> None:
    assert results.ordinal_alpha(PUBLISHED) == pytest.approx(0.815, abs=5e-4)


def test_alpha_by_hand() -> None:
    # Two raters, scores 0 and 3 only: ordinal distances then have one size, as for nominal data.
    # Coincidences: 0-0 twice, 3-3 twice, 0-3 and 3-0 once each: observed disagreement 2 / 6,
    # expected 2 * 3 * 3 / (6 * 5) = 18 / 30; alpha = 1 - (1 / 3) / (3 / 5) = 4 / 9.
    assert results.ordinal_alpha(np.array([[0, 3, 0], [0, 3, 3.0]])) == pytest.approx(4 / 9)


def test_alpha_is_not_defined_without_pairs_or_differences() -> None:
    assert results.ordinal_alpha(np.array([[1, NAN], [NAN, 2.0]])) is None
    assert results.ordinal_alpha(np.array([[2, 2], [2, 2.0]])) is None
    assert results.ordinal_alpha(np.array([[1, 2, NAN], [1, 2, 0.0]])) == 1.0


def test_counts_and_means_by_hand(manifest: Manifest) -> None:
    votes = votes_of(manifest, {"real": [[3, 3, 2], [3, 0]], "S2I-C": [[1, 1], [2]]})
    found = results.summarize(manifest, votes)
    real, made = found.sources
    assert (real.source, real.counts, real.mean) == ("real", (3, 1, 0, 1), pytest.approx(11 / 5))
    assert (made.source, made.counts, made.mean) == ("S2I-C", (0, 1, 2, 0), pytest.approx(4 / 3))
    assert real.low <= real.mean <= real.high
    # Rater 1 judged two real pictures and one generated one that rater 0 judged too.
    assert (found.raters, found.shared) == (2, 3)


def test_means_are_those_that_the_papers_votes_give() -> None:
    # Fig. 8: 390 votes on real pictures, mean 2.59.
    scores = np.repeat(list(SCORES), [325, 11, 14, 40])
    assert scores.mean() == pytest.approx(2.59, abs=0.005)


def test_intervals_by_hand() -> None:
    # One rater, two recordings with means 0 and 3: a resample has one, the other or both, with
    # probabilities 1/4, 1/4 and 1/2, so that 2.5 and 97.5 % lie at 0 and 3.
    scores, recordings = np.array([0, 0, 3, 3]), np.array(["a", "a", "b", "b"])
    assert results.mean_interval(scores, np.zeros(4, int), recordings) == (0.0, 3.0)
    # Many votes of one recording by one rater are one observation.
    same = np.array(["a"] * 4)
    assert results.mean_interval(scores, np.zeros(4, int), same) == (1.5, 1.5)
    assert results.mean_interval(scores, np.array([0, 0, 1, 1]), same) == (0.0, 3.0)


def test_the_interval_of_independent_votes_is_the_usual_one() -> None:
    # A vote for each rater and recording, without effects of either: about 1.96 standard errors
    # would be too narrow, since the pigeonhole bootstrap counts the variance up to three times.
    random = np.random.default_rng(4)
    scores = random.integers(0, 4, 40 * 40)
    raters, recordings = np.repeat(np.arange(40), 40), np.tile(np.arange(40).astype(str), 40)
    low, high = results.mean_interval(scores, raters, recordings, resamples=4000)
    usual = 1.96 * scores.std() / np.sqrt(len(scores))
    assert usual < (high - low) / 2 < 1.9 * usual


def test_votes_on_other_items_do_not_count(manifest: Manifest) -> None:
    votes = votes_of(manifest, {"real": [[3, 3]]})
    found = results.summarize(manifest, [*votes, Vote(0, "gone", 0)])
    assert found.sources[0].counts == (2, 0, 0, 0)
    assert np.isnan(found.sources[1].mean)


def test_no_votes_are_an_error(manifest: Manifest) -> None:
    with pytest.raises(UserError, match="nobody has voted") as error:
        results.summarize(manifest, [])
    assert error.value.exit_code == 1


def test_the_report_is_a_table_and_a_chart(manifest: Manifest, tmp_path: Path) -> None:
    votes = votes_of(manifest, {"real": [[3, 3, 2], [3, 3, 2]], "S2I-C": [[1, 0], [1]]})
    output = tmp_path / "human.md"
    text = results.write_report(manifest, votes, output)
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in rows[0]] == [
        "pictures", "3", "2", "1", "0", "votes", "mean", "95 % interval",
    ]  # fmt: skip
    assert [cell.strip() for cell in rows[2][:7]] == ["real", "4", "2", "0", "0", "6", "**2.67**"]
    assert [cell.strip() for cell in rows[3][:7]] == ["S2I-C", "0", "0", "2", "1", "3", "**0.67**"]
    assert "alpha (ordinal) is 1.000, on 4 pictures" in text and "Raters: 2." in text
    written = output.read_text()
    assert text in written and "(human.png)" in written
    metadata = json.loads(comment_of(tmp_path / "human.png"))
    assert metadata["study"] == {"seed": manifest.seed, **manifest.facts} and metadata["versions"]
    assert f"Made of: `{json.dumps(metadata)}`" in written
    with Image.open(tmp_path / "human.png") as picture:
        assert min(picture.size) > 400


def test_the_report_says_what_is_missing(manifest: Manifest) -> None:
    votes = votes_of(manifest, {"real": [[3, 2]]})
    text = results.markdown(manifest, results.summarize(manifest, votes))
    assert "| S2I-C | 0 | 0 | 0 | 0 | 0 | - | - |" in text
    assert "no picture was judged by two raters" in text
    assert "with one rater they say nothing of others" in text


def test_bars_are_as_high_as_their_counts() -> None:
    votes = SourceVotes("real", (100, 50, 25, 0), 2.2, 2.0, 2.4)
    pixels = chart.draw_votes([votes])
    counted = {
        score: int(np.all(pixels == colour, axis=-1).sum(axis=0).max())
        for score, colour in chart.COLOURS.items()
    }
    legend = 12 * chart.SCALE
    whole = (chart.HEIGHT - 20) * chart.SCALE
    assert counted[3] == pytest.approx(whole, abs=legend)
    assert counted[2] == pytest.approx(whole / 2, abs=legend)
    assert counted[1] == pytest.approx(whole / 4, abs=legend)
    assert counted[0] <= legend
