"""Does the player move with the music? Poses of generated pictures against the true ones."""

import numpy as np
from numpy.typing import NDArray

from cmgen.data.recordings import Recordings
from cmgen.evaluate import reference_models
from cmgen.evaluate.pose_tracks import Tracks, read_tracks
from cmgen.evaluate.score import MeasuredRun, Score
from cmgen.evaluate.scores import pose_encoder
from cmgen.evaluate.windows import SEED, generate
from cmgen.media import images

SOURCE = (
    "regressor trained on real train pictures and their pose tracks; Pearson's correlation with the "
    "held-out recording's true pose, for each instrument the mean over pitch and, with a bow, bow"
)
# Neighbouring windows whose sound changes least, among which a steady picture should stay.
_QUIETEST = 0.1


def correlation(measured: MeasuredRun, train: Recordings, test: Recordings) -> list[Score]:
    """Pose correlation of generated, shuffled and real pictures; nothing without pose tracks."""
    known, wanted = read_tracks(train), read_tracks(test)
    if known is None or wanted is None:
        measured.notes.append("the data have no pose tracks, so there is no pose correlation")
        return []
    steps = measured.config.pose_steps or pose_encoder.STEPS
    regressor = _regressor(measured, train, known, steps)
    windows = measured.test
    other = pose_encoder.shuffled_rows(windows.labels, SEED)
    read = {
        "generated": regressor.estimate(images.scale(windows.generated), windows.labels),
        "real": regressor.estimate(images.scale(windows.real), windows.labels),
    }
    read["shuffled"] = read["generated"][other]
    found = {kind: _correlations(measured, values, wanted) for kind, values in read.items()}
    mean = {kind: pose_encoder.mean_correlation(values) for kind, values in found.items()}
    return [
        Score(
            "pose_correlation_mean",
            mean["generated"],
            SOURCE,
            chance=mean["shuffled"],
            real=("pose_correlation_real", mean["real"]),
            settings={"steps": steps, "by_instrument": found},
        ),
        Score("pose_correlation_shuffled", mean["shuffled"], "the same, of pairs shuffled"),
    ]


def _regressor(
    measured: MeasuredRun, train: Recordings, known: Tracks, steps: int
) -> pose_encoder.PoseRegressor:
    regressor = pose_encoder.PoseRegressor(measured.classes, measured.run.config.data.image_size)

    def learn() -> reference_models.Networks:
        regressor.train(train, known, SEED, steps)
        return {"": regressor.encoder}

    reference_models.load_or_train(
        measured.config.reference_folder,
        "pose_regressor",
        {"seed": SEED, "steps": steps, "classes": list(measured.run.classes)},
        {
            "frames": np.asarray(train.frames),
            "labels": train.labels,
            "values": known.values,
            "counts": known.counts,
        },
        lambda: {"": regressor.encoder},
        learn,
    )
    return regressor


def _correlations(
    measured: MeasuredRun, estimates: NDArray[np.float32], tracks: Tracks
) -> dict[str, dict[str, float]]:
    windows = measured.test
    truth, counts = tracks.values[windows.frames], tracks.counts[windows.frames]
    return pose_encoder.correlations(estimates, truth, counts, windows.labels, measured.run.classes)


def steadiness(measured: MeasuredRun) -> list[Score]:
    """How much the picture changes between windows 0.1 s apart whose sound hardly changes.

    Every window has its own noise here, so the pictures are drawn again with one noise vector.
    """

    windows = measured.test
    noise = np.random.default_rng(SEED).standard_normal(measured.run.config.gan.noise_size)
    held = np.repeat(noise[None], len(windows), axis=0)
    pictures = generate(measured.run.generator, measured.conditions, held)
    follows = np.flatnonzero(
        (windows.groups[1:] == windows.groups[:-1]) & (np.diff(windows.frames) == 1)
    )
    change = np.abs(np.diff(windows.lms.astype(np.float32), axis=0)[follows]).mean(axis=(1, 2))
    still = follows[change <= np.quantile(change, _QUIETEST)]
    moved = {
        kind: float(np.abs(some[still + 1].astype(np.int16) - some[still]).mean() / 255)
        for kind, some in (("generated", pictures), ("real", windows.real))
    }
    return [
        Score(
            "flicker",
            moved["generated"],
            "mean change of pixels in [0, 1] from window to window, one noise vector, over the "
            "tenth of neighbouring windows whose LMS change least",
            real=("flicker_real", moved["real"]),
            settings={"pairs": len(still)},
        )
    ]
