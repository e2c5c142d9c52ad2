"""Videos: read any container and codec that FFmpeg knows; write MP4 and GIF; dub.

No TensorFlow: worker processes import this.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from cmgen.config import FPS, SAMPLE_RATE
from cmgen.media import images
from cmgen.media.limits import LIMITS, MediaLimits
from cmgen.media.sound import (
    Reached,
    audio_frames_to_array,
    check_decoder,
    check_file,
    check_length,
    decoded,
    file_seconds,
    finish_sound,
    mux_sound,
    open_media,
    stream_seconds,
    unreadable,
)
from cmgen.utils.errors import UserError
from cmgen.utils.files import atomic_file


@dataclass(frozen=True)
class Video:
    """A decoded video.

    Attributes:
      frames: pictures, uint8 [height, width, 3] each.
      times: float64 [frames], seconds since the sound's first sample, increasing.
      sound: float32 [n], mono at `sample_rate`.
      sample_rate: in Hz.
    """

    frames: list[np.ndarray]
    times: np.ndarray
    sound: np.ndarray
    sample_rate: int


@dataclass(frozen=True)
class _Lengths:
    """Lengths in seconds that the header gives, if it does, and how far the file was read."""

    sound: float | None
    pictures: float | None
    whole: float | None
    reached: float = 0.0


def read_video(
    path: Path | str,
    size: int | None = None,
    max_fps: float | None = None,
    sample_rate: int = SAMPLE_RATE,
    limits: MediaLimits = LIMITS,
) -> Video:
    """Decodes a video with sound.

    Args:
      path: a video of any container and codec.
      size: side of the square that pictures are cropped and resized to; None keeps them whole.
      max_fps: pictures kept per second, roughly; None keeps all.
      sample_rate: of the sound, in Hz.
      limits: the most that the file may hold.

    Raises:
      UserError: the file is missing, empty, truncated, too large, no video, or lacks pictures or
        half a second of sound.
    """
    path = Path(path)
    check_file(path)
    try:
        with open_media(path) as container:
            if not container.streams.audio:
                raise UserError(
                    f"{path}: has no sound; give a video with a sound track, or remove it"
                )
            pictures, sounds, promised = _decode(path, container, size, max_fps, limits)
    except av.FFmpegError as error:
        raise unreadable(path, error) from error
    if not sounds or not pictures:
        what = "pictures" if sounds else "sound"
        raise UserError(
            f"{path}: its {what} track is empty, or the file is truncated; copy it again or remove it"
        )
    start = float(sounds[0].time or 0.0)
    samples, rate = audio_frames_to_array(sounds, start)
    check_length(path, start + len(samples) / rate, promised.sound)
    check_length(path, promised.reached, promised.whole)
    sound = finish_sound(path, samples, rate, sample_rate)
    times = np.array([time - start for time, _ in pictures])
    # A picture before the sound begins or after it ends belongs to no window.
    inside = np.flatnonzero((times > -0.05) & (times < len(sound) / sample_rate + 0.05))
    return Video([pictures[i][1] for i in inside], times[inside], sound, sample_rate)


def read_pictures(
    path: Path | str,
    size: int | None = None,
    max_fps: float | None = None,
    limits: MediaLimits = LIMITS,
) -> tuple[list[np.ndarray], np.ndarray, float]:
    """Decodes the pictures of a video, with or without sound.

    Args:
      path, size, max_fps, limits: as for `read_video`.

    Returns:
      frames: uint8 [height, width, 3] each.
      times: float64 [frames], seconds since the first picture, increasing.
      seconds: from the first picture to the end of the last.

    Raises:
      UserError: the file is missing, empty, truncated, too large or no video.
    """
    path = Path(path)
    check_file(path)
    try:
        with open_media(path) as container:
            pictures, _, promised = _decode(path, container, size, max_fps, limits, sound=False)
            rate = container.streams.video[0].average_rate
    except av.FFmpegError as error:
        raise unreadable(path, error) from error
    if not pictures:
        raise UserError(f"{path}: has no picture that can be decoded; copy it again or remove it")
    times = np.array([time for time, _ in pictures])
    check_length(path, promised.reached, promised.whole)
    times -= times[0]
    last = 1 / float(rate) if rate else 0.1
    seconds = max(times[-1] + last, promised.pictures or 0.0)
    return [pixels for _, pixels in pictures], times, seconds


def dub_video(
    source: Path, output: Path, sound: np.ndarray, sample_rate: int, comment: str = ""
) -> None:
    """Replaces the sound of a video by another (AAC); the pictures are copied as coded.

    Args:
      source: the video.
      output: an .mp4 file; written whole or not at all.
      sound: float32 [n], mono in [-1, 1], from the first picture on.
      sample_rate: in Hz.
      comment: the file's comment tag; none if empty.
    """
    with open_media(source) as old:
        pictures = old.streams.video[0]
        codec = pictures.codec_context.name
        try:
            with atomic_file(output) as temporary, av.open(str(temporary), "w") as new:
                new.metadata["comment"] = comment
                _copy_with_sound(old, new, sound, sample_rate)
        except (av.FFmpegError, ValueError) as error:
            raise UserError(
                f"{output}: pictures coded as {codec} cannot be copied into it ({error}); convert "
                f"{source} to H.264 first"
            ) from error


def _copy_with_sound(
    old: av.container.InputContainer,
    new: av.container.OutputContainer,
    sound: np.ndarray,
    sample_rate: int,
) -> None:
    pictures = old.streams.video[0]
    video = new.add_stream_from_template(pictures)
    audio = new.add_stream("aac", rate=sample_rate, layout="mono")
    audio.bit_rate = 128000
    begin, written = pictures.start_time or 0, 0
    for packet, shown, order in _timed_packets(old, pictures):
        packet.pts, packet.dts = shown - begin, order - begin
        # Sound and pictures are interleaved, so that players need not seek.
        until = round(float(packet.pts * packet.time_base) * sample_rate)
        end = min(len(sound), max(written, until))
        packet.stream = video
        new.mux(packet)
        mux_sound(new, audio, sound, written, end, sample_rate)
        written = end
    mux_sound(new, audio, sound, written, len(sound), sample_rate)
    new.mux(audio.encode(None))


def _timed_packets(
    container: av.container.InputContainer, stream: av.video.VideoStream
) -> Iterator[tuple[av.Packet, int, int]]:
    """Yields packets with the times at which they are shown and decoded, in the stream's time base."""
    packets = [packet for packet in container.demux(stream) if packet.size]
    rate, base = stream.average_rate, stream.time_base
    step = round(1 / (rate * base)) if rate and base else 1
    starts = (packet.dts - step * i for i, packet in enumerate(packets) if packet.dts is not None)
    first = next(starts, 0)
    for index, packet in enumerate(packets):
        # Matroska omits the first decoding times, AVI all display times.
        order = first + step * index if packet.dts is None else packet.dts
        yield packet, order if packet.pts is None else packet.pts, order


def write_video(
    path: Path | str,
    frames: Iterable[np.ndarray],
    fps: float = FPS,
    sound: np.ndarray | None = None,
    sample_rate: int = SAMPLE_RATE,
    comment: str = "",
) -> None:
    """Writes an .mp4 (H.264, sound as AAC) or a silent, looping .gif, by the suffix.

    Args:
      path: the file, ending in .mp4 or .gif; written whole or not at all.
      frames: uint8 [height, width, 3] each, all of one size, at least one.
      fps: pictures per second.
      sound: float32 [n], mono in [-1, 1]; None writes no sound track.
      sample_rate: of the sound, in Hz.
      comment: the file's comment tag; none if empty.
    """
    path = Path(path)
    stream = iter(frames)
    first = next(stream, None)
    if first is None:
        raise UserError(f"{path}: no pictures to write; give at least one")
    if path.suffix.lower() == ".gif":
        with atomic_file(path) as temporary:
            _write_gif(temporary, [first, *stream], fps, comment)
    elif path.suffix.lower() == ".mp4":
        with atomic_file(path) as temporary:
            _write_mp4(temporary, first, stream, fps, sound, sample_rate, comment)
    else:
        raise UserError(f"{path}: can only write .mp4 and .gif; change the suffix")


def _decode(
    path: Path,
    container: av.container.InputContainer,
    size: int | None,
    max_fps: float | None,
    limits: MediaLimits,
    sound: bool = True,
) -> tuple[list[tuple[float, np.ndarray]], list[av.AudioFrame], _Lengths]:
    """Decodes pictures with their times, and sound frames; also returns the lengths."""
    if not container.streams.video:
        raise UserError(f"{path}: has no pictures; give a video")
    video = container.streams.video[0]
    check_decoder(path, video)
    limits.check_picture(path, video.width, video.height)
    # A stream may change the size of its pictures.
    video.codec_context.options = {"max_pixels": str(limits.pixels)}
    audio = container.streams.audio[:1] if sound else ()
    for stream in audio:
        check_decoder(path, stream)
    # Several files are decoded at once, each by one thread.
    video.codec_context.thread_count = 1
    lengths = _Lengths(
        stream_seconds(audio[0]) if audio else None, stream_seconds(video), file_seconds(container)
    )
    limits.check_seconds(path, max(lengths.pictures or 0.0, lengths.sound or 0.0))
    converter = VideoReformatter()  # setting one up costs ten times as much as using it
    pictures: list[tuple[float, np.ndarray]] = []
    sounds: list[av.AudioFrame] = []
    last_slot, samples = -math.inf, 0
    reached = Reached()
    for frame in decoded(container, (video, *audio), reached):
        limits.check_seconds(path, float(frame.time or 0.0))
        if isinstance(frame, av.AudioFrame):
            sounds.append(frame)
            samples += frame.samples
            limits.check_samples(path, samples, len(frame.layout.channels))
            continue
        time = float(frame.time or 0.0)
        # One picture for each 1/max_fps, with a quarter of it as tolerance for uneven times.
        slot = math.floor(time * max_fps + 0.25) if max_fps else math.inf
        if slot > last_slot or not max_fps:
            last_slot = slot
            pictures.append((time, _to_array(frame, size, converter)))
    return pictures, sounds, dataclasses.replace(lengths, reached=reached.seconds)


def _to_array(frame: av.VideoFrame, size: int | None, converter: VideoReformatter) -> np.ndarray:
    """Converts to RGB pixels, turned upright (phones store a rotation beside the picture)."""
    pixels = converter.reformat(frame, format="rgb24").to_ndarray()
    upright = np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
    return images.square(upright, size) if size else upright


def _write_mp4(
    path: Path,
    first: np.ndarray,
    rest: Iterator[np.ndarray],
    fps: float,
    sound: np.ndarray | None,
    sample_rate: int,
    comment: str,
) -> None:
    height, width = first.shape[0] // 2 * 2, first.shape[1] // 2 * 2  # H.264 wants even sides
    with av.open(str(path), "w") as container:
        container.metadata["comment"] = comment
        video = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.options = {"crf": "18"}
        audio = None
        if sound is not None:
            audio = container.add_stream("aac", rate=sample_rate, layout="mono")
            audio.bit_rate = 128000
        written = 0
        for index, pixels in enumerate(chain([first], rest)):
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(pixels[:height, :width]), format="rgb24"
            )
            container.mux(video.encode(frame))
            if audio is not None and sound is not None:
                end = min(len(sound), round((index + 1) / fps * sample_rate))
                mux_sound(container, audio, sound, written, end, sample_rate)
                written = end
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            mux_sound(container, audio, sound, written, len(sound), sample_rate)
            container.mux(audio.encode(None))


def _write_gif(path: Path, frames: list[np.ndarray], fps: float, comment: str) -> None:
    """Writes a GIF, whose times are hundredths of a second; each frame has its own 256 colours."""
    pictures = [
        Image.fromarray(pixels).quantize(256, dither=Image.Dither.NONE) for pixels in frames
    ]
    pictures[0].save(
        path,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=10 * max(2, round(100 / fps)),
        loop=0,
        disposal=1,
        comment=comment.encode(),
    )
