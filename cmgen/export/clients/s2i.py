"""Shows who may be playing in a sound, by ONNX Runtime: python client.py recording.wav picture.png

Needs numpy, onnxruntime, Pillow, soundfile and soxr. The picture is of the half second in the middle of
the sound, or of the one around --time; --seed chooses the player.
"""

import argparse
import contextlib
import hashlib
import io
import json
import os
import re
import threading
from itertools import pairwise
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


class _ToItsEnd(soundfile.SoundFile):
    """Read as far as it goes, however many samples the header tells."""

    def seekable(self):
        return False


def read_sound(source):
    """All sound of a file that libsndfile reads: float32 [samples, channels] and its rate.

    Headers of files that were written to a pipe, joined or of a varying bit rate tell no length.
    """
    data = bytearray(Path(source).read_bytes())
    at = data.find(b"data", 12)
    if data[:4] == b"RIFF" and at > 0:
        stored, rest = int.from_bytes(data[at + 4 : at + 8], "little"), len(data) - at - 8
        if stored >= 2**31 - 2**16 or stored == 0:
            data[at + 4 : at + 8] = rest.to_bytes(4, "little")
            data[4:8] = (at + rest).to_bytes(4, "little")
        elif stored > rest:
            raise ValueError(f"{source}: is truncated ({rest} of {stored} bytes of sound)")
    parts = [data]
    if data[:4] == b"OggS":  # joined files: each begins with a page that says so, or several
        pages = [(m.start(), m[1][0] & 2) for m in re.finditer(rb"OggS\0(.)", data, re.DOTALL)]
        ends = [at for (_, before), (at, first) in pairwise(pages) if first and not before]
        parts = [data[begin:end] for begin, end in pairwise([0, *ends, None])]
    sounds, rates = [], set()
    try:
        for part in parts:
            with _opened(part) as file:
                rates.add(file.samplerate)
                while len(block := file.read(2**18, "float32", always_2d=True)):
                    sounds.append(block)
                if file.frames < 2**62 and sum(map(len, sounds)) < 0.95 * file.frames:
                    raise ValueError(f"{source}: is truncated; copy it again")
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{source}: {error.error_string} Convert it: ffmpeg -i {source} sound.wav"
        ) from error
    if len(rates | {-s.shape[1] for s in sounds}) > 2:
        raise ValueError(
            f"{source}: changes its rate or channels; convert it: ffmpeg -i {source} sound.wav"
        )
    return np.concatenate(sounds) if sounds else np.zeros((0, 1), np.float32), rates.pop()


def _opened(data):
    """The bytes of a sound file, open; MP3 as from a pipe, for else its length would be guessed."""
    if soundfile.info(io.BytesIO(data)).format != "MP3":
        return _ToItsEnd(io.BytesIO(data))
    end, begin = os.pipe()

    def send():
        with os.fdopen(begin, "wb") as pipe, contextlib.suppress(BrokenPipeError):
            pipe.write(data)

    threading.Thread(target=send, daemon=True).start()
    return _ToItsEnd(end, closefd=True)


def read_window(source, rate, samples, time=None):
    """Half a second of any sound file that libsndfile reads, around `time` in seconds.

    Returns float32 [samples] at `rate` Hz: the mean of the channels.
    """
    sound, old_rate = read_sound(source)
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
