"""Records give back what was recorded, or are refused; whatever was made of them."""

import io

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from fixtures import tone
from tiny_recording import make_recording

from cmgen.data import records, shards
from cmgen.data.recording import encode_flac, to_int16
from cmgen.media import images


def flac(samples: int = 44100, rate: int = 44100, channels: int = 1, form: str = "FLAC") -> bytes:
    file = io.BytesIO()
    shape = (samples, channels) if channels > 1 else samples
    noise = np.random.default_rng(0).integers(-9000, 9000, shape).astype(np.int16)
    soundfile.write(file, noise, rate, format=form, subtype="PCM_16")
    return file.getvalue()


LARGER_JPEG = images.encode_jpeg(np.zeros((32, 33, 3), np.uint8))


def test_sound_is_decoded_as_it_was():
    for seconds in (0.0, 0.5, 1.7):
        samples = to_int16(tone(440, seconds))
        found = records.decode_flac(encode_flac(samples), len(samples))
        assert found.dtype == np.int16
        np.testing.assert_array_equal(found, samples)


@pytest.mark.parametrize(
    ("data", "samples", "reason"),
    [
        (flac(), 44099, "44099 samples"),
        (flac()[:-3000], 44100, "44100 samples"),
        (flac(rate=48000), 44100, "48000"),
        (flac(channels=2), 44100, "2, 44100"),
        (flac(form="WAV"), 44100, "WAV"),
        (b"", 44100, "44100 samples"),
        (b"fLaC", 0, "0 samples is damaged"),
    ],
)
def test_a_sound_that_is_not_what_the_record_says_is_refused(data, samples, reason):
    with pytest.raises(records.RecordError, match=reason):
        records.decode_flac(data, samples)


@pytest.mark.parametrize("missing", [1, 44100])
def test_a_sound_that_ends_before_its_promised_length_is_refused(monkeypatch, missing):
    class EndingEarly(soundfile.SoundFile):
        def read(self, frames, dtype):
            return super().read(min(frames, 44100 - missing - self.tell()), dtype)

    monkeypatch.setattr(records.soundfile, "SoundFile", EndingEarly)
    with pytest.raises(records.RecordError, match=f"44100 samples has {44100 - missing}"):
        records.decode_flac(flac(), 44100)


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
        (
            lambda features: features["frames"].bytes_list.value.append(LARGER_JPEG),
            "picture is not",
        ),
        (lambda features: features["frames"].bytes_list.value.append(b"x"), "JPEG"),
        (None, "no example"),
    ],
)
def test_a_record_of_something_else_is_refused(tmp_path, change, reason):
    shards.write_shard(tmp_path / "a", 0, [make_recording(0)])
    (record,) = tf.data.TFRecordDataset(str(tmp_path / "a")).as_numpy_iterator()
    example = tf.train.Example.FromString(record)
    data = b"no example"
    if change:
        change(example.features.feature)
        data = example.SerializeToString()
    dataset = tf.data.Dataset.from_tensors(data).map(lambda record: records.parse(record, 32))
    with pytest.raises(tf.errors.InvalidArgumentError, match=reason):
        next(dataset.as_numpy_iterator())
