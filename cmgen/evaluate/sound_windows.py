"""One pass over each split: every sounding window's real LMS, and the one made from its picture."""

from typing import Any

import tensorflow as tf

from cmgen.data import pipeline
from cmgen.evaluate.measured_run import MeasureConfig
from cmgen.evaluate.scores.sound import Sounds
from cmgen.evaluate.windows import sounding_columns
from cmgen.media import lms_tf
from cmgen.models.encoder import condition
from cmgen.models.run import Run


def collect(
    run: Run, train: pipeline.Recordings, test: pipeline.Recordings, config: MeasureConfig
) -> Sounds:
    """What `of_sound.compare` compares.

    Taken whole, the test split's LMS are those that `accuracy_test` counts.

    Args:
      run: a run that makes sounds from pictures, with a verifier.
      train, test: splits with pictures of all their classes.
      config: how many windows may be taken.
    """
    known = sounding_columns(run, train, config.train_windows, _looking(run, generating=False))
    found = sounding_columns(run, test, config.test_windows, _looking(run, generating=True))
    del found["frames"]
    return Sounds(**found, train_features=known["real_features"])


def _looking(run: Run, generating: bool) -> Any:
    """(waveform, image, noise) -> the columns of a batch."""
    assert run.verifier is not None
    verifier, config = run.verifier, run.config

    def look(waveform: tf.Tensor, image: tf.Tensor, noise: tf.Tensor) -> dict[str, tf.Tensor]:
        lms = lms_tf.lms(waveform, config.sound)
        found = {"real": lms, "real_features": verifier.encode(lms)}
        if generating:
            encoding = run.encoder.encode(image)
            told = condition(run.encoder, encoding, config.gan.condition)
            made = run.generator((told, noise), training=False)
            found["generated"] = made
            found["generated_features"] = verifier.encode(made)
        return found

    return tf.function(look, autograph=False, reduce_retracing=True)
