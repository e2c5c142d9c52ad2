"""The whole gallery."""

from pathlib import Path

from tools.gallery import Odd, names, pictures, sounds, videos

ALL = [*sounds.files(), *pictures.files(), *videos.files(), *names.files()]


def write_all(folder: Path) -> list[Odd]:
    """Writes every file of the gallery into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for odd in ALL:
        odd.write(folder / odd.name)
    return ALL
