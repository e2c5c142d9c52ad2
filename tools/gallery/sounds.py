"""Sounds: WAV files of every make, by hand where no program writes them; cut files."""

import io
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import av
import numpy as np
import soundfile

from tools.gallery import Odd, of_bytes

RATE = 44100
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
_GUID_REST = bytes.fromhex("000000001000800000aa00389b71")
ONE_SECOND = "read: 1.00 s"
# What the graph says of any WAV file that isn't 16-bit PCM.
OTHER_CODING = "WAV file of another coding"


def tone(seconds: float = 1.0, rate: int = RATE, channels: int = 1) -> np.ndarray:
    """440 Hz at half of full scale, float64 [samples, channels]."""
    wave = 0.5 * np.sin(2 * np.pi * 440.0 * np.arange(round(seconds * rate)) / rate)
    return np.repeat(wave[:, None], channels, axis=1)


def chunk(name: bytes, data: bytes, length: int | None = None) -> bytes:
    """A chunk of a RIFF file; its header says `length`, if given."""
    size = len(data) if length is None else length
    return name + struct.pack("<I", size) + data + b"\0" * (len(data) % 2)


def header(
    kind: int = PCM, channels: int = 1, rate: int = RATE, bits: int = 16, extensible: bool = False
) -> bytes:
    """The chunk `fmt `."""
    frame = channels * bits // 8
    base = (channels, rate & 0xFFFFFFFF, rate * frame & 0xFFFFFFFF, frame & 0xFFFF, bits)
    if not extensible:
        return chunk(b"fmt ", struct.pack("<HHIIHH", kind, *base))
    rest = struct.pack("<HHIH", 22, bits, 0, kind) + _GUID_REST
    return chunk(b"fmt ", struct.pack("<HHIIHH", EXTENSIBLE, *base) + rest)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) & 0xFFFFFFFF) + body


def int16(samples: np.ndarray) -> bytes:
    return np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def coded(form: str, subtype: str, samples: np.ndarray | None = None, rate: int = RATE) -> bytes:
    """A file that libsndfile writes."""
    buffer = io.BytesIO()
    given = tone(rate=rate) if samples is None else samples
    soundfile.write(buffer, given, rate, format=form, subtype=subtype)
    return buffer.getvalue()


def plain(samples: np.ndarray, rate: int = RATE) -> bytes:
    return riff(header(channels=samples.shape[1], rate=rate), chunk(b"data", int16(samples)))


def floats(*values: float) -> bytes:
    samples = tone()[:, 0].astype("<f4")
    samples[1000 : 1000 + len(values)] = values
    return riff(header(FLOAT, bits=32), chunk(b"data", samples.tobytes()))


def with_ffmpeg(container: str, codec: str, seconds: float = 1.0) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=48000, layout="mono")
        samples = tone(seconds, 48000).T.astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", "mono")
        frame.sample_rate, frame.pts = 48000, 0
        resampler = av.AudioResampler(stream.codec_context.format, "mono", 48000, 960)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return buffer.getvalue()


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _all(sound: str, graph: str | None = None) -> dict[str, str]:
    """The same from the readers of files and the studio; another from the graph."""
    return {"sound": sound, "studio": sound, "graph": graph or sound}


GOOD, GOOD_OUTSIDE = _all(ONE_SECOND), _all(ONE_SECOND, OTHER_CODING)
NO_WAV = "no WAV file"
_SAMPLES = tone()

WAVS: list[tuple[str, str, Callable[[], bytes], dict[str, str]]] = [
    ("pcm8.wav", "8 bits", partial(coded, "WAV", "PCM_U8"), GOOD_OUTSIDE),
    ("pcm16.wav", "16 bits", partial(plain, _SAMPLES), GOOD),
    ("pcm24.wav", "24 bits", partial(coded, "WAV", "PCM_24"), GOOD_OUTSIDE),
    ("pcm32.wav", "32 bits", partial(coded, "WAV", "PCM_32"), GOOD_OUTSIDE),
    ("float32.wav", "floating, 32 bits", partial(coded, "WAV", "FLOAT"), GOOD_OUTSIDE),
    ("float64.wav", "floating, 64 bits", partial(coded, "WAV", "DOUBLE"), GOOD_OUTSIDE),
    ("mulaw.wav", "mu-law", partial(coded, "WAV", "ULAW"), GOOD_OUTSIDE),
    ("alaw.wav", "A-law", partial(coded, "WAV", "ALAW"), GOOD_OUTSIDE),
    ("adpcm.wav", "IMA ADPCM", partial(coded, "WAV", "IMA_ADPCM"), _all("read: 1.0", OTHER_CODING)),
    (
        "extensible.wav",
        "WAVE_FORMAT_EXTENSIBLE, 16 bits",
        lambda: riff(header(extensible=True), chunk(b"data", int16(_SAMPLES))),
        GOOD,
    ),
    ("extensible24.wav", "the same, 24 bits", partial(coded, "WAVEX", "PCM_24"), GOOD_OUTSIDE),
    ("rf64.wav", "RF64", partial(coded, "RF64", "PCM_16"), _all(ONE_SECOND, NO_WAV)),
    ("wave64.wav", "Sony Wave64", partial(coded, "W64", "PCM_16"), _all(ONE_SECOND, NO_WAV)),
    ("aiff.wav", "AIFF by its content", partial(coded, "AIFF", "PCM_16"), _all(ONE_SECOND, NO_WAV)),
    (
        "rate_1.wav",
        "1 Hz, 2 samples",
        lambda: plain(tone(2, 1), 1),
        _all("read: 2.00 s", "sample rate out of"),
    ),
    (
        "rate_1_hours.wav",
        "1 Hz, 44,100 samples: 12 hours",
        lambda: plain(tone(44100, 1), 1),
        {"sound": "--max_seconds=3600", "studio": "read: 60.00 s", "graph": "sample rate out of"},
    ),
    (
        "rate_768000.wav",
        "768 kHz",
        lambda: plain(tone(1, 768000), 768000),
        _all(ONE_SECOND, "sample rate out of"),
    ),
    (
        "rate_0.wav",
        "0 Hz",
        lambda: riff(header(rate=0), chunk(b"data", int16(_SAMPLES))),
        _all("not a readable", "sample rate out of") | {"studio": "can be read"},
    ),
    (
        "channels_0.wav",
        "0 channels",
        lambda: riff(header(channels=0), chunk(b"data", int16(_SAMPLES))),
        _all("not a readable", OTHER_CODING) | {"studio": "can be read"},
    ),
    ("channels_64.wav", "64 channels", lambda: plain(tone(channels=64)), GOOD),
    (
        "channels_1024.wav",
        "1,024 channels, without its samples",
        lambda: riff(header(channels=1024, rate=8000), chunk(b"data", b"", 1024 * 2 * 100)),
        _all("truncated"),
    ),
    (
        "header_longer.wav",
        "header longer than the data",
        lambda: riff(header(), chunk(b"data", int16(_SAMPLES), 200000)),
        _all("truncated"),
    ),
    (
        "streamed.wav",
        "length 0xFFFFFFFF, as programs write to a pipe",
        lambda: riff(header(), chunk(b"data", int16(_SAMPLES), 0xFFFFFFFF)),
        GOOD,
    ),
    ("nan.wav", "NaN", partial(floats, np.nan), _all("NaN or infinite", OTHER_CODING)),
    (
        "infinite.wav",
        "infinity",
        partial(floats, np.inf, -np.inf),
        _all("NaN or infinite", OTHER_CODING),
    ),
    ("loud.wav", "floating, up to 1e30", partial(floats, 1e30, -1e30), GOOD_OUTSIDE),
    ("silence.wav", "silence", lambda: plain(0 * _SAMPLES), GOOD),
    ("dc.wav", "a constant", lambda: plain(0 * _SAMPLES + 0.5), GOOD),
    ("clipped.wav", "clipped", lambda: plain(9 * _SAMPLES), GOOD),
    ("window.wav", "exactly half a second", lambda: plain(tone(0.5)), _all("read: 0.50 s")),
    ("short.wav", "0.4 s", lambda: plain(tone(0.4)), _all("at least 0.5 s")),
    ("no_samples.wav", "no samples", lambda: plain(tone(0)), _all("sound track is empty", "0.5 s")),
    (
        "no_data.wav",
        "no data chunk",
        lambda: riff(header()),
        _all("not a readable", "without its fmt or data") | {"studio": "can be read"},
    ),
    (
        "odd_chunk.wav",
        "a chunk of odd length before the format",
        lambda: riff(chunk(b"LIST", b"odd"), header(), chunk(b"data", int16(_SAMPLES))),
        GOOD,
    ),
    (
        "many_chunks.wav",
        "200 empty chunks",
        lambda: riff(header(), chunk(b"junk", b"") * 200, chunk(b"data", int16(_SAMPLES))),
        _all(ONE_SECOND, "without its fmt or data"),
    ),
]
# Name, about, content, and what the readers of files and the studio say.
OTHERS: list[tuple[str, str, Callable[[], bytes], tuple[str, str]]] = [
    (
        "cut.flac",
        "FLAC, cut in the middle",
        lambda: half(coded("FLAC", "PCM_16")),
        ("cannot be decoded", "cannot be decoded"),
    ),
    (
        "cut.mp3",
        "MP3, cut in the middle",
        lambda: half(coded("MP3", "MPEG_LAYER_III")),
        ("is truncated", "is truncated"),
    ),
    (
        "cut.ogg",
        "Ogg Vorbis, cut in the middle",
        lambda: half(coded("OGG", "VORBIS")),
        ("not a readable", "can be read"),
    ),
    (
        "cut.m4a",
        "AAC in MP4, cut in the middle",
        lambda: half(with_ffmpeg("mp4", "aac")),
        ("not a readable", "can be read"),
    ),
    ("whole.opus", "Opus", lambda: with_ffmpeg("ogg", "libopus"), ("read: 1.0", "read: 1.0")),
    (
        "whole.mka",
        "AC-3 in Matroska",
        lambda: with_ffmpeg("matroska", "ac3"),
        ("read: 1.0", "read: 1.0"),
    ),
    (
        "tagged.mp3",
        "1 MB of tags before the sound",
        lambda: b"ID3\3\0\0\0\x40\0\0" + bytes(2**20) + coded("MP3", "MPEG_LAYER_III"),
        ("read: 1.00 s", "read: 1.00 s"),
    ),
]
LISTS = [
    (
        "playlist.mp3",
        "a playlist that names another file",
        b"#EXTM3U\n#EXTINF:9,\nother.mp3\n",
    ),
    ("concat.wav", "a list for FFmpeg's concat", b"ffconcat version 1.0\nfile other.wav\n"),
    (
        "hls.wav",
        "a list of a stream's parts",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.ts\n#EXT-X-ENDLIST\n",
    ),
    ("text.wav", "text", b"This is no sound.\n" * 99),
    ("empty.wav", "nothing", b""),
]


def files() -> list[Odd]:
    """All sounds of the gallery."""
    odd = [Odd(name, about, of_bytes(make), expected) for name, about, make, expected in WAVS]
    for name, about, make, (sound, studio) in OTHERS:
        odd.append(Odd(name, about, of_bytes(make), {"sound": sound, "studio": studio}))
    for name, about, data in LISTS:
        sound = "is empty" if not data else "not a readable"
        studio = "is empty" if not data else "no sound, video or picture"
        graph = "is empty" if not data else NO_WAV
        expected = {"sound": sound, "studio": studio, "graph": graph}
        odd.append(Odd(name, about, of_bytes(partial(bytes, data)), expected))
    return odd
