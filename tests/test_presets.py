import dataclasses

import pytest
from absl import flags

from cmgen.config import TrainConfig
from cmgen.train import __main__ as train
from cmgen.utils import cli
from cmgen.utils.errors import UserError


def parsed(*arguments: str) -> TrainConfig:
    flag_values = flags.FlagValues()
    train.define_flags(flag_values)
    cli.parse(flag_values, ["cmgen.train", *arguments])
    return train.config_from_flags(flag_values, arguments)


def test_every_setting_has_a_flag_with_help_and_its_default() -> None:
    assert [s.flag for s in train.settings() if not s.help] == []
    assert len({s.flag for s in train.settings()}) == len(list(train.settings()))
    assert parsed() == TrainConfig()


def test_help_names_no_setting_that_is_gone() -> None:
    fields = {(s.section, s.field) for s in train.settings()}
    named = {(section, name) for section, helps in train.SECTION_HELP.items() for name in helps}
    assert named == fields
    assert {name for names in train.GROUPS.values() for name in names} <= set(train.FLAGS)


@pytest.mark.parametrize("task", ["sound_encoder", "image_encoder"])
@pytest.mark.parametrize("preset", [(), ("--flagfile=s2i.flags",), ("--flagfile=s2i_paper.flags",)])
def test_train_steps_of_an_encoder_s_task_are_that_encoder_s(
    task: str, preset: tuple[str, ...]
) -> None:
    plain, name = parsed(*preset), f"--{task}_train_steps"
    for arguments in (
        (*preset, f"--task={task}", "--train_steps=7"),
        ("--train_steps", "7", *preset, f"--task={task}", "--train_steps=7", f"{name}=7"),
    ):
        config = parsed(*arguments)
        changed = dataclasses.replace(getattr(plain, task), train_steps=7)
        assert config == dataclasses.replace(plain, task=task, train_steps=7, **{task: changed})
    with pytest.raises(UserError, match=rf"--train_steps=7: .* so does {name}=8; give one"):
        parsed(*preset, f"--task={task}", "--train_steps=7", f"{name}=8")


def test_train_steps_of_a_preset_or_of_a_gan_are_the_gan_s() -> None:
    preset = parsed("--flagfile=s2i.flags")
    alone = parsed("--flagfile=s2i.flags", "--task=sound_encoder")
    assert alone == dataclasses.replace(preset, task="sound_encoder")
    assert parsed("--train_steps=7").sound_encoder == TrainConfig().sound_encoder
    with pytest.raises(UserError, match="--task=gan: must be one of"):
        parsed("--task=gan", "--train_steps=7")


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
