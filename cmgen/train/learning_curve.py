"""The paper's curve (Fig. 9): the verifier's accuracy on generated pictures over training.

Counted on a fixed subset of each split with fixed noise, so that it costs a second a checkpoint. It
chooses nothing: which generator is kept follows from validation alone (`train.run.best_step`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from cmgen.config import TrainConfig
from cmgen.data import pipeline
from cmgen.media import charts, images, lms_tf
from cmgen.models.encoder import Encoder, condition
from cmgen.models.generator import Generator
from cmgen.models.run import Run
from cmgen.train.sample_grid import ROWS
from cmgen.utils import provenance
from cmgen.utils.errors import UserError
from cmgen.utils.files import read_json, write_text

WINDOWS = 390  # of each split, about
BATCH = 65
STRIPS = 6  # moments whose pictures are shown
SEED = 2017


class Curve:
    """Writes curve.json at each checkpoint, and curve.png at the end.

    Args:
      workdir: the run folder.
      splits: name -> recordings, such as those of train, validation and test.
      encoder: the trained encoder of the condition; each condition is encoded once.
      generator: `(condition, noise)` -> target; its present weights count each time.
      verifier: predicts the instrument in a target.
      config: the run's.
      start: rows of later steps, of a run that was killed, are dropped.
    """

    def __init__(
        self,
        workdir: Path,
        splits: Mapping[str, pipeline.Recordings],
        encoder: Encoder,
        generator: Generator,
        verifier: Encoder,
        config: TrainConfig,
        start: int,
    ):
        self.workdir, self.path = workdir, workdir / "curve.json"
        seen = tf.TensorSpec([None, *config.shape_of(config.direction.condition)], tf.float32)
        encode = tf.function(
            lambda inputs: encoder.encode(inputs), input_signature=[seen], autograph=False
        )
        self.examples = {
            name: _encode_split(some, encoder, encode, config) for name, some in splits.items()
        }
        self.rows: list[dict[str, float]] = []
        if self.path.exists():
            stored = read_json(self.path, "delete it; the curve then begins at the present step")
            self.rows = [row for row in stored if row["step"] <= start]

        def predict(conditions: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
            return tf.argmax(verifier(generator((conditions, noise), training=False)), axis=-1)

        self._predict = tf.function(predict, autograph=False, reduce_retracing=True)

    def __call__(self, step: int) -> dict[str, float]:
        """Adds the row of a step; returns split -> accuracy."""
        row = {}
        for name, (conditions, noise, labels) in self.examples.items():
            parts = [
                self._predict(conditions[at : at + BATCH], noise[at : at + BATCH])
                for at in range(0, len(labels), BATCH)
            ]
            row[name] = float(np.mean(np.concatenate(parts) == labels))
        self.rows.append({"step": step, **row})
        write_text(self.path, json.dumps(self.rows, indent=1) + "\n")
        return row


def draw(run: Run) -> None:
    """Draws curve.png from curve.json and samples/, with the step whose generator was kept."""
    workdir = run.workdir
    path = workdir / "curve.json"
    if not path.exists():
        return  # a run of an earlier version, trained to its end
    rows = read_json(path, "delete it to go on without the curve")
    steps = [int(row["step"]) for row in rows]
    names = [name for name in rows[0] if name != "step"]
    places = np.unique(np.linspace(0, len(steps) - 1, STRIPS).round().astype(int))
    strips = {steps[at]: _first_row(workdir / "samples" / f"{steps[at]:06d}.png") for at in places}
    figure = charts.draw_curve(
        steps,
        {name: [row[name] for row in rows] for name in names},
        "What is generated, recognised by the verifier, over training steps",
        run.step,
        {step: strip for step, strip in strips.items() if strip is not None},
    )
    comment = provenance.made_by("cmgen.train", model=run.metadata)
    images.write_png(workdir / "curve.png", figure, comment)


def _first_row(path: Path) -> NDArray[np.uint8] | None:
    """The first noise vector's pictures of a sample sheet."""
    if not path.exists():
        return None
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    return pixels[: pixels.shape[0] // ROWS]


def _encode_split(
    recordings: pipeline.Recordings, encoder: Encoder, encode: Any, config: TrainConfig
) -> tuple[Any, Any, NDArray[np.int64]]:
    """Conditions, noise and labels of a fixed subset of sounding windows."""
    modality = config.direction.condition
    stride = max(1, round(pipeline.count_windows(recordings, config) / WINDOWS))
    conditions, labels = [], []
    for batch in pipeline.evaluation_windows(recordings, stride, config):
        sounding = batch["sounding"]
        if modality == "lms":
            batch["lms"] = lms_tf.lms(batch["waveform"], config.sound)
        if modality not in batch:
            raise UserError(
                f"split {recordings.split!r} lacks pictures of some classes or of all, and this run "
                "makes sounds from pictures; add pictures"
            )
        encoding = tf.boolean_mask(encode(batch[modality]), sounding)
        conditions.append(condition(encoder, encoding, config.gan.condition))
        labels.append(tf.boolean_mask(batch["label"], sounding).numpy())
    noise = np.random.default_rng(SEED).standard_normal(
        (sum(map(len, labels)), config.gan.noise_size)
    )
    return tf.concat(conditions, axis=0), tf.cast(noise, tf.float32), np.concatenate(labels)
