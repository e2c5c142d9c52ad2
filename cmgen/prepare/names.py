"""What names of files and folders mean, wherever they come from. No TensorFlow."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

# Everything that FFmpeg opens (`media.sound.FORMATS`) and that can hold pictures with sound.
VIDEO_SUFFIXES = frozenset(
    {".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".dvr-ms", ".f4v", ".flv", ".gxf", ".ismv", ".m2t",
     ".m2ts", ".m4v", ".mj2", ".mk3d", ".mkv", ".mod", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts",
     ".mxf", ".nut", ".ogm", ".ogv", ".ogx", ".qt", ".rm", ".rmvb", ".tod", ".trp", ".ts", ".vob",
     ".webm", ".wmv", ".wtv"}
)  # fmt: skip
# The same for sounds, with what libsndfile opens.
SOUND_SUFFIXES = frozenset(
    {".8svx", ".aac", ".ac3", ".adts", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".avr", ".awb",
     ".bwf", ".caf", ".dts", ".eac3", ".ec3", ".flac", ".iff", ".ircam", ".m4a", ".m4b", ".m4r", ".mka",
     ".mp1", ".mp2", ".mp3", ".mpa", ".nist", ".oga", ".ogg", ".opus", ".paf", ".pvf", ".ra", ".rf64",
     ".snd", ".sph", ".spx", ".tta", ".voc", ".w64", ".wav", ".wave", ".weba", ".wma", ".wv"}
)  # fmt: skip
PICTURE_SUFFIXES = frozenset(
    {".apng", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp"}
)  # fmt: skip
# Pictures that are not read, and the programs that convert them.
_CONVERTERS = {
    **dict.fromkeys((".heic", ".heif", ".hif", ".avif"), "heif-convert"),
    ".jxl": "djxl",
    **dict.fromkeys((".jp2", ".j2k", ".tga", ".psd", ".svg", ".cr2", ".nef", ".arw", ".dng"), "magick"),
}  # fmt: skip

TRACK_SUFFIX = ".truth.npz"  # a video's track of poses, beside it
STANDARD_SPLITS = ("train", "validation", "test")
_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("validation", "validate", "valid", "val"), "validation"),
    **dict.fromkeys(("development", "devel", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}


def split_name(folder: str) -> str:
    """Returns train, validation or test for their usual names, such as Training or val_set.

    Other names stay, but for their Unicode form.
    """
    name = re.sub(r"[\W_]*(set|data|split)?$", "", folder.casefold())
    return _SPLIT_NAMES.get(name, unified(folder))


def unified(name: str) -> str:
    """Returns a name in Unicode's form NFC: systems write one name in several ways."""
    return unicodedata.normalize("NFC", name)


def unified_names(names: Sequence[str]) -> list[str]:
    """Returns all names as `unified`, but for those that would then be equal to another."""
    counts = Counter(map(unified, names))
    return [unified(name) if counts[unified(name)] == 1 else name for name in names]


def suffix(name: str) -> str:
    """Returns the suffix of a file's name in lower case; empty if there is none."""
    return PurePosixPath(name).suffix.lower()


def why_unread(name: str) -> str:
    """Returns why a file that is not hidden and belongs to no recording was left out."""
    kind = suffix(name)
    if kind in _CONVERTERS:
        return f"suffix {kind} is not read; {_CONVERTERS[kind]} IN{kind} OUT.png converts it"
    if kind in VIDEO_SUFFIXES | SOUND_SUFFIXES | PICTURE_SUFFIXES:
        return f"suffix {kind} is not read at this place"
    return f"suffix {kind} is not read" if kind else "no suffix"


def draw_tree(root: str, places: Iterable[str], most: int = 30) -> str:
    """Draws the folders a/b, a/c, ... with the number of times that each occurs in `places`.

    Args:
      root: first line.
      places: in the order in which they are drawn.
      most: folders that are drawn inside one.
    """
    return "\n".join([f"{root}/", *_branches([place.split("/") for place in places], most)])


def _branches(places: Sequence[Sequence[str]], most: int) -> list[str]:
    inside: dict[str, list[Sequence[str]]] = {}
    for first, *rest in places:
        inside.setdefault(first, []).append(rest)
    width = max(map(len, [*inside][:most]), default=0)
    lines = []
    for name, below in [*inside.items()][:most]:
        lines.append(f"  {name:<{width}}  {len(below):>6}")
        lines += [f"  {line}" for line in _branches([rest for rest in below if rest], most)]
    return [*lines, f"  and {len(inside) - most} more"] if len(inside) > most else lines
