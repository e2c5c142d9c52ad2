"""The native format: what is written is read back, and what isn't whole is refused."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from fixtures import tone
from tiny_recording import make_recording

from cmgen.data import records, shards
from cmgen.data.recording import to_int16
from cmgen.utils.errors import UserError
from cmgen.utils.hashes import file_hash


def make_info(**changes) -> shards.DatasetInfo:
    split = shards.SplitInfo(
        2, 6, 100, 0.1, {"bell": 2}, (shards.ShardInfo("a", "bell", 2, "0" * 64),)
    )
    return dataclasses.replace(
        shards.DatasetInfo(("bell", "drum"), 32, 10.0, "middle", {"train": split}, {}, {}),
        **changes,
    )


def read_back(path) -> list[dict[str, np.ndarray]]:
    dataset = tf.data.TFRecordDataset([str(path)]).map(lambda record: records.parse(record, 32))
    return list(dataset.as_numpy_iterator())


def test_recordings_come_back(tmp_path):
    written = [make_recording(0), make_recording(1), make_recording(2, frames=1)]
    sizes = shards.write_shard(tmp_path / "a", 4, written)
    samples = sum(recording.samples for recording in written)
    assert sizes == shards.ShardSizes(3, 7, samples, file_hash(tmp_path / "a"))
    for number, (found, recording) in enumerate(
        zip(read_back(tmp_path / "a"), written, strict=True)
    ):
        assert found["id"].decode() == recording.id and found["group"].decode() == recording.group
        assert found["label"] == 4
        np.testing.assert_array_equal(found["sound"], to_int16(tone(440, 0.6, number)))
        np.testing.assert_allclose(found["times"], recording.times, atol=1e-6)
        expected = [40 * i + number for i in range(len(recording.frames))]
        np.testing.assert_allclose(found["frames"].mean((1, 2, 3)), expected, atol=1)


def test_recordings_may_lack_sound_or_pictures(tmp_path):
    whole = make_recording(0)
    silent = dataclasses.replace(whole, sound=b"", samples=0)
    unseen = dataclasses.replace(whole, frames=[], times=np.zeros(0))
    sizes = shards.write_shard(tmp_path / "a", 0, [silent, unseen])
    assert (sizes.recordings, sizes.frames, sizes.samples) == (2, 3, whole.samples)
    first, second = read_back(tmp_path / "a")
    assert first["sound"].shape == (0,) and first["frames"].shape == (3, 32, 32, 3)
    assert second["sound"].shape == (whole.samples,) and second["frames"].shape == (0, 32, 32, 3)


def test_a_shard_of_nothing_is_not_written(tmp_path):
    assert shards.write_shard(tmp_path / "a", 0, []) == shards.ShardSizes(0, 0, 0)
    assert list(tmp_path.iterdir()) == []


def test_the_same_recordings_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        shards.write_shard(tmp_path / name, 0, [make_recording(4)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_info_goes_to_json_and_back(tmp_path):
    info = make_info()
    shards.write_info(tmp_path, info)
    assert shards.read_info(tmp_path) == info


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no dataset.json there"),
        ("{ cut", "damaged"),
        ("{}", "damaged"),
        ('{"format_version": 0}', "format version 0"),
    ],
)
def test_a_bad_info_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(UserError, match=message):
        shards.read_info(tmp_path)


def test_an_info_with_foreign_names_is_named(tmp_path):
    values = json.loads(json.dumps(dataclasses.asdict(make_info()))) | {"colour": "red"}
    (tmp_path / "dataset.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match="colour"):
        shards.read_info(tmp_path)
