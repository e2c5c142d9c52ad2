"""Photos and videos to sounds and dubbed videos, by the library and by the command."""

import dataclasses

import av
import numpy as np
import pytest
import soundfile
import tensorflow as tf
from fixtures import picture, tone, write_recording
from PIL import Image
from tiny_model import make_model
from tiny_run import write_run

from cmgen.config import SoundConfig
from cmgen.generate import files, image_to_sound, sources
from cmgen.generate.model import load
from cmgen.media import images, lms_tf
from cmgen.media.sound import decode_sound_file
from cmgen.media.video import read_pictures, write_video
from cmgen.utils.errors import UserError

CLASSES = ("bell", "drum", "flute")
SIZE = 32
RATE = 44100
SOUND = SoundConfig()
PITCHES = (220.0, 330.0, 440.0, 550.0)
WINDOWS = lms_tf.lms(
    tf.constant(np.stack([0.7 * tone(pitch, 0.5) for pitch in PITCHES])), SOUND
).numpy()


def sing(image, noise):
    """Stands for a network: the picture's red chooses the pitch; white ones leave it to the noise."""
    red = (image[:, 0, 0, 0] + 1) / 2
    chosen = np.where(red > 0.99, np.abs(noise[:, 0]) * 97 % 1, red)
    return WINDOWS[np.minimum((chosen * len(WINDOWS)).astype(int), len(WINDOWS) - 1)]


MODEL = make_model(sing, "i2s")


def spectrogram(photo, seed, seconds):
    shown = sources.read_pictures(photo, MODEL.metadata.image_size)
    return image_to_sound.spectrogram(MODEL, MODEL.metadata, shown, seed, seconds)


def plain(red, size=64):
    return np.full((size, size, 3), (red, 0, 0), np.uint8)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(plain(255)).save(path, quality=95)
    return path


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"), CLASSES, task="i2s")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
def test_a_photo_becomes_a_sound_of_the_length_asked_for(suffix, photo, tmp_path):
    output = tmp_path / f"sound{suffix}"
    files.write_audio(MODEL, photo, output, seconds=1.7)
    sound = decode_sound_file(output)
    assert len(sound) == pytest.approx(1.7 * RATE, abs=0 if suffix != ".mp3" else 2500)
    level = np.sqrt(np.mean(tone(PITCHES[0], 0.5) ** 2)) * 0.7
    assert np.sqrt(np.mean(sound**2)) == pytest.approx(level, rel=0.4)
    assert np.abs(sound).max() <= 1.0


def test_windows_join_without_clicks(photo, tmp_path):
    """Changes of pitch at the joins bend the wave no more sharply than the notes themselves do."""
    output = tmp_path / "sound.wav"
    files.write_audio(MODEL, photo, output, seconds=4.0)
    sound = soundfile.read(output)[0]
    bend = np.abs(np.diff(sound, 2))
    joins = (39.5 + image_to_sound.photo_hop(SOUND) * np.arange(8)) * SOUND.hop_length
    near = (np.abs(np.arange(len(bend))[:, None] - joins) < 1024).any(axis=1)
    assert bend[near].max() <= 1.2 * bend[~near].max()
    jump = np.abs(np.diff(sound))
    assert jump[near[: len(jump) - 1].nonzero()].max() <= 1.2 * jump.max()
    assert abs(sound[0]) < 1e-3 and abs(sound[-1]) < 1e-3
    # No gaps either: 50 ms around each join are about as loud as the whole.
    power = np.convolve(sound**2, np.ones(2205) / 2205, "same")
    assert power[joins.astype(int)].min() > 0.2 * np.median(power)


def test_a_seed_gives_its_sound_and_each_half_second_of_a_photo_its_own_noise(photo):
    first, samples = image_to_sound.spectrogram(
        MODEL, MODEL.metadata, sources.read_pictures(photo, MODEL.metadata.image_size), 1, 2.0
    )
    again, _ = spectrogram(photo, 1, 2.0)
    other, _ = spectrogram(photo, 2, 2.0)
    np.testing.assert_array_equal(first, again)
    assert samples == 2 * RATE and not np.array_equal(first, other)
    middles = first[:, 21::36]
    assert np.abs(np.diff(middles, axis=1)).max() > 0.1


def test_the_shortest_sound_is_one_window(photo):
    lms, samples = image_to_sound.spectrogram(
        MODEL, MODEL.metadata, sources.read_pictures(photo, MODEL.metadata.image_size), 0, 0.5
    )
    assert samples == 22050
    assert len(image_to_sound.audible(lms, samples, SOUND)) == samples


def test_a_photo_s_lms_is_drawn_with_low_frequencies_below(photo, tmp_path):
    output = tmp_path / "lms.png"
    files.write_audio(MODEL, photo, output, seconds=1.0, scale=2)
    drawn = np.asarray(Image.open(output)).astype(int)
    assert drawn.shape == (2 * 128, 2 * (2 + RATE // 512), 3)
    assert drawn[128:].sum() > 1.1 * drawn[:128].sum()


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Two seconds without sound at 25 pictures/s: the first half asks for 220 Hz, then for 550."""
    path = tmp_path_factory.mktemp("film") / "silent.mp4"
    write_video(path, [plain(10)] * 25 + [plain(235)] * 25, 25.0)
    return path


def packets(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def test_a_video_is_dubbed_in_time_and_keeps_its_pictures(film, tmp_path):
    output = tmp_path / "dubbed.mp4"
    files.write_audio(MODEL, film, output)
    assert packets(output) == packets(film)
    (_, times, seconds), (_, before, _) = read_pictures(output), read_pictures(film)
    np.testing.assert_allclose(times, before, atol=1e-6)
    assert seconds == pytest.approx(2.0, abs=0.05)
    sound = decode_sound_file(output)
    assert len(sound) == pytest.approx(2 * RATE, abs=2500)
    for begin, pitch in ((0.2, 220.0), (1.2, 550.0)):
        part = sound[int(begin * RATE) : int((begin + 0.6) * RATE)]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        assert np.argmax(spectrum) * RATE / len(part) == pytest.approx(pitch, rel=0.03)


def test_a_video_can_give_its_sound_alone(film, tmp_path):
    files.write_audio(MODEL, film, tmp_path / "sound.flac")
    assert len(decode_sound_file(tmp_path / "sound.flac")) == 2 * RATE


def test_a_video_that_has_sound_gets_another(tmp_path):
    write_recording(tmp_path / "film.mp4", "bell")
    files.write_audio(MODEL, tmp_path / "film.mp4", tmp_path / "dubbed.mp4")
    with av.open(str(tmp_path / "dubbed.mp4")) as container:
        assert (len(container.streams.video), len(container.streams.audio)) == (1, 1)


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "sound", "truncated photo"])
def test_bad_input_is_named_and_nothing_is_written(kind, tmp_path):
    path = tmp_path / "input.jpg"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("no picture at all\n" * 100)
    elif kind == "sound":
        path = path.with_suffix(".wav")
        soundfile.write(path, tone(440.0, 1.0), RATE)
    elif kind == "truncated photo":
        images.write_png(path, picture("bell", 0.0))
        path.write_bytes(path.read_bytes()[:-200])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=str(path)):
        files.write_audio(MODEL, path, tmp_path / "out.wav")
    assert sorted(tmp_path.iterdir()) == before


def test_outputs_and_lengths_that_do_not_fit_are_refused(photo, film, tmp_path):
    with pytest.raises(UserError, match=r"\.png or \.mp4, for the model makes sounds"):
        files.write_audio(MODEL, photo, tmp_path / "out.gif")
    with pytest.raises(UserError, match="is a photo"):
        files.write_audio(MODEL, photo, tmp_path / "out.mp4")
    with pytest.raises(UserError, match="--seconds=3: the sound is as long as the video"):
        files.write_audio(MODEL, film, tmp_path / "out.wav", seconds=3.0)


def test_a_run_loads_as_a_model_of_sounds(run_folder):
    model = load(run_folder)
    assert model.task == "i2s"
    made = model(np.zeros((2, SIZE, SIZE, 3), np.float32), np.zeros((2, 10), np.float32))
    assert made.shape == (2, 128, 44) and np.abs(made).max() <= 1.0


def test_the_command_makes_a_sound_of_a_photo_and_refuses_two_seeds(
    run_folder, run_main, photo, tmp_path
):
    common = ("cmgen.generate", f"--model={run_folder}", "--input=photo.jpg", "--output=out.wav")
    done = run_main(*common, "--seeds=0-1")
    assert done.returncode == 2 and "one sound has one seed" in done.stderr
    done = run_main(*common, "--seconds=1")
    assert done.returncode == 0, done.stderr
    assert len(decode_sound_file(tmp_path / "out.wav")) == RATE


@pytest.mark.parametrize("hop", [512, 128, 2000])
def test_windows_of_any_number_of_frames_leave_no_gap(hop):
    config = dataclasses.replace(SOUND, hop_length=hop)

    def generate(noise):
        return np.zeros((len(noise), config.n_mels, config.frames), np.float32)

    lms, _ = image_to_sound.lms_of_one(generate, config, 3, 1, 2.0)
    np.testing.assert_allclose(lms, 0.0, atol=1e-6)
