"""Checks that the corpus carries its signal: what half a second of sound, or a still, reveals.

    python -m tools.orchestra.signal_check --corpus=cmgen/demo

Small networks, trained on the train recordings alone, recognise the instrument and measure the pose
from the sound or from the picture; their scores on test recordings (and separately on `shifted`)
are written into the corpus's README. The networks are deliberately plain: a target that they reach
is a property of the corpus, not of a clever model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from cmgen.config import SoundConfig
from tools.orchestra.choreography import BOWED
from tools.orchestra.truth import read_truth

POSE = ("pitch", "bow", "loudness")
SAMPLE_RATE = SoundConfig().sample_rate
WINDOW = SoundConfig().window_samples
IMAGE_SIZE = 64
BATCH = 128
WIDTHS, STRIDES, SQUEEZE = (16, 32, 64, 64, 96, 96), (1, 2, 2, 1, 2, 1), 32
CLASS_TARGET, POSE_TARGET = 0.95, 0.8
SINGLE_CLASS_TARGET, SINGLE_POSE_TARGET = 0.85, 0.75
START, END = "<!-- signal check: written by tools.orchestra.signal_check -->", "<!-- end -->"


@dataclass(frozen=True)
class Windows:
    """Every frame of the corpus with the half second of sound around it.

    sound [N, 128, 44, 1] float16, log-mel in -1..1; image [N, 64, 64, 3] uint8; label [N] int;
    pose [N, 3], in the order of POSE; playing [N] bool: a note sounds and the instrument is up;
    recording [N] int; names, splits: per recording.
    """

    sound: np.ndarray
    image: np.ndarray
    label: np.ndarray
    pose: np.ndarray
    playing: np.ndarray
    recording: np.ndarray
    names: tuple[str, ...]
    splits: tuple[str, ...]
    classes: tuple[str, ...]

    def of(self, split: str) -> np.ndarray:
        """Which windows belong to a split: bool [N]."""
        return np.asarray([name == split for name in self.splits])[self.recording]


def cut(sound: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The half seconds centred on `times`, silence beyond the ends: [n, WINDOW]."""
    padded = np.pad(sound, WINDOW)
    first = np.round(times * SAMPLE_RATE).astype(int) + WINDOW - WINDOW // 2
    return np.stack([padded[start : start + WINDOW] for start in first])


def log_mel(windows: np.ndarray) -> np.ndarray:
    """Log-mel spectra as cmgen's encoder hears them: [n, WINDOW] -> float16 [n, 128, 44, 1]."""
    from cmgen.media import lms_tf

    return lms_tf.lms(windows, SoundConfig()).numpy()[..., None].astype(np.float16)


def read_corpus(corpus: Path) -> Windows:
    """Reads every recording of a rendered corpus and its truth."""
    from tqdm import tqdm

    from cmgen.media.video import read_video

    paths = sorted(corpus.glob("*/*/*.mp4"))
    if not paths:
        raise FileNotFoundError(f"{corpus}: no split/instrument/name.mp4 in it; render it first")
    classes = tuple(sorted({path.parent.name for path in paths}))
    columns: dict[str, list[np.ndarray]] = {
        key: [] for key in ("sound", "image", "label", "pose", "playing", "recording")
    }
    for index, path in enumerate(tqdm(paths, unit="recording")):
        video, truth = read_video(path, size=IMAGE_SIZE), read_truth(path)
        if len(video.frames) != len(truth.time):
            raise ValueError(f"{path}: {len(video.frames)} frames, its truth has {len(truth.time)}")
        columns["image"].append(np.stack(video.frames))
        columns["sound"].append(log_mel(cut(video.sound, video.times)))
        columns["label"].append(np.full(len(truth.time), classes.index(path.parent.name)))
        columns["pose"].append(np.stack([getattr(truth, name) for name in POSE], axis=1))
        columns["playing"].append((truth.midi > 0) & (truth.rest < 0.3))
        columns["recording"].append(np.full(len(truth.time), index))
    return Windows(
        **{key: np.concatenate(parts) for key, parts in columns.items()},
        names=tuple(path.stem for path in paths),
        splits=tuple(path.parent.parent.name for path in paths),
        classes=classes,
    )


def network(shape: tuple[int, ...], outputs: int, side: int, policy: str) -> Any:
    """Plain convolutions and one hidden layer; `side` more inputs join before the latter.

    The first convolution keeps the resolution, for a bow is one pixel thin.
    """
    from keras import Input, Model, layers

    picture, instrument = Input(shape), Input((side,))
    x = picture
    for width, stride in zip(WIDTHS, STRIDES, strict=True):
        x = layers.Conv2D(width, 3, stride, "same", use_bias=False, dtype=policy)(x)
        x = layers.BatchNormalization(momentum=0.95, dtype=policy)(x)
        x = layers.ReLU(dtype=policy)(x)
    x = layers.Flatten(dtype=policy)(layers.Conv2D(SQUEEZE, 1, dtype=policy)(x))
    x = layers.Concatenate(dtype=policy)([layers.Dropout(0.3, dtype=policy)(x), instrument])
    x = layers.Dropout(0.2)(layers.Dense(160, "relu", dtype=policy)(x))
    return Model([picture, instrument], layers.Dense(outputs, dtype="float32")(x))


def prepared_sound(batch: Any, uniforms: Any) -> Any:
    """LMS [n, 128, 44, 1] with its tone's colour changed, bands hidden, and noise.

    uniforms [n, 16], or None to leave it as it is; the level as a whole stays.
    """
    import tensorflow as tf

    sound = tf.cast(batch, tf.float32)
    if uniforms is None:
        return sound
    numbers = uniforms[:, :, None, None, None]
    band = tf.range(sound.shape[1], dtype=tf.float32)[None, :, None, None] / sound.shape[1]
    colour = 0.12 * (2 * numbers[:, 0] - 1) * (band - 0.4)
    for wave in (1, 2, 3):
        phase = 2 * np.pi * (numbers[:, wave] + 1.3 * wave * band)
        colour += 0.08 * numbers[:, 3 + wave] * tf.sin(phase)
    hidden = (band >= numbers[:, 7]) & (band < numbers[:, 7] + 0.1 * numbers[:, 8])
    sound = tf.maximum(sound + colour, -1 + 0.4 * numbers[:, 9] ** 2)
    return tf.where(hidden, -1.0, sound) + tf.random.normal(tf.shape(sound), stddev=0.02)


def prepared_picture(batch: Any, uniforms: Any) -> Any:
    """uint8 [n, 64, 64, 3] -> -1..1, moved, relit and with turned hues.

    uniforms [n, 16], or None to leave it as it is.
    """
    import tensorflow as tf

    from cmgen.models import augment

    picture = tf.cast(batch, tf.float32) / 127.5 - 1
    if uniforms is None:
        return picture
    picture = augment.rotate_hue(picture, uniforms[:, :2])
    picture = augment.color_jitter(picture, uniforms[:, 2:5], 0.6)
    picture = augment.shift_pixels(picture, uniforms[:, 5:7], 0.05)
    return picture * (1 + 0.3 * (2 * uniforms[:, None, None, 7:10] - 1))


def estimates(windows: Windows, modality: str, task: str, epochs: int, seed: int) -> np.ndarray:
    """Trains one network on the train split and runs it on all others.

    Returns logits [N, classes] for task `instrument`, or estimates [N, 3] for task `pose`; rows
    of train are zero.
    """
    import keras
    import tensorflow as tf
    from tqdm import tqdm

    from cmgen.models.precision import policy as policy_of

    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    source, prepare = windows.sound, prepared_sound
    if modality == "picture":
        source, prepare = windows.image, prepared_picture
    one_hot = np.eye(len(windows.classes), dtype=np.float32)[windows.label]
    # The pose networks are told the instrument: what 0.7 of the range means depends on it.
    instruments, targets = one_hot, windows.pose.astype(np.float32)
    if task == "instrument":
        instruments, targets = np.zeros_like(one_hot), one_hot
    weights = pose_weights(windows)
    policy = policy_of(None)
    model = network(source.shape[1:], targets.shape[1], instruments.shape[1], policy)
    # Neighbouring windows share most of their sound, and their instrument: every other one teaches
    # as much. The pose changes from picture to picture.
    every = 1 if (modality, task) == ("picture", "pose") else 2
    chosen = np.flatnonzero(windows.of("train"))[::every]
    steps = len(chosen) // BATCH
    step = training_step(model, prepare, task, epochs * steps)
    for epoch in range(epochs):
        order = rng.permutation(chosen)[: steps * BATCH].reshape(steps, BATCH)
        label = f"{modality} -> {task} {epoch + 1}/{epochs}"
        for batch in tqdm(order, desc=label, unit="step", leave=False):
            step(source[batch], instruments[batch], targets[batch], weights[batch])
    outputs = np.zeros_like(targets)
    scored = np.flatnonzero(~windows.of("train"))
    for batch in np.array_split(scored, -(-len(scored) // 512)):
        outputs[batch] = model(
            (prepare(source[batch], None), tf.constant(instruments[batch]))
        ).numpy()
    return outputs


def pose_weights(windows: Windows) -> np.ndarray:
    """Which pose variables count in each window, [N, 3] of 0 or 1: a bow only where there is."""
    bowed = np.isin(windows.classes, BOWED)[windows.label]
    playing = windows.playing
    return np.stack([playing, playing & bowed, playing], axis=1).astype(np.float32)


def training_step(model: Any, prepare: Any, task: str, steps: int) -> Any:
    """A compiled function (inputs, instruments, targets, weights) that updates the model once."""
    import keras
    import tensorflow as tf

    rate = keras.optimizers.schedules.CosineDecay(
        1e-4, steps - steps // 5, alpha=0.01, warmup_target=2e-3, warmup_steps=steps // 5
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.02)

    def loss(outputs: Any, targets: Any, weights: Any) -> Any:
        if task == "instrument":
            playing = weights[:, 0]
            entropy = keras.losses.categorical_crossentropy(
                targets, outputs, from_logits=True, label_smoothing=0.05
            )
            return tf.reduce_sum(entropy * playing) / tf.reduce_sum(playing)
        error = tf.abs(outputs - targets)
        huber = tf.where(error < 0.1, 5.0 * error**2, error - 0.05) * weights
        # Each variable's own mean: few windows have a bow.
        means = tf.reduce_sum(huber, axis=0) / (tf.reduce_sum(weights, axis=0) + 1e-6)
        return tf.reduce_sum(means)

    @tf.function(reduce_retracing=True)
    def step(inputs: Any, instruments: Any, targets: Any, weights: Any) -> None:
        inputs = prepare(inputs, tf.random.uniform([BATCH, 16]))
        with tf.GradientTape() as tape:
            value = loss(model([inputs, instruments], training=True), targets, weights)
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    return step


def correlation(estimate: np.ndarray, truth: np.ndarray) -> float:
    """Pearson's r, not a number where there is nothing to correlate."""
    if len(truth) < 10 or truth.std() < 1e-6:
        return float("nan")
    return float(np.corrcoef(estimate, truth)[0, 1])


@dataclass(frozen=True)
class Scores:
    """Scores of one modality on one split, over windows in which a note sounds.

    Each maps an instrument, or `all` for the windows of all of them together, to its score.
    """

    instrument: dict[str, float]
    pose: dict[str, dict[str, float]]
    worst: list[str]


def score(windows: Windows, logits: np.ndarray, pose: np.ndarray, split: str) -> Scores:
    """Scores one modality's two networks on a split."""
    mask = windows.of(split) & windows.playing
    right = logits.argmax(axis=1) == windows.label
    groups = {"all": mask} | {
        name: mask & (windows.label == index) for index, name in enumerate(windows.classes)
    }
    poses: dict[str, dict[str, float]] = {}
    for column, variable in enumerate(POSE):
        poses[variable] = {}
        for name, group in groups.items():
            if variable == "bow":
                group = group & np.isin(windows.classes, BOWED)[windows.label]
            poses[variable][name] = correlation(pose[group, column], windows.pose[group, column])
    by_recording = []
    for index in np.unique(windows.recording[mask]):
        rows = mask & (windows.recording == index)
        pitch = correlation(pose[rows, 0], windows.pose[rows, 0])
        by_recording.append((min(right[rows].mean(), pitch), right[rows].mean(), pitch, index))
    worst = [
        f"{windows.names[index]} (instrument {accuracy:.2f}, pitch {pitch:.2f})"
        for _, accuracy, pitch, index in sorted(by_recording)[:4]
    ]
    accuracies = {name: float(right[group].mean()) for name, group in groups.items()}
    return Scores(accuracies, poses, worst)


def table(results: dict[str, Scores]) -> str:
    """A Markdown table: rows are instruments, columns are questions asked of sound and picture."""
    columns = [("instrument", None), *(("pose", variable) for variable in POSE)]
    heads = [
        f"{modality} -> {variable or question}"
        for question, variable in columns
        for modality in results
    ]
    names = next(iter(results.values())).instrument
    lines = ["| | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for name in names:
        cells = []
        for _, variable in columns:
            for scores in results.values():
                value = (scores.pose[variable] if variable else scores.instrument)[name]
                cells.append("" if np.isnan(value) else f"{value:.3f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def missed_targets(results: dict[str, Scores]) -> list[str]:
    """Lists the targets that the test scores miss, one line each."""
    missed = []
    for modality, scores in results.items():
        kinds = [("instrument", scores.instrument, CLASS_TARGET, SINGLE_CLASS_TARGET)]
        kinds += [
            (variable, scores.pose[variable], POSE_TARGET, SINGLE_POSE_TARGET) for variable in POSE
        ]
        for kind, values, pooled, single in kinds:
            for name, value in values.items():
                target = pooled if name == "all" else single
                if not np.isnan(value) and value < target:
                    missed.append(f"{modality} -> {kind}, {name}: {value:.3f} < {target}")
    return missed


def report(windows: Windows, predictions: dict[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """Returns the README's section: scores on test and on shifted, missed targets, worst recordings."""
    lines: list[str] = []
    for split in ("test", "shifted"):
        results = {key: score(windows, *pair, split) for key, pair in predictions.items()}
        lines += [f"On `{split}` ({windows.splits.count(split)} recordings):", ""]
        lines += [table(results), ""]
        for modality, scores in results.items():
            lines.append(f"Worst by {modality}: " + ", ".join(scores.worst) + ".")
        lines.append("")
        if split == "test":
            missed = missed_targets(results)
            lines.append("Targets missed: " + ("; ".join(missed) + "." if missed else "none."))
            lines.append("")
    return "\n".join(lines)


def write_section(readme: Path, section: str) -> None:
    """Puts the section between the README's markers, or at its end."""
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    block = f"{START}\n{section}\n{END}"
    pattern = re.compile(re.escape(START) + ".*?" + re.escape(END), re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: block, text)
    else:
        text = f"{text.rstrip()}\n\n{block}\n"
    readme.write_text(text, encoding="utf-8")


def check(windows: Windows, modalities: Iterable[str], epochs: int, seed: int) -> str:
    """Trains and scores everything; returns the README's section."""
    predictions = {}
    for name in modalities:
        logits = estimates(windows, name, "instrument", epochs, seed)
        predictions[name] = logits, estimates(windows, name, "pose", epochs, seed)
    return report(windows, predictions)


def main(argv: list[str]) -> None:
    """Checks a corpus and writes the result into its README."""
    del argv
    corpus = Path(FLAGS.corpus)
    section = check(read_corpus(corpus), ("sound", "picture"), FLAGS.epochs, FLAGS.seed)
    print(section)
    write_section(corpus / "README.md", section)


FLAGS = flags.FLAGS

if __name__ == "__main__":
    flags.DEFINE_string("corpus", "cmgen/demo", "Folder of the rendered corpus.")
    flags.DEFINE_integer("epochs", 8, "Passes over the train recordings.", lower_bound=1)
    flags.DEFINE_integer("seed", 0, "Seed of the small networks.")
    app.run(main)
