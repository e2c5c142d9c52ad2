"""Any sound or video file becomes a mono waveform, or a message that names it."""

import av
import numpy as np
import pytest
import soundfile
from fixtures import tone, write_recording

from cmgen.media.sound import decode_sound_file, write_sound
from cmgen.media.video import write_video
from cmgen.utils.errors import BAD_INPUT, UserError


def write_wav(path, samples, rate=44100, **options):
    soundfile.write(str(path), samples, rate, **options)
    return path


def pitch_of(samples: np.ndarray, rate: int = 44100) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_channel_count(tmp_path, rate, channels):
    time = np.arange(2 * rate) / rate
    wave = 0.5 * np.sin(2 * np.pi * 500 * time)
    path = write_wav(tmp_path / "a.wav", np.repeat(wave[:, None], channels, 1), rate)
    sound = decode_sound_file(path)
    assert sound.dtype == np.float32 and sound.ndim == 1
    assert abs(len(sound) - 2 * 44100) <= 1
    assert abs(pitch_of(sound) - 500) < 1
    assert np.abs(sound[4000:-4000]).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.wav", {"subtype": "FLOAT"}),
        ("a.wav", {"subtype": "PCM_U8"}),
        ("a.flac", {}),
        ("a.ogg", {}),
        ("a.aiff", {}),
        ("a.mp3", {}),
    ],
)
def test_formats(tmp_path, name, options):
    sound = decode_sound_file(write_wav(tmp_path / name, tone(440, 1.0), **options))
    assert abs(len(sound) - 44100) < 2500
    assert abs(pitch_of(sound) - 440) < 2


def test_coded_sound_of_many_channels_is_decoded_packed(tmp_path, monkeypatch):
    path = tmp_path / "a.m4a"
    wave = tone(440, 1.0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="5.1")
        packed = np.repeat(wave, stream.channels)[None]
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout="5.1")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame) + stream.encode(None))
    make_resampler, formats = av.AudioResampler, []

    def record_format(name, **options):
        formats.append(av.AudioFormat(name))
        return make_resampler(name, **options)

    monkeypatch.setattr(av, "AudioResampler", record_format)
    sound = decode_sound_file(path)
    assert formats and all(made.is_packed for made in formats)
    assert abs(len(sound) - 44100) < 2500
    middle, given = sound[8000:36000], wave[8000:36000]
    assert abs(pitch_of(middle) - 440) < 3
    # All channels count the same; the one for basses lets nothing through.
    heard = np.sqrt(np.mean(middle**2) / np.mean(given**2))
    assert heard == pytest.approx(1 - 1 / stream.channels, rel=0.03)


def test_channels_are_averaged(tmp_path):
    wave = tone(440, 1.0)
    path = write_wav(tmp_path / "a.wav", np.stack([wave, -wave], 1), subtype="FLOAT")
    assert np.abs(decode_sound_file(path)).max() < 1e-6


@pytest.mark.parametrize(
    ("rates", "layouts"),
    [((44100, 44100), ("mono", "stereo")), ((44100, 44100), ("stereo", "mono")),
     ((44100, 22050), ("mono", "mono"))],
)  # fmt: skip
def test_a_stream_that_changes_on_the_way_is_read_to_its_end(tmp_path, rates, layouts):
    joined = tmp_path / "joined.aac"
    for number, (rate, layout) in enumerate(zip(rates, layouts, strict=True)):
        part = tmp_path / f"{number}.aac"
        wave = tone(440, 1.0)[:: 44100 // rate]
        with av.open(str(part), "w", format="adts") as container:
            stream = container.add_stream("aac", rate=rate, layout=layout)
            samples = np.stack([wave] * stream.channels)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            frame.sample_rate = rate
            container.mux(stream.encode(frame) + stream.encode(None))
        with joined.open("ab") as file:
            file.write(part.read_bytes())
    sound = decode_sound_file(joined)
    loudness = np.sqrt(np.mean(tone(440, 1.0)[8000:36000] ** 2))
    assert len(sound) == pytest.approx(2 * 44100, abs=6000)
    for half in (sound[8000:36000], sound[-36000:-8000]):
        assert abs(pitch_of(half) - 440) < 3
        assert np.sqrt(np.mean(half**2)) == pytest.approx(loudness, rel=0.05)


def test_the_sound_of_a_video(tmp_path):
    write_recording(tmp_path / "a.mp4", "bell", 1.5)
    sound = decode_sound_file(tmp_path / "a.mp4")
    assert abs(len(sound) - 1.5 * 44100) < 1100  # AAC fills its last frame
    assert abs(pitch_of(sound) - 880) < 2


def test_exactly_one_window_at_another_rate_is_enough(tmp_path):
    path = write_wav(tmp_path / "a.wav", tone(440, 0.5)[:11025], 22050)
    assert len(decode_sound_file(path)) >= 22050


def test_a_file_written_to_a_pipe_is_not_truncated(tmp_path):
    path = write_wav(tmp_path / "a.wav", tone(440, 1.0))
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert len(decode_sound_file(path)) == 44100


def bad_file(folder, kind):
    path = folder / kind
    if kind == "empty.wav":
        path.touch()
    elif kind == "folder.wav":
        path.mkdir()
    elif kind in ("text.wav", "text.mp4"):
        path.write_text("These are not the samples you are looking for.\n" * 40)
    elif kind in ("cut.wav", "cut.flac"):
        write_wav(path, tone(440, 2.0))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "cut.mp4":
        write_recording(path, "bell", 2.0)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "short.wav":
        write_wav(path, tone(440, 0.3))
    elif kind == "silent_film.mp4":
        write_video(path, [np.zeros((32, 32, 3), np.uint8)] * 10, 10.0)
    elif kind == "nan.wav":
        write_wav(path, np.full(44100, np.nan, np.float32), subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing.wav", "no such file"),
        ("empty.wav", "is empty"),
        ("folder.wav", "is a folder"),
        ("text.wav", "not a readable sound or video file"),
        ("text.mp4", "not a readable sound or video file"),
        ("cut.wav", "truncated"),
        ("cut.flac", "truncated|cannot be decoded"),
        ("cut.mp4", "truncated"),
        ("short.wav", "0.30 s of sound"),
        ("silent_film.mp4", "has no sound"),
        ("nan.wav", "NaN"),
    ],
)
def test_bad_files_are_named_with_a_remedy(tmp_path, kind, message):
    with pytest.raises(UserError, match=message) as caught:
        decode_sound_file(bad_file(tmp_path, kind))
    assert str(tmp_path / kind) in str(caught.value)
    assert ";" in str(caught.value)  # what to do about it
    assert caught.value.exit_code == BAD_INPUT


@pytest.mark.parametrize(("suffix", "error"), [(".wav", 1e-4), (".flac", 1e-4), (".mp3", 0.02)])
def test_what_is_written_is_read_again(tmp_path, suffix, error):
    wave = 0.5 * tone(440.0, 1.0)
    write_sound(tmp_path / f"a{suffix}", wave)
    sound = decode_sound_file(tmp_path / f"a{suffix}")
    assert len(sound) - len(wave) in (range(3000) if suffix == ".mp3" else [0])
    assert abs(pitch_of(sound[: len(wave)]) - 440) < 1
    if suffix != ".mp3":
        np.testing.assert_allclose(sound, wave, atol=error)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{suffix}"]


def test_what_is_too_loud_is_clipped(tmp_path):
    write_sound(tmp_path / "a.wav", np.float32([3.0, -3.0] * 22050))
    sound = decode_sound_file(tmp_path / "a.wav")
    assert sound.max() > 0.99 and sound.min() < -0.99
