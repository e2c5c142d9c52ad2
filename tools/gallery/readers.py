"""What each reader of cmgen makes of a file: what was read, or the refusal's message."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cmgen.config import SAMPLE_RATE
from cmgen.media import images, video
from cmgen.media.sound import decode_sound_file
from cmgen.studio import decoder
from cmgen.utils.errors import UserError
from tools.gallery import Odd

STUDIO = decoder.DecodeLimits(seconds=60.0, sizes=(64,))
# How messages of operations begin, below where they stand in the graph.
_STARTS = ("assertion failed", "Invalid", "Input", "Got", "Trying", "Unknown", "GIF", "Expected")
# Reader -> where it is met; the order of the table.
READERS = {
    "sound": "`generate`, `prepare`: sound",
    "picture": "`generate`, `prepare`: picture",
    "video": "`prepare`: video",
    "pictures": "`generate`: pictures of a video",
    "studio": "the studio",
    "graph": "SavedModel",
}


def outcome(reader: str, path: Path) -> str:
    """ "read: ..." or the refusal, without the file's folder; any other error is raised."""
    try:
        return f"read: {_READ[reader](path)}"
    except UserError as error:
        return str(error).replace(f"{path.parent}/", "")


def outcomes(odd: Odd, folder: Path) -> Mapping[str, str]:
    """Reader -> outcome, of all readers that are to be asked."""
    return {reader: outcome(reader, folder / odd.name) for reader in odd.expected}


def _sound(path: Path) -> str:
    return f"{len(decode_sound_file(path)) / SAMPLE_RATE:.2f} s"


def _picture(path: Path) -> str:
    height, width = images.read_image(path).shape[:2]
    return f"{width} x {height}"


def _video(path: Path) -> str:
    film = video.read_video(path, size=64)
    return f"{len(film.frames)} pictures, {len(film.sound) / film.sample_rate:.2f} s of sound"


def _pictures(path: Path) -> str:
    frames, _, seconds = video.read_pictures(path, size=64)
    return f"{len(frames)} pictures, {seconds:.2f} s"


def _studio(path: Path) -> str:
    decoded = decoder.decode(path.read_bytes(), path.name, STUDIO)
    if isinstance(decoded, decoder.Picture):
        return "a picture"
    return f"{len(decoded.samples) / SAMPLE_RATE:.2f} s" + (
        ", the rest cut off" if decoded.cut else ""
    )


def _graph(path: Path) -> str:
    import tensorflow as tf

    read_sound, read_picture = _graphs()
    data = path.read_bytes()
    sound = path.suffix not in _picture_suffixes()
    try:
        if sound:
            frames, rate = read_sound(data)
            return f"{int(frames) / int(rate):.2f} s"
        read_picture(data)
    except tf.errors.InvalidArgumentError as error:
        raise UserError(_plain_error(str(error))) from error
    return "a picture"


def _plain_error(message: str) -> str:
    """An operation's error without the graph's own words."""
    lines = [line.strip() for line in message.splitlines()]
    start = next((i for i, line in enumerate(lines) if line.startswith(_STARTS)), 0)
    text = " ".join(line for line in lines[start:] if not line.startswith("[["))
    return text.removeprefix("assertion failed: ")


def _picture_suffixes() -> frozenset[str]:
    from cmgen.prepare.sources import PICTURE_SUFFIXES

    return PICTURE_SUFFIXES


@cache
def _graphs() -> tuple[Callable[[bytes], Any], Callable[[bytes], Any]]:
    """The graph's readers of sounds, which tells samples and rate, and of pictures."""
    import tensorflow as tf

    from cmgen.config import SoundConfig
    from cmgen.export import pictures
    from cmgen.export.wav import parse_wav, read_middle

    spec = [tf.TensorSpec([], tf.string)]

    def read_sound(data: tf.Tensor) -> Any:
        wav = parse_wav(data)
        with tf.control_dependencies([read_middle(data, SoundConfig())]):
            return tf.identity(wav.frames), tf.identity(wav.rate)

    def read_picture(data: tf.Tensor) -> Any:
        return pictures.read_picture(data, 64)

    return tuple(
        tf.function(function, input_signature=spec, autograph=False)
        for function in (read_sound, read_picture)
    )


_READ: Mapping[str, Callable[[Path], str]] = {
    "sound": _sound,
    "picture": _picture,
    "video": _video,
    "pictures": _pictures,
    "studio": _studio,
    "graph": _graph,
}
