"""Generated files say what made them, in every format."""

import json

import av
import numpy as np
import pytest
import soundfile
from fixtures import tone, write_recording
from PIL import Image
from tiny_model import make_model

from cmgen.generate import files
from cmgen.utils import provenance
from cmgen.utils.versions import installed

FACTS = {"name": "s2i", "step": 7, "seed": 3, "data_hash": "0123456789abcdef"}


def black(waveform, noise):
    return np.full((len(waveform), 32, 32, 3), -1, np.float32)


def silent(image, noise):
    return np.full((len(image), 128, 44), -1, np.float32)


PAINTER = make_model(black, provenance=FACTS)
PLAYER = make_model(silent, "i2s", provenance=FACTS)


def comment_in(path):
    if path.suffix in (".png", ".gif"):
        said = Image.open(path).info
        return said["Comment"] if path.suffix == ".png" else said["comment"].decode()
    if path.suffix in (".wav", ".flac"):
        with soundfile.SoundFile(path) as file:
            return file.comment
    with av.open(str(path)) as container:
        return container.metadata["comment"]


@pytest.mark.parametrize("suffix", [".png", ".mp4", ".gif"])
def test_pictures_of_a_sound_tell_model_seeds_and_versions(tmp_path, suffix):
    source, output = tmp_path / "a.wav", tmp_path / f"made{suffix}"
    soundfile.write(source, tone(440.0, 1.0), 44100)
    files.write_pictures(PAINTER, source, output, [2, 5])
    assert json.loads(comment_in(output)) == {
        "made_by": "cmgen.generate",
        "model": FACTS,
        "noise_seeds": [2, 5],
        "versions": installed(),
    }


@pytest.mark.parametrize("suffix", [".png", ".mp4", ".wav", ".flac", ".mp3"])
def test_sounds_of_a_video_tell_it_too(tmp_path, suffix):
    source, output = tmp_path / "a.mp4", tmp_path / f"made{suffix}"
    write_recording(source, "bell", 1.0)
    files.write_audio(PLAYER, source, output, 4)
    said = json.loads(comment_in(output))
    assert (said["model"], said["noise_seeds"]) == (FACTS, [4])


def test_facts_of_another_type_are_left_out():
    known = {"name": "a", "step": True, "seed": 1.5, "data": None, "task": ["s2i"], "classes": "x"}
    assert provenance.select_fields(known) == {"name": "a"}
