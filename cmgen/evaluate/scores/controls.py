"""Controls without which a score means nothing: who never draws a picture of this sound."""

import numpy as np
from numpy.typing import NDArray

from cmgen.evaluate.metrics import classification, clouds, diversity
from cmgen.evaluate.score import MeasuredRun, Score
from cmgen.evaluate.windows import SEED, classify, generate
from cmgen.models.encoder import one_hot
from cmgen.models.run import Run


def without_training(measured: MeasuredRun) -> list[Score]:
    """What accuracy is worth: those who never draw a picture of this sound score as well."""
    test, train = measured.test, measured.train
    _, nearest = diversity.nearest(test.encodings, train.encodings)
    means = np.stack(
        [
            train.real[train.labels == label].mean(axis=0)
            if (train.labels == label).any()
            else np.zeros(train.real.shape[1:])
            for label in range(measured.classes)
        ]
    )
    named_means = classify(measured.verifier, np.rint(means).astype(np.uint8))[1]
    named = {
        "control_nearest_sound": (
            train.real_predicted[nearest],
            "the real picture of the train sound with the nearest encoding",
        ),
        "control_class_mean": (
            named_means[test.predicted_class],
            "the mean train picture of the class that the sound encoder names",
        ),
    }
    return [_control(measured, name, *found) for name, found in named.items()]


def label_control(measured: MeasuredRun, control: Run) -> list[Score]:
    """A GAN that was told the class alone, by this run's ears and eyes."""
    test = measured.test
    random = np.random.default_rng(SEED)
    noise = random.standard_normal((len(test), control.config.gan.noise_size))
    scores = []
    for name, labels, words in (
        ("control_class_conditional", test.labels, "the true class"),
        (
            "control_class_conditional_heard",
            test.predicted_class,
            "the class that the sound encoder names",
        ),
    ):
        conditions = one_hot(labels, control.config.sound_encoder).numpy()
        pictures = generate(control.generator, conditions, noise)
        features, named = classify(measured.verifier, pictures)
        scores.append(_control(measured, name, named, f"a class-conditional GAN told {words}"))
        chosen = np.arange(len(test))[:: -(-len(test) // measured.config.cloud)]
        kid = clouds.kid(features[chosen], test.real_features[chosen])
        scores.append(Score(f"{name}_kid", kid, "as kid", settings={"n": len(chosen)}))
    return scores


def _control(measured: MeasuredRun, name: str, named: NDArray[np.int64], words: str) -> Score:
    """Accuracy of a control's pictures."""
    test = measured.test
    right = named == test.labels
    return Score(
        name,
        float(right.mean()),
        f"verifier accuracy of {words}",
        classification.bootstrap_interval(right, test.groups, seed=SEED),
        classification.majority_rate(test.labels),
        settings={"n": len(test)},
    )
