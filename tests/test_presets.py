import dataclasses

import pytest
from absl import flags

from cmgen.config import TrainConfig
from cmgen.train import __main__ as train
from cmgen.utils import cli


def parsed(*arguments: str) -> TrainConfig:
    flag_values = flags.FlagValues()
    train.define_flags(flag_values)
    cli.parse(flag_values, ["cmgen.train", *arguments])
    return train.config_from_flags(flag_values)


def test_every_setting_has_a_flag_with_help_and_its_default() -> None:
    assert [s.flag for s in train.settings() if not s.help] == []
    assert len({s.flag for s in train.settings()}) == len(list(train.settings()))
    assert parsed() == TrainConfig()


def test_help_names_no_setting_that_is_gone() -> None:
    fields = {(s.section, s.field) for s in train.settings()}
    named = {(section, name) for section, helps in train.SECTION_HELP.items() for name in helps}
    assert named == fields
    assert {name for names in train.GROUPS.values() for name in names} <= set(train.FLAGS)


def test_flags_reach_their_section() -> None:
    config = parsed(
        "--seed=5",
        "--image_size=32",
        "--r1_gamma=0.25",
        "--sound_encoder_widths=4,8,8,8,8",
        "--verifier_train_steps=9",
        "--nomixed_precision",
    )
    expected = TrainConfig(seed=5, mixed_precision=False)
    expected = dataclasses.replace(
        expected,
        data=dataclasses.replace(expected.data, image_size=32),
        gan=dataclasses.replace(expected.gan, r1_gamma=0.25),
        sound_encoder=dataclasses.replace(expected.sound_encoder, widths=(4, 8, 8, 8, 8)),
        verifier=dataclasses.replace(expected.verifier, train_steps=9),
    )
    assert config == expected


@pytest.mark.parametrize("name", cli.preset_names())
def test_preset_is_valid_and_says_its_cost_and_result(name, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    parsed(f"--flagfile={name}")  # raises a UserError where a value can't work
    comments = [
        line for line in (cli.PRESETS / name).read_text().splitlines() if line.startswith("#")
    ]
    assert any(line.startswith("# Cost: ") for line in comments)
    assert any(line.startswith("# Expected: ") for line in comments)


def test_presets_are_shipped() -> None:
    expected = {"s2i.flags", "s2i_paper.flags", "i2s.flags", "i2s_paper.flags", "smoke.flags"}
    assert expected | {"label_control.flags"} <= set(cli.preset_names())
