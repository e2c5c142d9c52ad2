import dataclasses
import json
import re

import pytest

from cmgen.config import EncoderConfig, GanConfig, SoundConfig, TrainConfig, validate
from cmgen.utils.errors import UserError
from cmgen.utils.typed_json import from_json, to_json


def test_json_round_trip_keeps_every_value() -> None:
    config = TrainConfig(seed=7, mixed_precision=True, gan=GanConfig(r1_gamma=0.5))
    text = to_json(config)
    assert from_json(TrainConfig, text) == config
    assert text.endswith("}\n") and next(iter(json.loads(text))) == "task"


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().seed = 2  # type: ignore[misc]


def test_json_of_another_version_lists_names_both_ways() -> None:
    values = json.loads(to_json(TrainConfig()))
    values["gan"]["spin"] = values["gan"].pop("r1_gamma")
    with pytest.raises(UserError, match=r"gan: .*unexpected names: \['spin'\].*\['r1_gamma'\]"):
        from_json(TrainConfig, json.dumps(values), "run/config.json")


@pytest.mark.parametrize("text", ["{", "[1]", "{}"])
def test_broken_json_names_the_file(text: str) -> None:
    with pytest.raises(UserError, match=r"run/config\.json"):
        from_json(TrainConfig, text, "run/config.json")


def test_the_window_is_the_papers() -> None:
    sound = SoundConfig()
    assert (sound.window_samples, sound.n_mels, sound.frames) == (22050, 128, 44)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"train_steps": 0}, "--train_steps=0: must be at least 1"),
        ({"batch_size": 7}, "--batch_size=7: must be even"),
        ({"task": "dance"}, "--task=dance: must be one of sound_encoder"),
        ({"strategy": "tpu"}, "--strategy=tpu: must be one of"),
    ],
)
def test_validate_names_flag_value_and_remedy(change: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        validate(dataclasses.replace(TrainConfig(), **change))


@pytest.mark.parametrize(
    ("section", "change", "said"),
    [
        ("gan", {"conditioning": "film"}, "--conditioning=film: must be one of concat"),
        ("gan", {"beta_1": 1.0}, "--beta_1=1.0: must be at least 0 and below 1"),
        ("gan", {"r1_gamma": -1.0}, "--r1_gamma=-1.0: must not be negative"),
        ("gan", {"generator_channels": 0}, "--generator_channels=0: must be at least 1"),
        ("data", {"cache_gib": -0.5}, "--cache_gib=-0.5: must not be negative"),
        ("verifier", {"learning_rate": 0.0}, "--verifier_learning_rate=0.0: must be above 0"),
        ("sound_encoder", {"widths": ()}, "--sound_encoder_widths="),
        ("image_encoder", {"architecture": "vgg"}, "--image_encoder_architecture=vgg: must be"),
        ("sound_encoder", {"representation": "wave"}, "_representation=wave: must be one of lms"),
        (
            "sound_encoder",
            {"representation": "cqt", "augment": False},
            "--sound_encoder_representation=cqt: the GAN and its export take the lms",
        ),
        ("verifier", {"representation": "cqt"}, "--verifier_representation=cqt: only a sound"),
        ("verifier", {"objective": "autoencoder"}, "--verifier_objective=autoencoder: only a"),
        (
            "sound_encoder",
            {"objective": "autoencoder", "correspondence_weight": 1.0},
            "--sound_encoder_objective=autoencoder: does not go with correspondence",
        ),
        (
            "image_encoder",
            {"correspondence_weight": 0.5, "batch_size": 36},
            "--image_encoder_batch_size=36: must be a multiple of twice --image_encoder_corr",
        ),
        ("verifier", {"correspondence_weight": 0.5}, "--verifier_correspondence_weight=0.5: the"),
        ("gan", {"generator_spectra": 4}, "--generator_spectra=4: only sounds have spectra"),
    ],
)
def test_validate_looks_into_the_sections(section: str, change: dict, said: str) -> None:
    part = dataclasses.replace(getattr(TrainConfig(), section), **change)
    with pytest.raises(UserError, match=re.escape(said)):
        validate(dataclasses.replace(TrainConfig(), **{section: part}))


def test_a_sound_encoder_alone_may_see_anything_as_it_is() -> None:
    for augment in (False, True):
        encoder = EncoderConfig(representation="mfcc", augment=augment)
        config = TrainConfig(task="sound_encoder", sound_encoder=encoder)
        if augment:
            with pytest.raises(UserError, match="mfcc: only the lms is augmented"):
                validate(config)
        else:
            validate(config)


@pytest.mark.parametrize("size", [16, 48, 65])
def test_validate_refuses_sizes_that_do_not_halve_to_4(size: int) -> None:
    data = dataclasses.replace(TrainConfig().data, image_size=size)
    with pytest.raises(UserError, match=f"--image_size={size}: must be a power of two"):
        validate(dataclasses.replace(TrainConfig(), data=data))


def test_default_settings_are_valid() -> None:
    assert validate(TrainConfig()) is None


def test_a_task_names_what_is_told_and_what_is_made() -> None:
    s2i, i2s = (TrainConfig(task=task) for task in ("s2i", "i2s"))
    assert (s2i.direction.encoder, s2i.direction.target) == ("sound_encoder", "image")
    assert (i2s.direction.encoder, i2s.direction.target) == ("image_encoder", "lms")
    assert TrainConfig(task="image_encoder").direction == i2s.direction
    assert (s2i.modality_of("verifier"), i2s.modality_of("verifier")) == ("image", "lms")
    assert i2s.modality_of("image_encoder") == "image"
    assert (i2s.shape_of("lms"), i2s.shape_of("image")) == ((128, 44), (64, 64, 3))
