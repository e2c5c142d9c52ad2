"""The exported functions: sound in, picture out, as a SavedModel that stock TF Serving loads."""

import functools
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from cmgen import audio
from cmgen.config import SoundConfig
from cmgen.errors import FAILED_WORK, UserError
from cmgen.networks import Generator, SoundEncoder, condition

# TF Serving and tf.saved_model leave files in this folder alone.
METADATA_FILE = Path("assets.extra") / "cmgen.json"

# Both are core operations, but they call back into the Python process that made the graph.
_PYTHON_OPS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}


class SoundToImage(tf.Module):
    """A sound encoder and a generator joined into functions of the waveform.

    Args:
      sound_encoder: hears what plays.
      generator: `(encoding, noise)` -> image, with the averaged weights.
      sound: the window and its LMS.
      noise_size: size of the generator's noise.
    """

    def __init__(
        self,
        sound_encoder: SoundEncoder,
        generator: Generator,
        sound: SoundConfig,
        noise_size: int,
    ):
        super().__init__(name="sound_to_image")
        self.sound_encoder = sound_encoder
        self.generator = generator
        self._sound = sound
        waveform = tf.TensorSpec([None, sound.window_samples], tf.float32, name="waveform")
        noise = tf.TensorSpec([None, noise_size], tf.float32, name="noise")

        def traced(function: Callable[..., Any], *inputs: tf.TensorSpec) -> Any:
            # There are no Python loops in it, and autograph takes longer than all the rest.
            return tf.function(function, input_signature=inputs, autograph=False)

        self.generate = traced(self._generate, waveform, noise)
        self.generate_for_onnx = traced(
            functools.partial(self._generate, for_onnx=True), waveform, noise
        )
        self.generate_png = traced(self._generate_png, waveform, noise)
        self.encode = traced(self._encode, waveform)

    @classmethod
    def of(cls, run: Any) -> "SoundToImage":
        """For an s2i run of `checkpoint.load_run`."""
        return cls(run.encoder, run.generator, run.config.sound, run.config.gan.noise_size)

    def _generate(
        self, waveform: tf.Tensor, noise: tf.Tensor, for_onnx: bool = False
    ) -> dict[str, tf.Tensor]:
        """Pictures of what may make these sounds.

        Args:
          waveform: float32 [batch, 22050], 44.1 kHz mono, in [-1, 1].
          noise: float32 [batch, 10], standard normal; who plays, and where.
          for_onnx: use only operations that tf2onnx converts.

        Returns:
          image: float32 [batch, 64, 64, 3], in [-1, 1].
        """
        encoding = self.sound_encoder.encode(audio.lms(waveform, self._sound, for_onnx=True))
        told = condition(self.sound_encoder, encoding, self.generator.config.condition)
        image = self.generator((told, noise), training=False)
        return {"image": image}

    def _generate_png(self, waveform: tf.Tensor, noise: tf.Tensor) -> dict[str, tf.Tensor]:
        """Like `generate`, as PNG files: string [batch]; REST sends `*_bytes` as base64."""
        image = self._generate(waveform, noise)["image"]
        pixels = tf.cast(tf.round((tf.clip_by_value(image, -1.0, 1.0) + 1.0) * 127.5), tf.uint8)
        return {"image_bytes": tf.map_fn(tf.io.encode_png, pixels, fn_output_signature=tf.string)}

    def _encode(self, waveform: tf.Tensor) -> dict[str, tf.Tensor]:
        """What the sound encoder hears in float32 [batch, 22050].

        Returns:
          encoding: float32 [batch, 128].
          probabilities: float32 [batch, classes]; the classes are named in the metadata.
        """
        encoding = self.sound_encoder.encode(audio.lms(waveform, self._sound, for_onnx=True))
        return {
            "encoding": encoding,
            "probabilities": tf.nn.softmax(self.sound_encoder.classify(encoding)),
        }

    def signatures(self) -> dict[str, tf.types.experimental.GenericFunction]:
        """Signature name -> function, as `tf.saved_model.save` takes them."""
        return {
            tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: self.generate,
            "generate_png": self.generate_png,
            "encode": self.encode,
        }


def save(module: SoundToImage, folder: Path, metadata: dict[str, Any]) -> None:
    """Writes a SavedModel made of core operations only, with `metadata` beside it.

    Args:
      module: what to save.
      folder: the new folder; TF Serving wants its name to be an integer.
      metadata: of JSON types; `load` gives it back.
    """
    for name, function in module.signatures().items():
        check_core_ops(name, function.get_concrete_function())
    tf.saved_model.save(module, str(folder), signatures=module.signatures())
    (folder / METADATA_FILE).parent.mkdir(exist_ok=True)
    (folder / METADATA_FILE).write_text(json.dumps(metadata, indent=2) + "\n")


def load(folder: Path) -> tuple[Callable[..., dict[str, tf.Tensor]], dict[str, Any]]:
    """Reads what `save` wrote: the function `generate(waveform=, noise=)` and the metadata."""
    try:
        metadata = json.loads((folder / METADATA_FILE).read_text())
        loaded = tf.saved_model.load(str(folder))
        generate = loaded.signatures[tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY]
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        raise UserError(
            f"{folder}: not a SavedModel that tools/export.py wrote ({error}); export it again"
        ) from error
    # The signature's variables live as long as the object that owns them.
    generate.owner = loaded
    return generate, metadata


def graph_ops(function: tf.types.experimental.ConcreteFunction) -> set[str]:
    """Names of all operations of a graph and of the functions that it calls."""
    graph = function.graph.as_graph_def()
    bodies: Iterable[Any] = (body.node_def for body in graph.library.function)
    return {node.op for nodes in (graph.node, *bodies) for node in nodes}


def check_core_ops(name: str, function: tf.types.experimental.ConcreteFunction) -> None:
    """Refuses a graph that a TensorFlow without Python and extra libraries could not run."""
    core = set(dir(tf.raw_ops)) - _PYTHON_OPS
    foreign = sorted(graph_ops(function) - core)
    if foreign:
        raise UserError(
            f"signature {name} uses operations that stock TF Serving lacks: {', '.join(foreign)}; "
            "replace them by core TensorFlow operations",
            FAILED_WORK,
        )


def example_inputs(module: SoundToImage, windows: np.ndarray, seed: int = 0) -> tuple:
    """(waveform, noise) to compare two forms of `generate` on: windows and seeded noise."""
    noise_size = module.generate.input_signature[1].shape[1]
    noise = np.random.default_rng(seed).standard_normal((len(windows), noise_size))
    return windows.astype(np.float32), noise.astype(np.float32)
