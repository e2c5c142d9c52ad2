"""Media files as FFmpeg opens them: their tracks, their clock, and how much of them is there."""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
from av.stream import Disposition

from cmgen.media.limits import MediaLimits
from cmgen.utils.errors import UserError

# FFmpeg's names of what is opened: no playlists and the like, which name other files or addresses.
FORMATS = (
    *("mov", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "asf", "ogg", "rm", "mxf", "nut"),
    *("wav", "w64", "aiff", "flac", "mp3", "aac", "ac3", "amr", "caf", "au", "wv", "ape", "tta"),
    *("dv", "gxf", "wtv", "gif", "ivf", "h264", "hevc", "mpegvideo", "m4v", "eac3", "dts", "voc"),
)
# Brands of HEIF pictures, which often are grids of tiles; FFmpeg shows one tile.
_STILL_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif")
# Formats whose header is written last, or has an index: a file that ends earlier was cut.
_INDEXED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "asf", "flv")
# A file may end this much earlier than its header says (encoders pad, players cut).
_LENGTH_TOLERANCE_SECONDS = 0.5
# Times of sound that differ less from what was counted are rounded, or a recorder's unsteady clock.
_STEADY_SECONDS = 0.03
# A clock begins anew if it jumps back or, where pieces are joined as they are, ahead.
_MOST_BACK, _MOST_AHEAD = 1.0, 10.0
_RESTARTED = ("mpegts", "mpeg")
# Formats without times, which FFmpeg makes up: of sound, and of display of pictures.
_UNTIMED_SOUND = ("aac", "ac3", "eac3", "dts", "mp3", "amr", "flac", "wav", "tta", "ape", "wv")
_UNTIMED_PICTURES = ("avi", "h264", "hevc", "mpegvideo", "m4v")

_Stream = TypeVar("_Stream", bound=av.stream.Stream)


class UnreadableError(UserError):
    """Neither sound nor video, as far as FFmpeg can tell."""


class Clock:
    """Times of a file's streams, in seconds since the file's start.

    A clock that jumps back begins anew, as in joined files: what follows goes on after what there is.
    """

    def __init__(self, container: av.container.InputContainer):
        self.ends: dict[int, float] = {}  # of what was placed, by the index of the stream
        self._shifts: list[float] = []  # of each piece
        if container.start_time is not None:
            self._shifts.append(-container.start_time / av.time_base)
        self._piece: dict[int, int] = {}
        self._timed = container.format.name not in _UNTIMED_SOUND
        self._most_ahead = _MOST_AHEAD if container.format.name in _RESTARTED else np.inf

    def place(self, stream: int, time: float | None, seconds: float) -> float:
        """Returns when a frame begins that lasts so long; one without a time follows the last."""
        end = self.ends.get(stream, 0.0)
        if time is None:
            placed = end
        else:
            if not self._shifts:
                self._shifts.append(-time)
            piece = self._piece.get(stream, 0)
            placed = time + self._shifts[piece]
            if stream in self.ends and not end - _MOST_BACK < placed < end + self._most_ahead:
                piece = self._piece[stream] = piece + 1
                if piece == len(self._shifts):
                    self._shifts.append(max(self.ends.values()) - time)
                placed = time + self._shifts[piece]
        self.ends[stream] = max(end, placed + seconds)
        return placed

    def place_sound(self, stream: av.stream.Stream, frame: av.AudioFrame) -> float:
        """Returns when a frame of sound begins."""
        time = frame.time if self._timed else None
        return self.place(stream.index, time, frame.samples / frame.sample_rate)


class Track:
    """The sound of a file as one channel, each part at its own time.

    Holes become silence; what overlaps is cut.

    Args:
      name: of the file, for messages.
      limits: the most that it may hold.
      cut: end one sample after the limit, with `full`, instead of raising a UserError.
    """

    def __init__(self, name: Path | str, limits: MediaLimits, cut: bool = False):
        self.rate = 0
        self.full = False
        self._name, self._limits, self._cut = name, limits, cut
        self._parts: list[np.ndarray] = []
        self._count = 0
        self._format: tuple[str, str, int] | None = None
        self._resampler: av.AudioResampler | None = None

    @property
    def seconds(self) -> float:
        return self._count / self.rate if self.rate else 0.0

    def add(self, frame: av.AudioFrame, time: float) -> None:
        """Adds a frame that begins `time` seconds after the track's start."""
        # Joined files and broadcasts change their format midway.
        made = (frame.format.name, frame.layout.name, frame.sample_rate)
        steady = max(_STEADY_SECONDS, float(frame.time_base or 0.0))
        away = abs(time - self.seconds) > steady or not self._count
        if away or made != self._format:
            self._flush()
        if self._resampler is None:
            self.rate = self.rate or frame.sample_rate
            # Packed, for PyAV crashed on some planar sound.
            self._format, self._resampler = made, av.AudioResampler("flt", rate=self.rate)
        hole = round(time * self.rate) - self._count if away else 0
        if hole > 0:
            self._add_silence(hole)
        for part in self._resampler.resample(frame):
            samples = part.to_ndarray().reshape(-1, part.layout.nb_channels)
            late = min(len(samples), max(0, -hole))
            self.append(samples[late:])
            hole += late

    def append(self, samples: np.ndarray) -> None:
        """Adds float32 [n, channels] after what there is; `rate` must be set."""
        self._check(*samples.shape)
        # Mixed here, for FFmpeg would make one channel into two that are quieter.
        self._add(samples.mean(axis=1, dtype=np.float32))

    def finish(self) -> np.ndarray:
        """Returns float32 [n, 1]."""
        self._flush()
        return np.concatenate(self._parts)[:, None] if self._parts else np.zeros((0, 1), np.float32)

    def _add_silence(self, count: int) -> None:
        if self._cut:
            count = min(count, round(self._limits.seconds * self.rate) + 1)
        self._check(count, 1)
        self._add(np.zeros(count, np.float32))

    def _add(self, mono: np.ndarray) -> None:
        self._parts.append(mono)
        self._count += len(mono)
        self.full = self._cut and self.seconds > self._limits.seconds

    def _check(self, more: int, channels: int) -> None:
        if not self._cut:
            self._limits.check_seconds(self._name, (self._count + more) / self.rate)
        self._limits.check_samples(self._name, self._count + more, channels)

    def _flush(self) -> None:
        resampler, self._resampler = self._resampler, None
        for part in resampler.resample(None) if resampler else ():
            self.append(part.to_ndarray().reshape(-1, part.layout.nb_channels))


def open_media(source: Path | io.BytesIO, name: Path | str = "") -> av.container.InputContainer:
    """Opens a file or bytes with FFmpeg, but nothing that they refer to.

    Args:
      source: the file.
      name: of it in messages; the path if left out.

    Raises:
      UserError: the file is a HEIF picture.
      av.FFmpegError: it can't be opened.
    """
    name = name or str(source)
    start = _bytes_at(source, 0, 12)
    if start[4:8] == b"ftyp" and start[8:] in _STILL_BRANDS:
        raise UserError(
            f"{name}: is a picture in HEIC or AVIF, which is not read; convert it, for example with: "
            f"magick {Path(name).name} {Path(name).stem}.png"
        )
    options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}
    # Without "file:", a name such as "concat:a|b" or "http://..." would mean more than a file.
    where = f"file:{source}" if isinstance(source, Path) else source
    # Tags, of any encoding in old files, are not read.
    return av.open(where, mode="r", options=options, metadata_errors="replace")


def sound_stream(path: Path | str, container: av.container.InputContainer) -> av.audio.AudioStream:
    """Returns the default sound track, the first if none is marked."""
    if not container.streams.audio:
        raise UserError(f"{path}: has no sound; give a file with a sound track")
    stream = _default(container.streams.audio)
    check_decoder(path, stream)
    return stream


def picture_stream(
    path: Path | str, container: av.container.InputContainer
) -> av.video.VideoStream:
    """Returns the default track of pictures, the first if none is marked; covers are none."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise UserError(f"{path}: has no pictures; give a video")
    stream = _default(streams)
    check_decoder(path, stream)
    return stream


def _default(streams: Sequence[_Stream]) -> _Stream:
    return next((s for s in streams if s.disposition & Disposition.default), streams[0])


def check_decoder(path: Path | str, stream: av.stream.Stream) -> None:
    """Raises an UnreadableError if FFmpeg has no decoder for a stream."""
    if stream.codec_context is None:
        raise UnreadableError(
            f"{path}: its {stream.type} is coded in a way that FFmpeg does not know; convert it"
        )


def packets(
    container: av.container.InputContainer,
    streams: Sequence[av.stream.Stream],
    reached: dict[int, float],
) -> Iterator[av.Packet]:
    """Yields the packets of some streams in the order of the file, and empty ones at its end.

    Args:
      container: an open file.
      streams: to be decoded.
      reached: index of each stream -> end of its packets so far, in the file's own times; updated.
    """
    wanted = {stream.index for stream in streams}
    for packet in container.demux():
        time = packet.dts if packet.pts is None else packet.pts
        index = packet.stream.index
        if time is not None and packet.time_base is not None:
            end = float((time + (packet.duration or 0)) * packet.time_base)
            reached[index] = max(reached.get(index, -np.inf), end)
            if not packet.size:  # decoders would take it for the end
                continue
        if index in wanted:
            yield packet


def check_whole(
    path: Path | str,
    source: Path | io.BytesIO,
    container: av.container.InputContainer,
    reached: Mapping[int, float],
) -> None:
    """Raises a UserError if a file ends much earlier than its header says, where that is no guess."""
    if container.duration and reached and is_indexed(source, container.format.name):
        found = max(reached.values()) - (container.start_time or 0) / av.time_base
        check_length(path, found, container.duration / av.time_base)


def has_times_of_display(container: av.container.InputContainer) -> bool:
    """Whether a format says when a picture is shown, not only in which order it is decoded."""
    return container.format.name not in _UNTIMED_PICTURES


def check_length(path: Path | str, seconds: float, promised: float) -> None:
    """Raises a UserError if much less can be decoded than the header promises."""
    if seconds < promised - max(_LENGTH_TOLERANCE_SECONDS, 0.05 * promised):
        raise UserError(
            f"{path}: is truncated ({seconds:.2f} s of {promised:.2f} s can be decoded); "
            "copy the file again or remove it"
        )


def unreadable(path: Path | str, error: av.FFmpegError) -> UnreadableError:
    """The message for a file that FFmpeg cannot open or decode."""
    return UnreadableError(
        f"{path}: not a readable sound or video file, or truncated ({error.strerror}); "
        "copy the file again, convert it or remove it"
    )


def is_indexed(source: Path | io.BytesIO, form: str) -> bool:
    """Whether the length in a file's header is what was written, neither guessed nor planned."""
    start = _bytes_at(source, 0, 4096)
    if form == "mp3":
        tagged = start[:3] == b"ID3"
        tag = 10 + sum(
            (byte & 127) << shift for byte, shift in zip(start[6:10], (21, 14, 7, 0), strict=False)
        )
        first = _bytes_at(source, tag if tagged else 0, 4096)
        return any(name in first for name in (b"Xing", b"Info", b"VBRI"))
    if form == "matroska,webm":
        # A segment of unknown size was written to a pipe, its length before it was known.
        _, segment, rest = start.partition(b"\x18\x53\x80\x67")
        return bool(segment) and rest[:8] != b"\x01" + b"\xff" * 7 and rest[:1] != b"\xff"
    return form in _INDEXED


def _bytes_at(source: Path | io.BytesIO, start: int, count: int) -> bytes:
    if isinstance(source, io.BytesIO):
        return bytes(source.getbuffer()[start : start + count])
    with source.open("rb") as file:
        file.seek(start)
        return file.read(count)
