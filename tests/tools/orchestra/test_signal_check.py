"""The check of the corpus's signal trains, scores and writes its table."""

import numpy as np

from tools.orchestra import signal_check
from tools.orchestra.choreography import BOWED

CLASSES = (*BOWED, "oboe")
SPLITS = ("train", "train", "train", "test", "shifted")


def windows():
    """12 windows of 5 recordings of each instrument; the sound's band and the colour tell which."""
    random = np.random.default_rng(0)
    label = np.repeat(np.arange(len(CLASSES)), 60)
    sound = random.normal(-0.9, 0.02, (300, 128, 44, 1)).astype(np.float16)
    image = np.zeros((300, 64, 64, 3), np.uint8)
    for row, instrument in enumerate(label):
        sound[row, 20 * instrument : 20 * instrument + 20] = 1
        image[row, :, 12 * instrument : 12 * instrument + 12] = 255
    return signal_check.Windows(
        sound=sound,
        image=image,
        label=label,
        pose=random.uniform(size=(300, 3)),
        playing=np.ones(300, bool),
        recording=np.repeat(np.arange(25), 12),
        names=tuple(f"{name}_{k}" for name in CLASSES for k in range(5)),
        splits=SPLITS * len(CLASSES),
        classes=CLASSES,
    )


def test_networks_train_and_their_scores_make_a_section(monkeypatch):
    monkeypatch.setattr(signal_check, "BATCH", 20)
    some = windows()
    found = {
        name: tuple(
            signal_check.estimates(some, name, task, epochs, seed=0)
            for task, epochs in (("instrument", 15), ("pose", 1))  # the poses are random
        )
        for name in ("sound", "picture")
    }
    for logits, pose in found.values():
        assert logits.shape == (300, 5) and pose.shape == (300, 3)
        assert (logits[some.of("train")] == 0).all()
        scores = signal_check.score(some, logits, pose, "test")
        assert scores.instrument["all"] > 0.3  # chance is 0.2
    section = signal_check.report(some, found)
    assert "On `test` (5 recordings)" in section and "On `shifted` (5 recordings)" in section
    assert "sound -> pitch, all" in section  # random poses miss their target


def test_scores_by_hand():
    some = windows()
    logits = np.eye(5)[(some.label + (some.label == 4)) % 5]
    pose = some.pose * [1, -1, 1]
    scores = signal_check.score(some, logits, pose, "test")
    assert scores.instrument["all"] == 0.8 and scores.instrument["oboe"] == 0
    assert round(scores.pose["pitch"]["cello"], 6) == 1
    assert round(scores.pose["bow"]["all"], 6) == -1
    assert np.isnan(scores.pose["bow"]["oboe"])
    missed = signal_check.missed_targets({"sound": scores})
    assert missed[:2] == [
        "sound -> instrument, all: 0.800 < 0.95",
        "sound -> instrument, oboe: 0.000 < 0.85",
    ]


def test_the_section_replaces_the_one_before(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("# Corpus\n")
    for section in ("first", "second"):
        signal_check.write_section(readme, section)
    text = readme.read_text()
    assert "first" not in text and text.count("second") == 1 and text.startswith("# Corpus")
