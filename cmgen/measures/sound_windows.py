"""One pass over each split: every sounding window's real LMS, and the one made from its picture."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from cmgen import audio
from cmgen.checkpoint import Run
from cmgen.data import pipeline
from cmgen.evaluation import SEED, class_indices
from cmgen.measures.of_sound import Sounds
from cmgen.measures.subject import MeasureConfig
from cmgen.measures.windows import BATCH
from cmgen.networks import condition


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
    known = _pass(run, train, config.train_windows, generating=False)
    found = _pass(run, test, config.test_windows, generating=True)
    index_of = class_indices(test.classes, run.classes)
    return Sounds(
        labels=index_of[found["label"]],
        groups=np.asarray(test.groups)[found["recording"]],
        generated=found["generated"],
        real=found["real"],
        generated_features=found["generated_features"],
        real_features=found["real_features"],
        train_features=known["real_features"],
    )


def _pass(
    run: Run, recordings: pipeline.Recordings, at_most: int, generating: bool
) -> dict[str, NDArray[Any]]:
    """Columns of the sounding windows of a split, or of every n-th of each recording."""
    count = pipeline.count_windows(recordings, run.config)
    stride = max(1, -(-count // at_most))
    look = _looking(run, generating)
    noise_source = np.random.default_rng(SEED)
    columns: dict[str, list[NDArray[Any]]] = {}
    label = f"windows of {recordings.split}"
    with tqdm(total=-(-count // stride), desc=label, unit=" windows") as bar:
        for batch in pipeline.evaluation_windows(recordings, stride, run.config, BATCH):
            noise = noise_source.standard_normal((len(batch["label"]), run.config.gan.noise_size))
            found = look(batch["waveform"], batch["image"], tf.cast(noise, tf.float32))
            found |= {name: batch[name] for name in ("label", "recording")}
            keep = batch["sounding"].numpy()
            for name, values in found.items():
                columns.setdefault(name, []).append(values.numpy()[keep])
            bar.update(len(keep))
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def _looking(run: Run, generating: bool) -> Any:
    """(waveform, image, noise) -> the columns of a batch."""
    assert run.verifier is not None
    verifier, config = run.verifier, run.config

    def look(waveform: tf.Tensor, image: tf.Tensor, noise: tf.Tensor) -> dict[str, tf.Tensor]:
        lms = audio.lms(waveform, config.sound)
        found = {"real": lms, "real_features": verifier.encode(lms)}
        if generating:
            encoding = run.encoder.encode(image)
            told = condition(run.encoder, encoding, config.gan.condition)
            made = run.generator((told, noise), training=False)
            found["generated"] = made
            found["generated_features"] = verifier.encode(made)
        return found

    return tf.function(look, autograph=False, reduce_retracing=True)
