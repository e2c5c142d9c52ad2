"""Lets hear what may sound in a picture, by ONNX Runtime: python client.py photo.jpg sound.wav

Needs numpy, onnxruntime, soundfile and Pillow. The sound lasts half a second; --seed chooses among
those that fit. A sound file that doesn't end in .wav is written as its name says (.flac, .ogg).
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
from PIL import Image, ImageOps

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
    """What the file says of itself: classes, image_size, noise_size, sound (of the LMS) ..."""
    stored = session.get_modelmeta().custom_metadata_map
    text = {"name", "task", "condition", "data", "data_hash", "created"}
    return {key: value if key in text else json.loads(value) for key, value in stored.items()}


def read_picture(source, size):
    """The largest centred square of any picture file that Pillow reads; float32 [size, size, 3]."""
    opened = Image.open(source)
    # A large JPEG is read at a fraction of its size, as in training.
    opened.draft("RGB", (2 * size, 2 * size))
    picture: Image.Image = ImageOps.exif_transpose(opened)
    if picture.mode.startswith("I"):  # 16-bit grey, of which Pillow would make white
        picture = Image.fromarray(np.clip(np.asarray(picture) >> 8, 0, 255).astype(np.uint8))
    picture = picture.convert("RGB")
    shrinks = min(picture.size) >= size
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    return np.asarray(ImageOps.fit(picture, (size, size), method), np.float32) / 127.5 - 1


def generate(session, images, seed=0):
    """float32 [batch, 64, 64, 3] in [-1, 1] -> LMS float32 [batch, mels, frames] in [-1, 1]."""
    if not np.isfinite(images).all():
        raise ValueError("the picture holds NaN or infinite numbers")
    noise = np.random.default_rng(seed).standard_normal(metadata(session)["noise_size"])
    noise = np.repeat(noise[None].astype(np.float32), len(images), axis=0)
    return session.run(["lms"], {"image": images.astype(np.float32), "noise": noise})[0]


def mel_matrix(sound):
    """Slaney's triangular filters of equal area; [bins, mels]."""
    limits = np.array([sound["f_min"], sound["f_max"]])
    above = 15 + np.log(np.maximum(limits, 1e-3) / 1000) * 27 / np.log(6.4)
    low, high = np.where(limits >= 1000, above, limits * 3 / 200)
    mels = np.linspace(low, high, sound["n_mels"] + 2)
    edges = np.where(mels >= 15, 1000 * np.exp((mels - 15) * np.log(6.4) / 27), mels * 200 / 3)
    bins = np.fft.rfftfreq(sound["n_fft"], 1 / sound["sample_rate"])
    slopes, widths = edges[:, None] - bins, np.diff(edges)[:, None]
    triangles = np.maximum(0, np.minimum(-slopes[:-2] / widths[:-1], slopes[2:] / widths[1:]))
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).T


def to_sound(lms, sound, rounds=64):
    """LMS [mels, frames] -> waveform float32 [samples], by fast Griffin-Lim with momentum 0.99."""
    hop, n_fft = sound["hop_length"], sound["n_fft"]
    samples = round(sound["sample_rate"] * sound["window_seconds"])
    span = sound["ceiling_db"] - sound["floor_db"]
    mel = 10 ** (((lms.T + 1) * span / 2 + sound["floor_db"]) / 10)
    matrix = mel_matrix(sound)
    target = mel @ matrix.T
    power = target / np.maximum(matrix @ matrix.sum(axis=0), 1e-12)
    for _ in range(50):  # Lee and Seung's updates: no power below zero, bands that fit best
        power *= target / (power @ matrix @ matrix.T + 1e-20)
    frames = len(power)
    places = np.arange(frames)[:, None] * hop + np.arange(n_fft)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    weight = np.bincount(places.ravel(), np.tile(hann**2, frames))

    def inverse(spectrum):
        pieces = np.fft.irfft(spectrum, n_fft) * hann
        summed = np.bincount(places.ravel(), pieces.ravel()) / np.maximum(weight, 1e-8)
        return np.pad(summed, (0, samples))[n_fft // 2 : n_fft // 2 + samples]

    def forward(wave):
        padded = np.pad(wave, (n_fft // 2, n_fft))[: places[-1, -1] + 1]
        return np.fft.rfft(padded[places] * hann)

    magnitude, previous = np.sqrt(power), 0
    angles = np.exp(2j * np.pi * np.random.default_rng(0).random(power.shape))
    for _ in range(rounds):
        rebuilt = forward(inverse(magnitude * angles))
        moved = rebuilt - 0.99 / 1.99 * previous
        angles, previous = moved / (np.abs(moved) + 1e-16), rebuilt
    wave = inverse(magnitude * angles)
    ramp = np.linspace(0, 1, round(0.01 * sound["sample_rate"]))
    wave[: len(ramp)] *= ramp
    wave[-len(ramp) :] *= ramp[::-1]
    return (wave / max(1, np.abs(wave).max())).astype(np.float32)


def keep(source, output):
    """Refuses an output that is the input, whatever link or name it goes by."""
    if Path(output).exists() and Path(output).samefile(source):
        raise ValueError(f"{output}: is {source}, which it would replace; name another file")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture")
    parser.add_argument("sound")
    parser.add_argument("--model", help="an .onnx file; the one beside this program if left out")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        keep(options.picture, options.sound)
        session = load(options.model)
        about = metadata(session)
        image = read_picture(options.picture, about["image_size"])
        wave = to_sound(generate(session, image[None], options.seed)[0], about["sound"])
        soundfile.write(options.sound, wave, about["sample_rate"], subtype="PCM_16")
    except Exception as error:  # the libraries' errors share no other class
        parser.error(str(error))


if __name__ == "__main__":
    main()
