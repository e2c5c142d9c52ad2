"""Every odd or bad file is read rightly or refused by name, by each reader that may meet it."""

import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from checkout import ROOT, RunMain

from cmgen.export import pictures
from cmgen.media import images, sound, video
from cmgen.media.limits import MediaLimits
from cmgen.utils import cli
from cmgen.utils.errors import UserError
from tools import make_gallery
from tools.gallery import readers, sounds
from tools.gallery.collection import ALL, write_all

CASES = [(odd.name, reader, said) for odd in ALL for reader, said in odd.expected.items()]
# What a file may need beyond what is there already; the largest good one is a second at 768 kHz.
MOST_BYTES = 400 * 2**20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("gallery")
    write_all(made)
    readers.outcome("graph", made / "pcm16.wav")  # TensorFlow is loaded before memory is counted
    return made


@pytest.fixture
def little_memory() -> Iterator[None]:
    """More memory than a good file needs can't be had."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_BYTES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize(("name", "reader", "said"), CASES)
def test_each_file_is_read_or_refused(
    folder: Path, little_memory: None, name: str, reader: str, said: str
) -> None:
    outcome = readers.outcome(reader, folder / name)
    assert said and said in outcome
    # Messages of a graph name its input instead of a file.
    assert outcome.startswith(("read: ", f"{name}: ")) or reader == "graph"


COLOURED = [
    *("rgb.jpg", "cmyk.jpg", "progressive.jpg", "palette.png", "alpha.png", "bits16.png"),
    *("interlaced.png", "animated.png", "animated.gif", "picture.bmp"),
]
GREY = ["grey.jpg", "grey_alpha.png", "grey16.png"]
ONLY_PILLOW = ["picture.webp", "animated.webp", "picture.tiff"]


@pytest.mark.parametrize("name", COLOURED + GREY + ONLY_PILLOW)
def test_colours_are_those_of_the_file(folder: Path, name: str) -> None:
    """Red left and blue right, or their grey."""
    expected = [(88, 88, 88), (58, 58, 58)] if name in GREY else [(200, 40, 40), (40, 40, 200)]
    found = [images.square(images.read_image(folder / name), 64).astype(float)]
    if name not in ONLY_PILLOW:
        in_graph = pictures.read_picture(tf.constant((folder / name).read_bytes()), 64)
        found.append(in_graph.numpy() * 127.5 + 127.5)
    for pixels in found:
        halves = pixels[:, :24].mean((0, 1)), pixels[:, -24:].mean((0, 1))
        np.testing.assert_allclose(halves, expected, atol=3)


def test_a_turned_picture_stands_upright(folder: Path) -> None:
    pixels = images.read_image(folder / "turned.jpg")
    np.testing.assert_allclose(pixels[:24].mean((0, 1)), (200, 40, 40), atol=3)


SAME_TONE = [odd.name for odd in sounds.files() if odd.expected["sound"] == sounds.ONE_SECOND]
NO_TONE = ["loud.wav", "silence.wav", "dc.wav", "clipped.wav"]


@pytest.mark.parametrize("name", [name for name in SAME_TONE if name not in NO_TONE])
def test_sounds_are_those_of_the_file(folder: Path, name: str) -> None:
    heard = sound.decode_sound_file(folder / name)
    # A hundredth is what mu-law, 8 bits and MP3 leave of a tone at half of full scale.
    middle = slice(2000, 40000)
    np.testing.assert_allclose(heard[middle], sounds.tone()[middle, 0], atol=0.02)


@pytest.mark.parametrize(("name", "level"), [("silence.wav", 0.0), ("dc.wav", 0.5)])
def test_sounds_without_waves_stay_so(folder: Path, name: str, level: float) -> None:
    np.testing.assert_allclose(sound.decode_sound_file(folder / name), level, atol=1e-4)


def test_the_gallery_is_as_large_as_promised() -> None:
    assert len({odd.name for odd in ALL}) == len(ALL) >= 60
    asked = {reader for _, reader, _ in CASES}
    assert asked == set(readers.READERS)


def test_limits_are_the_caller_s(folder: Path) -> None:
    with pytest.raises(UserError, match=r"--max_seconds=0\.5"):
        sound.decode_sound_file(folder / "pcm16.wav", limits=MediaLimits(seconds=0.5))
    with pytest.raises(UserError, match="--max_seconds=1"):
        video.read_video(folder / "even.mkv", limits=MediaLimits(seconds=1))
    with pytest.raises(UserError, match=r"64 x 48 pixels.*--max_megapixels=0\.003"):
        video.read_pictures(folder / "even.mkv", limits=MediaLimits(megapixels=0.003))
    with pytest.raises(UserError, match=r"96 x 64 pixels.*--max_megapixels=0\.006"):
        images.read_image(folder / "rgb.jpg", limits=MediaLimits(megapixels=0.006))
    # Many channels count as a longer sound.
    with pytest.raises(UserError, match="64 channels"):
        sound.decode_sound_file(folder / "channels_64.wav", limits=MediaLimits(seconds=2))


def test_the_mains_take_the_limits(folder: Path, run_main: RunMain, tmp_path: Path) -> None:
    for name in ("a", "b"):
        place = tmp_path / "raw" / "train" / name
        place.mkdir(parents=True)
        (place / "x.wav").write_bytes((folder / "pcm16.wav").read_bytes())
    result = run_main("cmgen.prepare", "--input=raw", "--output=out", "--max_seconds=1.0")
    assert result.returncode == 0, result.stderr
    (place / "x.wav").write_bytes((folder / "rate_1.wav").read_bytes())
    result = run_main("cmgen.prepare", "--input=raw", "--output=out2", "--max_seconds=1.0")
    assert result.returncode == 2 and "--max_seconds=1 are allowed" in result.stderr


def test_the_document_lists_the_gallery() -> None:
    text = (ROOT / "results" / "reliability.md").read_text(encoding="utf-8")
    section = text.partition(make_gallery.HEADING)[2].partition("\n## ")[0]
    assert f"a gallery of {len(ALL)} odd and bad files" in section
    for odd in ALL:
        assert f"| `{make_gallery._cell(odd.name)}` | {odd.about} |" in section


def test_a_section_is_replaced_or_added() -> None:
    new = f"{make_gallery.HEADING}\nnew\n"
    assert make_gallery.with_section("", new) == f"# Reliability\n\n{new}"
    assert make_gallery.with_section("# A\n", new) == f"# A\n\n{new}"
    old = f"# A\n\n{make_gallery.HEADING}\nold\n\n## B\n\nb\n"
    assert make_gallery.with_section(old, new) == f"# A\n\n{new}\n## B\n\nb\n"


def test_control_letters_of_a_name_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def main() -> None:
        raise UserError("\x1b[2Jgone\r.wav: no such file")

    with pytest.raises(SystemExit):
        cli.run(main, {}, make_gallery.FLAGS, ["main", "--output=x"])
    assert capsys.readouterr().err.endswith("error: \\x1b[2Jgone\\r.wav: no such file\n")
