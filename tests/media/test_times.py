"""Sound and pictures lie where players put them, and last for as long as they can be decoded."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
import tensorflow as tf
from fixtures import tone
from PIL import Image

from cmgen.export.clients import i2s, s2i
from cmgen.export.pictures import read_picture
from cmgen.export.wav import parse_wav
from cmgen.media import images
from cmgen.media.limits import MediaLimits
from cmgen.media.sound import decode_sound_file, encode_wav
from cmgen.media.video import read_pictures, read_video, write_video
from cmgen.utils.errors import UserError

RATE = 48000


def write(path, audio="flac", start=0.0, hole=(9.0, 9.0), video="mpeg4", bf=0, aspect=None):
    """Four seconds: pictures brighten, and the sound is 0.1 s of loud tone at each full second."""
    with av.open(str(path), "w") as file:
        pictures = file.add_stream(video, rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 48, 64, "yuv420p"
        pictures.codec_context.max_b_frames = bf
        if aspect:
            pictures.codec_context.sample_aspect_ratio = aspect
        sound = file.add_stream(audio, rate=RATE, layout="mono")
        time = np.arange(4 * RATE) / RATE
        wave = (0.5 * np.sin(2 * np.pi * 880 * time) * (time % 1 < 0.1)).astype(np.float32)
        kind = sound.codec_context.format.name if audio != "flac" else "s16"
        for index in range(40):
            frame = av.VideoFrame.from_ndarray(np.full((64, 48, 3), 6 * index, np.uint8), "rgb24")
            frame.pts, frame.time_base = round(start * 10) + index, Fraction(1, 10)
            file.mux(pictures.encode(frame))
        for begin in range(0, 4 * RATE, 1152):
            if not hole[0] <= begin / RATE < hole[1]:
                part = wave[None, begin : begin + 1152]
                part = np.int16(32767 * part) if kind.startswith("s16") else part
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), kind, "mono")
                frame.sample_rate, frame.pts = RATE, round(start * RATE) + begin
                frame.time_base = Fraction(1, RATE)
                file.mux(sound.encode(frame))
        for stream in (pictures, sound):
            file.mux(stream.encode(None))
    return path


def beeps(sound):
    loud = np.abs(sound[: len(sound) // 441 * 441].reshape(-1, 441)).max(axis=1) > 0.2
    return (np.flatnonzero(loud & ~np.r_[False, loud[:-1]]) / 100).round(2)


def test_a_hole_is_silent_and_what_follows_stays_in_its_place(tmp_path):
    path = write(tmp_path / "a.mkv", hole=(1.5, 2.5))
    for sound in (decode_sound_file(path), read_video(path).sound):
        np.testing.assert_allclose(beeps(sound), [0, 1, 3], atol=0.03)
        assert len(sound) / 44100 == pytest.approx(4, abs=0.05)
    assert len(read_video(path).frames) == 40


@pytest.mark.parametrize("start", [1800.0, 36000.0])
def test_a_clock_may_start_anywhere(tmp_path, start):
    path = write(tmp_path / "a.ts", "mp2", start, video="mpeg2video")
    limits = MediaLimits(seconds=10)
    video = read_video(path, limits=limits)
    for sound in (decode_sound_file(path, limits=limits), video.sound):
        assert len(sound) / 44100 == pytest.approx(4, abs=0.15)
    assert len(video.frames) == 40 and abs(video.times[0]) < 0.1


def test_joined_files_go_on_after_each_other(tmp_path):
    for suffix, options in ((".ogg", {"subtype": "VORBIS"}), (".mp3", {})):
        soundfile.write(tmp_path / f"a{suffix}", tone(440.0, 2.0), 44100, **options)
        joined = tmp_path / f"joined{suffix}"
        joined.write_bytes(2 * (tmp_path / f"a{suffix}").read_bytes())
        assert len(decode_sound_file(joined)) / 44100 == pytest.approx(4, abs=0.15)
    sound, rate = s2i.read_sound(tmp_path / "joined.ogg")
    assert len(sound) / rate == pytest.approx(4, abs=0.01)
    path = write(tmp_path / "a.ts", "mp2", video="mpeg2video")
    path.write_bytes(2 * path.read_bytes())
    video = read_video(path)
    assert len(video.sound) / 44100 == pytest.approx(8, abs=0.3) and np.diff(video.times).min() > 0


@pytest.mark.parametrize(
    ("riff", "data"),
    [(0x7FFFF024, 0x7FFFF000), (0x7FFF0024, 0x7FFF0000), (0, 0), (2**32 - 1, 2**32 - 1)],
)
def test_lengths_that_pipes_leave_are_none(tmp_path, riff, data):
    path, wav = tmp_path / "a.wav", bytearray(encode_wav(tone(440.0, 1.0), 44100))
    wav[4:8], wav[40:44] = struct.pack("<I", riff), struct.pack("<I", data)
    path.write_bytes(wav)
    assert len(decode_sound_file(path)) == len(s2i.read_sound(path)[0]) == 44100
    assert int(parse_wav(tf.constant(bytes(wav))).frames) == 44100


def test_flac_of_unknown_length_is_read_to_its_end(tmp_path):
    soundfile.write(tmp_path / "a.flac", tone(440.0, 1.0), 44100)
    flac = bytearray((tmp_path / "a.flac").read_bytes())
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(flac)
    assert len(decode_sound_file(tmp_path / "a.flac")) == 44100
    assert len(s2i.read_sound(tmp_path / "a.flac")[0]) == 44100


def test_pictures_without_times_of_display_are_in_order(tmp_path):
    video = read_video(write(tmp_path / "a.avi", "pcm_s16le", video="libx264", bf=3))
    light = [frame.mean() for frame in video.frames]
    assert len(light) == 40 and np.diff(light).min() > 0
    np.testing.assert_allclose(np.diff(video.times), 0.1, atol=1e-3)


def test_pixels_that_are_no_squares_are_shown_as_players_do(tmp_path):
    path = write(tmp_path / "a.mp4", "aac", aspect=Fraction(3, 2))
    assert read_video(path).frames[0].shape == (64, 72, 3)


def test_mirrored_pictures_are_shown_as_players_do(tmp_path):
    path, pixels = tmp_path / "a.mp4", np.zeros((48, 64, 3), np.uint8)
    pixels[:, :32] = (200, 30, 30)
    write_video(path, [pixels] * 10, 10.0, tone(440, 1.0))
    data = path.read_bytes()
    at = data.index(b"tkhd") + 44
    mirror = struct.pack(">9i", -(1 << 16), 0, 0, 0, 1 << 16, 0, 64 << 16, 0, 1 << 30)
    path.write_bytes(data[:at] + mirror + data[at + 36 :])
    frame = read_video(path).frames[0]
    assert frame[24, 8, 0] < 50 and frame[24, 56, 0] > 150
    assert frame.shape == (48, 64, 3)


def test_a_heif_picture_is_refused_with_the_command_that_converts_it(tmp_path):
    path = tmp_path / "photo.heic"
    path.write_bytes(struct.pack(">I4s4sI", 24, b"ftyp", b"heic", 0) + b"mif1heic")
    for read in (decode_sound_file, read_pictures):
        with pytest.raises(UserError, match=r"magick photo\.heic photo\.png"):
            read(path)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("size", [(64, 64), (97, 640), (40, 50), (1, 1), (63, 200), (480, 641)])
def test_all_readers_see_the_same_pixels(tmp_path, suffix, size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path)
    expected = images.square(images.read_image(path, 64), 64)
    for found in (i2s.read_picture(path, 64), read_picture(tf.constant(path.read_bytes()), 64)):
        np.testing.assert_array_equal(images.unscale(found), expected)


def test_sixteen_bits_of_grey_stay_grey(tmp_path):
    Image.fromarray(np.full((64, 64), 100 * 256, np.uint16)).save(tmp_path / "a.png")
    assert (images.unscale(i2s.read_picture(tmp_path / "a.png", 64)) == 100).all()
