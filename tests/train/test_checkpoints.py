"""Checkpoints hold everything that changes in training."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from cmgen.config import DIRECTIONS, GanConfig, TrainConfig
from cmgen.models.gan import CrossModalGan, build_gan
from cmgen.models.run import make_encoder, read_metadata
from cmgen.train.checkpoints import Checkpoints, open_run_folder, write_metadata
from cmgen.utils import locks
from cmgen.utils.errors import UserError
from cmgen.utils.typed_json import from_json

SMALL = {"generator_channels": 4, "discriminator_channels": 4}
PAPER = {
    "upsampling": "deconvolution",
    "conditioning": "concat",
    "discriminator_normalization": "batch",
}
NETWORKS = ("generator", "discriminator", "generator_ema", "encoder")


def make(folder, config: GanConfig) -> tuple[CrossModalGan, Checkpoints]:
    encoder = make_encoder("sound_encoder", 3, TrainConfig(), "float32")
    gan = build_gan(DIRECTIONS["s2i"], encoder, config, (32, 32, 3), "float32")
    gan.compile()
    networks = {name: getattr(gan, name) for name in NETWORKS}
    optimizers = {name: getattr(gan, name) for name in vars(gan) if name.endswith("_optimizer")}
    return gan, Checkpoints(folder, 2, **networks, **optimizers)


@pytest.mark.parametrize("changes", [{}, PAPER])
def test_every_weight_and_statistic_comes_back(changes: dict, tmp_path) -> None:
    config = dataclasses.replace(GanConfig(), **SMALL, **changes)
    random = np.random.default_rng(0)
    gan, saved = make(tmp_path, config)
    for name in NETWORKS:
        network = getattr(gan, name)
        network.set_weights([random.random(w.shape) for w in network.get_weights()])
    gan.generator_optimizer.iterations.assign(7)
    saved.save(5)

    other, restored = make(tmp_path, config)
    assert restored.restore() == 5
    assert int(other.generator_optimizer.iterations.numpy()) == 7
    for name in NETWORKS:
        expected, actual = getattr(gan, name).get_weights(), getattr(other, name).get_weights()
        for a, b in zip(expected, actual, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


def test_steps_of_an_encoder_do_not_become_the_gan_s(tmp_path) -> None:
    gan = TrainConfig(workdir=str(tmp_path), train_steps=9)
    path = tmp_path / "config.json"
    open_run_folder(gan, False)
    assert open_run_folder(dataclasses.replace(gan, task="sound_encoder", train_steps=4), False)
    kept = from_json(TrainConfig, path.read_bytes(), "")
    assert kept == dataclasses.replace(gan, mixed_precision=False)
    shorter = dataclasses.replace(gan.sound_encoder, train_steps=4)
    encoder = dataclasses.replace(gan, task="sound_encoder", train_steps=4, sound_encoder=shorter)
    with pytest.raises(UserError, match=r"sound_encoder\.train_steps was 1200, now 4"):
        open_run_folder(encoder, False)
    open_run_folder(dataclasses.replace(gan, train_steps=20), False)
    assert from_json(TrainConfig, path.read_bytes(), "").train_steps == 20


def test_nothing_to_restore_is_step_0(tmp_path) -> None:
    assert Checkpoints(tmp_path, 1, value=tf.Variable(1.0)).restore() == 0


def test_a_checkpoint_of_other_networks_is_refused(tmp_path) -> None:
    make(tmp_path, dataclasses.replace(GanConfig(), **SMALL))[1].save(1)
    wider = dataclasses.replace(GanConfig(), generator_channels=8, discriminator_channels=4)
    with pytest.raises(UserError, match="does not fit this run's networks"):
        make(tmp_path, wider)[1].restore()


OURS = (
    ".a.cmgen-0123abcd.partial.npz",
    "samples/.000250.cmgen-0123abcd.partial.png",
    "checkpoints/ckpt-6_temp/part-00000-of-00001.data-00000-of-00001",
    "checkpoints/ckpt-6.index.tempstate12",
    "verifier/checkpoints/.b.cmgen-0123abcd.partial",
    "verifier/checkpoints/ckpt-6_temp/part",
)
OTHERS = (
    "a.npz",
    "checkpoints/ckpt-6.index",
    # Names like ours, without our mark.
    ".film.0123abcd.partial.mp4",
    ".film.mp4.partial",
    "samples/.download.partial.png",
    "ckpt-3_temp/part",
    # Other projects and other runs below.
    "project/ckpt-3_temp/part.tempstate12",
    "project/.a.cmgen-0123abcd.partial.npz",
    "project/checkpoint.tmp1",
    "other_run/checkpoints/ckpt-6_temp/part",
    "image_encoder/config.json",
    "image_encoder/.a.cmgen-0123abcd.partial.npz",
    "image_encoder/checkpoints/ckpt-6_temp/part",
)


def test_a_run_removes_what_it_left_unfinished_and_nothing_else(tmp_path) -> None:
    """Its own folders, directly, and there only names with its mark: whatever else lies around."""
    config = TrainConfig(workdir=str(tmp_path / "run"))
    with locks.only_writer(tmp_path / "run"):
        open_run_folder(config, False)
    for name in (*OURS, *OTHERS):
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    with locks.only_writer(tmp_path / "run"):
        open_run_folder(config, False)
    found = (p for p in (tmp_path / "run").rglob("*") if p.is_file())
    kept = {path.relative_to(tmp_path / "run").as_posix() for path in found}
    assert kept - {".lock"} == {*OTHERS, "config.json"}


def test_a_run_begun_among_other_things_leaves_them_alone(tmp_path) -> None:
    others = [name for name in OTHERS if not name.startswith(("checkpoints/", "image_"))]
    for name in others:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    for _ in range(2):
        with locks.only_writer(tmp_path):
            open_run_folder(TrainConfig(workdir=str(tmp_path)), False)
    assert [name for name in others if (tmp_path / name).read_text() != "1"] == []


@pytest.mark.parametrize("name", ["checkpoints/ckpt-3.index", "metrics.jsonl", "data.json"])
def test_no_run_begins_on_files_that_another_program_wrote(name, tmp_path) -> None:
    """Training would go on with them, and replace them."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("theirs")
    with pytest.raises(UserError, match=f"holds {name.partition('/')[0]}, but no config.json"):
        open_run_folder(TrainConfig(workdir=str(tmp_path)), False)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


def test_another_number_of_threads_is_said_like_another_version(tmp_path, capsys, monkeypatch):
    for count in (2, 2, 8):
        monkeypatch.setattr("cmgen.train.checkpoints.processors", lambda count=count: count)
        write_metadata(tmp_path, ("bell", "drum"), "nowhere", "0" * 16)
    assert capsys.readouterr().out.count("note:") == 1
    metadata = read_metadata(tmp_path / "data.json")
    assert metadata.versions["threads"] == "2"
    assert [versions["threads"] for versions in metadata.resumed_with] == ["8"]
