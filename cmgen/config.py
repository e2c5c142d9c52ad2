"""All settings of a run as frozen dataclasses, which `typed_json` writes and reads. No TensorFlow."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from cmgen.utils.errors import UserError
from cmgen.utils.values import check_value


@dataclass(frozen=True)
class Direction:
    """Condition and target of a GAN, "lms" or "image" as batches name them.

    Attributes:
      encoder: network that encodes the condition, "sound_encoder" or "image_encoder".
      condition: modality that the generator is conditioned on.
      target: modality that it generates.
    """

    encoder: str
    condition: str
    target: str


# Half a second of sound goes with a picture, as in the paper.
SAMPLE_RATE = 44100
WINDOW_SECONDS = 0.5
IMAGE_SIZE = 64
FPS = 10.0  # of the pictures kept of a video, and of generated videos

# The paper's S2I and I2S.
DIRECTIONS = {
    "s2i": Direction("sound_encoder", "lms", "image"),
    "i2s": Direction("image_encoder", "image", "lms"),
}
DEMO = "demo"  # the data that cmgen ships
TASKS = ("sound_encoder", "image_encoder", *DIRECTIONS)
STRATEGIES = ("auto", "default", "mirrored", "multiworker")
CONDITIONS = ("sound", "label")
MISMATCHES = ("class", "instrument", "recording", "mixed")
CONDITIONINGS = ("concat", "projection")
UPSAMPLINGS = ("deconvolution", "resize")
NORMALIZATIONS = ("none", "batch")
ARCHITECTURES = ("strided", "paper")
REPRESENTATIONS = ("lms", "stft", "ms", "cqt", "mfcc")
OBJECTIVES = ("classification", "autoencoder")

# Sections of TrainConfig whose settings are flags -> prefix of these flags.
FLAG_PREFIXES = {
    "data": "",
    "gan": "",
    "sound_encoder": "sound_encoder_",
    "image_encoder": "image_encoder_",
    "verifier": "verifier_",
}
# Rules of `validate` by the names of fields; other integers must be at least 1.
CHOICES = {
    "task": TASKS,
    "strategy": STRATEGIES,
    "architecture": ARCHITECTURES,
    "representation": REPRESENTATIONS,
    "objective": OBJECTIVES,
    "normalization": NORMALIZATIONS,
    "generator_normalization": NORMALIZATIONS,
    "discriminator_normalization": NORMALIZATIONS,
    "condition": CONDITIONS,
    "conditioning": CONDITIONINGS,
    "mismatch": MISMATCHES,
    "upsampling": UPSAMPLINGS,
}
SHARES = ("dropout", "label_smoothing", "beta_1", "beta_2")
NOT_NEGATIVE = (
    "cache_gib",
    "squeeze",
    "generator_spectra",
    "correspondence_weight",
    "mismatch_seconds",
    "l2",
    "weight_decay",
    "mismatch_weight",
    "r1_gamma",
    "r2_gamma",
    "average_half_life",
)


@dataclass(frozen=True)
class SoundConfig:
    """The sound window and its log-mel spectrogram (LMS); 0.5 s at 44.1 kHz gives 128 x 44."""

    sample_rate: int = SAMPLE_RATE
    window_seconds: float = WINDOW_SECONDS
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    f_min: float = 0.0
    f_max: float = 22050.0
    # The LMS in dB is clipped to [floor, ceiling] and scaled to [-1, 1]. The reference is a power of
    # 1, not the maximum of a clip, so that loudness survives.
    floor_db: float = -80.0
    ceiling_db: float = 40.0

    @property
    def window_samples(self) -> int:
        return round(self.sample_rate * self.window_seconds)

    @property
    def frames(self) -> int:
        """Number of centred STFT frames of a window: 1 + samples // hop."""
        return 1 + self.window_samples // self.hop_length


@dataclass(frozen=True)
class DataConfig:
    """Source of the recordings and how they become batches."""

    data: str = DEMO
    image_size: int = IMAGE_SIZE
    cache_gib: float = 4.0
    # A window below this level counts as silent.
    silence_dbfs: float = -50.0


def data_folder(data: str | None) -> str | None:
    """The user's folder that a value of --data names; None for the demo."""
    return None if data == DEMO else data


@dataclass(frozen=True)
class EncoderConfig:
    """A convolutional classifier whose last hidden layer is the encoding (paper, Figs. 4 and 5)."""

    # Input of a sound encoder; see representations.py.
    representation: str = "lms"
    # A sound encoder learns to classify instruments, or as an autoencoder (S2I-A).
    objective: str = "classification"

    widths: tuple[int, ...] = (32, 64, 96, 128)
    # One for each width, or none for strides of 2; a first stride of 1 keeps thin details, such as a
    # bow or a partial.
    strides: tuple[int, ...] = ()
    # Channels of a last 1 x 1 convolution, which lets more positions be kept; 0: none.
    squeeze: int = 0
    hidden: int = 256
    encoding_size: int = 128
    dropout: float = 0.3
    normalization: str = "batch"
    # `paper` has the layers drawn in the paper; `strided` is a deeper network of strides.
    architecture: str = "strided"
    l2: float = 0.0
    augment: bool = True
    train_steps: int = 1200
    batch_size: int = 64
    learning_rate: float = 2e-3
    label_smoothing: float = 0.05
    weight_decay: float = 0.02
    # Weight of matching a sound to the picture of its instant, and the reverse, among this number of
    # instants of each recording, with a partner encoder of the other modality; 0: the class alone.
    correspondence_weight: float = 0.0
    correspondence_instants: int = 12


# The first convolution keeps the resolution; 16 x 6 positions of an LMS, or 8 x 8 of a picture, are
# kept to the end.
SOUND_ENCODER = EncoderConfig(widths=(32, 48, 64, 96, 128), strides=(1, 2, 2, 2, 1), squeeze=48)
PICTURE_ENCODER = EncoderConfig(
    widths=(16, 32, 64, 64, 96, 96), strides=(1, 2, 2, 1, 2, 1), squeeze=32
)


@dataclass(frozen=True)
class GanConfig:
    """Generator, discriminator, objective and optimizers (paper, Fig. 2 and section 3)."""

    # `label` is a control: a one-hot vector of the class replaces the encoding, of the true class in
    # training and of the one that the sound encoder predicts in use.
    condition: str = "sound"
    noise_size: int = 10
    compressed_size: int = 64
    generator_channels: int = 32
    # 3 x 3 convolutions at each resolution of the "resize" generator.
    generator_convolutions: int = 1
    # Spectra, each with an envelope in time, whose sum the generator of LMS adds to its maps.
    generator_spectra: int = 0
    discriminator_channels: int = 32
    generator_normalization: str = "batch"
    discriminator_normalization: str = "none"
    conditioning: str = "projection"
    upsampling: str = "resize"
    # Weight of S_w, the score of a real target with a mismatched condition; 0: none.
    mismatch_weight: float = 1.0
    # What a real target and its mismatched condition have in common: nothing ("class"), the instrument,
    # the recording, or alternately nothing and the recording ("mixed").
    mismatch: str = "class"
    # Least distance of the two instants of a mismatched pair within a recording.
    mismatch_seconds: float = 0.5
    # gamma of the zero-centred gradient penalty on real pairs (R1) and on generated ones (R2).
    r1_gamma: float = 1.0
    r2_gamma: float = 0.0
    generator_learning_rate: float = 4e-4
    discriminator_learning_rate: float = 4e-4
    beta_1: float = 0.0
    beta_2: float = 0.99
    # Half-life of the averaged generator weights, in examples.
    average_half_life: int = 10000
    augment: bool = True


@dataclass(frozen=True)
class TrainConfig:
    """A training run; printed at its start and written to config.json in the run folder."""

    task: str = "s2i"
    workdir: str = "runs/s2i"
    # Classes that the GAN is trained and measured on; all if empty. Encoders are trained on all.
    only_classes: tuple[str, ...] = ()
    train_steps: int = 2500
    batch_size: int = 64
    checkpoint_steps: int = 250
    keep_checkpoints: int = 2
    seed: int = 1
    strategy: str = "auto"
    # bfloat16 arithmetic with float32 weights; None: if the processor has matrix units for it.
    mixed_precision: bool | None = None
    sound: SoundConfig = field(default_factory=SoundConfig)
    data: DataConfig = field(default_factory=DataConfig)
    sound_encoder: EncoderConfig = SOUND_ENCODER
    image_encoder: EncoderConfig = PICTURE_ENCODER
    verifier: EncoderConfig = PICTURE_ENCODER
    gan: GanConfig = field(default_factory=GanConfig)

    @property
    def direction(self) -> Direction:
        """Direction of the task; an encoder alone has that of the GAN which it would serve."""
        served = {direction.encoder: direction for direction in DIRECTIONS.values()}
        return (DIRECTIONS | served)[self.task]

    def modality_of(self, network: str) -> str:
        """Returns the input of "sound_encoder", "image_encoder" or "verifier": "image", "lms", ..."""
        inputs = {"sound_encoder": self.sound_encoder.representation, "image_encoder": "image"}
        return inputs.get(network, self.direction.target)

    def shape_of(self, kind: str) -> tuple[int, ...]:
        """Returns the shape of one "lms", (128, 44), or one "image", (64, 64, 3)."""
        if kind == "lms":
            return self.sound.n_mels, self.sound.frames
        return self.data.image_size, self.data.image_size, 3


def validate(config: TrainConfig) -> None:
    """Raises a UserError that names the flag, the value and the remedy if a value can't work."""
    for section, prefix in {"": "", **FLAG_PREFIXES}.items():
        part = getattr(config, section) if section else config
        for item in dataclasses.fields(part):
            _check_value(prefix + item.name, item.name, getattr(part, item.name))
    for prefix in ("sound_encoder", "image_encoder", "verifier"):
        encoder = getattr(config, prefix)
        _require(
            len(encoder.strides) in (0, len(encoder.widths)),
            f"{prefix}_strides",
            ",".join(map(str, encoder.strides)),
            f"needs one for each of --{prefix}_widths, {len(encoder.widths)}",
        )
    _check_sound_encoder(config)
    _check_correspondence(config)
    _require(
        config.gan.generator_spectra == 0 or config.direction.target == "lms",
        "generator_spectra",
        config.gan.generator_spectra,
        "only sounds have spectra; leave it out, or give --task=i2s",
    )
    _require(
        config.batch_size % 2 == 0,
        "batch_size",
        config.batch_size,
        "must be even: neighbours in a batch are each other's mismatched pair",
    )
    size = config.data.image_size
    _require(
        size >= 32 and size & (size - 1) == 0,
        "image_size",
        size,
        "must be a power of two, at least 32",
    )


def _check_sound_encoder(config: TrainConfig) -> None:
    """Refuses settings of sound encoders for other networks, or where they can't work."""
    for prefix in ("image_encoder", "verifier"):
        for name, only in (("representation", "lms"), ("objective", "classification")):
            value = getattr(getattr(config, prefix), name)
            _require(value == only, f"{prefix}_{name}", value, "only a sound encoder has it")
    encoder = config.sound_encoder
    if encoder.representation != "lms":
        flag = "sound_encoder_representation"
        _require(
            config.task == "sound_encoder",
            flag,
            encoder.representation,
            "the GAN and its export take the lms; give that, or --task=sound_encoder",
        )
        _require(
            not encoder.augment,
            flag,
            encoder.representation,
            "only the lms is augmented; give --nosound_encoder_augment too",
        )


def _check_correspondence(config: TrainConfig) -> None:
    """Refuses settings that don't go with a partner encoder of the other modality."""
    weight = config.verifier.correspondence_weight
    remedy = "the verifier only names classes; leave it out"
    _require(weight == 0, "verifier_correspondence_weight", weight, remedy)
    for prefix in ("sound_encoder", "image_encoder"):
        encoder = getattr(config, prefix)
        if not encoder.correspondence_weight:
            continue
        for name, only in (("representation", "lms"), ("objective", "classification")):
            _require(
                getattr(encoder, name) == only,
                f"{prefix}_{name}",
                getattr(encoder, name),
                f"does not go with correspondence; give --{prefix}_correspondence_weight=0",
            )
        instants = encoder.correspondence_instants
        _require(
            encoder.batch_size % (2 * instants) == 0,
            f"{prefix}_batch_size",
            encoder.batch_size,
            f"must be a multiple of twice --{prefix}_correspondence_instants, {2 * instants}",
        )


def _check_value(flag: str, name: str, value: Any) -> None:
    """Checks one setting by the name of its field."""
    check_value(flag, value, may_be_empty=isinstance(value, tuple))
    if name in CHOICES:
        allowed = CHOICES[name]
        _require(value in allowed, flag, value, f"must be one of {', '.join(allowed)}")
    elif name in SHARES:
        _require(0 <= value < 1, flag, value, "must be at least 0 and below 1")
    elif name.endswith("learning_rate"):
        _require(value > 0, flag, value, "must be above 0")
    elif name in NOT_NEGATIVE:
        _require(value >= 0, flag, value, "must not be negative")
    elif name == "widths":
        _require(bool(value) and min(value) >= 1, flag, value, "needs numbers of at least 1")
    elif name == "strides":
        _require(min(value, default=1) >= 1, flag, value, "needs numbers of at least 1")
    elif type(value) is int and name != "seed":
        _require(value >= 1, flag, value, "must be at least 1")


def _require(good: bool, name: str, value: object, remedy: str) -> None:
    if not good:
        raise UserError(f"--{name}={value}: {remedy}")
