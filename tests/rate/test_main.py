"""The main: what is refused before any work, and the way from a run to a report."""

from pathlib import Path

import pytest
from checkout import RunMain
from tiny_study import write_study

from cmgen.rate.store import Store
from cmgen.rate.study import rater_order, read_manifest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("collect",), "--output: missing"),
        (("collect", "--output=s"), "--run: missing"),
        (("collect", "--output=s", "--run=runs/s2i"), "write NAME=FOLDER"),
        (("collect", "--output=s", "--run=A=x", "--run=A=y"), "'A' is given twice"),
        (("collect", "--output=s", "--run=A=x", "--per_class=0"), "--per_class"),
        (("serve", "--host=0.0.0.0"), "others could reach the page"),
        (("serve", "--host=0.0.0.0", "--allow_remote"), "set $CMGEN_RATING_PASSWORD"),
        (("serve", "--password_file=none.txt"), "--password_file=none.txt: can't be read"),
        (("serve", "--study=nowhere"), "--study=nowhere: no manifest.json"),
        (("serve", "--port=70000"), "--port=70000"),
        (("report", "--study=nowhere"), "--study=nowhere: no manifest.json"),
        (("report", "--output=report.html"), "must end in .md"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, said: str, run_main: RunMain) -> None:
    ran = run_main("cmgen.rate", *arguments)
    assert (ran.returncode, ran.stdout) == (2, ""), ran.stderr
    assert ran.stderr.startswith(f"cmgen.rate {arguments[0]}: error: ") and said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_report_without_votes_is_failed_work(run_main: RunMain, tmp_path: Path) -> None:
    write_study(tmp_path / "study")
    ran = run_main("cmgen.rate", "report", "--study=study")
    assert (ran.returncode, ran.stdout) == (1, "") and "nobody has voted yet" in ran.stderr
    assert not (tmp_path / "study" / "votes.db").exists()


def test_report_of_votes(run_main: RunMain, tmp_path: Path) -> None:
    id_, manifest = read_manifest(write_study(tmp_path / "study"))
    with Store(tmp_path / "study" / "votes.db", id_) as store:
        rater, _ = store.add_rater("Ada")
        for place, item in enumerate(rater_order(manifest, rater.number)):
            store.vote(rater, place, item.picture, 3 if item.source == "real" else 1)
    ran = run_main("cmgen.rate", "report", "--study=study")
    assert ran.returncode == 0, ran.stderr
    assert "| real | 6 | 0 | 0 | 0 | 6 | **3.00** | 3.00 to 3.00 |" in ran.stdout
    assert (tmp_path / "study" / "report.md").is_file()
    assert (tmp_path / "study" / "report.png").is_file()
