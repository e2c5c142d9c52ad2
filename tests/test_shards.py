"""The native format: what is written is read back, and what isn't whole is refused."""

import dataclasses
import io
import json

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from fixtures import tone

from cmgen.data import shards
from cmgen.data.recording import Recording, encode_flac, to_int16
from cmgen.errors import UserError
from cmgen.hashes import file_hash


def make_recording(number: int, class_name: str = "bell", frames: int = 3) -> Recording:
    pictures = [np.full((32, 32, 3), 40 * i + number, np.uint8) for i in range(frames)]
    base = Recording(f"{class_name}/{number}", f"{class_name}/group", class_name)
    samples = to_int16(tone(440, 0.6, number))
    return base.with_sound(samples).with_frames(pictures, np.arange(frames) / 10)


def make_info(**changes) -> shards.DatasetInfo:
    split = shards.SplitInfo(
        2, 6, 100, 0.1, {"bell": 2}, (shards.ShardInfo("a", "bell", 2, "0" * 64),)
    )
    return dataclasses.replace(
        shards.DatasetInfo(("bell", "drum"), 32, 10.0, "middle", {"train": split}, {}, {}),
        **changes,
    )


def read_back(path) -> list[dict[str, np.ndarray]]:
    dataset = tf.data.TFRecordDataset([str(path)]).map(lambda record: shards.parse(record, 32))
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


def flac(samples: int = 44100, rate: int = 44100, channels: int = 1, form: str = "FLAC") -> bytes:
    file = io.BytesIO()
    shape = (samples, channels) if channels > 1 else samples
    noise = np.random.default_rng(0).integers(-9000, 9000, shape).astype(np.int16)
    soundfile.write(file, noise, rate, format=form, subtype="PCM_16")
    return file.getvalue()


def promising(samples: int) -> bytes:
    """A FLAC file of 44,100 samples whose header says otherwise (36 bits before the MD5 sum)."""
    data = flac()
    assert int.from_bytes(data[21:26], "big") & 0xFFFFFFFFF == 44100
    said = int.from_bytes(data[21:26], "big") >> 36 << 36 | samples
    return data[:21] + said.to_bytes(5, "big") + data[26:]


def test_sound_is_decoded_as_it_was():
    for seconds in (0.0, 0.5, 1.7):
        samples = to_int16(tone(440, seconds))
        found = shards.decode_flac(encode_flac(samples), len(samples))
        assert found.dtype == np.int16
        np.testing.assert_array_equal(found, samples)


@pytest.mark.parametrize(
    ("data", "samples", "reason"),
    [
        (flac(), 44099, "44099 samples"),
        (flac()[:-3000], 44100, "44100 samples"),  # tensorflow-io's decoder never ends here
        (promising(2**36 - 1), 2**36 - 1, "68719476735 samples"),
        (promising(50_000), 50_000, "50000 samples"),
        (flac(rate=48000), 44100, "48000"),
        (flac(channels=2), 44100, "2, 44100"),
        (flac(form="WAV"), 44100, "WAV"),
        (b"", 44100, "44100 samples"),
        (b"fLaC", 0, "0 samples is damaged"),
    ],
)
def test_a_sound_that_is_not_what_the_record_says_is_refused(data, samples, reason):
    with pytest.raises(ValueError, match=reason):
        shards.decode_flac(data, samples)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda features: features["id"].bytes_list.value.append(b"b"), "2 values of id"),
        (lambda features: features.pop("label"), "0 values of label"),
        (
            lambda features: features["times"].int64_list.value.append(1),
            "times of a record is no f",
        ),
        (lambda features: features["num_samples"].int64_list.value.append(7), "2 values of num_"),
        (lambda features: features["sound"].bytes_list.value.__setitem__(0, b"x"), "is damaged"),
        (None, "no example"),
    ],
)
def test_a_forged_record_is_refused(tmp_path, change, reason):
    shards.write_shard(tmp_path / "a", 0, [make_recording(0)])
    (record,) = tf.data.TFRecordDataset(str(tmp_path / "a")).as_numpy_iterator()
    example = tf.train.Example.FromString(record)
    # The length of an inner value reaches beyond the record.
    data = record[:9] + b"\xff" * 8 + record[9:]
    if change:
        change(example.features.feature)
        data = example.SerializeToString()
    dataset = tf.data.Dataset.from_tensors(data).map(lambda record: shards.parse(record, 32))
    with pytest.raises(tf.errors.InvalidArgumentError, match=reason):
        next(dataset.as_numpy_iterator())


def test_marks_are_of_what_is_heard_and_seen():
    base = Recording("a", "a", "bell")
    click = np.zeros(44100, np.int16)
    click[700] = 1
    grey, dot = np.full((8, 8, 3), 90, np.uint8), np.full((8, 8, 3), 90, np.uint8)
    dot[3, 4, 1] = 91
    assert base.with_sound(click).sound_mark == base.with_sound(click.copy()).sound_mark != b""
    assert base.with_sound(click).sound_mark != base.with_sound(-click).sound_mark
    for nothing in (click[:0], click[:1], click[:700], click[:700] + 5):
        assert base.with_sound(nothing).sound_mark == b""
    seen = {
        name: base.with_frames(frames, np.arange(len(frames))).frames_mark
        for name, frames in {
            "none": [], "plain": [grey, grey], "dot": [dot], "later": [grey, dot], "order": [dot, grey],
            "two plain": [grey, grey + 1],
        }.items()
    }  # fmt: skip
    assert seen["none"] == seen["plain"] == b""
    assert len({seen[name] for name in ("dot", "later", "order", "two plain")} | {b""}) == 5
