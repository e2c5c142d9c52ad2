"""WAV files of any rate and make read and written inside a graph, and what is refused."""

import io
import resource
import struct

import librosa
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from cmgen.config import SoundConfig
from cmgen.export.wav import parse_wav, write_sounds
from cmgen.export.wav import read_middle as read
from cmgen.media import images

SOUND = SoundConfig()
RATE, LENGTH = SOUND.sample_rate, SOUND.window_samples

SOUND = SoundConfig()
RATES = [44100, 48000, 22050, 16000, 8000, 11025, 32000, 96000, 192000, 44056]


@pytest.fixture(scope="module")
def read_middle():
    spec = [tf.TensorSpec([], tf.string)]
    return tf.function(lambda data: read(data, SOUND), spec, autograph=False)


def wav(samples, rate=RATE, subtype="PCM_16", form="WAV"):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=form, subtype=subtype)
    return buffer.getvalue()


def noise(count, channels=None, seed=0):
    shape = count if channels is None else (count, channels)
    return 0.1 * np.random.default_rng(seed).standard_normal(shape)


def in_decibels(ratio):
    return 20 * np.log10(ratio)


@pytest.mark.parametrize("rate", RATES)
def test_tones_of_any_rate_stay_tones(read_middle, rate):
    """As good as 16 bits allow: the errors are those of the file's own rounding."""
    count = int(1.3 * rate) + 3
    begin = (2 * count - rate) // 4 / rate
    for hertz in (100.0, 1000.0, 0.4 * min(rate, RATE)):
        tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(count) / rate)
        expected = 0.5 * np.sin(2 * np.pi * hertz * (begin + np.arange(LENGTH) / RATE))
        found = read_middle(wav(tone, rate)).numpy()
        assert in_decibels(np.abs(found - expected).max() / 0.5) < -80


def test_what_lies_above_our_nyquist_frequency_is_filtered_out(read_middle):
    tone = 0.5 * np.sin(2 * np.pi * 30000 * np.arange(96000) / 96000)
    assert in_decibels(np.abs(read_middle(wav(tone, 96000))).max() / 0.5) < -80


@pytest.mark.parametrize("rate", [48000, 16000])
def test_resampling_agrees_with_librosa(read_middle, rate):
    """Noise of mostly less than 2 kHz; librosa's `soxr_vhq` starts at the file's first sample."""
    smooth = np.convolve(noise(2 * rate), np.hanning(rate // 1000), "same")
    theirs = librosa.resample(smooth, orig_sr=rate, target_sr=RATE, res_type="soxr_vhq")
    begin = round((2 * len(smooth) - rate) // 4 * RATE / rate)
    ours = read_middle(wav(smooth / 2, rate)).numpy() * 2
    expected = theirs[begin : begin + LENGTH]
    assert in_decibels(np.abs(ours - expected).max() / np.abs(expected).max()) < -70


@pytest.mark.parametrize("count", [LENGTH, LENGTH + 1, 3 * RATE])
def test_the_middle_half_second_is_taken_as_it_is(read_middle, count):
    samples = noise(count)
    begin = (count - LENGTH) // 2
    expected = soundfile.read(io.BytesIO(wav(samples)), dtype="float32")[0][begin:][:LENGTH]
    np.testing.assert_array_equal(read_middle(wav(samples)), expected)


@pytest.mark.parametrize("channels", [2, 6])
def test_channels_are_averaged(read_middle, channels):
    samples = noise(RATE, channels)
    stored = soundfile.read(io.BytesIO(wav(samples)), dtype="float32")[0]
    begin = (RATE - LENGTH) // 2
    expected = stored.mean(axis=1)[begin:][:LENGTH]
    np.testing.assert_allclose(read_middle(wav(samples)), expected, atol=1e-7)


def test_headers_of_all_sorts_are_read(read_middle):
    samples = noise(RATE)
    plain, expected = wav(samples), read_middle(wav(samples)).numpy()
    junk = plain[:12] + b"JUNK" + struct.pack("<I", 3) + b"abc\0" + plain[12:]
    at = plain.index(b"data") + 4
    piped = [plain[:at] + struct.pack("<I", n) + plain[at + 4 :] for n in (0, 2**32 - 1)]
    for data in (junk, *piped, wav(samples, form="WAVEX"), plain + b"LIST\4\0\0\0abcd"):
        np.testing.assert_array_equal(read_middle(data), expected)


def test_ten_minutes_cost_no_more_memory_than_one_second(read_middle):
    read_middle(wav(noise(48000), 48000))
    data = tf.constant(wav(np.zeros((600 * 48000, 2), np.int16), 48000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert not read_middle(data).numpy().any()
    # As floats it would be 230 MB more (the file itself is there already, and was copied to make it).
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


def test_nothing_is_made_of_a_header_before_it_is_checked():
    """A server runs side by side what need not wait."""
    with tf.Graph().as_default() as graph:
        found = parse_wav(tf.compat.v1.placeholder(tf.string, []))
    # An assertion that shows numbers is a branch.
    checks = {op for op in graph.get_operations() if op.type in ("Assert", "If")}
    assert len(checks) == 7
    for tensor in found:
        waiting, before = [tensor.op], set()
        while waiting:
            op = waiting.pop()
            if op not in before:
                before.add(op)
                waiting += [*op.control_inputs, *(given.op for given in op.inputs)]
        assert checks <= before, tensor


BAD_SOUNDS = {
    "is empty": b"",
    "is no WAV file": b"abc",
    "or less than its header": b"RIFF\0\0\0\0WAV",
    "no WAV file": images.encode_jpeg(np.zeros((64, 64, 3), np.uint8)),
    "without its fmt or data chunk": b"RIFF\0\0\0\0WAVE" + b"\0" * 100_000,
    r"another coding.*\[1\] \[24\] \[1\]": wav(np.zeros(RATE), subtype="PCM_24"),
    r"another coding.*\[3\] \[32\]": wav(np.zeros(RATE), subtype="FLOAT"),
    r"truncated.*\[83200\] \[88200\]": wav(np.zeros(RATE))[:-5000],
    r"too short.*\[22049\] \[44100\]": wav(np.zeros(LENGTH - 1)),
    r"sample rate out of.*\[999\]": wav(np.zeros(999), 999),
    "send 16-bit PCM WAV, as ffmpeg": wav(np.zeros(RATE), form="FLAC"),
}


@pytest.mark.parametrize("message", BAD_SOUNDS)
def test_bad_sounds_are_refused_with_the_remedy(read_middle, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"audio_bytes.*{message}|{message}"):
        read_middle(BAD_SOUNDS[message])


def test_sounds_are_written_as_16_bit_wav():
    waveforms = np.stack([noise(LENGTH), np.linspace(-1, 1, LENGTH)]).astype(np.float32)
    for data, waveform in zip(write_sounds(waveforms, RATE), waveforms, strict=True):
        information = soundfile.info(io.BytesIO(data.numpy()))
        assert (information.samplerate, information.subtype) == (RATE, "PCM_16")
        stored = soundfile.read(io.BytesIO(data.numpy()), dtype="float32")[0]
        np.testing.assert_allclose(stored, waveform, atol=1 / 16384)
