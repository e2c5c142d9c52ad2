"""Does the player move with the music? Poses of generated pictures against the true ones."""

import numpy as np

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
    train_tracks, test_tracks = read_tracks(train), read_tracks(test)
    if train_tracks is None or test_tracks is None:
        measured.notes.append("the data have no pose tracks, so there is no pose correlation")
        return []
    steps = measured.config.pose_steps or pose_encoder.STEPS
    regressor = _regressor(measured, train, train_tracks, steps)
    windows = measured.test
    truth, counts = test_tracks.values[windows.frames], test_tracks.counts[windows.frames]
    generated = regressor.estimate(images.scale(windows.generated), windows.labels)
    poses = {
        "generated": generated,
        "real": regressor.estimate(images.scale(windows.real), windows.labels),
        "shuffled": generated[pose_encoder.shuffled_rows(windows.labels, SEED)],
    }
    by_instrument = {
        name: pose_encoder.correlations(
            estimates, truth, counts, windows.labels, measured.run.classes
        )
        for name, estimates in poses.items()
    }
    mean = {name: pose_encoder.mean_correlation(rows) for name, rows in by_instrument.items()}
    return [
        Score(
            "pose_correlation_mean",
            mean["generated"],
            SOURCE,
            chance=mean["shuffled"],
            real=("pose_correlation_real", mean["real"]),
            settings={"steps": steps, "by_instrument": by_instrument},
        ),
        Score("pose_correlation_shuffled", mean["shuffled"], "the same, of pairs shuffled"),
    ]


def _regressor(
    measured: MeasuredRun, train: Recordings, tracks: Tracks, steps: int
) -> pose_encoder.PoseRegressor:
    regressor = pose_encoder.PoseRegressor(measured.classes, measured.run.config.data.image_size)

    def fit() -> reference_models.Networks:
        regressor.train(train, tracks, SEED, steps)
        return {"": regressor.encoder}

    reference_models.load_or_train(
        measured.config.reference_folder,
        "pose_regressor",
        {"seed": SEED, "steps": steps, "classes": list(measured.run.classes)},
        {"frames": np.asarray(train.frames), "labels": train.labels, **vars(tracks)},
        lambda: {"": regressor.encoder},
        fit,
    )
    return regressor


def steadiness(measured: MeasuredRun) -> list[Score]:
    """How much the picture changes between windows 0.1 s apart whose sound hardly changes.

    The pictures are generated again, all with one noise vector.
    """
    windows = measured.test
    noise = np.random.default_rng(SEED).standard_normal(measured.run.config.gan.noise_size)
    noise = np.repeat(noise[None], len(windows), axis=0)
    generated = generate(measured.run.generator, measured.conditions, noise)
    neighbours = np.flatnonzero(
        (windows.groups[1:] == windows.groups[:-1]) & (np.diff(windows.frames) == 1)
    )
    change = np.abs(np.diff(windows.lms.astype(np.float32), axis=0)[neighbours]).mean(axis=(1, 2))
    still = neighbours[change <= np.quantile(change, _QUIETEST)]
    flicker, flicker_real = (
        float(np.abs(pictures[still + 1].astype(np.int16) - pictures[still]).mean() / 255)
        for pictures in (generated, windows.real)
    )
    return [
        Score(
            "flicker",
            flicker,
            "mean change of pixels in [0, 1] from window to window, one noise vector, over the "
            "tenth of neighbouring windows whose LMS change least",
            real=("flicker_real", flicker_real),
            settings={"pairs": len(still)},
        )
    ]
