"""A trained model in Python: sounds in and pictures of the performer out, or the other way round."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cmgen.export.layout import newest
from cmgen.export.metadata import Metadata
from cmgen.generate import image_to_sound, networks, sound_to_image
from cmgen.generate.networks import Array, Networks
from cmgen.generate.sources import Source, read_pictures, read_sound
from cmgen.media.limits import LIMITS, MediaLimits
from cmgen.utils.errors import UserError

BATCH = 64


class Model:
    """A trained model; `load` makes it. Any number of items at once, each answered as if alone.

    Attributes:
      metadata: what it was trained for, and on what.
      task: "s2i", half a second of sound -> a picture of its performer, or "i2s", the way back.
      classes: the instruments, in the order of the probabilities.
      sample_rate: in Hz.
    """

    def __init__(self, metadata: Metadata, networks: Networks):
        self.metadata = metadata
        self.task = metadata.task
        self.classes = metadata.classes
        self.sample_rate = metadata.sample_rate
        self._networks = networks

    def __repr__(self) -> str:
        return f"<cmgen.Model {self.metadata.name}: {self.task}, {len(self.classes)} classes>"

    def __call__(self, condition: Array, noise: Array) -> Array:
        """Conditions and noise -> what the generator makes of them.

        Args:
          condition: s2i: waveforms float32 [n, window_samples]; i2s: pictures float32 [n, size,
            size, 3]; in [-1, 1].
          noise: float32 [n, noise_size], standard normal.

        Returns:
          s2i: pictures float32 [n, size, size, 3]; i2s: log-mel spectrograms float32 [n, n_mels,
          frames]; in [-1, 1].

        >>> waveforms = np.zeros([3, model.metadata.window_samples], np.float32)
        >>> noise = np.zeros([3, model.metadata.noise_size], np.float32)
        >>> model(waveforms, noise).shape
        (3, 64, 64, 3)
        """
        inputs = self._checked(condition), self._checked_noise(noise, len(condition))
        return _in_batches(lambda *some: (self._networks.generate(*some),), *inputs)[0]

    def encode(self, condition: Array) -> tuple[Array, Array]:
        """Conditions, as for a call, -> what the encoder finds in them.

        Returns:
          encodings: float32 [n, encoding size], which the generator starts from.
          probabilities: float32 [n, classes].

        >>> encodings, probabilities = model.encode(np.zeros([3, 22050], np.float32))
        >>> encodings.shape, probabilities.shape == (3, len(model.classes))
        ((3, 128), True)
        """
        encodings, probabilities = _in_batches(self._networks.encode, self._checked(condition))
        return encodings, probabilities

    def from_encoding(self, encoding: Array, noise: Array) -> Array:
        """Encodings of `encode` and noise -> targets, as of a call."""
        inputs = encoding, self._checked_noise(noise, len(encoding))
        return _in_batches(lambda *some: (self._networks.from_encoding(*some),), *inputs)[0]

    def generate(
        self,
        source: Source,
        seeds: Sequence[int] = (0,),
        fps: float = 10.0,
        seconds: float | None = None,
        limits: MediaLimits = LIMITS,
    ) -> np.ndarray:
        """Draws the performer of a sound over time (s2i), or makes the sound of a picture (i2s).

        Args:
          source: the path or the bytes of a file: s2i: a sound or a video of at least half a
            second; i2s: a picture or a video. Or an array with its rate: s2i: (float [n] or
            [n, channels] in [-1, 1], Hz); i2s: (uint8 [n, height, width, 3], pictures a second),
            or one picture alone, uint8 [height, width, 3].
          seeds: each is one noise: s2i: one performer, held for the whole length; i2s: one of the
            sounds that fit.
          fps: s2i: pictures a second.
          seconds: i2s: length of the sound of a picture, 5 if None; a video's is the video's own.
          limits: of the source.

        Returns:
          s2i: pictures uint8 [times, seeds, size, size, 3]; i2s: waveforms float32 [seeds, samples]
          in [-1, 1] at `sample_rate`.

        Raises:
          UserError: the source can't be read, is too short or too long, or not of the right kind.

        >>> model.generate("a.wav", seeds=[0, 1], fps=10).shape
        (20, 2, 64, 64, 3)
        >>> model.generate((np.zeros(48000), 48000)).shape
        (10, 1, 64, 64, 3)
        >>> model.generate(open("a.wav", "rb").read(), fps=2).shape
        (4, 1, 64, 64, 3)
        """
        if not len(seeds) or not fps > 0:
            raise UserError(f"seeds={seeds}, fps={fps}: give at least one seed, and a rate above 0")
        if self.task == "s2i":
            sound = read_sound(source, self.sample_rate, limits)
            times = sound_to_image.frame_times(len(sound) / self.sample_rate, fps)
            return np.concatenate(
                list(sound_to_image.pictures(self, self.metadata, sound, times, seeds))
            )
        metadata = self.metadata
        shown = read_pictures(source, metadata.image_size, limits)
        spectrograms = [
            image_to_sound.spectrogram(self, metadata, shown, seed, seconds) for seed in seeds
        ]
        return np.stack([image_to_sound.audible(*one, metadata.sound) for one in spectrograms])

    def _checked(self, condition: Array) -> Array:
        """The condition, refused if a network would not take it."""
        size = self.metadata.image_size
        item = (self.metadata.window_samples,) if self.task == "s2i" else (size, size, 3)
        shape = np.shape(condition)
        if shape[1:] != item or not shape[0] or not np.isfinite(condition).all():
            raise UserError(
                f"the condition has the shape {shape}, or holds NaN or infinite numbers; give "
                f"float32 [n, {', '.join(map(str, item))}] in [-1, 1], n at least 1"
            )
        return condition

    def _checked_noise(self, noise: Array, count: int) -> Array:
        wanted = (count, self.metadata.noise_size)
        if np.shape(noise) != wanted or not np.isfinite(noise).all():
            raise UserError(
                f"the noise has the shape {np.shape(noise)}, or holds NaN or infinite numbers; give "
                f"float32 {list(wanted)}, standard normal"
            )
        return noise


def load(path: Path | str) -> Model:
    """Loads a trained model from any of its forms.

    Args:
      path: a run's folder, an export's folder (its ONNX files), the folder of one of its versions
        (a SavedModel), or an .onnx file of the whole way.

    Raises:
      UserError: there is none of them, or it is damaged.

    >>> model = cmgen.load("runs/s2i")
    >>> model.task, model.classes, model.sample_rate
    ('s2i', ('bell', 'drum', 'flute'), 44100)
    """
    path = Path(path)
    if path.suffix == ".onnx":
        return Model(*networks.of_onnx(path))
    if (path / "saved_model.pb").is_file():
        return Model(*networks.of_saved_model(path))
    if path.is_dir() and any(path.glob("*.onnx")):
        return Model(*networks.of_export(path))
    if path.is_dir() and (version := newest(path)):
        return Model(*networks.of_saved_model(version))
    if (path / "config.json").is_file():
        from cmgen.models.run import load_run  # imports TensorFlow

        return Model(*networks.of_run(load_run(path)))
    raise UserError(
        f"{path}: neither a run's folder (config.json), nor an exported one (saved_model.pb), nor an "
        ".onnx file; train with cmgen.train or name another"
    )


def _in_batches(function: Callable[..., tuple[Array, ...]], *inputs: Array) -> list[Array]:
    """The outputs of a function of batches, BATCH items at a time, so that memory stays bounded."""
    arrays = [np.ascontiguousarray(array, np.float32) for array in inputs]
    parts = [
        function(*(array[start : start + BATCH] for array in arrays))
        for start in range(0, len(arrays[0]), BATCH)
    ]
    return [np.concatenate(some) for some in zip(*parts, strict=True)]
