"""The encoder study: its commands are valid, its table has the numbers in their places."""

import json

import fixtures
import pytest
from absl import flags

from cmgen.config import REPRESENTATIONS
from cmgen.train import __main__ as train
from cmgen.utils import cli
from cmgen.utils.errors import UserError
from tools import encoder_study


@pytest.fixture(autouse=True)
def parsed():
    encoder_study.FLAGS.unparse_flags()
    encoder_study.FLAGS(["encoder_study"])
    yield
    encoder_study.FLAGS.unparse_flags()


def test_its_commands_make_the_papers_ten_encoders_and_ours(tmp_path):
    found = {}
    for study in encoder_study.studies():
        values = flags.FlagValues()
        train.define_flags(values)
        cli.parse(values, ["cmgen.train", *encoder_study.arguments(study, tmp_path)])
        found[study.name] = train.config_from_flags(values)
    assert len(found) == 11
    ours = found.pop("recommended")
    assert {c.sound_encoder.representation for c in found.values()} == set(REPRESENTATIONS)
    for config in found.values():
        assert config.task == "sound_encoder"
        assert config.sound_encoder.architecture == "paper"
        assert len(config.sound_encoder.widths) in (3, 4)
    assert ours.sound_encoder.architecture == "strided"


def test_the_table_has_ours_beside_the_published():
    row = {
        "name": "cqt_4",
        "accuracy_test": 0.5,
        "accuracy_test_ci95": [0.4, 0.6],
        "train_steps": 7,
        "parameters": 1234,
        "seed": 1,
        "date": "2027-01-01T00:00:00+00:00",
        "command": "python -m cmgen.train",
    }
    text = encoder_study.table({"cqt_4": row}, "demo")
    assert "| cqt | not run | 73.00 | 50.00 (40.0 to 60.0) | 77.78 |" in text
    assert "data differ" in text
    assert "| cqt_4 | 7 | 1,234 | 1 | 2027-01-01 | `python -m cmgen.train` |" in text


def test_rows_of_other_data_are_refused():
    rows = {"stft_3": {}, "lms_4": {"data_hash": "a" * 16}}
    encoder_study.check_same_data(rows, "a" * 16)
    with pytest.raises(UserError, match=r"--data=demo: .*hash b{16}\) than .* row lms_4 \(a{16}\)"):
        encoder_study.check_same_data(rows, "b" * 16)


@pytest.mark.slow
def test_quick_study_measures_and_goes_on(tmp_path, monkeypatch, run_main):
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path / "cache"))
    data = fixtures.write_corpus(tmp_path / "videos")
    arguments = ["--output=study", "--quick", "--only=stft_3,cqt_4", f"--data={data}"]
    ran = run_main("tools/encoder_study.py", *arguments, timeout=1800)
    assert ran.returncode == 0, ran.stderr[-3000:]
    rows = json.loads((tmp_path / "study" / "encoder_study.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["stft_3", "cqt_4"]
    assert all(0 <= row["accuracy_test"] <= 1 for row in rows)
    assert (tmp_path / "study" / "encoder_study.md").stat().st_size > 500
    again = run_main("tools/encoder_study.py", *arguments)
    assert again.stdout.count("done already") == 2
