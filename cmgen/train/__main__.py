"""Trains a sound-to-image or image-to-sound generator, or an encoder, and evaluates it. The same
command resumes.

Examples:
  python -m cmgen.train --flagfile=s2i.flags --workdir=runs/s2i
  python -m cmgen.train --flagfile=s2i.flags --data=/videos --workdir=runs/mine --train_steps=5000
  python -m cmgen.train --flagfile=i2s.flags --workdir=runs/i2s
  python -m cmgen.train --flagfile=s2i.flags --dry_run
  tensorboard --logdir=runs
"""

import dataclasses
import sys
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from absl import flags

from cmgen.config import (
    CONDITIONINGS,
    FLAG_PREFIXES,
    MISMATCHES,
    NORMALIZATIONS,
    OBJECTIVES,
    REPRESENTATIONS,
    STRATEGIES,
    TASKS,
    UPSAMPLINGS,
    TrainConfig,
    data_folder,
    validate,
)
from cmgen.train import tf_config
from cmgen.utils import cli
from cmgen.utils.errors import UserError
from cmgen.utils.paths import keep_inputs
from cmgen.utils.typed_json import to_json

FLAGS = flags.FlagValues()

# Flags are made from the fields of TrainConfig, so names and default values stand there alone.
# The networks are built for this shape of spectrogram, so it is no flag.
NOT_FLAGS = ("sound",)
FLAG_NAMES = {"only_classes": "class"}  # `class` cannot be a field's name

ENCODER_HELP = {
    "representation": f"What a sound encoder sees: one of {', '.join(REPRESENTATIONS)}.",
    "objective": f"What a sound encoder learns: {' or '.join(OBJECTIVES)} (S2I-A).",
    "widths": "Channels of the convolutions, comma-separated.",
    "strides": "Strides of the convolutions, one for each width; 2 throughout if empty.",
    "squeeze": "Channels of a last 1 x 1 convolution; 0 leaves it out.",
    "hidden": "Width of the dense layer before the encoding.",
    "encoding_size": "Length of the encoding.",
    "dropout": "Share of units dropped while training.",
    "normalization": f"One of {', '.join(NORMALIZATIONS)}.",
    "architecture": "`paper`: the layers drawn in the paper; `strided`: our deeper network.",
    "l2": "Weight decay: factor of the squared kernels in the loss.",
    "augment": "Vary loudness, time and frequency (sound) or colour and place (pictures).",
    "train_steps": "Steps to train it for.",
    "batch_size": "Items a step.",
    "learning_rate": "Adam's highest learning rate.",
    "label_smoothing": "Share of each target spread over all classes.",
    "weight_decay": "Share of the weights that Adam takes away, times the learning rate.",
    "correspondence_weight": "Weight of telling which picture belongs to which instant of sound.",
    "correspondence_instants": "Instants of each recording that are told apart in a batch.",
}
SECTION_HELP = {
    "": {
        "task": f"What to train: {', '.join(TASKS)}.",
        "workdir": "The run's folder: settings, checkpoints, logs, samples.",
        "only_classes": "Train and measure the GAN on these classes alone; all if left out.",
        "train_steps": "Steps of the GAN or, on the command line, of the encoder that --task names.",
        "batch_size": "Pairs a step, over all devices; even.",
        "checkpoint_steps": "Steps from one checkpoint, validation and picture grid to the next.",
        "keep_checkpoints": "Newest checkpoints kept, beside the best on validation.",
        "seed": "Makes the run repeatable.",
        "strategy": f"Devices: one of {', '.join(STRATEGIES)} (machines, by TF_CONFIG).",
        "mixed_precision": "Compute in bfloat16, weights in float32.",
    },
    "data": {
        "data": "`demo`, a prepared folder, or a raw one (videos, Sub-URMP), prepared into a cache.",
        "image_size": "Side of the pictures in pixels, a power of two.",
        "cache_gib": "Data up to this size are decoded once into memory; larger ones stream.",
        "silence_dbfs": "Windows below this level count as silent when measuring.",
    },
    "gan": {
        "noise_size": "Length of the generator's noise.",
        "compressed_size": "Length that the encoding is compressed to.",
        "generator_channels": "Channels of the generator's last hidden block.",
        "generator_spectra": "Spectra with envelopes that the generator of LMS adds; 0 for none.",
        "generator_convolutions": "Convolutions at each resolution of the `resize` generator.",
        "discriminator_channels": "Channels of the discriminator's first block.",
        "generator_normalization": f"One of {', '.join(NORMALIZATIONS)}.",
        "discriminator_normalization": f"One of {', '.join(NORMALIZATIONS)}.",
        "condition": "What the networks are told: sound, or the class alone (a control): label.",
        "conditioning": f"How the discriminator sees the condition: {' or '.join(CONDITIONINGS)}.",
        "upsampling": f"How the generator grows its maps: {' or '.join(UPSAMPLINGS)}.",
        "mismatch_weight": "Weight of real targets with another class's condition; 0 leaves them out.",
        "mismatch": f"What a wrong pair has in common: one of {', '.join(MISMATCHES)}.",
        "mismatch_seconds": "Two moments of a recording that make a wrong pair lie so far apart.",
        "r1_gamma": "Gradient penalty on real pairs; 0 leaves it out.",
        "r2_gamma": "Gradient penalty on generated pairs; 0 leaves it out.",
        "generator_learning_rate": "Adam's learning rate of the generator.",
        "discriminator_learning_rate": "Adam's learning rate of the discriminator.",
        "beta_1": "Adam's decay of the mean gradient, both networks.",
        "beta_2": "Adam's decay of the squared gradient, both networks.",
        "average_half_life": "Half-life of the averaged generator weights, in examples.",
        "augment": "Shift, and recolour or make louder, what the discriminator sees, differentiably.",
    },
    "sound_encoder": ENCODER_HELP,
    "image_encoder": ENCODER_HELP,
    "verifier": ENCODER_HELP,
}
GROUPS = {
    "Data": ("data", "class", "image_size", "cache_gib"),
    "Run": (
        "task",
        "workdir",
        "train_steps",
        "batch_size",
        "checkpoint_steps",
        "keep_checkpoints",
        "seed",
        "strategy",
        "mixed_precision",
        "dry_run",
    ),
    "Model": (
        "generator_channels",
        "discriminator_channels",
        "conditioning",
        "upsampling",
        "sound_encoder_architecture",
        "sound_encoder_representation",
        "sound_encoder_objective",
        "image_encoder_architecture",
        "sound_encoder_train_steps",
        "image_encoder_train_steps",
        "sound_encoder_correspondence_weight",
        "image_encoder_correspondence_weight",
        "verifier_train_steps",
    ),
    "Objective": (
        "mismatch_weight",
        "mismatch",
        "r1_gamma",
        "r2_gamma",
        "generator_learning_rate",
        "discriminator_learning_rate",
        "average_half_life",
        "augment",
    ),
}


class _TupleParser(flags.ArgumentParser):
    """Comma-separated items to a tuple.

    Args:
      item: their type, int or str.
    """

    def __init__(self, item: type):
        super().__init__()
        self.item = item
        self.syntactic_help = f"comma-separated {'whole numbers' if item is int else 'names'}"

    def parse(self, argument: Any) -> tuple[Any, ...]:
        if isinstance(argument, tuple):
            return argument
        if not argument:
            return ()
        return tuple(self.item(part.strip()) for part in argument.split(","))


class Setting(typing.NamedTuple):
    """A field of TrainConfig or of one of its sections, and its flag."""

    flag: str
    section: str  # "" for TrainConfig's own fields
    field: str
    kind: Any  # bool, int, float, str, or tuple[int, ...] and the like
    default: Any
    help: str


def settings() -> Iterator[Setting]:
    """Every setting that has a flag."""
    config = TrainConfig()
    for section, part in [("", config)] + [(name, getattr(config, name)) for name in FLAG_PREFIXES]:
        hints = typing.get_type_hints(type(part))
        helps = SECTION_HELP[section]
        for field in dataclasses.fields(part):
            if section or field.name not in (*FLAG_PREFIXES, *NOT_FLAGS):
                flag = FLAG_PREFIXES.get(section, "") + FLAG_NAMES.get(field.name, field.name)
                default = getattr(part, field.name)
                text = helps.get(field.name, "")
                yield Setting(flag, section, field.name, _kind(hints[field.name]), default, text)


def _kind(hint: Any) -> Any:
    """bool for `bool | None`, other hints for themselves."""
    if typing.get_origin(hint) is tuple:
        return hint
    options = [option for option in typing.get_args(hint) if isinstance(option, type)]
    return options[0] if options else hint


def define_flags(flag_values: flags.FlagValues) -> None:
    """One flag per setting of TrainConfig with its default value, and --dry_run."""
    define: dict[Any, Any] = {
        bool: flags.DEFINE_bool,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
    }
    for setting in settings():
        if typing.get_origin(setting.kind) is tuple:
            serializer = flags.CsvListSerializer(",")
            parser = _TupleParser(typing.get_args(setting.kind)[0])
            flags.DEFINE(
                parser, setting.flag, setting.default, setting.help, flag_values, serializer
            )
        else:
            define[setting.kind](
                setting.flag, setting.default, setting.help, flag_values=flag_values
            )
    flags.DEFINE_bool(
        "dry_run",
        False,
        "Print the settings, the parameter counts and the cost, and stop.",
        flag_values=flag_values,
    )


def config_from_flags(flag_values: flags.FlagValues, arguments: Sequence[str] = ()) -> TrainConfig:
    """The run's settings.

    Args:
      flag_values: parsed.
      arguments: the command line; --train_steps there means the encoder if --task is one.
    """
    sections: dict[str, dict[str, Any]] = {}
    for setting in settings():
        value = flag_values[setting.flag].value
        sections.setdefault(setting.section, {})[setting.field] = value
    task = sections[""]["task"]
    if task in TASKS and task in sections and "train_steps" in (given := cli.flag_names(arguments)):
        steps, encoder_steps = sections[""]["train_steps"], sections[task]["train_steps"]
        if f"{task}_train_steps" in given and encoder_steps != steps:
            raise UserError(
                f"--train_steps={steps}: means the {task}'s steps with --task={task}, and so does "
                f"--{task}_train_steps={encoder_steps}; give one of the two"
            )
        sections[task]["train_steps"] = steps
    defaults = TrainConfig()
    inner = {
        name: dataclasses.replace(getattr(defaults, name), **values)
        for name, values in sections.items()
        if name
    }
    config = dataclasses.replace(defaults, **sections[""], **inner)
    validate(config)
    return config


define_flags(FLAGS)


def main() -> None:
    config = config_from_flags(FLAGS, sys.argv[1:])
    keep_inputs({"workdir": config.workdir}, {}, {"data": data_folder(FLAGS.data)})
    cluster = tf_config.read(config.strategy)
    if cluster is None or cluster.index == 0:
        print(to_json(config), end="", flush=True)
    from cmgen.train import run  # TensorFlow is imported only when the work starts

    if FLAGS.dry_run:
        run.dry_run(config)
    else:
        run.run(config)


def console() -> None:
    cli.run(main, GROUPS, FLAGS)


if __name__ == "__main__":
    console()
