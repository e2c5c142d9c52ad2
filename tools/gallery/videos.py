"""Videos with uneven times, missing streams, odd pictures, and cut or too large files."""

import io
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import av
import numpy as np

from tools.gallery import Odd, of_bytes
from tools.gallery.sounds import half, tone

MILLISECOND = Fraction(1, 1000)
EVEN = tuple(i / 10 for i in range(20))


def video(
    container: str = "matroska",
    codec: str = "libx264",
    size: tuple[int, int] = (64, 48),
    pix_fmt: str = "yuv420p",
    times: Sequence[float] = EVEN,
    sound: tuple[float, float] | None = (0.0, 2.0),
    layout: str = "mono",
) -> bytes:
    """A video whose pictures brighten.

    Args:
      container, codec, size, pix_fmt: as FFmpeg names them; width and height.
      times: of the pictures in seconds.
      sound: when it begins and how long it lasts, in seconds; None for none.
      layout: of its channels.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        pictures: Any = file.add_stream(codec, rate=10) if times else None
        audio = file.add_stream("aac", rate=48000, layout=layout) if sound else None
        if pictures is not None:
            pictures.width, pictures.height, pictures.pix_fmt = *size, pix_fmt
            pictures.codec_context.time_base = MILLISECOND
            pictures.codec_context.gop_size = 5
            for index, time in enumerate(times):
                pixels = np.full((size[1], size[0], 3), 10 + 10 * index % 240, np.uint8)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = round(time * 1000), MILLISECOND
                file.mux(pictures.encode(frame))
            file.mux(pictures.encode(None))
        if audio is not None and sound is not None:
            begin, seconds = sound
            channels = audio.codec_context.layout.nb_channels
            samples = tone(seconds, 48000, channels).T.astype(np.float32)
            for start in range(0, samples.shape[1], 1024):
                part = np.ascontiguousarray(samples[:, start : start + 1024])
                chunk = av.AudioFrame.from_ndarray(part, "fltp", layout)
                chunk.sample_rate, chunk.pts = 48000, round(begin * 48000) + start
                file.mux(audio.encode(chunk))
            file.mux(audio.encode(None))
    return buffer.getvalue()


def turned() -> bytes:
    """As phones write it: a quarter turn in the track's matrix."""
    data = video("mp4")
    at = data.index(b"tkhd") + 4 + 40
    quarter = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    return data[:at] + quarter + data[at + 36 :]


def without_first_key_frame() -> bytes:
    """A recording of a broadcast that begins in the middle: no key frame among the first pictures."""
    buffer, pictures = io.BytesIO(), 0
    with (
        av.open(io.BytesIO(video("mpegts")), "r") as old,
        av.open(buffer, "w", format="mpegts") as new,
    ):
        streams = {s.index: new.add_stream_from_template(s) for s in old.streams}
        for packet in old.demux():
            if packet.dts is None:
                continue
            first = packet.stream.type == "video" and pictures == 0
            pictures += packet.stream.type == "video"
            if not first:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
    return buffer.getvalue()


def claiming(width: int, height: int) -> bytes:
    """An AVI file whose header promises larger pictures than it has."""
    data = video("avi", "rawvideo", pix_fmt="bgr24")
    at = data.index(b"strf") + 12
    return data[:at] + struct.pack("<ii", width, height) + data[at + 8 :]


UNEVEN = tuple(np.cumsum([0.03, 0.3, 0.05, 0.2] * 4).tolist())
GOOD = {"video": "read: 20 pictures, 2.0", "pictures": "read: 20 pictures", "sound": "read: 2.0"}
TEXT = b"This is no video.\n" * 99


def every(message: str) -> dict[str, str]:
    return dict.fromkeys(GOOD, message)


def but(**others: str) -> dict[str, str]:
    return {**GOOD, **others}


VIDEOS: list[tuple[str, str, Callable[[], bytes], dict[str, str]]] = [
    ("even.mkv", "20 pictures, 2 s", video, GOOD),
    (
        "uneven.mkv",
        "variable frame rate, three pictures after the sound",
        partial(video, times=UNEVEN),
        but(video="read: 13 pictures", pictures="read: 16 pictures"),
    ),
    (
        "late_sound.mkv",
        "sound that starts half a second late",
        partial(video, sound=(0.5, 1.5)),
        but(video="read: 15 pictures, 1.5"),
    ),
    (
        "no_sound.mp4",
        "no sound",
        partial(video, "mp4", sound=None),
        but(video="has no sound", sound="has no sound"),
    ),
    (
        "no_pictures.mp4",
        "sound alone",
        partial(video, "mp4", times=()),
        but(video="has no pictures", pictures="has no pictures"),
    ),
    (
        "no_key_frame.ts",
        "no key frame at the start",
        without_first_key_frame,
        but(video="read: 15 pictures, 2.0", pictures="read: 15 pictures", sound="read: 2."),
    ),
    (
        "odd_size.mkv",
        "35 x 33",
        partial(video, codec="ffv1", size=(35, 33), pix_fmt="yuv444p"),
        GOOD,
    ),
    ("tiny.mkv", "2 x 2", partial(video, size=(2, 2)), GOOD),
    ("hdr.mkv", "10 bits a colour (HDR)", partial(video, pix_fmt="yuv420p10le"), GOOD),
    ("hdr422.mkv", "10 bits, 4:2:2", partial(video, pix_fmt="yuv422p10le"), GOOD),
    ("grey.mkv", "grey", partial(video, codec="ffv1", pix_fmt="gray"), GOOD),
    ("alpha.mkv", "transparency", partial(video, codec="ffv1", pix_fmt="yuva420p"), GOOD),
    ("turned.mp4", "turned by its metadata", turned, GOOD),
    ("surround.mkv", "six channels", partial(video, layout="5.1"), GOOD),
    (
        "one_picture.mkv",
        "one picture that is held",
        partial(video, times=(0.0,)),
        but(video="read: 1 pictures, 2.0", pictures="read: 1 pictures, 2.0"),
    ),
    (
        "short.mkv",
        "0.3 s",
        partial(video, times=EVEN[:3], sound=(0.0, 0.3)),
        but(video="at least 0.5 s", pictures="read: 3 pictures", sound="at least 0.5 s"),
    ),
    ("cut.mp4", "MP4, cut in the middle", lambda: half(video("mp4")), every("not a readable")),
    ("cut.mkv", "Matroska, cut in the middle", lambda: half(video()), every("is truncated")),
    (
        "large.avi",
        "8,001 x 8,000 by its header, over --max_megapixels",
        partial(claiming, 8001, 8000),
        but(video="has 8001 x 8000 pixels", pictures="has 8001 x 8000 pixels"),
    ),
    ("text.mp4", "text", lambda: TEXT, every("not a readable")),
    ("empty.mp4", "nothing", lambda: b"", every("is empty")),
]


def files() -> list[Odd]:
    """All videos of the gallery."""
    odd = []
    for name, about, make, expected in VIDEOS:
        sound = expected["sound"]
        studio = "no sound, video or picture" if sound == "not a readable" else sound
        odd.append(Odd(name, about, of_bytes(make), {**expected, "studio": studio}))
    return odd
