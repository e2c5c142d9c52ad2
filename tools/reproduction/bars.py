"""What the numbers have to reach, each as a function of them."""

from collections.abc import Callable
from dataclasses import dataclass

from tools.reproduction.numbers import NotMeasuredError, Numbers


@dataclass(frozen=True)
class Bar:
    """What a number is to reach.

    Attributes:
      what: it is.
      published: keys of `PUBLISHED`, the best ones first; none if nobody measured it.
      value: from the numbers; raises NotMeasuredError.
      bound: to reach.
      steps: whose commands give the number.
      at_most: the bound is from above.
      percent: how to print it.
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
    """part / whole; not measured where there is no whole to be a part of."""
    if whole <= 0:
        raise NotMeasuredError("a share of nothing")
    return part / whole


def above_floor(numbers: Numbers, run: str) -> float:
    """KID of a run's pictures less that of real train against real test pictures."""
    return numbers.of(run, "kid") - numbers.of(run, "kid_floor")


def recognition_bars(run: str) -> tuple[Bar, ...]:
    """How many pictures are of the instrument that was played, and what is lost after the encoder."""
    return (
        Bar(
            f"generated pictures of `{run}.flags` recognised",
            ("s2i/sa_cmgan/test", "s2i/cmcgan/test"),
            lambda n: n.of(run, "accuracy_test"),
            0.95,
            (run,),
        ),
        Bar(
            "the same, as a share of the encoder's own accuracy",
            (),
            lambda n: share(n.of(run, "accuracy_test"), n.of(run, "sound_encoder_accuracy_test")),
            0.97,
            (run,),
        ),
    )


def pose_bars(run: str) -> tuple[Bar, ...]:
    """How well a run's players move with the music."""
    steps = (f"measure_{run}",)
    return (
        Bar(
            f"pose correlation of `{run}.flags`, mean over the instruments",
            (),
            lambda n: n.of(run, "pose_correlation_mean"),
            0.7,
            steps,
            percent=False,
        ),
        Bar(
            "the same, as a share of that of real pictures",
            (),
            lambda n: share(n.of(run, "pose_correlation_mean"), n.of(run, "pose_correlation_real")),
            0.8,
            steps,
        ),
        Bar(
            "the same of shuffled pairs, without its sign",
            (),
            lambda n: abs(n.of(run, "pose_correlation_shuffled")),
            0.1,
            steps,
            at_most=True,
            percent=False,
        ),
    )


def memory_bar(run: str) -> Bar:
    """Whether pictures are made, not remembered."""
    return Bar(
        f"distance of `{run}.flags` to the nearest train picture, as a share of real test pictures'",
        (),
        lambda n: share(
            n.of(run, "nearest_train_distance"), n.of(run, "nearest_train_distance_real")
        ),
        1.0,
        (f"measure_{run}",),
    )


BARS = (
    Bar(
        "sound encoder, LMS: test sounds named",
        ("encoder/lms_4",),
        lambda n: n.of("s2i", "sound_encoder_accuracy_test"),
        0.97,
        ("s2i",),
    ),
    *recognition_bars("s2i_c"),
    *recognition_bars("s2i"),
    Bar(
        "KID above its floor, as a share of that of `s2i_paper.flags` trained on as many pairs",
        (),
        lambda n: share(above_floor(n, "s2i"), above_floor(n, "s2i_paper")),
        0.5,
        ("measure_s2i", "measure_s2i_paper"),
        at_most=True,
    ),
    Bar(
        "generated spectrograms recognised",
        ("i2s/sa_cmgan/test", "i2s/cmcgan/test"),
        lambda n: n.of("i2s", "accuracy_test"),
        0.85,
        ("i2s",),
    ),
    *pose_bars("s2i"),
    *pose_bars("s2i_pose"),
    Bar(
        "CAS, as a share of that of training on real pictures",
        (),
        lambda n: share(n.of("s2i", "cas"), n.of("s2i", "cas_real")),
        0.8,
        ("measure_s2i",),
    ),
    memory_bar("s2i_c"),
    memory_bar("s2i"),
)
