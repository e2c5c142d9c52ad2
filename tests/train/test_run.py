"""The whole training job on tiny videos: files, resuming, another task, NaN, choosing."""

import dataclasses
import json
import math
import os
import signal
import zipfile

import fixtures
import keras
import numpy as np
import pytest
from PIL import Image

from cmgen.config import DataConfig, EncoderConfig, GanConfig, TrainConfig
from cmgen.data import pipeline
from cmgen.models.run import METADATA_FILE, load_encoder, load_run, read_metadata
from cmgen.prepare.cache import resolve
from cmgen.train import callbacks, encoders, loop
from cmgen.train import run as training
from cmgen.utils.errors import UserError

ENCODER = EncoderConfig(widths=(4, 8, 8), hidden=16, train_steps=6, batch_size=6)
GAN = GanConfig(generator_channels=4, discriminator_channels=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return fixtures.write_corpus(tmp_path_factory.mktemp("videos"))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("CMGEN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def make_config(data, workdir, **changes):
    config = TrainConfig(
        workdir=str(workdir),
        train_steps=6,
        batch_size=6,
        checkpoint_steps=3,
        strategy="default",
        mixed_precision=False,
        data=DataConfig(data=str(data), image_size=32),
        sound_encoder=ENCODER,
        image_encoder=ENCODER,
        verifier=ENCODER,
        gan=GAN,
    )
    return dataclasses.replace(config, **changes)


def weights_of(workdir):
    """Everything in the newest checkpoint, by name."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(workdir / "checkpoints")))
    names = [n for n in reader.get_variable_to_shape_map() if "save_counter" not in n]
    return {
        n: reader.get_tensor(n) for n in names if reader.get_variable_to_dtype_map()[n] != tf.string
    }


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """One run from start to end."""
    workdir = tmp_path_factory.mktemp("whole")
    training.run(make_config(data, workdir))
    return workdir


def test_a_run_leaves_what_it_promises(whole):
    for name in (
        "config.json",
        "data.json",
        "metrics.jsonl",
        "evaluation.json",
        "samples/000006.png",
        "curve.json",
        "curve.png",
    ):
        assert (whole / name).stat().st_size, name
    rows = [json.loads(x) for x in (whole / "metrics.jsonl").read_text().splitlines()]
    last = {k: v for row in rows for k, v in row.items()}
    assert last["step"] == 6
    for name in ("loss/generator", "loss/discriminator", "scores/mismatched", "penalty/r1"):
        assert np.isfinite(last[name])
    assert list((whole / "logs").iterdir())
    scores = json.loads((whole / "evaluation.json").read_text())
    assert 0 <= scores["accuracy_test"] <= 1
    assert load_run(whole).step in (3, 6)
    curve = json.loads((whole / "curve.json").read_text())
    assert [row["step"] for row in curve] == [3, 6]
    assert all(0 <= row[split] <= 1 for row in curve for split in ("train", "validation", "test"))


def test_every_file_of_a_run_holds_seed_data_and_versions(whole):
    metadata, comments = read_metadata(whole / METADATA_FILE), []
    for path in sorted(whole.rglob("*")):
        if path.suffix == ".png":
            comments.append(json.loads(Image.open(path).info["Comment"]))
        elif path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                comments.append(json.loads(archive.comment))
    assert len(comments) == 3 + 4 + 3  # weights; samples, real ones and the curve; confusions
    for comment in comments:
        assert comment["model"]["seed"] == 1
        assert comment["model"]["data_hash"] == metadata.data_hash != ""
        assert comment["versions"] | {"threads": metadata.versions["threads"]} == metadata.versions
    scores = json.loads((whole / "evaluation.json").read_text())
    assert (scores["seed"], scores["hashes"]["data"]) == (1, metadata.data_hash)


def test_stopped_and_started_again_is_the_same_run(data, whole, tmp_path):
    training.run(make_config(data, tmp_path, train_steps=3))
    training.run(make_config(data, tmp_path, train_steps=6))
    expected, actual = weights_of(whole), weights_of(tmp_path)
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(value, actual[name], err_msg=name)
    lines = [(p / "metrics.jsonl").read_text().splitlines() for p in (whole, tmp_path)]
    assert json.loads(lines[0][-1])["step"] == json.loads(lines[1][-1])["step"]
    curves = [json.loads((p / "curve.json").read_text()) for p in (whole, tmp_path)]
    assert curves[0] == curves[1]


def test_networks_that_are_there_change_nothing_that_follows(data, whole, tmp_path):
    """As after a stop between the verifier and the GAN, whose first weights are drawn at random."""
    for name in ("sound_encoder.npz", "verifier.npz"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    training.run(make_config(data, tmp_path))
    expected, actual = weights_of(whole), weights_of(tmp_path)
    for name, value in expected.items():
        np.testing.assert_array_equal(value, actual[name], err_msg=name)


@pytest.fixture(scope="module")
def whole_i2s(data, tmp_path_factory):
    """The other direction, from start to end."""
    workdir = tmp_path_factory.mktemp("i2s")
    training.run(make_config(data, workdir, task="i2s"))
    return workdir


def test_two_replicas_train_encoders_and_gan_to_the_end(data, tmp_path):
    encoder = dataclasses.replace(
        ENCODER, correspondence_weight=1.0, correspondence_instants=2, batch_size=8
    )
    config = make_config(data, tmp_path, strategy="mirrored", batch_size=8, sound_encoder=encoder)
    training.run(config)
    assert (tmp_path / "evaluation.json").stat().st_size
    assert load_run(tmp_path).step in (3, 6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 6}, "--batch_size=6: .* 2 replicas, in pairs; .* multiple of 4, such as 8"),
        (
            {"batch_size": 8, "verifier": dataclasses.replace(ENCODER, batch_size=5)},
            "--verifier_batch_size=5: .* multiple of 2, such as 6",
        ),
    ],
)
def test_batches_that_replicas_cannot_share_are_refused(data, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        training.run(make_config(data, tmp_path / "run", strategy="mirrored", **changes))
    assert not (tmp_path / "run").exists()


def test_pictures_to_sound_leave_the_same_files(whole_i2s):
    for name in ("generator", "image_encoder", "verifier"):
        assert (whole_i2s / f"{name}.npz").stat().st_size, name
    assert not (whole_i2s / "sound_encoder.npz").exists()
    for name, rows in (("000006", 4), ("reals", 1)):
        with Image.open(whole_i2s / "samples" / f"{name}.png") as sheet:
            assert sheet.size == (3 * 45 - 1, rows * 129 - 1)
    scores = json.loads((whole_i2s / "evaluation.json").read_text())
    assert 0 <= scores["accuracy_test"] <= 1 and 0 <= scores["image_encoder_accuracy_test"] <= 1
    run = load_run(whole_i2s)
    assert (run.config.task, run.generator.canvas.shape) == ("i2s", (128, 44))


def test_pictures_to_sound_stopped_and_started_again_are_the_same_run(data, whole_i2s, tmp_path):
    for steps in (3, 6):
        training.run(make_config(data, tmp_path, task="i2s", train_steps=steps))
    expected, actual = weights_of(whole_i2s), weights_of(tmp_path)
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(value, actual[name], err_msg=name)


def test_a_folder_is_of_one_direction_whatever_encoders_are_trained_in_it(data, whole):
    training.run(make_config(data, whole, task="image_encoder"))
    assert load_run(whole).config.task == "s2i"
    with pytest.raises(UserError, match="task was s2i, now i2s"):
        training.run(make_config(data, whole, task="i2s"))


def test_an_encoder_alone_and_then_the_gan_that_uses_it(data, tmp_path):
    training.run(make_config(data, tmp_path, task="sound_encoder"))
    before = (tmp_path / "sound_encoder.npz").read_bytes()
    assert not (tmp_path / "generator.npz").exists()
    training.run(make_config(data, tmp_path, train_steps=1))
    assert (tmp_path / "sound_encoder.npz").read_bytes() == before
    assert (tmp_path / "generator.npz").exists()


def test_an_autoencoder_that_is_stopped_ends_with_the_same_weights(data, tmp_path, monkeypatch):
    encoder = dataclasses.replace(ENCODER, objective="autoencoder")
    fit = loop.fit

    def stop_after_three(model, batches, steps, step_callbacks, group):
        fit(model, batches, 3, step_callbacks, group)
        raise KeyboardInterrupt

    for workdir in (tmp_path / "whole", tmp_path / "stopped"):
        config = make_config(data, workdir, task="sound_encoder", sound_encoder=encoder)
        if workdir.name == "stopped":
            with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                patch.setattr(loop, "fit", stop_after_three)
                training.run(config)
        training.run(config)
    folders = [tmp_path / name / "sound_encoder" for name in ("whole", "stopped")]
    expected, actual = (weights_of(folder) for folder in folders)
    assert any(name.startswith("decoder") for name in expected)
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(value, actual[name], err_msg=name)
    with np.load(folders[0].with_suffix(".npz")) as a, np.load(folders[1].with_suffix(".npz")) as b:
        assert a.files == b.files and all(np.array_equal(a[name], b[name]) for name in a.files)
    training.run(dataclasses.replace(config, task="s2i", train_steps=1))
    run = load_run(tmp_path / "stopped")
    assert run.config.sound_encoder.objective == "autoencoder"
    recordings = pipeline.load_split(resolve(run.config.data), "train", run.config.data)
    scale = encoders.encoding_scale(run.encoder, "lms", recordings, run.config)
    assert scale == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("representation", ["stft", "ms", "cqt", "mfcc"])
def test_a_sound_encoder_of_another_representation(data, tmp_path, representation):
    encoder = dataclasses.replace(
        ENCODER, representation=representation, augment=False, train_steps=2
    )
    config = make_config(data, tmp_path, task="sound_encoder", sound_encoder=encoder)
    training.run(config)
    loaded = load_encoder(tmp_path, "sound_encoder", tuple(fixtures.CLASSES), config)
    assert np.isfinite(loaded.classify.kernel).all()
    rows = (tmp_path / "sound_encoder" / "metrics.jsonl").read_text().splitlines()
    assert np.isfinite(json.loads(rows[-1])["loss/classification"])


def test_other_settings_in_the_same_folder_are_refused(data, whole):
    with pytest.raises(UserError, match=r"batch_size was 6, now 8"):
        training.run(make_config(data, whole, batch_size=8))


def test_nan_stops_with_the_step_and_the_names(tmp_path):
    network = keras.layers.Dense(2, name="bad")
    network.build([None, 3])
    callback = callbacks.StopOnNan(4, [network], tmp_path / "checkpoints")
    callback.on_train_batch_end(0, {"loss/generator": 1.0})
    network.kernel.assign(np.full([3, 2], np.nan))
    with pytest.raises(
        UserError, match=r"step 6: loss/generator .*bad/kernel.*checkpoints"
    ) as caught:
        callback.on_train_batch_end(1, {"loss/generator": math.inf})
    assert caught.value.exit_code == 1


def test_interrupt_saves_the_step_in_progress_and_stops():
    saved = []
    before = signal.getsignal(signal.SIGINT)
    callback = callbacks.StopOnInterrupt(7, saved.append)
    callback.on_train_begin()
    try:
        callback.on_train_batch_end(0, {})
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt, match="after step 9"):
            callback.on_train_batch_end(1, {})
    finally:
        callback.restore_handlers()
    assert saved == [9]
    assert signal.getsignal(signal.SIGINT) is before


def test_weights_that_do_not_fit_list_both_sides(whole):
    run = load_run(whole)
    wider = dataclasses.replace(run.config, verifier=dataclasses.replace(ENCODER, hidden=17))
    with pytest.raises(UserError, match=r"(?s)missing from the file: .*hidden.*not in the network"):
        load_encoder(whole, "verifier", run.classes, wider)


def test_a_changed_record_of_validation_chooses_no_generator(tmp_path):
    path, rows = tmp_path / "validation.json", ({"step": 3, "accuracy": 0.5},)
    path.write_text(training.to_json(training._Record(rows)))
    assert training._read_record(path) == rows
    for old, new, said in (
        ("0.5", "0.9", "was changed"), ('"accuracy"', '"accuracz"', "was changed"), ("}", "", "damaged"),
    ):  # fmt: skip
        written = path.read_text()
        path.write_text(written.replace(old, new))
        with pytest.raises(UserError, match=rf"validation\.json: {said}.*or delete it"):
            training._read_record(path)
        path.write_text(written)
    path.write_text(json.dumps(rows))  # of an older version
    assert training._read_record(path) == rows
    path.write_text(json.dumps([{"step": 3}]))
    with pytest.raises(UserError, match=r"validation\.json: has rows without"):
        training._read_record(path)


def test_best_step_takes_accuracy_first_and_nearness_among_equals():
    rows = [
        {"step": 1, "accuracy": 0.5, "feature_distance": 1.0},
        {"step": 2, "accuracy": 0.905, "feature_distance": 3.0},
        {"step": 3, "accuracy": 0.9, "feature_distance": 2.0},
    ]
    assert training.best_step(rows) == 3


def test_dry_run_writes_nothing(data, tmp_path, capsys):
    training.dry_run(make_config(data, tmp_path / "none"))
    assert "generator" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("changes", [{}, {"representation": "mfcc", "augment": False}])
def test_dry_run_of_an_encoder_prints_its_cost(data, tmp_path, capsys, changes):
    encoder = dataclasses.replace(ENCODER, train_steps=7, **changes)
    config = make_config(data, tmp_path / "none", task="sound_encoder", sound_encoder=encoder)
    training.dry_run(config)
    printed = capsys.readouterr().out
    assert "one step of sound_encoder, 6 examples" in printed and "7 steps, 42 examples" in printed
    assert "generator" not in printed and "verifier" not in printed
