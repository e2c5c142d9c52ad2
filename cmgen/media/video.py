"""Videos: read any container and codec that FFmpeg knows; write MP4 and GIF; dub.

No TensorFlow: worker processes import this.
"""

import dataclasses
import heapq
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
from cmgen.media.ffmpeg import (
    Clock,
    Track,
    check_whole,
    has_times_of_display,
    is_indexed,
    open_media,
    packets,
    picture_stream,
    sound_stream,
    unreadable,
)
from cmgen.media.limits import LIMITS, MediaLimits
from cmgen.media.sound import check_file, finish_sound, mux_sound
from cmgen.utils.errors import UserError
from cmgen.utils.files import atomic_file

_MOST_REORDERED = 16  # pictures that wait for others in H.264


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
            film = _decode(path, container, size, max_fps, limits, sound=True)
    except av.FFmpegError as error:
        raise unreadable(path, error) from error
    if not film.sound.rate or not film.pictures:
        what = "pictures" if film.sound.rate else "sound"
        raise UserError(
            f"{path}: its {what} track is empty, or the file is truncated; copy it again or remove it"
        )
    sound = finish_sound(path, film.sound.finish(), film.sound.rate, sample_rate)
    times = np.array([time - film.sound_start for time, _ in film.pictures])
    # A picture before the sound begins or after it ends belongs to no window.
    inside = np.flatnonzero((times > -0.05) & (times < len(sound) / sample_rate + 0.05))
    return Video([film.pictures[i][1] for i in inside], times[inside], sound, sample_rate)


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
            film = _decode(path, container, size, max_fps, limits, sound=False)
    except av.FFmpegError as error:
        raise unreadable(path, error) from error
    if not film.pictures:
        raise UserError(f"{path}: has no picture that can be decoded; copy it again or remove it")
    times = np.array([time for time, _ in film.pictures])
    return [pixels for _, pixels in film.pictures], times - times[0], film.end - times[0]


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
        pictures = picture_stream(source, old)
        codec = pictures.codec_context.name
        try:
            with atomic_file(output) as temporary, av.open(str(temporary), "w") as new:
                new.metadata["comment"] = comment
                _copy_with_sound(old, new, pictures, sound, sample_rate)
        except (av.FFmpegError, ValueError) as error:
            raise UserError(
                f"{output}: pictures coded as {codec} cannot be copied into it ({error}); convert "
                f"{source} to H.264 first: ffmpeg -i {source.name} -c:v libx264 {source.stem}.mp4"
            ) from error


def _copy_with_sound(
    old: av.container.InputContainer,
    new: av.container.OutputContainer,
    pictures: av.video.VideoStream,
    sound: np.ndarray,
    sample_rate: int,
) -> None:
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
    found = [packet for packet in container.demux(stream) if packet.size]
    rate, base = stream.average_rate, stream.time_base
    step = round(1 / (rate * base)) if rate and base else 1
    starts = (packet.dts - step * i for i, packet in enumerate(found) if packet.dts is not None)
    first = next(starts, 0)
    if not has_times_of_display(container) and stream.codec_context.has_b_frames:
        raise ValueError("they have no times of display")
    for index, packet in enumerate(found):
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


@dataclass
class _Film:
    """What was decoded of a video, in seconds since the file's start.

    Attributes:
      sound: of the file, from `sound_start` on.
      sound_start: when its first sample is heard.
      pictures: with their times.
      end: of the last picture.
    """

    sound: Track
    sound_start: float = 0.0
    pictures: list[tuple[float, np.ndarray]] = dataclasses.field(default_factory=list)
    end: float = 0.0


def _decode(
    path: Path,
    container: av.container.InputContainer,
    size: int | None,
    max_fps: float | None,
    limits: MediaLimits,
    sound: bool,
) -> _Film:
    video = picture_stream(path, container)
    limits.check_picture(path, video.width, video.height)
    # A stream may change the size of its pictures.
    video.codec_context.options = {"max_pixels": str(limits.pixels)}
    # Several files are decoded at once, each by one thread.
    video.codec_context.thread_count = 1
    audio = (sound_stream(path, container),) if sound else ()
    film, clock, reached = _Film(Track(path, limits)), Clock(container), dict[int, float]()
    converter = VideoReformatter()  # setting one up costs ten times as much as using it
    aspect = float(video.sample_aspect_ratio or 1)
    lasts = float(1 / video.average_rate) if video.average_rate else 0.1
    timed = has_times_of_display(container)
    orders: list[int] = []  # heap of decoding times, of packets without a time of display
    last_slot = last = -math.inf
    for packet in packets(container, (video, *audio), reached):
        if packet.stream.index != video.index:
            for frame in packet.decode():
                assert isinstance(frame, av.AudioFrame)
                time = clock.place_sound(packet.stream, frame)
                if not film.sound.rate:
                    film.sound_start = time
                film.sound.add(frame, time - film.sound_start)
            continue
        if packet.dts is not None and (packet.pts is None or not timed):
            heapq.heappush(orders, packet.dts)
            packet.pts = packet.dts = None
        if packet.duration and packet.time_base:
            lasts = float(packet.duration * packet.time_base)
        for frame in packet.decode():
            assert isinstance(frame, av.VideoFrame)
            time = frame.time
            if frame.pts is None and orders and video.time_base:
                # Decoders give pictures in the order of display: each has the earliest time left.
                time = float(heapq.heappop(orders) * video.time_base)
                while len(orders) > _MOST_REORDERED:  # some packets hold no picture
                    heapq.heappop(orders)
            placed = clock.place(video.index, time, lasts)
            limits.check_seconds(path, placed)
            # One picture for each 1/max_fps, with a quarter of it as tolerance for uneven times.
            slot = math.floor(placed * max_fps + 0.25) if max_fps else math.inf
            if placed > last and (slot > last_slot or not max_fps):
                last_slot = slot
                film.pictures.append(
                    (placed, _to_array(path, frame, size, aspect, converter, limits))
                )
            last = max(last, placed)
    film.end = clock.ends.get(video.index, 0.0)
    check_whole(path, path, container, reached)
    if (
        film.pictures
        and video.duration
        and video.time_base
        and is_indexed(path, container.format.name)
    ):
        # Players keep the last picture for as long as its track lasts.
        film.end = max(film.end, film.pictures[0][0] + float(video.duration * video.time_base))
    return film


def _to_array(
    path: Path,
    frame: av.VideoFrame,
    size: int | None,
    aspect: float,
    converter: VideoReformatter,
    limits: MediaLimits,
) -> np.ndarray:
    """Converts to RGB pixels as players show them: upright, not mirrored, each pixel a square.

    Args:
      aspect: a pixel's width divided by its height, as stored.
    """
    pixels: np.ndarray = converter.reformat(frame, format="rgb24").to_ndarray()
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        # A stored point (x, y) is shown at (ax + cy, bx + dy): phones turn and mirror that way.
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5]  # type: ignore[call-overload]
        if abs(int(b)) > abs(int(a)):
            pixels, aspect = pixels.transpose(1, 0, 2), 1 / aspect
            pixels = pixels[:: -1 if b < 0 else 1, :: -1 if c < 0 else 1]
        else:
            pixels = pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
        pixels = np.ascontiguousarray(pixels)
    if size:
        return images.square(pixels, size, aspect)
    height, width = pixels.shape[:2]
    limits.check_picture(path, round(width * max(1, aspect)), round(height * max(1, 1 / aspect)))
    return images.with_square_pixels(pixels, aspect)


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
