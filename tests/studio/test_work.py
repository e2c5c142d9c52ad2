"""What the studio makes equals the networks run by hand."""

import io

import av
import numpy as np
import pytest
import soundfile
from fixtures import tone
from PIL import Image
from tiny_exports import SIZE, write_export

from cmgen.config import SoundConfig
from cmgen.generate import sound_to_image
from cmgen.generate.exports import find_models
from cmgen.generate.model import Model
from cmgen.media import images
from cmgen.media.lms import lms_of_sound
from cmgen.media.sound import encode_wav
from cmgen.studio import work
from cmgen.studio.work import Noise, PictureInput, SoundInput


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("exports")
    write_export(folder / "s2i")
    write_export(folder / "i2s", "i2s")
    return find_models(folder)[0]


def test_noise_is_a_seed_s_at_both_ends_and_normal_between() -> None:
    first, last = sound_to_image.seed_noise([3, 4], 10)
    np.testing.assert_allclose(Noise(3, 4, 0.0).values(10), first, atol=1e-6)
    np.testing.assert_allclose(Noise(3, 4, 1.0).values(10), last, atol=1e-6)
    middle = Noise(3, 4, 0.5).values(100000)
    assert (middle.mean(), middle.std()) == pytest.approx((0.0, 1.0), abs=0.02)


def test_pictures_are_those_of_the_networks(models: dict[str, Model]) -> None:
    samples = tone(440, 2.0)
    pictures, probabilities = work.perform(
        "s2i", models["s2i"], SoundInput(samples), Noise(5, 6, 0), 1
    )
    times = np.arange(20) / 10
    encoding, expected = models["s2i"].encode(
        sound_to_image.cut_windows(samples, times, 22050, 44100)
    )
    noise = np.repeat(sound_to_image.seed_noise([5], 10), 20, axis=0)
    made = images.unscale(models["s2i"].from_encoding(encoding, noise))
    np.testing.assert_array_equal(pictures, made)
    np.testing.assert_array_equal(probabilities, expected)


def test_each_window_is_encoded_once(
    models: dict[str, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, counts = models["s2i"], []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda given: counts.append(len(given)) or encode(given))
    sound, whole = SoundInput(tone(440, 2.0)), SoundInput(tone(440, 2.0))
    work.perform("s2i", model, sound, Noise(0, 1, 0), 5)
    found, _ = work.perform("s2i", model, sound, Noise(2, 3, 0), 1)
    work.perform("s2i", model, sound, Noise(7, 8, 0), 1)
    assert counts == [4, 16]
    np.testing.assert_array_equal(found, work.perform("s2i", model, whole, Noise(2, 3, 0), 1)[0])


def test_a_sheet_has_every_picture_in_its_place() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (45, 8, 8, 3), np.uint8)
    sheet = np.asarray(Image.open(io.BytesIO(work.sheet(pictures))))
    assert sheet.shape == (3 * 8, 20 * 8, 3)
    np.testing.assert_array_equal(sheet[16:24, 32:40], pictures[44])


def test_a_film_has_the_pictures_side_by_side_and_the_sound() -> None:
    dark, light = np.zeros((20, 64, 64, 3), np.uint8), np.full((20, 32, 32, 3), 250, np.uint8)
    data = work.film([dark, light], tone(440, 2.0))
    with av.open(io.BytesIO(data)) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert float(film.duration / av.time_base) == pytest.approx(2.0, abs=0.1)
        assert film.streams.audio[0].codec_context.name == "aac"
    assert (len(frames), frames[0].shape) == (20, (256, 512, 3))
    assert frames[9][:, :250].max() < 10 and frames[9][:, 262:].min() > 240


def test_a_sound_of_a_picture_has_its_length_and_spectrogram(models: dict[str, Model]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    picture = PictureInput({SIZE: pixels})
    lms, sound, probabilities = work.imagine_sound(models["i2s"], picture, 3, 2)
    assert (len(sound), lms.shape[0], probabilities.shape) == (2 * 44100, 128, (3,))
    again, _, _ = work.imagine_sound(models["i2s"], picture, 3, 2)
    other, _, _ = work.imagine_sound(models["i2s"], picture, 4, 2)
    np.testing.assert_array_equal(lms, again)
    assert not np.array_equal(lms, other)
    encoding, _ = models["i2s"].encode(images.scale(pixels[None].astype(np.float32)))
    noise = np.random.default_rng(3).standard_normal((5, 10)).astype(np.float32)
    first = models["i2s"].from_encoding(encoding, noise[:1])[0]
    np.testing.assert_allclose(lms[:, 2:30], first[:, 2:30], atol=1e-4)


def test_the_real_part_lies_around_the_picture() -> None:
    sound = np.arange(10 * 44100, dtype=np.float32)
    for time, start in ((5.0, 4.0), (0.5, 0.0), (9.8, 8.0)):
        part = work.real_part(PictureInput({}, sound, time), 2)
        assert part is not None and (len(part), part[0]) == (2 * 44100, start * 44100)
    assert work.real_part(PictureInput({}), 2) is None


def test_files_hold_what_they_should() -> None:
    samples = tone(440, 1.0)
    found, rate = soundfile.read(io.BytesIO(encode_wav(samples, 44100)), dtype="float32")
    assert rate == 44100
    np.testing.assert_allclose(found, samples, atol=1 / 32768)
    drawn = np.asarray(Image.open(io.BytesIO(work.lms_png(samples, SoundConfig()))))
    lms = lms_of_sound(samples, SoundConfig())
    np.testing.assert_array_equal(drawn[::2, ::2], images.draw_lms(lms))
