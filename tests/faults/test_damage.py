"""Files of a run that were cut or changed by a bit: refused by name, or gone round."""

import contextlib
import dataclasses
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import make_config, write_run

from cmgen.config import TrainConfig
from cmgen.data import shards
from cmgen.models.run import load_run, make_encoder
from cmgen.models.weights import load_weights
from cmgen.train.checkpoints import Checkpoints, open_run_folder, write_metadata
from cmgen.utils import typed_json
from cmgen.utils.errors import UserError


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


def places(data: bytes, count: int) -> list[int]:
    """Where to damage: the ends, where formats keep what matters most, and all over."""
    random = np.random.default_rng(0)
    ends = {*range(min(40, len(data))), *range(max(0, len(data) - 40), len(data))}
    return sorted(ends | set(random.integers(0, len(data), count).tolist()))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"), ("bell", "drum"))


def test_a_config_with_any_bit_changed_is_refused_by_name():
    text = typed_json.to_json(make_config("nowhere")).encode()
    for at in range(len(text)):
        with pytest.raises(UserError, match=r"^run/config\.json"):
            typed_json.from_json(TrainConfig, flipped(text, at, at % 8), "run/config.json")
    for length in range(len(text) - 1):
        with pytest.raises(UserError, match=r"^run/config\.json"):
            typed_json.from_json(TrainConfig, text[:length], "run/config.json")


def test_a_config_without_checksum_is_read_and_a_changed_one_refused():
    settings = make_config("nowhere")
    values = json.loads(typed_json.to_json(settings))
    checksum = values.pop(typed_json.CHECKSUM)
    assert typed_json.from_json(TrainConfig, json.dumps(values)) == settings
    values |= {typed_json.CHECKSUM: checksum, "seed": 2}
    with pytest.raises(UserError, match="was changed since cmgen wrote it"):
        typed_json.from_json(TrainConfig, json.dumps(values))


def test_a_dataset_with_any_bit_changed_is_refused_by_name(tmp_path):
    split = shards.SplitInfo(
        1, 2, 3, 4.0, {"bell": 1}, (shards.ShardInfo("a", "bell", 1, "0" * 64),)
    )
    info = shards.DatasetInfo(("bell",), 32, 10.0, "middle", {"train": split}, {"kind": "x"}, {})
    shards.write_info(tmp_path, info)
    assert shards.read_info(tmp_path) == info
    path = tmp_path / shards.INFO_FILE
    text = path.read_bytes()
    for at in range(len(text)):
        path.write_bytes(flipped(text, at, at % 8))
        # A blank in the place of a line's end is the same JSON.
        with contextlib.suppress(UserError):
            assert shards.read_info(tmp_path) == info
            assert text[at : at + 1].isspace() or at == len(text) - 1
    for length in range(0, len(text) - 1, 7):
        path.write_bytes(text[:length])
        with pytest.raises(UserError, match=r"dataset\.json"):
            shards.read_info(tmp_path)
    older = {k: v for k, v in json.loads(text).items() if k != typed_json.CHECKSUM}
    path.write_text(json.dumps(older))
    assert shards.read_info(tmp_path) == info


def test_weights_with_a_bit_changed_are_refused_or_the_same(run_folder):
    path = run_folder / "sound_encoder.npz"
    settings = make_config("nowhere")
    encoder = make_encoder("sound_encoder", 2, settings, "float32")
    load_weights(encoder, path)
    wanted, data = encoder.get_weights(), path.read_bytes()
    damaged = path.with_name("damaged.npz")
    refused = 0
    for at in places(data, 300):
        damaged.write_bytes(flipped(data, at, at % 8))
        try:
            load_weights(encoder, damaged)
        except UserError as error:
            assert str(error).startswith(str(damaged))
            refused += 1
        for a, b in zip(wanted, encoder.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert refused > 200  # the rest are dates and the like, which nobody reads
    for length in (0, 1, 100, len(data) // 2, len(data) - 1):
        damaged.write_bytes(data[:length])
        with pytest.raises(UserError, match=r"damaged\.npz"):
            load_weights(encoder, damaged)


def test_metadata_with_any_field_changed_are_refused_by_name(run_folder):
    path = run_folder / "data.json"
    before = path.read_bytes()
    names = re.findall(rb'"(bell|drum|nowhere|0{16}|[\d.]+)"', before)
    assert len(names) > 10
    for name in set(names):
        path.write_bytes(before.replace(b'"' + name, b'"' + bytes([name[0] ^ 1]) + name[1:]))
        with pytest.raises(UserError, match=r"data\.json: was changed since cmgen wrote it"):
            load_run(run_folder)
    unsigned = {k: v for k, v in json.loads(before).items() if k != "sha256"}
    path.write_text(json.dumps(unsigned))  # of an older version
    assert load_run(run_folder).classes == ("bell", "drum")
    path.write_bytes(before)


@pytest.mark.parametrize("name", ["data.json", "config.json", "generator.npz"])
def test_a_run_with_a_damaged_file_names_it(run_folder, tmp_path, name):
    for path in run_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-30])
    with pytest.raises(UserError, match=name):
        load_run(tmp_path)


def test_data_that_changed_under_a_run_are_refused(run_folder):
    before = (run_folder / "data.json").read_bytes()
    with pytest.raises(UserError) as error:
        write_metadata(run_folder, ("bell", "drum"), "nowhere", "1" * 16)
    assert f"hash {'1' * 16}, was {'0' * 16}" in str(error.value)
    assert (run_folder / "data.json").read_bytes() == before
    write_metadata(run_folder, ("bell", "drum"), "elsewhere", "0" * 16)
    facts = json.loads((run_folder / "data.json").read_text())
    assert facts["data"] == "elsewhere" and facts["versions"]["keras"]
    (run_folder / "data.json").write_bytes(before)


def test_a_run_that_resumes_with_other_versions_says_so_and_records_both(
    run_folder, monkeypatch, capsys
):
    path = run_folder / "data.json"
    before = path.read_bytes()
    begun = json.loads(before)["versions"]
    newer = {**begun, "keras": "99.0", "numpy": "98.0", "jax": "1"}
    monkeypatch.setattr("cmgen.train.checkpoints.installed", lambda: newer)
    for _ in range(2):  # it is told once
        write_metadata(run_folder, ("bell", "drum"), "nowhere", "0" * 16)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1 and f"keras was {begun['keras']}, now 99.0" in said[0]
    assert "jax was missing, now 1" in said[0] and "tensorflow was" not in said[0]
    facts = json.loads(path.read_text())
    assert (facts["versions"], facts["resumed_with"]) == (begun, [newer])
    path.write_bytes(before)


@pytest.mark.parametrize("facts", ["[]", "{}", '{"classes": "ab", "data": "x"}'])
def test_metadata_of_the_wrong_type_are_refused_by_name(run_folder, facts):
    path = run_folder / "data.json"
    before = path.read_bytes()
    path.write_text(facts)
    with pytest.raises(UserError, match=r"data\.json.*and start the run's training again"):
        load_run(run_folder)
    path.write_bytes(before)


def counted(folder) -> tuple[tf.Variable, Checkpoints]:
    value = tf.Variable(np.zeros(1000, np.float32))
    return value, Checkpoints(folder, 3, value=value)


@pytest.fixture
def checkpoints(tmp_path):
    """Of steps 5, 10 and 15, whose value is the step."""
    value, saved = counted(tmp_path)
    for step in (5, 10, 15):
        value.assign(tf.fill([1000], float(step)))
        saved.save(step)
    return tmp_path


@pytest.mark.parametrize("kind", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize("damage", ["cut", "emptied", "changed", "gone"])
def test_a_damaged_checkpoint_is_passed_over(checkpoints, kind, damage, capsys):
    path = checkpoints / f"ckpt-15.{kind}"
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        changed = {"cut": data[:-20], "emptied": b"", "changed": flipped(data, len(data) // 3)}
        path.write_bytes(changed[damage])
    value, saved = counted(checkpoints)
    assert saved.restore() == 10
    np.testing.assert_array_equal(value, np.full(1000, 10.0))
    said = capsys.readouterr().out
    # Without its index it is no checkpoint, but the rest of one that was never finished.
    assert ("ckpt-15: damaged" in said) == ((kind, damage) != ("index", "gone"))
    value.assign(tf.fill([1000], 15.0))
    saved.save(15)
    again, saved = counted(checkpoints)
    assert saved.restore() == 15 and float(again[0]) == 15.0


@pytest.mark.parametrize("text", [b"", b"model_checkpoint_path: 'ckpt-5", b"\xff\xfe\x00", None])
def test_the_list_of_checkpoints_is_not_needed(checkpoints, text):
    if text is None:
        (checkpoints / "checkpoint").unlink()
    else:
        (checkpoints / "checkpoint").write_bytes(text)
    _, saved = counted(checkpoints)
    assert saved.restore() == 15
    saved.save(20)
    assert counted(checkpoints)[1].restore() == 20


def test_where_all_checkpoints_are_damaged_nothing_restarts_from_zero(checkpoints):
    for path in checkpoints.glob("*.index"):
        path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="there is no other checkpoint") as error:
        counted(checkpoints)[1].restore()
    assert error.value.exit_code == 1
    assert len(list(checkpoints.glob("*.data*"))) == 3


def test_settings_of_another_run_are_listed_both_ways(run_folder):
    before = (run_folder / "config.json").read_bytes()
    settings = make_config("nowhere")
    other = dataclasses.replace(settings, workdir=str(run_folder), seed=9, batch_size=12)
    with pytest.raises(UserError) as error:
        open_run_folder(other, False)
    assert f"batch_size was {settings.batch_size}, now 12" in str(error.value)
    assert f"seed was {settings.seed}, now 9" in str(error.value)
    assert (run_folder / "config.json").read_bytes() == before
