"""Pictures that show how far training has come: fixed sounds, fixed noise, at each checkpoint."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from cmgen import audio, images
from cmgen.config import TrainConfig
from cmgen.data import pipeline
from cmgen.gan import SoundToImageGan

ROWS = 4  # noise vectors, one row each


class SampleSheet:
    """Writes samples/NNNNNN.png, one column a class, and the real pictures once as reals.png.

    Args:
      workdir: the run folder.
      recordings: where the sounds come from, preferably of the validation split.
      config: the run's.
      writer: TensorBoard's; receives pictures and the sounds.
    """

    def __init__(
        self,
        workdir: Path,
        recordings: pipeline.Recordings,
        config: TrainConfig,
        writer: tf.summary.SummaryWriter,
    ):
        self.folder, self.writer = workdir / "samples", writer
        waveforms, pictures = self._one_of_each_class(recordings, config)
        self.lms = tf.repeat(audio.lms(waveforms, config.sound)[None], ROWS, axis=0)
        self.columns = len(waveforms)
        noise = np.random.default_rng(config.seed).standard_normal([ROWS, config.gan.noise_size])
        self.noise = tf.repeat(tf.cast(noise, tf.float32), self.columns, axis=0)
        if pictures is not None:
            images.write_png(self.folder / "reals.png", images.grid(pictures, self.columns))
        with writer.as_default():
            sounds = waveforms[..., None]
            tf.summary.audio("sounds", sounds, config.sound.sample_rate, 0, self.columns)

    @staticmethod
    def _one_of_each_class(
        recordings: pipeline.Recordings, config: TrainConfig
    ) -> tuple[tf.Tensor, np.ndarray | None]:
        """The sounding window nearest the middle of each class, and its picture."""
        windows: dict[int, list[tuple[np.ndarray, np.ndarray | None]]] = {}
        for batch in pipeline.evaluation_windows(recordings, 8, config):
            has_images = "image" in batch
            for i in np.flatnonzero(batch["sounding"].numpy()):
                picture = batch["image"][i].numpy() if has_images else None
                label = int(batch["label"][i])
                windows.setdefault(label, []).append((batch["waveform"][i].numpy(), picture))
        middle = [windows[label][len(windows[label]) // 2] for label in sorted(windows)]
        waveforms = tf.stack([waveform for waveform, _ in middle])
        pictures = [picture for _, picture in middle if picture is not None]
        return waveforms, images.unscale(np.stack(pictures)) if pictures else None

    def write(self, gan: SoundToImageGan, step: int) -> None:
        """Draws the sheet with the averaged generator."""
        lms = tf.reshape(self.lms, [-1, *self.lms.shape[2:]])
        pictures = images.unscale(gan((lms, self.noise)).numpy())
        sheet = images.grid(pictures, self.columns)
        images.write_png(self.folder / f"{step:06d}.png", sheet)
        with self.writer.as_default():
            tf.summary.image("samples", sheet[None], step=step)
