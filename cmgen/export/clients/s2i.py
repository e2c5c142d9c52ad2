"""Shows who may be playing in a sound, by ONNX Runtime: python client.py recording.wav picture.png

Needs numpy, onnxruntime, soundfile and Pillow. The picture is of the half second in the middle of
the sound, or of the one around --time; --seed chooses the player.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
from PIL import Image

HERE = Path(__file__).resolve().parent


def load(path=None):
    """The model beside this file, or the one at `path`; refused if SHA256SUMS beside it says so."""
    path = Path(path or min(HERE.glob("*.onnx"), key=lambda found: len(found.name)))
    data, sums = path.read_bytes(), path.parent / "SHA256SUMS"
    for line in sums.read_text("utf-8").splitlines() if sums.is_file() else ():
        if line[66:] == path.name and line[:64] != hashlib.sha256(data).hexdigest():
            raise ValueError(f"{path}: damaged or changed since the export; copy it again")
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


def facts(session):
    """What the file says of itself: classes, sample_rate, window_samples, noise_size, scores ..."""
    stored = session.get_modelmeta().custom_metadata_map
    text = {"name", "task", "condition", "data", "data_hash", "created"}
    return {key: value if key in text else json.loads(value) for key, value in stored.items()}


def read_window(source, rate, samples, time=None):
    """Half a second of any sound file that libsndfile reads, around `time` in seconds.

    Returns float32 [samples] at `rate` Hz: the mean of the channels.
    """
    sound, old_rate = soundfile.read(source, dtype="float32", always_2d=True)
    mono, needed = sound.mean(axis=1), samples / rate * old_rate
    if not np.isfinite(mono).all():
        raise ValueError(f"{source}: its sound holds NaN or infinite samples")
    if len(mono) < needed:
        raise ValueError(f"{source}: has {len(mono) / old_rate:.2f} s; needs {samples / rate} s")
    wanted = len(mono) / 2 if time is None else time * old_rate
    start = np.clip(wanted - needed / 2, 0, len(mono) - needed)
    if old_rate == rate:
        return mono[int(start) :][:samples]
    # Resamples by a sinc of 64 zero crossings under a Kaiser window.
    scale = min(1.0, rate / old_rate)
    places = start + np.arange(samples) * old_rate / rate
    half = int(64 / scale) + 1
    near = np.floor(places).astype(int)[:, None] + np.arange(-half, half + 1)
    apart = (places[:, None] - near) * scale
    window = np.i0(10 * np.sqrt(np.maximum(0, 1 - (apart / 64) ** 2))) / np.i0(10)
    taps = 0.95 * scale * np.sinc(0.95 * apart) * window * (np.abs(apart) < 64)
    inside = (near >= 0) & (near < len(mono))
    heard = np.where(inside, mono[np.clip(near, 0, len(mono) - 1)], 0)
    return (taps * heard).sum(axis=1).astype(np.float32)


def generate(session, waveforms, seed=0):
    """float32 [batch, 22050] in [-1, 1] -> pictures uint8 [batch, 64, 64, 3], all of one player."""
    if not np.isfinite(waveforms).all():
        raise ValueError("the waveform holds NaN or infinite samples")
    noise = np.random.default_rng(seed).standard_normal(facts(session)["noise_size"])
    noise = np.repeat(noise[None].astype(np.float32), len(waveforms), axis=0)
    (image,) = session.run(["image"], {"waveform": waveforms.astype(np.float32), "noise": noise})
    return np.clip(np.rint((image + 1) * 127.5), 0, 255).astype(np.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sound")
    parser.add_argument("picture")
    parser.add_argument("--model", help="an .onnx file; the one beside this program if left out")
    parser.add_argument("--time", type=float, help="middle of the window in seconds")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    session = load(given.model)
    known = facts(session)
    window = read_window(given.sound, known["sample_rate"], known["window_samples"], given.time)
    Image.fromarray(generate(session, window[None], given.seed)[0]).save(given.picture)


if __name__ == "__main__":
    main()
