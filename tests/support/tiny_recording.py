"""A short recording in memory."""

import numpy as np
from fixtures import tone

from cmgen.data.recording import Recording, to_int16


def make_recording(number: int, class_name: str = "bell", frames: int = 3) -> Recording:
    pictures = [np.full((32, 32, 3), 40 * i + number, np.uint8) for i in range(frames)]
    base = Recording(f"{class_name}/{number}", f"{class_name}/group", class_name)
    samples = to_int16(tone(440, 0.6, number))
    return base.with_sound(samples).with_frames(pictures, np.arange(frames) / 10)
