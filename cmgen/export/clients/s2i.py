"""Shows who may be playing in a sound, by ONNX Runtime: python client.py recording.wav picture.png

Needs numpy, onnxruntime, Pillow, soundfile and soxr. The picture is of the half second in the middle of
the sound, or of the one around --time; --seed chooses the player.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
import soxr
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


def metadata(session):
    """What the file says of itself: classes, sample_rate, window_samples, noise_size, scores ..."""
    stored = session.get_modelmeta().custom_metadata_map
    text = {"name", "task", "condition", "data", "data_hash", "created"}
    return {key: value if key in text else json.loads(value) for key, value in stored.items()}


def read_window(source, rate, samples, time=None):
    """Half a second of any sound file that libsndfile reads, around `time` in seconds.

    Returns float32 [samples] at `rate` Hz: the mean of the channels.
    """
    sound, old_rate = soundfile.read(source, dtype="float32", always_2d=True)
    mono = sound.mean(axis=1)
    if not np.isfinite(mono).all():
        raise ValueError(f"{source}: its sound holds NaN or infinite samples")
    if len(mono) / old_rate < samples / rate:
        raise ValueError(f"{source}: has {len(mono) / old_rate:.2f} s; needs {samples / rate} s")
    mono = soxr.resample(mono, old_rate, rate, "VHQ")
    middle = len(mono) / 2 if time is None else time * rate
    start = int(np.clip(np.rint(middle) - samples // 2, 0, max(0, len(mono) - samples)))
    window = mono[start : start + samples]
    return np.pad(window, (0, samples - len(window)))


def generate(session, waveforms, seed=0):
    """float32 [batch, 22050] in [-1, 1] -> pictures uint8 [batch, 64, 64, 3], all of one player."""
    if not np.isfinite(waveforms).all():
        raise ValueError("the waveform holds NaN or infinite samples")
    noise = np.random.default_rng(seed).standard_normal(metadata(session)["noise_size"])
    noise = np.repeat(noise[None].astype(np.float32), len(waveforms), axis=0)
    (image,) = session.run(["image"], {"waveform": waveforms.astype(np.float32), "noise": noise})
    return np.clip(np.rint((image + 1) * 127.5), 0, 255).astype(np.uint8)


def keep(source, output):
    """Refuses an output that is the input, whatever link or name it goes by."""
    if Path(output).exists() and Path(output).samefile(source):
        raise ValueError(f"{output}: is {source}, which it would replace; name another file")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sound")
    parser.add_argument("picture")
    parser.add_argument("--model", help="an .onnx file; the one beside this program if left out")
    parser.add_argument("--time", type=float, help="middle of the window in seconds")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        keep(options.sound, options.picture)
        session = load(options.model)
        about = metadata(session)
        length = about["window_samples"]
        window = read_window(options.sound, about["sample_rate"], length, options.time)
        Image.fromarray(generate(session, window[None], options.seed)[0]).save(options.picture)
    except Exception as error:  # the libraries' errors share no other class
        parser.error(str(error))


if __name__ == "__main__":
    main()
