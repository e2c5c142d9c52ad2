"""Samples at each checkpoint, from fixed conditions and noise."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from cmgen.config import TrainConfig
from cmgen.data import pipeline
from cmgen.media import griffin_lim_tf, images, lms_tf
from cmgen.models.gan import CrossModalGan
from cmgen.models.run import provenance_of
from cmgen.utils.errors import UserError

ROWS = 4  # noise vectors, one row each
GRIFFIN_LIM_ROUNDS = 32  # enough to hear what was learned


class SampleSheet:
    """Writes samples/NNNNNN.png, one column a class, and the real targets once as reals.png.

    An LMS is drawn as a picture, low frequencies at the bottom.

    Args:
      workdir: the run folder.
      recordings: source of the conditions, preferably the validation split.
      config: the run's.
      writer: TensorBoard's; receives the pictures, the real sounds and the generated ones.
    """

    def __init__(
        self,
        workdir: Path,
        recordings: pipeline.Recordings,
        config: TrainConfig,
        writer: tf.summary.SummaryWriter,
    ):
        self.folder, self.writer, self.sound = workdir / "samples", writer, config.sound
        self.comment = provenance_of(workdir, config)
        self.target = config.direction.target
        examples = self._one_of_each_class(recordings, config)
        if config.direction.condition not in examples:
            raise UserError(
                f"{recordings.folder}: split {recordings.split!r} lacks pictures of some class; "
                "add pictures, since sounds are generated from them"
            )
        condition = examples[config.direction.condition]
        self.columns = len(condition)
        self.conditions = tf.tile(condition, [ROWS] + [1] * (len(condition.shape) - 1))
        noise = np.random.default_rng(config.seed).standard_normal([ROWS, config.gan.noise_size])
        self.noise = tf.repeat(tf.cast(noise, tf.float32), self.columns, axis=0)
        if self.target in examples:
            reals = images.grid(self._drawn(examples[self.target]), self.columns)
            images.write_png(self.folder / "reals.png", reals, self.comment)
        self._log_sounds("sounds", examples["waveform"], 0)

    @staticmethod
    def _one_of_each_class(
        recordings: pipeline.Recordings, config: TrainConfig
    ) -> dict[str, tf.Tensor]:
        """waveform, lms and image of the sounding window nearest the middle of each class."""
        windows: dict[int, list[dict[str, np.ndarray]]] = {}
        for batch in pipeline.evaluation_windows(recordings, 8, config):
            kinds = [kind for kind in ("waveform", "image") if kind in batch]
            for i in np.flatnonzero(batch["sounding"].numpy()):
                window = {kind: batch[kind][i].numpy() for kind in kinds}
                windows.setdefault(int(batch["label"][i]), []).append(window)
        middle = [windows[label][len(windows[label]) // 2] for label in sorted(windows)]
        examples = {kind: tf.stack([window[kind] for window in middle]) for kind in middle[0]}
        return examples | {"lms": lms_tf.lms(examples["waveform"], config.sound)}

    def _drawn(self, targets: tf.Tensor) -> np.ndarray:
        """Targets as pictures: uint8 [n, height, width, 3]."""
        draw = images.draw_lms if self.target == "lms" else images.unscale
        return draw(targets.numpy())

    def _log_sounds(self, name: str, waveforms: tf.Tensor, step: int) -> None:
        with self.writer.as_default():
            clipped = tf.clip_by_value(waveforms, -1.0, 1.0)[..., None]
            tf.summary.audio(name, clipped, self.sound.sample_rate, step, self.columns)

    def write(self, gan: CrossModalGan, step: int) -> None:
        """Draws the sheet with the averaged generator; an LMS of the first row becomes sound."""
        targets = gan((self.conditions, self.noise))
        sheet = images.grid(self._drawn(targets), self.columns)
        images.write_png(self.folder / f"{step:06d}.png", sheet, self.comment)
        with self.writer.as_default():
            tf.summary.image("samples", sheet[None], step=step)
        if self.target == "lms":
            first = targets[: self.columns]
            waveforms = griffin_lim_tf.lms_to_waveform(first, self.sound, GRIFFIN_LIM_ROUNDS)
            self._log_sounds("generated", waveforms, step)
