"""What people send to the studio, as bytes."""

import io

import numpy as np
import soundfile
from PIL import Image


def wav(samples: np.ndarray, subtype: str = "FLOAT") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 44100, format="WAV", subtype=subtype)
    return buffer.getvalue()


def photo(kind: str = "JPEG", size: tuple[int, int] = (300, 200)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, kind)
    return buffer.getvalue()
