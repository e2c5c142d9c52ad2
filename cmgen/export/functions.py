"""The exported functions: sound in, picture out, or the other way round, by core operations alone."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from cmgen.config import TrainConfig
from cmgen.export import pictures, wav
from cmgen.export.allowed_ops import OPERATIONS
from cmgen.media import griffin_lim_tf, lms_tf
from cmgen.models.build import make_generator
from cmgen.models.encoder import Encoder
from cmgen.models.encoder import condition as condition_of
from cmgen.models.generator import Generator
from cmgen.utils.errors import FAILED_WORK, UserError

SERVING_DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
# The noise of `serving_default`, which takes the bytes alone.
DEFAULT_SEED = 0

Tensors = dict[str, tf.Tensor]


class ServingModule(tf.Module):
    """An encoder and a generator joined into functions of what the encoder is given.

    `generate` and `encode` take tensors, `from_bytes` and `from_seed` files. Every item of a batch
    is answered as if it were alone; no items get no answers.

    Args:
      encoder: of the condition.
      generator: `(encoding, noise)` -> target, with the averaged weights. It stays as it is.
      config: of the run.
    """

    condition: ClassVar[str]  # name of the tensor that the functions take
    condition_bytes: ClassVar[str]  # name of the same as files
    target: ClassVar[str]
    target_bytes: ClassVar[str]

    def __init__(self, encoder: Encoder, generator: Generator, config: TrainConfig):
        super().__init__(name=config.task)
        self.encoder = encoder
        self.generator, self.folded = _folded_copy(generator, encoder, config)
        self.config = config
        files = tf.TensorSpec([None], tf.string, name=self.condition_bytes)
        seed = tf.TensorSpec([None], tf.int64, name="seed")
        self.condition_spec = tf.TensorSpec(
            [None, *self._condition_shape()], tf.float32, name=self.condition
        )
        self.noise_spec = tf.TensorSpec([None, config.gan.noise_size], tf.float32, name="noise")
        self.generate = _traced(self._generate, self.condition_spec, self.noise_spec)
        self.encode = _traced(self._encode, self.condition_spec)
        self.from_bytes = _traced(self._from_bytes, files)
        self.from_seed = _traced(self._from_seed, files, seed)

    @classmethod
    def of(cls, run: Any) -> "ServingModule":
        """For a run of `load_run`, of this direction."""
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

        def whole(condition: tf.Tensor, noise: tf.Tensor) -> Tensors:
            return self._target(self._encode_condition(condition, for_onnx)["encoding"], noise)

        return {
            "": _traced(whole, self.condition_spec, self.noise_spec),
            "_encoder": _traced(
                lambda condition: self._encode_condition(condition, for_onnx), self.condition_spec
            ),
            "_generator": _traced(self._target, encoding, self.noise_spec),
        }

    def _condition_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    def _read(self, file: tf.Tensor) -> tf.Tensor:
        """One file, string [], as the tensor that the functions take."""
        raise NotImplementedError

    def _write(self, target: tf.Tensor) -> tf.Tensor:
        """Targets as files, string [batch]."""
        raise NotImplementedError

    def _encode_condition(self, condition: tf.Tensor, for_onnx: bool = False) -> Tensors:
        """The encoder's outputs; see `_encode`."""
        raise NotImplementedError

    def _encode_seen(self, seen: tf.Tensor) -> Tensors:
        encoding = self.encoder.encode(seen)
        return {
            "encoding": condition_of(self.encoder, encoding, self.config.gan.condition),
            "probabilities": tf.nn.softmax(self.encoder.classify(encoding)),
        }

    def _generate(self, condition: tf.Tensor, noise: tf.Tensor) -> Tensors:
        """Condition, and noise float32 [batch, noise_size], standard normal -> target.

        Noise is who plays, and where. NaN and infinite numbers are refused.
        """
        encoding = self._encode_condition(_some(self._checked(condition)))["encoding"]
        noise = tf.debugging.check_numerics(noise, "noise must be finite")
        return _first(self._target(encoding, _some(noise)), condition)

    def _encode(self, condition: tf.Tensor) -> Tensors:
        """The encoder's outputs.

        Returns:
          encoding: float32 [batch, 128], the generator's condition.
          probabilities: float32 [batch, classes]; the classes are named in the metadata.
        """
        outputs = self._encode_condition(_some(self._checked(condition)))
        return _first({name: outputs[name] for name in ("encoding", "probabilities")}, condition)

    def _target(self, encoding: tf.Tensor, noise: tf.Tensor) -> Tensors:
        return {self.target: self.generator((encoding, noise), training=False)}

    def _checked(self, condition: tf.Tensor) -> tf.Tensor:
        return tf.debugging.check_numerics(condition, f"{self.condition} must be finite")

    def _from_bytes(self, files: tf.Tensor) -> Tensors:
        """string [batch] -> string [batch]; the same files always give the same answers."""
        seed = tf.fill([tf.shape(files)[0]], tf.constant(DEFAULT_SEED, tf.int64))
        return self._from_seed(files, seed)

    def _from_seed(self, files: tf.Tensor, seed: tf.Tensor) -> Tensors:
        """string [batch] and int64 [batch], the number of each item's noise -> string [batch]."""
        condition = tf.map_fn(
            self._read,
            files,
            fn_output_signature=tf.TensorSpec(self.condition_spec.shape[1:], tf.float32),
        )
        noise = tf.map_fn(self._noise, seed, fn_output_signature=tf.float32)
        target = self._generate(condition, tf.ensure_shape(noise, self.noise_spec.shape))[
            self.target
        ]
        return _first({self.target_bytes: self._write(_some(target))}, files)

    def _noise(self, seed: tf.Tensor) -> tf.Tensor:
        """Keyed by the item's seed alone, so that no item depends on its neighbours."""
        key = tf.stack([seed, tf.zeros_like(seed)])
        return tf.random.stateless_normal([self.config.gan.noise_size], key, alg="philox")


class SoundToImage(ServingModule):
    """Half a second of sound -> the picture of who may play it.

    waveform: float32 [batch, window_samples] in [-1, 1]; image: float32 [batch, s, s, 3] in [-1, 1].
    """

    condition, condition_bytes = "waveform", "audio_bytes"
    target, target_bytes = "image", "image_bytes"

    def _condition_shape(self) -> tuple[int, ...]:
        return (self.config.sound.window_samples,)

    def _read(self, file: tf.Tensor) -> tf.Tensor:
        return wav.read_middle(file, self.config.sound)

    def _write(self, target: tf.Tensor) -> tf.Tensor:
        return pictures.write_pictures(target)

    def _encode_condition(self, condition: tf.Tensor, for_onnx: bool = False) -> Tensors:
        lms = lms_tf.lms(condition, self.config.sound, for_onnx)
        return self._encode_seen(lms) | {"lms": lms}


class ImageToSound(ServingModule):
    """A picture -> the log-mel spectrogram (LMS) of half a second that may sound in it.

    image: float32 [batch, s, s, 3] in [-1, 1]; lms: float32 [batch, n_mels, frames] in [-1, 1].
    """

    condition, condition_bytes = "image", "image_bytes"
    target, target_bytes = "lms", "audio_bytes"

    def _condition_shape(self) -> tuple[int, ...]:
        return self.config.shape_of("image")

    def _read(self, file: tf.Tensor) -> tf.Tensor:
        return pictures.read_picture(file, self.config.data.image_size)

    def _write(self, target: tf.Tensor) -> tf.Tensor:
        sound = self.config.sound
        waveform = griffin_lim_tf.lms_to_waveform(target, sound)
        finished = griffin_lim_tf.finish_sound(
            tf.ensure_shape(waveform, [None, sound.window_samples]), sound
        )
        return wav.write_sounds(finished, sound.sample_rate)

    def _encode_condition(self, condition: tf.Tensor, for_onnx: bool = False) -> Tensors:
        return self._encode_seen(condition)


def serving_module(run: Any) -> ServingModule:
    """The functions of a run of `load_run`."""
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


def _some(items: tf.Tensor) -> tf.Tensor:
    """The items, or one of zeros in place of none: not every operation takes none."""
    missing = tf.cast(tf.equal(tf.shape(items)[0], 0), tf.int32)
    return tf.pad(items, [[0, missing], *[[0, 0]] * (len(items.shape) - 1)])


def _first(outputs: Tensors, inputs: tf.Tensor) -> Tensors:
    """As many rows of the outputs as there were inputs."""
    return {name: rows[: tf.shape(inputs)[0]] for name, rows in outputs.items()}


def _folded_copy(
    generator: Generator, encoder: Encoder, config: TrainConfig
) -> tuple[Generator, list[tf.Variable]]:
    """A generator of the same weights that is folded for inference, and the folded kernels.

    A copy, since folding fixes what the caller's generator may go on training.
    """
    shape = config.shape_of(config.direction.target)
    copy = make_generator(config.gan, shape, name=generator.name)
    copy((tf.zeros([1, encoder.config.encoding_size]), tf.zeros([1, config.gan.noise_size])))
    copy.set_weights(generator.get_weights())
    return copy, copy.fold()


def example_noise(module: ServingModule, count: int, seed: int = 0) -> np.ndarray:
    """Standard normal noise float32 [count, noise_size] to compare two forms of a function on."""
    size = module.config.gan.noise_size
    return np.random.default_rng(seed).standard_normal((count, size)).astype(np.float32)


def _traced(function: Callable[..., Any], *inputs: tf.TensorSpec) -> Any:
    # There are no Python loops in it, and autograph takes longer than all the rest.
    return tf.function(function, input_signature=inputs, autograph=False)
