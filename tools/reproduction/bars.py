"""The reproduction targets: numbers to reach, each computed from what the runs measured."""

from collections.abc import Callable
from dataclasses import dataclass

from tools.reproduction.numbers import NotMeasuredError, Numbers


@dataclass(frozen=True)
class Target:
    """A number and the bound that it should reach.

    Attributes:
      what: the number in words.
      published: keys of `PUBLISHED`, the best ones first; empty where no number was published.
      value: computes the number; raises NotMeasuredError.
      bound: a lower bound, or with `at_most` an upper one.
      steps: names of the steps that measure the number.
      at_most: whether the bound is an upper one.
      percent: whether the number is printed in percent.
    """

    what: str
    published: tuple[str, ...]
    value: Callable[[Numbers], float]
    bound: float
    steps: tuple[str, ...]
    at_most: bool = False
    percent: bool = True

    def reached(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound


def share(part: float, whole: float) -> float:
    """part / whole; raises NotMeasuredError unless whole is positive."""
    if whole <= 0:
        raise NotMeasuredError("a share of nothing")
    return part / whole


def above_floor(numbers: Numbers, run: str) -> float:
    """KID of a run's pictures minus that of real train against real test pictures."""
    return numbers.of(run, "kid") - numbers.of(run, "kid_floor")


def recognition_targets(run: str) -> tuple[Target, ...]:
    """Targets for the share of pictures recognised, also relative to the sound encoder's accuracy."""
    return (
        Target(
            f"generated pictures of `{run}.flags` recognised",
            ("s2i/sa_cmgan/test", "s2i/cmcgan/test"),
            lambda n: n.of(run, "accuracy_test"),
            0.95,
            (run,),
        ),
        Target(
            "the same, relative to the encoder's accuracy",
            (),
            lambda n: share(n.of(run, "accuracy_test"), n.of(run, "sound_encoder_accuracy_test")),
            0.97,
            (run,),
        ),
    )


def pose_targets(run: str) -> tuple[Target, ...]:
    """Targets for how well the pose follows the sound."""
    steps = (f"measure_{run}",)
    return (
        Target(
            f"pose correlation of `{run}.flags`, mean over the instruments",
            (),
            lambda n: n.of(run, "pose_correlation_mean"),
            0.7,
            steps,
            percent=False,
        ),
        Target(
            "the same, relative to real pictures",
            (),
            lambda n: share(n.of(run, "pose_correlation_mean"), n.of(run, "pose_correlation_real")),
            0.8,
            steps,
        ),
        Target(
            "the same for shuffled pairs, absolute value",
            (),
            lambda n: abs(n.of(run, "pose_correlation_shuffled")),
            0.1,
            steps,
            at_most=True,
            percent=False,
        ),
    )


def memory_target(run: str) -> Target:
    """The target that tells generated pictures from copies of training pictures."""
    return Target(
        f"distance of `{run}.flags` to the nearest train picture, relative to real test pictures",
        (),
        lambda n: share(
            n.of(run, "nearest_train_distance"), n.of(run, "nearest_train_distance_real")
        ),
        1.0,
        (f"measure_{run}",),
    )


TARGETS = (
    Target(
        "sound encoder, LMS: test sounds recognised",
        ("encoder/lms_4",),
        lambda n: n.of("s2i", "sound_encoder_accuracy_test"),
        0.97,
        ("s2i",),
    ),
    *recognition_targets("s2i_c"),
    *recognition_targets("s2i"),
    Target(
        "KID above its floor, relative to `s2i_paper.flags` trained on as many pairs",
        (),
        lambda n: share(above_floor(n, "s2i"), above_floor(n, "s2i_paper")),
        0.5,
        ("measure_s2i", "measure_s2i_paper"),
        at_most=True,
    ),
    Target(
        "generated spectrograms recognised",
        ("i2s/sa_cmgan/test", "i2s/cmcgan/test"),
        lambda n: n.of("i2s", "accuracy_test"),
        0.85,
        ("i2s",),
    ),
    *pose_targets("s2i"),
    *pose_targets("s2i_pose"),
    Target(
        "CAS, relative to training on real pictures",
        (),
        lambda n: share(n.of("s2i", "cas"), n.of("s2i", "cas_real")),
        0.8,
        ("measure_s2i",),
    ),
    memory_target("s2i_c"),
    memory_target("s2i"),
)
