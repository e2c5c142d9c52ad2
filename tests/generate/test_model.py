"""Exported folders: read, refused, and run like the ONNX files by hand."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tiny_exports import SIZE, write_export

from cmgen.generate import networks
from cmgen.generate.model import BATCH, Model, find_models
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
