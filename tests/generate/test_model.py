"""Exported folders: read, refused, and run like the ONNX files by hand."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import soundfile
from tiny_exports import SIZE, write_export
from tiny_model import make_model

from cmgen.generate import networks
from cmgen.generate.exports import find_models
from cmgen.generate.model import BATCH, Model
from cmgen.media import images
from cmgen.utils.errors import UserError


def by_hand(path: Path, outputs: list[str], **given: np.ndarray) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(path).run(outputs, given)


def test_facts_and_results_are_those_of_the_files(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "mine")
    models, problems = find_models(tmp_path)
    assert (list(models), problems) == (["mine"], [])
    metadata = models["mine"].metadata
    assert (metadata.task, metadata.classes, metadata.image_size) == (
        "s2i",
        ("bell", "drum", "flute"),
        SIZE,
    )
    random = np.random.default_rng(1)
    waveform = random.uniform(-1, 1, (BATCH + 3, 22050)).astype(np.float32)
    noise = random.standard_normal((len(waveform), 10)).astype(np.float32)
    encoding, probabilities = models["mine"].encode(waveform)
    expected = by_hand(
        folder / "mine_encoder.onnx", ["encoding", "probabilities"], waveform=waveform
    )
    np.testing.assert_allclose(encoding, expected[0], atol=1e-6)
    np.testing.assert_allclose(probabilities, expected[1], atol=1e-6)
    (image,) = by_hand(folder / "mine_generator.onnx", ["image"], encoding=encoding, noise=noise)
    np.testing.assert_allclose(models["mine"].from_encoding(encoding, noise), image, atol=1e-6)


def test_pictures_to_sound(tmp_path: Path) -> None:
    write_export(tmp_path / "i2s", "i2s")
    model = find_models(tmp_path)[0]["i2s"]
    encoding, probabilities = model.encode(np.zeros((2, SIZE, SIZE, 3), np.float32))
    made = model.from_encoding(encoding, np.zeros((2, 10), np.float32))
    assert (encoding.shape, probabilities.shape, made.shape) == ((2, 128), (2, 3), (2, 128, 44))


def test_the_newest_version_counts_and_one_model_s_folder_will_do(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "s2i", step=7, version=9)
    write_export(folder, step=8, version=10)
    assert find_models(folder)[0]["s2i"].metadata.step == 8


def test_a_renamed_folder_still_finds_its_files(tmp_path: Path) -> None:
    write_export(tmp_path / "s2i").rename(tmp_path / "better")
    model = find_models(tmp_path)[0]["better"]
    assert model.encode(np.zeros((1, 22050), np.float32))[0].shape == (1, 128)


def test_no_model_says_which_command_makes_one(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=r"--exports=.*cmgen\.export --workdir="):
            find_models(folder)


def test_what_is_wrong_is_said_and_the_others_are_found(tmp_path: Path) -> None:
    write_export(tmp_path / "good")
    write_export(tmp_path / "old", format=1)
    write_export(tmp_path / "half", classes=[])
    write_export(tmp_path / "lost").joinpath("lost_encoder.onnx").unlink()
    (tmp_path / "notes").mkdir()
    models, problems = find_models(tmp_path)
    assert list(models) == ["good"]
    half, lost, old = problems
    assert "there are no classes" in half and "no lost_encoder.onnx" in lost
    assert "format 1, not 2" in old
    assert all("export it again" in problem for problem in problems)


@pytest.mark.parametrize("name", ["../s2i", "/etc/s2i", ".."])
def test_a_name_leads_to_no_other_folder(tmp_path: Path, name: str) -> None:
    folder = write_export(tmp_path / "s2i")
    path = folder / "1" / "assets.extra" / "cmgen.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"name": name}))
    with pytest.raises(UserError, match="export it again"):
        networks.of_export(folder)


def test_networks_of_another_export_are_refused(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "s2i")
    facts = json.loads((folder / "1" / "assets.extra" / "cmgen.json").read_text())
    newer = folder / "2" / "assets.extra"
    newer.mkdir(parents=True)
    (newer / "cmgen.json").write_text(json.dumps(facts | {"step": 9}))
    model = find_models(tmp_path)[0]["s2i"]
    with pytest.raises(UserError, match="step is 7, not 9"):
        model.encode(np.zeros((1, 22050), np.float32))


def write_sums(folder: Path) -> None:
    """As sha256sum would."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n"
        for path in files
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))


def test_any_bit_that_changed_after_the_export_is_found(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "s2i")
    write_sums(folder)
    model = Model(*networks.of_export(folder))
    assert model.encode(np.zeros((1, 22050), np.float32))[0].shape == (1, 128)
    facts = folder / "1/assets.extra/cmgen.json"
    for path in (facts, folder / "s2i_encoder.onnx"):
        data = path.read_bytes()
        for changed in (data[:-1], data[:100] + bytes([data[100] ^ 1]) + data[101:]):
            path.write_bytes(changed)
            with pytest.raises(UserError, match=f"{path.name}: damaged or changed"):
                model = Model(*networks.of_export(folder))
                model.encode(np.zeros((1, 22050), np.float32))
        path.write_bytes(data)


def test_a_file_that_is_no_onnx_is_named(tmp_path: Path) -> None:
    (write_export(tmp_path / "s2i") / "s2i_encoder.onnx").write_bytes(b"nothing")
    model = find_models(tmp_path)[0]["s2i"]
    with pytest.raises(UserError, match=r"s2i_encoder\.onnx: not a readable ONNX"):
        model.encode(np.zeros((1, 22050), np.float32))


RATE = 44100


def middle(windows: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Stands for a network: the picture's red is the loudest sample of the window, green the noise."""
    image = np.zeros((len(windows), SIZE, SIZE, 3), np.float32)
    image[..., 0] = np.abs(windows).max(axis=1)[:, None, None]
    image[..., 1] = np.tanh(noise[:, 0])[:, None, None]
    return image


def test_a_path_bytes_and_an_array_give_the_same_pictures(tmp_path: Path) -> None:
    model = make_model(middle)
    path = tmp_path / "a.wav"
    time = np.arange(2 * RATE) / RATE
    wave = (0.4 * time * np.sin(2 * np.pi * 440.0 * time)).astype(np.float32)
    soundfile.write(path, wave, RATE, subtype="FLOAT")
    pictures = model.generate(path, seeds=[3, 4], fps=5)
    assert (pictures.shape, pictures.dtype) == ((10, 2, SIZE, SIZE, 3), np.uint8)
    assert (np.diff(pictures[1:-1, 0, 0, 0, 0].astype(int)) > 0).all(), "it grows louder"
    for source in (str(path), path.read_bytes(), (wave, RATE), (np.stack([wave, wave], 1), RATE)):
        np.testing.assert_array_equal(model.generate(source, seeds=[3, 4], fps=5), pictures)
    at_half = model.generate((wave[::2], RATE / 2), seeds=[3, 4], fps=5)
    assert np.abs(at_half.astype(int) - pictures).max() <= 4


def brightness(pictures: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Stands for a network: the LMS is as loud as the picture is bright."""
    lms = np.full((len(pictures), 128, 44), -1.0, np.float32)
    lms[:, 20:22] = pictures.mean(axis=(1, 2, 3))[:, None, None]
    return lms


def test_a_picture_in_any_form_gives_the_same_sound(tmp_path: Path) -> None:
    model = make_model(brightness, "i2s")
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    path = tmp_path / "a.png"
    images.write_png(path, picture)
    sounds = model.generate(path, seeds=[0, 1], seconds=1.5)
    assert (sounds.shape, sounds.dtype) == ((2, 66150), np.float32)
    for source in (path.read_bytes(), picture):
        np.testing.assert_array_equal(model.generate(source, seeds=[0, 1], seconds=1.5), sounds)
    film = np.stack([np.zeros_like(picture)] * 10 + [np.full_like(picture, 255)] * 10)
    (sound,) = model.generate((film, 10.0))
    assert len(sound) == 2 * RATE, "as long as the film"
    assert np.abs(sound[: RATE // 2]).mean() < 0.1 * np.abs(sound[-RATE // 2 :]).mean()


@pytest.mark.parametrize(
    ("task", "source", "message"),
    [
        ("s2i", np.zeros(RATE), r"give a path, bytes or \(samples, rate\)"),
        ("s2i", (np.zeros((RATE, 2, 2)), RATE), "is no sound"),
        ("s2i", (np.zeros(RATE), 0), "is no sound"),
        ("s2i", (np.zeros(100), RATE), "needs at least 0.5 s"),
        ("s2i", (np.full(RATE, np.nan), RATE), "NaN"),
        ("s2i", b"", "empty"),
        ("s2i", "nowhere.wav", "nowhere.wav: no such file"),
        ("i2s", np.zeros((8, 8)), "is no picture"),
        ("i2s", np.zeros((8, 8, 3)), "is no picture; give uint8"),
        ("i2s", (np.zeros((0, 8, 8, 3), np.uint8), 10), "is no video"),
        ("i2s", 7, "a int: is no source"),
    ],
)
def test_sources_that_are_none_are_refused(task: str, source: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_model(middle, task).generate(source)


def test_arrays_that_do_not_fit_are_refused() -> None:
    model, noise = make_model(middle), np.zeros((2, 10), np.float32)
    for condition in (np.zeros((2, 100)), np.zeros(22050), np.zeros((0, 22050))):
        with pytest.raises(UserError, match="the condition has the shape"):
            model.encode(condition)
    windows = np.zeros((2, 22050), np.float32)
    for wrong in (noise[:1], noise[:, :9], noise * np.nan):
        with pytest.raises(UserError, match="the noise has the shape"):
            model(windows, wrong)
    with pytest.raises(UserError, match="at least one seed"):
        model.generate((np.zeros(RATE), RATE), seeds=[])


def test_a_saved_model_has_no_generator_of_its_own() -> None:
    saved = networks.SavedModelNetworks(Path("exports/s2i/1"), {}, "s2i")
    with pytest.raises(UserError, match=r"exports/s2i/1: .*load the export's folder"):
        saved.from_encoding(np.zeros((1, 128), np.float32), np.zeros((1, 10), np.float32))
