"""What passes from the sources to the shards: coded, and marked by what it is."""

import numpy as np

from cmgen.data.recording import Recording


def test_marks_are_of_what_is_heard_and_seen():
    base = Recording("a", "a", "bell")
    click = np.zeros(44100, np.int16)
    click[700] = 1
    grey, dot = np.full((8, 8, 3), 90, np.uint8), np.full((8, 8, 3), 90, np.uint8)
    dot[3, 4, 1] = 91
    assert base.with_sound(click).sound_mark == base.with_sound(click.copy()).sound_mark != b""
    assert base.with_sound(click).sound_mark != base.with_sound(-click).sound_mark
    for nothing in (click[:0], click[:1], click[:700], click[:700] + 5):
        assert base.with_sound(nothing).sound_mark == b""
    seen = {
        name: base.with_frames(frames, np.arange(len(frames))).frames_mark
        for name, frames in {
            "none": [], "plain": [grey, grey], "dot": [dot], "later": [grey, dot], "order": [dot, grey],
            "two plain": [grey, grey + 1],
        }.items()
    }  # fmt: skip
    assert seen["none"] == seen["plain"] == b""
    assert len({seen[name] for name in ("dot", "later", "order", "two plain")} | {b""}) == 5
