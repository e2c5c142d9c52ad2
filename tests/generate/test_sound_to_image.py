"""Sounds of every kind to grids and videos, by the library and by the command."""

import av
import numpy as np
import pytest
import soundfile
from fixtures import tone, write_recording
from PIL import Image
from tiny_model import make_model
from tiny_run import write_run

from cmgen.generate import files, grids, sound_to_image
from cmgen.generate.model import load
from cmgen.media import images
from cmgen.utils.errors import UserError

CLASSES = ("bell", "drum", "flute")
SIZE = 32
RATE = 44100


def shade(waveform, noise):
    """Stands for a network: red is the window's mean, green the noise's first number."""
    image = np.zeros((len(waveform), SIZE, SIZE, 3), np.float32)
    image[..., 0] = waveform.mean(axis=1)[:, None, None]
    image[..., 1] = noise[:, 0][:, None, None]
    return image


MODEL = make_model(shade)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"), CLASSES)


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(440.0, 2.0), RATE)
    return path


@pytest.mark.parametrize(
    ("text", "expected"), [("0", [0]), ("0-3", [0, 1, 2, 3]), ("1, 4-6,2", [1, 4, 5, 6, 2])]
)
def test_seeds_are_numbers_and_ranges(text, expected):
    assert sound_to_image.parse_seeds(text) == expected


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "-1", "1,,2", "0.5"])
def test_seeds_that_are_no_numbers_are_refused(text):
    with pytest.raises(UserError, match="--seeds="):
        sound_to_image.parse_seeds(text)


def test_a_seed_gives_its_noise_whatever_seeds_stand_beside_it():
    both, alone = sound_to_image.seed_noise([5, 9], 10), sound_to_image.seed_noise([9], 10)
    np.testing.assert_array_equal(both[1], alone[0])


def test_windows_surround_their_times_and_stay_inside_the_sound():
    sound = np.arange(RATE, dtype=np.float32)
    windows = sound_to_image.cut_windows(sound, np.array([0.0, 0.5, 1.0]), 22050, RATE)
    np.testing.assert_array_equal(windows[:, 0], [0, 11025, 22050])
    np.testing.assert_array_equal(windows[:, -1] - windows[:, 0], 22049)


def test_pictures_follow_the_sound_and_keep_the_noise():
    sound = np.repeat(np.float32([0.0, 0.9]), RATE)
    times = np.arange(40) / 20
    made = np.concatenate(
        list(sound_to_image.pictures(MODEL, MODEL.metadata, sound, times, [3, 4]))
    )
    assert made.shape == (40, 2, SIZE, SIZE, 3)
    red, green = made[:, 0, 0, 0, 0].astype(int), made[..., 0, 0, 1]
    assert (np.diff(red) >= 0).all() and red[0] == 128 and red[-1] == 242
    assert (green == green[0]).all() and green[0, 0] != green[0, 1]


def test_a_grid_has_a_row_for_each_seed_and_a_column_for_each_time(recording, tmp_path):
    output = tmp_path / "grid.png"
    files.write_pictures(MODEL, recording, output, [0, 1, 2], columns=5, scale=2)
    width, height = Image.open(output).size
    assert height == 18 + 3 * (2 * SIZE + 4)
    assert 5 * (2 * SIZE + 4) < width < 5 * (2 * SIZE + 4) + 80


def test_grid_pictures_are_put_where_their_labels_say():
    rows = np.zeros((2, 2, SIZE, SIZE, 3), np.uint8)
    rows[1, 0] = [255, 0, 0]
    sheet = grids.labelled_grid(rows, np.array([0.5, 1.5]), [0, 1])
    middle_of_last, first_row = sheet.shape[1] - 4 - SIZE // 2, 18 + SIZE // 2
    assert list(sheet[first_row, middle_of_last]) == [255, 0, 0]
    assert list(sheet[first_row + SIZE + 4, middle_of_last]) == [0, 0, 0]


def test_a_video_has_ten_pictures_a_second_and_the_sound(recording, tmp_path):
    output = tmp_path / "player.mp4"
    files.write_pictures(MODEL, recording, output, [0, 1], scale=2)
    with av.open(str(output)) as container:
        frames = list(container.decode(video=0))
        assert container.streams.video[0].average_rate == 10
    assert len(frames) == 20
    assert (frames[0].width, frames[0].height) == (2 * 2 * SIZE, 2 * SIZE)
    with av.open(str(output)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
        assert samples / container.streams.audio[0].rate == pytest.approx(2.0, abs=0.05)


def test_a_gif_lasts_as_long_as_the_sound(recording, tmp_path):
    output = tmp_path / "player.gif"
    files.write_pictures(MODEL, recording, output, [0], scale=1)
    with Image.open(output) as picture:
        assert picture.size == (SIZE, SIZE)
        # Equal pictures in a row are stored once, with a longer time.
        frames = range(picture.n_frames)
        milliseconds = [picture.seek(i) or picture.info["duration"] for i in frames]
    assert sum(milliseconds) == 2000


def test_half_a_second_is_enough(tmp_path):
    soundfile.write(tmp_path / "short.wav", tone(440.0, 0.5), RATE)
    for name in ("short.png", "short.mp4"):
        files.write_pictures(MODEL, tmp_path / "short.wav", tmp_path / name, [0])
        assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "short", "truncated", "silent video"])
def test_bad_input_is_named_and_nothing_is_written(kind, tmp_path):
    path = tmp_path / ("input.mp4" if kind == "silent video" else "input.wav")
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("no sound at all\n" * 100)
    elif kind == "short":
        soundfile.write(path, tone(440.0, 0.3), RATE)
    elif kind == "truncated":
        soundfile.write(path, tone(440.0, 2.0), RATE)
        path.write_bytes(path.read_bytes()[:60_000])
    elif kind == "silent video":
        from cmgen.media.video import write_video

        write_video(path, [np.zeros((64, 64, 3), np.uint8)] * 20, 10.0)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=str(path)):
        files.write_pictures(MODEL, path, tmp_path / "out.png", [0])
    assert sorted(tmp_path.iterdir()) == before


def test_an_unknown_output_format_is_refused(recording, tmp_path):
    with pytest.raises(UserError, match=r"\.png, \.mp4 or \.gif"):
        files.write_pictures(MODEL, recording, tmp_path / "out.jpg", [0])


@pytest.mark.parametrize("name", ["nothing", "empty", "model.onnx", "broken.onnx"])
def test_what_is_no_model_is_refused(name, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.onnx").write_bytes(b"not a graph")
    with pytest.raises(UserError, match=str(tmp_path / name)):
        load(tmp_path / name)


def test_the_command_makes_a_film_of_a_film(run_folder, run_main, tmp_path):
    write_recording(tmp_path / "film.mp4", "bell")
    done = run_main(
        "cmgen.generate",
        f"--model={run_folder}",
        "--input=film.mp4",
        "--output=out.mp4",
        "--seeds=0-1",
    )
    assert (done.returncode, done.stderr) == (0, "")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(list(container.decode(video=0))) == 15


def test_the_command_explains_what_is_missing(run_main):
    assert "--input" in (done := run_main("cmgen.generate")).stderr
    assert done.returncode == 2


def test_a_photo_is_no_sound(tmp_path):
    images.write_png(tmp_path / "photo.png", np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(UserError, match=r"photo\.png: is a picture, .*--task=i2s"):
        files.write_pictures(MODEL, tmp_path / "photo.png", tmp_path / "out.png", [0])


def test_a_sound_cannot_be_asked_of_a_model_of_pictures(run_folder, run_main, recording):
    for flags in (("--output=out.wav",), ("--output=out.png", "--seconds=2")):
        done = run_main("cmgen.generate", f"--model={run_folder}", "--input=tone.wav", *flags)
        assert done.returncode == 2 and "the model makes pictures" in done.stderr
