"""What is no file, or has an odd name."""

import os
from pathlib import Path

from tools.gallery import Odd
from tools.gallery.sounds import plain, tone


def _write_tone(path: Path) -> None:
    path.write_bytes(plain(tone()))


def _link_in_a_circle(path: Path) -> None:
    path.symlink_to(path.name)


def _link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


GOOD = {"sound": "read: 1.00 s"}


def files() -> list[Odd]:
    """All names of the gallery."""
    return [
        Odd(
            "folder.wav", "a folder", Path.mkdir, {"sound": "is a folder", "picture": "is a folder"}
        ),
        Odd("circle.wav", "a link to itself", _link_in_a_circle, {"sound": "no such file"}),
        Odd("nothing.wav", "a link to nothing", _link_to_nothing, {"sound": "no such file"}),
        Odd("pipe.wav", "a named pipe", os.mkfifo, {"sound": "is no regular file"}),
        Odd("two words.wav", "a name with a space", _write_tone, GOOD),
        Odd("two\nlines.wav", "a name with a newline", _write_tone, GOOD),
        Odd("M\u00fcnchen \u97f3\u697d \U0001f3bb.wav", "a name beyond ASCII", _write_tone, GOOD),
        Odd("concat:a|b.wav", "a name that FFmpeg would take for a list", _write_tone, GOOD),
        Odd("-i.wav", "a name like a flag", _write_tone, GOOD),
        Odd("x" * 240 + ".wav", "a name of 244 characters", _write_tone, GOOD),
    ]
