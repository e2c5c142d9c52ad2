"""Videos are read with their times and sound, and written so that others can play them."""

import struct

import av
import numpy as np
import pytest
from fixtures import picture, tone, write_recording
from PIL import Image

from cmgen.media.sound import write_sound
from cmgen.media.video import dub_video, read_pictures, read_video, write_video
from cmgen.utils.errors import UserError


def write_with(path, video_codec, audio_codec, fps=10, seconds=2, offset=0.0, pix_fmt="yuv420p"):
    """Writes a video of any container and codec, its pictures `offset` seconds late."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(video_codec, rate=fps)
        video.width, video.height, video.pix_fmt = 64, 48, pix_fmt
        audio = container.add_stream(audio_codec, rate=48000, layout="stereo")
        for index in range(seconds * fps):
            pixels = np.full((48, 64, 3), 10 * index % 250, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = index + round(offset * fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        count = audio.codec_context.frame_size or 1024
        for start in range(0, seconds * 48000, count):
            samples = np.full((2, count), 0.25, np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 48000, start
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))


def test_round_trip_keeps_pictures_times_and_sound(tmp_path):
    path = tmp_path / "a.mp4"
    write_recording(path, "flute", 2.0, seed=3)
    video = read_video(path)
    assert len(video.frames) == 20
    np.testing.assert_allclose(video.times, np.arange(20) / 10, atol=1e-3)
    assert abs(len(video.sound) - 2 * 44100) < 1100
    for index in (0, 10, 19):
        expected = picture("flute", index / 10, seed=3).astype(int)
        assert np.abs(video.frames[index] - expected).mean() < 6
    # AAC changes samples little, and nothing is shifted in time.
    expected = tone(440, 2.0, seed=3)
    assert np.abs(video.sound[2000:80000] - expected[2000:80000]).max() < 0.05


@pytest.mark.parametrize(
    ("name", "video_codec", "audio_codec"),
    [
        ("a.mkv", "libx264", "flac"),
        ("a.avi", "mpeg4", "mp3"),
        ("a.webm", "libvpx", "libopus"),
        ("a.mov", "libx264", "aac"),
    ],
)
def test_any_container_and_codec(tmp_path, name, video_codec, audio_codec):
    path = tmp_path / name
    write_with(path, video_codec, audio_codec)
    video = read_video(path, size=32)
    assert len(video.frames) in (19, 20) and video.frames[0].shape == (32, 32, 3)
    assert np.median(np.diff(video.times)) == pytest.approx(0.1, abs=0.01)
    assert abs(len(video.sound) / 44100 - 2) < 0.1


def test_pictures_are_thinned_to_the_asked_rate(tmp_path):
    for fps in (25, 30):
        path = tmp_path / f"{fps}.mkv"
        write_with(path, "libx264", "flac", fps=fps)
        times = read_video(path, max_fps=10).times
        assert len(times) == 20
        assert np.abs(times - np.arange(20) / 10).max() <= 0.5 / fps + 1e-3


def test_times_count_from_the_sound(tmp_path):
    write_with(tmp_path / "late.mkv", "libx264", "flac", offset=0.5)
    times = read_video(tmp_path / "late.mkv").times
    assert times[0] == pytest.approx(0.5, abs=0.02)
    assert times[-1] <= 2.1  # pictures after the sound's end are left out


def test_a_phone_video_is_turned_upright(tmp_path):
    path = tmp_path / "phone.mp4"
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, :32] = (200, 30, 30)
    write_video(path, [pixels] * 10, 10.0, tone(440, 1.0))
    data = path.read_bytes()
    at = data.index(b"tkhd") + 4 + 40  # the video track comes first; its 3 x 3 matrix
    quarter_turn = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(data[:at] + quarter_turn + data[at + 36 :])
    frame = read_video(path).frames[0]
    assert frame.shape == (64, 48, 3)
    # Turned clockwise, what was left is up.
    assert frame[8, 24, 0] > 150 and frame[56, 24, 0] < 50


def test_gif_repeats_at_its_rate(tmp_path):
    frames = [picture("bell", index / 2, 32) for index in range(5)]
    write_video(tmp_path / "a.gif", frames, 10.0)
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.n_frames == 5
        assert animation.info["duration"] == 100 and animation.info["loop"] == 0
        first = np.asarray(animation.convert("RGB")).astype(int)
    assert np.abs(first - frames[0]).mean() < 4


def test_odd_sizes_can_be_written(tmp_path):
    write_video(tmp_path / "a.mp4", [np.zeros((33, 35, 3), np.uint8)] * 6, 10.0, tone(440, 0.6))
    assert read_video(tmp_path / "a.mp4").frames[0].shape == (32, 34, 3)


@pytest.mark.parametrize(("name", "frames"), [("a.mp4", 0), ("a.mpq", 1)])
def test_what_cannot_be_written_leaves_nothing(tmp_path, name, frames):
    with pytest.raises(UserError, match=name):
        write_video(tmp_path / name, [np.zeros((32, 32, 3), np.uint8)] * frames)
    assert list(tmp_path.iterdir()) == []


def test_bad_videos_are_named(tmp_path):
    sound_only = tmp_path / "sound.mkv"
    with av.open(str(sound_only), "w") as container:
        stream = container.add_stream("flac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), "s16", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    silent = tmp_path / "silent.mp4"
    write_video(silent, [np.zeros((32, 32, 3), np.uint8)] * 10)
    short = tmp_path / "short.mp4"
    write_recording(short, "bell", 0.3)
    whole = tmp_path / "whole.mkv"
    write_with(whole, "libx264", "flac", seconds=4)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    for path, message in [
        (sound_only, "no pictures"),
        (silent, "no sound"),
        (short, "needs at least 0.5 s"),
        (cut, "truncated"),
    ]:
        with pytest.raises(UserError, match=message) as caught:
            read_video(path)
        assert str(path) in str(caught.value)


def test_pictures_are_read_with_or_without_sound(tmp_path):
    write_recording(tmp_path / "sound.mp4", "bell", seconds=2.0)
    write_video(tmp_path / "silent.mp4", [picture("bell", i / 20) for i in range(40)], 20.0)
    for name, count in (("sound.mp4", 20), ("silent.mp4", 40)):
        frames, times, seconds = read_pictures(tmp_path / name, size=32)
        assert len(frames) == len(times) == count and frames[0].shape == (32, 32, 3)
        np.testing.assert_allclose(times, np.arange(count) * 2.0 / count, atol=1e-3)
        assert seconds == pytest.approx(2.0, abs=0.01)
    assert len(read_pictures(tmp_path / "silent.mp4", max_fps=10.0)[0]) == 20


def test_a_sound_file_has_no_pictures_to_read(tmp_path):
    write_sound(tmp_path / "a.mp3", tone(440.0, 1.0))
    with pytest.raises(UserError, match="has no pictures"):
        read_pictures(tmp_path / "a.mp3")


def test_late_pictures_are_dubbed_from_their_first_on(tmp_path):
    write_with(tmp_path / "late.mkv", "libx264", "aac", offset=1.0)
    sound = np.concatenate([np.zeros(44100), tone(440.0, 1.0)]).astype(np.float32)
    dub_video(tmp_path / "late.mkv", tmp_path / "out.mp4", sound, 44100)
    dubbed = read_video(tmp_path / "out.mp4")
    assert len(dubbed.frames) == 20 and abs(dubbed.times[0]) < 0.03
    assert np.abs(dubbed.sound[:40000]).max() < 0.01 < np.abs(dubbed.sound[48000:]).max()


def test_pictures_that_mp4_cannot_hold_are_named(tmp_path):
    write_with(tmp_path / "old.avi", "huffyuv", "pcm_s16le", pix_fmt="yuv422p")
    with pytest.raises(UserError, match="huffyuv cannot be copied"):
        dub_video(tmp_path / "old.avi", tmp_path / "out.mp4", tone(440.0, 1.0), 44100)
    assert not (tmp_path / "out.mp4").exists()
