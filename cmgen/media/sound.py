"""Sound or video file -> mono waveform, and back. No TensorFlow: worker processes import this."""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, groupby
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from cmgen.config import SAMPLE_RATE, WINDOW_SECONDS
from cmgen.media.limits import LIMITS, MediaLimits
from cmgen.utils.errors import UserError
from cmgen.utils.files import atomic_file

SOUNDS = (".wav", ".flac", ".mp3")  # suffixes that `write_sound` knows

# FFmpeg's names of what is opened: no playlists and the like, which name other files or addresses.
FORMATS = (
    *("mov", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "asf", "ogg", "rm", "mxf", "nut"),
    *("wav", "w64", "aiff", "flac", "mp3", "aac", "ac3", "amr", "caf", "au", "wv", "ape", "tta"),
    *("dv", "gxf", "wtv", "gif", "ivf", "h264", "hevc", "mpegvideo", "m4v", "eac3", "dts", "voc"),
)

# FFmpeg guesses the length of these by the first bit rate.
_HEADERLESS = ("aac", "ac3", "eac3", "dts")
# A file may end this much earlier than its header says (encoders pad, players cut).
_LENGTH_TOLERANCE_SECONDS = 0.5


class UnreadableError(UserError):
    """Neither sound nor video, as far as FFmpeg can tell."""


def decode_sound_file(
    path: Path | str, sample_rate: int = SAMPLE_RATE, limits: MediaLimits = LIMITS
) -> np.ndarray:
    """Decodes the sound of any file that libsndfile or FFmpeg reads.

    Args:
      path: a sound or video file of any sample rate and channel count.
      sample_rate: of the result, in Hz.
      limits: the most that the file may hold.

    Returns:
      float32 [n] in about [-1, 1]: the mean of the channels, at least 0.5 s long.

    Raises:
      UserError: the file is missing, empty, no media file, truncated, without sound, too short
        or too large.
    """
    path = Path(path)
    check_file(path)
    try:
        samples, rate = _read_with_soundfile(path, str(path), limits)
    except soundfile.LibsndfileError:
        samples, rate = _read_with_ffmpeg(path, path, limits)
    return finish_sound(path, samples, rate, sample_rate)


def decode_sound_bytes(
    data: bytes, name: str, max_seconds: float, sample_rate: int = SAMPLE_RATE
) -> tuple[np.ndarray, bool]:
    """Decodes the beginning of an uploaded file in memory.

    Args:
      data: content of the file: sound, or video with sound.
      name: of the file, for messages.
      max_seconds: decoding stops there, however long the file is or claims to be.
      sample_rate: of the result, in Hz.

    Returns:
      sound: float32 [n], as from `decode_sound_file`.
      cut: whether the file goes on after that.
    """
    if not data:
        raise UserError(f"{name}: is empty (0 bytes); send another file")
    limits = MediaLimits(max_seconds)
    try:
        samples, rate = _read_with_soundfile(name, io.BytesIO(data), limits, cut=True)
    except soundfile.LibsndfileError:
        samples, rate = _read_with_ffmpeg(name, io.BytesIO(data), limits, cut=True)
    most = round(max_seconds * rate)
    cut = len(samples) > most
    return finish_sound(name, samples[:most], rate, sample_rate), cut


def write_sound(
    path: Path, sound: np.ndarray, sample_rate: int = SAMPLE_RATE, comment: str = ""
) -> None:
    """Writes a 16-bit .wav or .flac, or an .mp3 of 192 kbit/s, by the suffix; whole or not at all.

    Args:
      path: its suffix is one of SOUNDS.
      sound: float32 [n], mono; clipped to [-1, 1].
      sample_rate: in Hz.
      comment: the file's comment tag; none if empty.
    """
    sound = np.clip(sound, -1.0, 1.0).astype(np.float32)
    with atomic_file(path) as temporary:
        if path.suffix.lower() != ".mp3":
            with soundfile.SoundFile(str(temporary), "w", sample_rate, 1, "PCM_16") as file:
                if comment:
                    file.comment = comment
                file.write(sound)
            return
        with av.open(str(temporary), "w") as container:
            container.metadata["comment"] = comment
            stream = container.add_stream("mp3", rate=sample_rate, layout="mono")
            stream.bit_rate = 192000
            mux_sound(container, stream, sound, 0, len(sound), sample_rate)
            container.mux(stream.encode(None))


def encode_wav(sound: np.ndarray, sample_rate: int, comment: str = "") -> bytes:
    """Returns a 16-bit WAV file.

    Args:
      sound: [n] or [n, channels]; int16, or floating and clipped to [-1, 1].
      sample_rate: in Hz.
      comment: the file's comment tag; none if empty.
    """
    buffer = io.BytesIO()
    clipped = sound if sound.dtype == np.int16 else np.clip(sound, -1.0, 1.0)
    channels = 1 if sound.ndim == 1 else sound.shape[1]
    with soundfile.SoundFile(buffer, "w", sample_rate, channels, "PCM_16", format="WAV") as file:
        if comment:
            file.comment = comment
        file.write(clipped)
    return buffer.getvalue()


def mux_sound(
    container: av.container.OutputContainer,
    stream: av.audio.AudioStream,
    sound: np.ndarray,
    start: int,
    end: int,
    sample_rate: int,
) -> None:
    """Encodes samples [start, end) of a mono sound, float32 [n], into an open file."""
    if end <= start:
        return
    samples = np.ascontiguousarray(sound[None, start:end], np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = sample_rate, start, Fraction(1, sample_rate)
    container.mux(stream.encode(frame))


def check_file(path: Path) -> None:
    """Raises a UserError unless `path` is a file that isn't empty."""
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name a sound or video file")
    if not path.exists():
        raise UserError(f"{path}: no such file; check the name")
    if not path.is_file():
        raise UserError(f"{path}: is no regular file; name a sound or video file")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: is empty (0 bytes); replace or remove the file")


def finish_sound(path: Path | str, samples: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """Checks [n, channels] at `rate`, mixes it to mono and resamples it; float32 [m]."""
    if not np.isfinite(samples).all():
        raise UserError(f"{path}: its sound holds NaN or infinite samples; write the file again")
    seconds = len(samples) / rate
    if seconds < WINDOW_SECONDS:
        raise UserError(
            f"{path}: has {seconds:.2f} s of sound; needs at least {WINDOW_SECONDS} s (one window)"
        )
    mono = samples.mean(axis=1, dtype=np.float32)
    # A resampled window may be one sample short; silence fills it up.
    resampled = resample(mono, rate, sample_rate)
    missing = int(WINDOW_SECONDS * sample_rate) - len(resampled)
    return np.pad(resampled, (0, missing)) if missing > 0 else resampled


def resample(samples: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """float32 [n] at `rate` Hz -> float32 [about n * new_rate / rate], band-limited (soxr HQ)."""
    return samples if rate == new_rate else soxr.resample(samples, rate, new_rate)


def audio_frames_to_array(frames: list[av.AudioFrame], start: float) -> tuple[np.ndarray, int]:
    """Decoded FFmpeg sound -> (float32 [n, channels], rate), cut or padded to begin at `start`.

    If the number of channels changes, all is mixed to mono; a changed rate is resampled.

    Args:
      frames: consecutive frames of one stream, at least one.
      start: time of the first sample, in seconds (encoder delay lies before it).
    """
    rate = frames[0].sample_rate
    parts: list[np.ndarray] = []
    # Joined files and broadcasts change their format midway.
    for _, alike in groupby(frames, lambda f: (f.format.name, f.layout.name, f.sample_rate)):
        # Packed, for PyAV crashed on some planar sound.
        resampler = av.AudioResampler("flt", rate=rate)
        for part in chain.from_iterable(resampler.resample(f) for f in [*alike, None]):
            parts.append(part.to_ndarray().reshape(-1, part.layout.nb_channels))
    if len({part.shape[1] for part in parts}) > 1:
        # Mixed here, for FFmpeg would make one channel into two that are quieter.
        parts = [part.mean(axis=1, keepdims=True) for part in parts]
    samples = np.concatenate(parts).astype(np.float32, copy=False)
    offset = round((float(frames[0].time or 0.0) - start) * rate)
    if offset >= 0:
        return np.pad(samples, ((offset, 0), (0, 0))), rate
    return samples[-offset:], rate


@dataclass
class Reached:
    """End of the packets read so far, over all streams."""

    seconds: float = 0.0


def decoded(
    container: av.container.InputContainer, streams: Sequence[av.stream.Stream], reached: Reached
) -> Iterator[av.AudioFrame | av.VideoFrame]:
    """Yields the frames of some streams in the order of the file; updates `reached`."""
    wanted = {stream.index for stream in streams}
    for packet in container.demux():
        if packet.pts is not None and packet.time_base is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            reached.seconds = max(reached.seconds, end)
        if packet.stream.index in wanted:
            for frame in packet.decode():
                if isinstance(frame, (av.AudioFrame, av.VideoFrame)):
                    yield frame


def file_seconds(container: av.container.InputContainer) -> float | None:
    """Returns the length in a file's header, if it is reliable."""
    if not container.duration or container.format.name in _HEADERLESS:
        return None
    return container.duration / av.time_base


def stream_seconds(stream: av.stream.Stream) -> float | None:
    """Returns the length in a stream's header, if it is reliable."""
    if stream.duration is None or stream.time_base is None:
        return None
    if stream.container.format.name in _HEADERLESS:
        return None
    return float(stream.duration * stream.time_base)


def check_length(path: Path | str, seconds: float, promised: float | None) -> None:
    """Raises a UserError if much less was decoded than the header promises."""
    if promised and seconds < promised - max(_LENGTH_TOLERANCE_SECONDS, 0.05 * promised):
        raise UserError(
            f"{path}: is truncated ({seconds:.2f} s of {promised:.2f} s can be decoded); "
            "copy the file again or remove it"
        )


def _read_with_soundfile(
    name: Path | str, source: str | io.BytesIO, limits: MediaLimits, cut: bool = False
) -> tuple[np.ndarray, int]:
    """Reads float32 [n, channels] and the rate; LibsndfileError for formats that it doesn't know.

    A file that is too long is refused, or with `cut` read to one sample more than is allowed.
    """
    information = soundfile.info(source, verbose=True)
    sizes = re.search(r"^data : (\d+) \(should be (\d+)\)", information.extra_info, re.MULTILINE)
    # Programs that write to a pipe leave a huge or zero length in the header: no damage.
    if sizes and int(sizes[2]) < int(sizes[1]) < 2**31 - 1024:
        raise UserError(
            f"{name}: is truncated ({sizes[2]} of {sizes[1]} bytes of sound); "
            "copy the file again or remove it"
        )
    if isinstance(source, io.BytesIO):
        source.seek(0)
    rate = information.samplerate
    limit = round(limits.seconds * rate) + 1
    if not cut:
        limits.check_seconds(name, information.frames / rate)
    limits.check_samples(name, min(information.frames, limit), information.channels)
    try:
        samples, rate = soundfile.read(source, limit, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise UserError(
            f"{name}: cannot be decoded ({error.error_string}); copy the file again or remove it"
        ) from error
    if len(samples) != limit:
        check_length(name, len(samples) / rate, information.frames / rate)
    return samples, rate


def _read_with_ffmpeg(
    name: Path | str, source: Path | io.BytesIO, limits: MediaLimits, cut: bool = False
) -> tuple[np.ndarray, int]:
    """Reads float32 [n, channels] and the rate of the first sound stream; see `_read_with_soundfile`."""
    try:
        with open_media(source) as container:
            if not container.streams.audio:
                raise UserError(f"{name}: has no sound; give a file with a sound track")
            stream = container.streams.audio[0]
            check_decoder(name, stream)
            promised, whole = stream_seconds(stream), file_seconds(container)
            if not cut:
                limits.check_seconds(name, promised or 0.0)
            frames, seconds, count, reached = [], 0.0, 0, Reached()
            for frame in decoded(container, (stream,), reached):
                assert isinstance(frame, av.AudioFrame)
                frames.append(frame)
                seconds += frame.samples / frame.sample_rate
                count += frame.samples
                limits.check_samples(name, count, len(frame.layout.channels))
                if seconds > limits.seconds:
                    break
    except av.FFmpegError as error:
        raise unreadable(name, error) from error
    if not frames:
        raise UserError(
            f"{name}: its sound track is empty, or the file is truncated; copy it again or remove it"
        )
    if not cut:
        limits.check_seconds(name, seconds)
    samples, rate = audio_frames_to_array(frames, 0.0)
    if seconds <= limits.seconds:
        check_length(name, len(samples) / rate, promised)
        # This stream may end before the others: truncation shows in the whole file.
        check_length(name, max(reached.seconds, len(samples) / rate), whole)
    return samples, rate


def open_media(source: Path | io.BytesIO) -> av.container.InputContainer:
    """Opens a file or bytes with FFmpeg, but nothing that they refer to."""
    options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}
    # Without "file:", a name such as "concat:a|b" or "http://..." would mean more than a file.
    where = f"file:{source}" if isinstance(source, Path) else source
    # Tags, of any encoding in old files, are not read.
    return av.open(where, mode="r", options=options, metadata_errors="replace")


def check_decoder(path: Path | str, stream: av.stream.Stream) -> None:
    """Raises an UnreadableError if FFmpeg has no decoder for a stream."""
    if stream.codec_context is None:
        raise UnreadableError(
            f"{path}: its {stream.type} is coded in a way that FFmpeg does not know; convert it"
        )


def unreadable(path: Path | str, error: av.FFmpegError) -> "UnreadableError":
    """The message for a file that FFmpeg cannot open or decode."""
    return UnreadableError(
        f"{path}: not a readable sound or video file, or truncated ({error.strerror}); "
        "copy the file again, convert it or remove it"
    )
