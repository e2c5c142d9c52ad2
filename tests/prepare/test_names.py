"""Usual names of splits, Unicode forms of names, and suffixes of all that the readers open."""

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from cmgen.media.ffmpeg import FORMATS
from cmgen.media.images import read_image
from cmgen.media.sound import decode_sound_file
from cmgen.media.video import read_video
from cmgen.prepare.names import (
    PICTURE_SUFFIXES,
    SOUND_SUFFIXES,
    VIDEO_SUFFIXES,
    draw_tree,
    split_name,
    unified_names,
    why_unread,
)


@pytest.mark.parametrize(
    ("split", "folders"),
    [
        ("train", "train Train TRAIN training Training train_set trainset Train-Data train. trn"),
        ("validation", "validation Validation val VAL valid valid_set dev Dev development devset"),
        ("test", "test Test TEST testing Testing test_set TestSet test-split tst"),
    ],
)
def test_usual_names_of_splits_are_known_in_any_letter_case(split, folders):
    assert {split_name(folder) for folder in folders.split()} == {split}


@pytest.mark.parametrize(
    "folder", ["shifted", "holdout", "Eval", "violin", "trainer", "set", "data"]
)
def test_other_names_stay_as_they_are(folder):
    assert split_name(folder) == folder


def test_names_are_unified_where_that_keeps_them_apart():
    composed, decomposed = "Fl\u00f6te", "Flo\u0308te"
    assert unified_names([decomposed, "a"]) == [composed, "a"]
    assert unified_names([decomposed, composed]) == [decomposed, composed]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a/b.HEIC", "suffix .heic is not read; heif-convert IN.heic OUT.png converts it"),
        ("a/b.txt", "suffix .txt is not read"),
        ("a/b.jpg", "suffix .jpg is not read at this place"),
        ("a.b/c", "no suffix"),
    ],
)
def test_what_is_not_read_has_a_reason(name, reason):
    assert why_unread(name) == reason


def test_a_tree_shows_how_often_each_folder_occurs():
    places = ["train/bell", "train/drum", "train/bell", "test/bell"]
    assert draw_tree("raw", places).split("\n") == [
        "raw/",
        "  train       3",
        "    bell       2",
        "    drum       1",
        "  test        1",
        "    bell       1",
    ]
    shown = draw_tree("raw", [f"class{n:02d}" for n in range(40)], most=30).splitlines()
    assert len(shown) == 32 and shown[-1] == "  and 10 more"


class Kind(NamedTuple):
    """How FFmpeg writes files with some suffixes."""

    container: str
    sound: str
    suffixes: str
    pictures: str = ""
    rate: int = 44100
    size: tuple[int, int] = (176, 144)


SOUNDS = [
    Kind("wav", "pcm_s16le", ".wav .wave .bwf"),
    Kind("w64", "pcm_s16le", ".w64"),
    Kind("aiff", "pcm_s16be", ".aif .aiff .aifc"),
    Kind("flac", "flac", ".flac"),
    Kind("mp3", "mp3", ".mp3"),
    Kind("mp2", "mp2", ".mp1 .mp2 .mpa"),
    Kind("adts", "aac", ".aac .adts"),
    Kind("ac3", "ac3", ".ac3"),
    Kind("eac3", "eac3", ".eac3 .ec3"),
    Kind("caf", "pcm_s16le", ".caf"),
    Kind("au", "pcm_s16be", ".au .snd"),
    Kind("wv", "wavpack", ".wv"),
    Kind("tta", "tta", ".tta"),
    Kind("voc", "pcm_u8", ".voc"),
    Kind("ipod", "aac", ".m4a .m4b .m4r"),
    Kind("ogg", "flac", ".ogg .oga"),
    Kind("ogg", "libopus", ".opus", rate=48000),
    Kind("asf", "wmav2", ".wma"),
    Kind("matroska", "flac", ".mka"),
    Kind("webm", "libopus", ".weba", rate=48000),
    Kind("rm", "ac3", ".ra"),
]
VIDEOS = [
    Kind("3g2", "aac", ".3g2", "h264"),
    Kind("3gp", "aac", ".3gp", "h264"),
    Kind("mp4", "aac", ".mp4 .m4v", "h264"),
    Kind("f4v", "aac", ".f4v", "h264"),
    Kind("ismv", "aac", ".ismv", "h264"),
    Kind("mov", "pcm_s16le", ".mov .qt .mj2", "mpeg4"),
    Kind("asf", "wmav2", ".asf .wmv .dvr-ms", "wmv2"),
    Kind("avi", "mp3", ".avi .divx", "mpeg4"),
    Kind("dv", "pcm_s16le", ".dv", "dvvideo", 48000, (720, 576)),
    Kind("flv", "aac", ".flv", "h264"),
    Kind("gxf", "pcm_s16le", ".gxf", "mpeg2video", 48000, (720, 576)),
    Kind("mpegts", "mp2", ".ts .m2t .mts .m2ts .trp", "mpeg2video"),
    Kind("mpeg", "mp2", ".mpg .mpeg .mpe .mod .tod .vob", "mpeg2video"),
    Kind("matroska", "flac", ".mkv .mk3d", "h264"),
    Kind("webm", "libopus", ".webm", "libvpx", 48000),
    Kind("mxf", "pcm_s16le", ".mxf", "mpeg2video", 48000),
    Kind("nut", "mp3", ".nut", "mpeg4"),
    Kind("ogv", "libopus", ".ogv .ogm .ogx", "libvpx", 48000),
    Kind("rm", "ac3", ".rm .rmvb", "rv20"),
    Kind("wtv", "mp2", ".wtv", "mpeg2video"),
]
LIBSNDFILE = {
    "AVR": ".avr",
    "SVX": ".8svx .iff",
    "IRCAM": ".ircam",
    "NIST": ".nist .sph",
    "PAF": ".paf",
    "PVF": ".pvf",
    "RF64": ".rf64",
}
# Suffix -> FFmpeg's names of a container that cannot be written here and of its codec.
ONLY_READ = {
    ".amr": ("amr", "amrnb"),
    ".awb": ("amr", "amrwb"),
    ".ape": ("ape", "ape"),
    ".dts": ("dts", "dca"),
    ".spx": ("ogg", "speex"),
}
PICTURES = {
    "PNG": ".png .apng",
    "JPEG": ".jpg .jpeg .jpe .jfif",
    "MPO": ".mpo",
    "BMP": ".bmp",
    "GIF": ".gif",
    "TIFF": ".tif .tiff",
    "WEBP": ".webp",
}


def spread(table):
    return [pytest.param(kind, s, id=s) for kind in table for s in kind.suffixes.split()]


def test_every_suffix_is_tried_here():
    sounds = [s for kind in SOUNDS for s in kind.suffixes.split()]
    sounds += [s for names in LIBSNDFILE.values() for s in names.split()]
    assert sorted([*sounds, *ONLY_READ]) == sorted(SOUND_SUFFIXES)
    assert sorted(s for kind in VIDEOS for s in kind.suffixes.split()) == sorted(VIDEO_SUFFIXES)
    pictures = [s for names in PICTURES.values() for s in names.split()]
    assert sorted(pictures) == sorted(PICTURE_SUFFIXES)


def write(path: Path, kind: Kind) -> None:
    """Writes a second of a tone, with pictures if the kind has them."""
    with av.open(str(path), "w", format=kind.container) as container:
        film = None
        if kind.pictures:
            film = container.add_stream(kind.pictures, rate=25)
            assert isinstance(film, av.VideoStream)
            film.width, film.height = kind.size
            film.pix_fmt = "yuv420p"
        layout = "stereo" if kind.container == "dv" else "mono"
        track = container.add_stream(kind.sound, rate=kind.rate, layout=layout)
        track.bit_rate = 128_000  # without one, some encoders refuse
        for index in range(25 if film else 0):
            grey = np.full((*kind.size[::-1], 3), 5 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(film.encode(frame))
        if film:
            container.mux(film.encode(None))
        tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(kind.rate)[None] / kind.rate)
        frame = av.AudioFrame.from_ndarray(tone.astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = kind.rate, 0, Fraction(1, kind.rate)
        size = track.codec_context.frame_size or 1024
        resampler = av.AudioResampler(track.format.name, layout, kind.rate, size)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(track.encode(part))
        container.mux(track.encode(None))


@pytest.mark.parametrize(("kind", "suffix"), spread(SOUNDS))
def test_sounds_of_these_suffixes_are_read(tmp_path, kind, suffix):
    write(tmp_path / f"a{suffix}", kind)
    assert 0.9 < len(decode_sound_file(tmp_path / f"a{suffix}")) / 44100 < 1.1


@pytest.mark.parametrize(("kind", "suffix"), spread(VIDEOS))
def test_videos_of_these_suffixes_are_read(tmp_path, kind, suffix):
    write(tmp_path / f"a{suffix}", kind)
    video = read_video(tmp_path / f"a{suffix}", 32, 10)
    assert 0.9 < len(video.sound) / video.sample_rate < 1.5 and 9 <= len(video.frames) <= 12


@pytest.mark.parametrize(
    ("form", "suffix"), [(form, s) for form, names in LIBSNDFILE.items() for s in names.split()]
)
def test_sounds_that_libsndfile_alone_knows_are_read(tmp_path, form, suffix):
    path = tmp_path / f"a{suffix}"
    with soundfile.SoundFile(str(path), "w", 44100, 1, format=form) as file:
        file.write(np.zeros(44100, np.float32))
    assert len(decode_sound_file(path)) == 44100


@pytest.mark.parametrize(("container", "codec"), ONLY_READ.values(), ids=ONLY_READ)
def test_suffixes_of_what_no_encoder_here_writes_have_a_decoder(container, codec):
    assert container in FORMATS and av.codec.Codec(codec, "r").type == "audio"


@pytest.mark.parametrize(
    ("form", "suffix"), [(form, s) for form, names in PICTURES.items() for s in names.split()]
)
def test_pictures_of_these_suffixes_are_read(tmp_path, form, suffix):
    Image.new("RGB", (20, 10), (200, 10, 10)).save(tmp_path / f"a{suffix}", form)
    assert read_image(tmp_path / f"a{suffix}").shape == (10, 20, 3)
