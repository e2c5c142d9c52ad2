"""Numbers of two runs stand side by side only if they were measured alike."""

import json

import pytest

from cmgen.evaluate import compare
from cmgen.utils.errors import UserError

HASHES = {name: name[0] * 16 for name in ("data", "splits", "windows", "verifier")}


def report(accuracy: float, **changes):
    found = {
        "accuracy_test": accuracy, "accuracy_test_ci95": [accuracy - 0.1, accuracy + 0.1],
        "task": "s2i", "seed": 1, "splits": {}, "hashes": dict(HASHES),
    }  # fmt: skip
    return found | changes


@pytest.mark.parametrize("kind", list(HASHES))
def test_other_data_splits_or_verifier_are_refused_with_both_hashes(kind):
    other = report(0.5, hashes=HASHES | {kind: "x" * 16})
    with pytest.raises(UserError) as refused:
        compare.check_alike({"a.json": report(0.6), "b.json": other})
    for words in ("a.json", "b.json", kind, HASHES[kind], "x" * 16):
        assert words in str(refused.value)


def test_another_task_is_refused():
    with pytest.raises(UserError, match=r"b\.json is of task i2s and a.json of s2i"):
        compare.check_alike({"a.json": report(0.6), "b.json": report(0.5, task="i2s")})


def test_what_older_versions_wrote_is_taken_with_a_note():
    old = {name: value for name, value in report(0.5).items() if name != "hashes"}
    notes = compare.check_alike({"a.json": report(0.6), "b.json": old})
    assert len(notes) == 4 and all("b.json" in note and "not known" in note for note in notes)


def test_an_older_one_before_them_does_not_hide_that_two_differ():
    old = {name: value for name, value in report(0.5).items() if name != "hashes"}
    reports = {"a.json": old, "b.json": report(0.6), "c.json": report(0.7)}
    assert len(compare.check_alike(reports)) == 4
    reports["c.json"] = report(0.7, hashes=HASHES | {"verifier": "x" * 16})
    with pytest.raises(UserError, match=r"c\.json was measured with another verifier than b\.json"):
        compare.check_alike(reports)


def test_older_versions_knew_the_data_under_another_name():
    old = report(0.5, hashes={}, data={"fingerprint": "x" * 16})
    with pytest.raises(UserError, match=r"b\.json was measured with other data than a\.json"):
        compare.check_alike({"a.json": report(0.6), "b.json": old})
    old["data"]["fingerprint"] = HASHES["data"]
    notes = compare.check_alike({"a.json": report(0.6), "b.json": old})
    assert [note.split()[5:8] for note in notes] == [
        ["other", "splits", "than"],
        ["other", "windows", "than"],
        ["another", "verifier", "than"],
    ]


def test_measures_of_more_or_less_work_are_refused_with_what_differs():
    def settings(**changes):
        return {"measure_settings": {"seed": 1, "pose_steps": None, "label_control": "a"} | changes}

    reports = {"a.json": report(0.6, **settings()), "b.json": report(0.5)}
    assert compare.check_alike(reports) == []
    reports["c.json"] = report(0.5, **settings(label_control=None))
    assert compare.check_alike(reports) == []
    reports["d.json"] = report(0.5, **settings(pose_steps=9))
    with pytest.raises(UserError, match=r"d\.json .* than a\.json \(pose_steps: 9 and None\)"):
        compare.check_alike(reports)


def test_a_table_has_what_all_of_them_have():
    both = {"a.json": report(0.6, kid=0.25), "b.json": report(0.5)}
    assert compare.check_alike(both) == []
    assert compare.table(both).splitlines() == [
        "               a.json                   b.json",
        "accuracy_test  0.6000 (0.500 to 0.700)  0.5000 (0.400 to 0.600)",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        json.dumps({"task": "s2i"}),
        json.dumps(report(0.5, hashes="none")),
        json.dumps(report(0.5, data=[1])),
        json.dumps(report(0.5, measure_settings="none")),
    ],
)
def test_a_foreign_file_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match="was not written by"):
        compare.read(tmp_path / "a.json")
    with pytest.raises(UserError, match="no such file"):
        compare.read(tmp_path / "b.json")
