"""Sound or video file -> mono waveform, and back. No TensorFlow: worker processes import this."""

import io
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from cmgen.config import SAMPLE_RATE, WINDOW_SECONDS
from cmgen.media.ffmpeg import (
    Clock,
    Track,
    check_length,
    check_whole,
    open_media,
    packets,
    sound_stream,
    unreadable,
)
from cmgen.media.limits import LIMITS, STREAMED_BYTES, MediaLimits
from cmgen.utils.errors import UserError
from cmgen.utils.files import atomic_file

_CODED = ("MP3", "OGG")  # formats that FFmpeg reads better than libsndfile
_BLOCK_SAMPLES = 2**18  # decoded at a time, of all channels
_UNKNOWN_FRAMES = 2**62
SOUNDS = (".wav", ".flac", ".mp3")  # suffixes that `write_sound` knows


def decode_sound_file(
    path: Path | str,
    sample_rate: int = SAMPLE_RATE,
    limits: MediaLimits = LIMITS,
) -> np.ndarray:
    """Decodes the sound of any file that libsndfile or FFmpeg reads.

    Args:
      path: a sound or video file of any sample rate and channel count.
      sample_rate: of the result, in Hz.
      limits: the most that the file may hold.

    Returns:
      float32 [n] in about [-1, 1]: the mean of the channels from the file's start on, at least
      0.5 s long. Each part lies at its time in the file; holes are silent.

    Raises:
      UserError: the file is missing, empty, no media file, truncated, without sound, too short
        or too large.
    """
    path = Path(path)
    check_file(path)
    try:
        samples, rate = _read_with_soundfile(path, path, limits, False)
    except soundfile.LibsndfileError:
        samples, rate = _read_with_ffmpeg(path, path, limits, False)
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
        samples, rate = _read_with_soundfile(name, io.BytesIO(data), limits, True)
    except soundfile.LibsndfileError:
        samples, rate = _read_with_ffmpeg(name, io.BytesIO(data), limits, True)
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


class _ToItsEnd(soundfile.SoundFile):
    """A sound file that is read as far as it goes, however many frames its header tells."""

    def seekable(self) -> bool:
        return False  # a read would end with a seek that fails where the length is unknown


def _read_with_soundfile(
    name: Path | str, source: Path | io.BytesIO, limits: MediaLimits, cut: bool
) -> tuple[np.ndarray, int]:
    """Reads float32 [n, 1] and the rate; LibsndfileError for what FFmpeg reads, or reads better.

    A file that is too long is refused, or with `cut` read to one sample more than is allowed.
    """
    opened = str(source) if isinstance(source, Path) else source
    information = soundfile.info(opened, verbose=True)
    sizes = re.search(
        r"^data : (\d+)(?: \(should be (\d+)\))?", information.extra_info, re.MULTILINE
    )
    written = sizes and int(sizes[1])
    if information.format in _CODED or (written == 0 and information.format in ("WAV", "WAVEX")):
        # libsndfile guesses the length of MP3, stops after the first of joined Ogg files, and finds
        # nothing where a program that wrote to a pipe left a length of zero.
        raise soundfile.LibsndfileError(1)
    if sizes and sizes[2] and int(sizes[2]) < int(sizes[1]) < STREAMED_BYTES:
        raise UserError(
            f"{name}: is truncated ({sizes[2]} of {sizes[1]} bytes of sound); "
            "copy the file again or remove it"
        )
    if isinstance(source, io.BytesIO):
        source.seek(0)
    track = Track(name, limits, cut)
    track.rate = rate = information.samplerate
    block = max(1, _BLOCK_SAMPLES // information.channels)
    try:
        with _ToItsEnd(opened) as file:
            while not track.full and len(samples := file.read(block, "float32", always_2d=True)):
                track.append(samples)
    except soundfile.LibsndfileError as error:
        raise UserError(
            f"{name}: cannot be decoded ({error.error_string}); copy the file again or remove it"
        ) from error
    promised = information.frames / rate
    if information.frames < _UNKNOWN_FRAMES and not track.full:
        check_length(name, track.seconds, promised)
    return track.finish(), rate


def _read_with_ffmpeg(
    name: Path | str, source: Path | io.BytesIO, limits: MediaLimits, cut: bool
) -> tuple[np.ndarray, int]:
    """Reads float32 [n, 1] and the rate of the default sound track; see `_read_with_soundfile`."""
    track, reached = Track(name, limits, cut), dict[int, float]()
    try:
        with open_media(source, name) as container:
            stream = sound_stream(name, container)
            clock = Clock(container)
            for packet in packets(container, (stream,), reached):
                for frame in packet.decode():
                    assert isinstance(frame, av.AudioFrame)
                    track.add(frame, clock.place_sound(stream, frame))
                if track.full:
                    break
            else:
                check_whole(name, source, container, reached)
    except av.FFmpegError as error:
        raise unreadable(name, error) from error
    if not track.rate:
        raise UserError(
            f"{name}: its sound track is empty, or the file is truncated; copy it again or remove it"
        )
    return track.finish(), track.rate
