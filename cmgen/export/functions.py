"""The exported functions: sound in, picture out, or the other way round, by core operations alone."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from cmgen.config import TrainConfig
from cmgen.export import graph_files
from cmgen.export.allowed_ops import OPERATIONS
from cmgen.media import lms_tf
from cmgen.models.encoder import Encoder, condition
from cmgen.models.generator import Generator
from cmgen.utils.errors import FAILED_WORK, UserError

SERVING_DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
# The noise of `serving_default`, which takes the bytes alone.
DEFAULT_SEED = 0

Tensors = dict[str, tf.Tensor]


class CrossModal(tf.Module):
    """An encoder and a generator joined into functions of what the encoder is given.

    `generate` and `encode` take tensors, `from_bytes` and `from_seed` files. Every item of a batch
    is answered as if it were alone.

    Args:
      encoder: of the condition.
      generator: `(encoding, noise)` -> target, with the averaged weights; they are final.
      config: of the run.
    """

    given: ClassVar[str]  # name of the tensor that the functions take
    given_bytes: ClassVar[str]  # name of the same as files
    made: ClassVar[str]
    made_bytes: ClassVar[str]

    def __init__(self, encoder: Encoder, generator: Generator, config: TrainConfig):
        super().__init__(name=config.task)
        self.encoder = encoder
        self.generator = generator
        self.folded = generator.fold()
        self.config = config
        files = tf.TensorSpec([None], tf.string, name=self.given_bytes)
        seed = tf.TensorSpec([None], tf.int64, name="seed")
        self.given_spec = tf.TensorSpec([None, *self._given_shape()], tf.float32, name=self.given)
        self.noise_spec = tf.TensorSpec([None, config.gan.noise_size], tf.float32, name="noise")
        self.generate = _traced(self._generate, self.given_spec, self.noise_spec)
        self.encode = _traced(self._encode, self.given_spec)
        self.from_bytes = _traced(self._from_bytes, files)
        self.from_seed = _traced(self._from_seed, files, seed)

    @classmethod
    def of(cls, run: Any) -> "CrossModal":
        """For a run of `models.run.load_run`, of this direction."""
        return cls(run.encoder, run.generator, run.config)

    def signatures(self) -> dict[str, tf.types.experimental.GenericFunction]:
        """Signature name -> function, as `tf.saved_model.save` takes them."""
        return {
            SERVING_DEFAULT: self.from_bytes,
            "from_seed": self.from_seed,
            "generate": self.generate,
            "encode": self.encode,
        }

    def functions(self, for_onnx: bool) -> dict[str, tf.types.experimental.GenericFunction]:
        """What follows the model's name in an ONNX file's -> function of tensors.

        Args:
          for_onnx: use only operations that tf2onnx converts (the same values).
        """
        size = self.encoder.config.encoding_size
        encoding = tf.TensorSpec([None, size], tf.float32, name="encoding")

        def whole(given: tf.Tensor, noise: tf.Tensor) -> Tensors:
            return self._make(self._find(given, for_onnx)["encoding"], noise)

        return {
            "": _traced(whole, self.given_spec, self.noise_spec),
            "_encoder": _traced(lambda given: self._find(given, for_onnx), self.given_spec),
            "_generator": _traced(self._make, encoding, self.noise_spec),
        }

    def _given_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    def _read(self, file: tf.Tensor) -> tf.Tensor:
        """One file, string [], as the tensor that the functions take."""
        raise NotImplementedError

    def _write(self, made: tf.Tensor) -> tf.Tensor:
        """What was made as files, string [batch]."""
        raise NotImplementedError

    def _find(self, given: tf.Tensor, for_onnx: bool = False) -> Tensors:
        """What the encoder finds in the given tensor; see `_encode`."""
        raise NotImplementedError

    def _encode_seen(self, seen: tf.Tensor) -> Tensors:
        encoding = self.encoder.encode(seen)
        return {
            "encoding": condition(self.encoder, encoding, self.config.gan.condition),
            "probabilities": tf.nn.softmax(self.encoder.classify(encoding)),
        }

    def _generate(self, given: tf.Tensor, noise: tf.Tensor) -> Tensors:
        """given, noise float32 [batch, noise_size], standard normal -> the made tensor.

        Noise is who plays, and where. NaN and infinite numbers are refused.
        """
        encoding = self._find(self._checked(given))["encoding"]
        return self._make(encoding, tf.debugging.check_numerics(noise, "noise must be finite"))

    def _encode(self, given: tf.Tensor) -> Tensors:
        """What the encoder finds.

        Returns:
          encoding: float32 [batch, 128], what the generator is told.
          probabilities: float32 [batch, classes]; the classes are named in the metadata.
        """
        found = self._find(self._checked(given))
        return {name: found[name] for name in ("encoding", "probabilities")}

    def _make(self, encoding: tf.Tensor, noise: tf.Tensor) -> Tensors:
        return {self.made: self.generator((encoding, noise), training=False)}

    def _checked(self, given: tf.Tensor) -> tf.Tensor:
        return tf.debugging.check_numerics(given, f"{self.given} must be finite")

    def _from_bytes(self, files: tf.Tensor) -> Tensors:
        """string [batch] -> string [batch]; the same files always give the same answers."""
        seed = tf.fill([tf.shape(files)[0]], tf.constant(DEFAULT_SEED, tf.int64))
        return self._from_seed(files, seed)

    def _from_seed(self, files: tf.Tensor, seed: tf.Tensor) -> Tensors:
        """string [batch] and int64 [batch], the number of each item's noise -> string [batch]."""
        given = tf.map_fn(
            self._read,
            files,
            fn_output_signature=tf.TensorSpec(self.given_spec.shape[1:], tf.float32),
        )
        noise = tf.map_fn(self._noise, seed, fn_output_signature=tf.float32)
        made = self._generate(given, tf.ensure_shape(noise, self.noise_spec.shape))[self.made]
        return {self.made_bytes: self._write(made)}

    def _noise(self, seed: tf.Tensor) -> tf.Tensor:
        """Keyed by the item's seed alone, so that no item depends on its neighbours."""
        key = tf.stack([seed, tf.zeros_like(seed)])
        return tf.random.stateless_normal([self.config.gan.noise_size], key, alg="philox")


class SoundToImage(CrossModal):
    """Half a second of sound -> the picture of who may play it.

    waveform: float32 [batch, window_samples] in [-1, 1]; image: float32 [batch, s, s, 3] in [-1, 1].
    """

    given, given_bytes = "waveform", "audio_bytes"
    made, made_bytes = "image", "image_bytes"

    def _given_shape(self) -> tuple[int, ...]:
        return (self.config.sound.window_samples,)

    def _read(self, file: tf.Tensor) -> tf.Tensor:
        return graph_files.read_middle(file, self.config.sound)

    def _write(self, made: tf.Tensor) -> tf.Tensor:
        return graph_files.write_pictures(made)

    def _find(self, given: tf.Tensor, for_onnx: bool = False) -> Tensors:
        lms = lms_tf.lms(given, self.config.sound, for_onnx)
        return self._encode_seen(lms) | {"lms": lms}


class ImageToSound(CrossModal):
    """A picture -> the log-mel spectrogram (LMS) of half a second that may sound in it.

    image: float32 [batch, s, s, 3] in [-1, 1]; lms: float32 [batch, n_mels, frames] in [-1, 1].
    """

    given, given_bytes = "image", "image_bytes"
    made, made_bytes = "lms", "audio_bytes"

    def _given_shape(self) -> tuple[int, ...]:
        return self.config.shape_of("image")

    def _read(self, file: tf.Tensor) -> tf.Tensor:
        return graph_files.read_picture(file, self.config.data.image_size)

    def _write(self, made: tf.Tensor) -> tf.Tensor:
        sound = self.config.sound
        waveform = lms_tf.lms_to_waveform(made, sound)
        finished = lms_tf.finish_sound(
            tf.ensure_shape(waveform, [None, sound.window_samples]), sound
        )
        return graph_files.write_sounds(finished, sound.sample_rate)

    def _find(self, given: tf.Tensor, for_onnx: bool = False) -> Tensors:
        return self._encode_seen(given)


def module_of(run: Any) -> CrossModal:
    """The functions of a run of `models.run.load_run`."""
    return (SoundToImage if run.config.task == "s2i" else ImageToSound).of(run)


def graph_ops(function: tf.types.experimental.ConcreteFunction) -> set[str]:
    """Names of all operations of a graph and of the functions that it calls."""
    graph = function.graph.as_graph_def()
    bodies: Iterable[Any] = (body.node_def for body in graph.library.function)
    return {node.op for nodes in (graph.node, *bodies) for node in nodes}


def check_core_ops(name: str, function: tf.types.experimental.ConcreteFunction) -> None:
    """Refuses a graph that stock TensorFlow without Python could not run, or that could do more than
    compute."""
    foreign = sorted(graph_ops(function) - OPERATIONS - {"Placeholder"})
    if foreign:
        raise UserError(
            f"signature {name} uses operations that stock TF Serving lacks or exports may not have: "
            f"{', '.join(foreign)}; replace them by others of cmgen.export.allowed_ops.OPERATIONS",
            FAILED_WORK,
        )


def example_noise(module: CrossModal, count: int, seed: int = 0) -> np.ndarray:
    """Standard normal noise float32 [count, noise_size] to compare two forms of a function on."""
    size = module.config.gan.noise_size
    return np.random.default_rng(seed).standard_normal((count, size)).astype(np.float32)


def _traced(function: Callable[..., Any], *inputs: tf.TensorSpec) -> Any:
    # There are no Python loops in it, and autograph takes longer than all the rest.
    return tf.function(function, input_signature=inputs, autograph=False)
