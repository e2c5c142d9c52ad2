"""Controls, without which a score means nothing: pictures that were not made from their sound."""

import numpy as np
from numpy.typing import NDArray

from cmgen.evaluate.metrics import classification, clouds, diversity
from cmgen.evaluate.score import MeasuredRun, Score
from cmgen.evaluate.windows import SEED, classify, generate
from cmgen.models.encoder import one_hot
from cmgen.models.run import Run


def without_training(measured: MeasuredRun) -> list[Score]:
    """What accuracy is worth: two ways to choose a picture that generate nothing."""
    test, train = measured.test, measured.train
    _, nearest = diversity.nearest(test.encodings, train.encodings)
    means = np.zeros((measured.classes, *train.real.shape[1:]))
    for label in np.unique(train.labels):
        means[label] = train.real[train.labels == label].mean(axis=0)
    mean_predicted = classify(measured.verifier, np.rint(means).astype(np.uint8))[1]
    return [
        _control(
            measured,
            "control_nearest_sound",
            train.real_predicted[nearest],
            "the real picture of the train sound with the nearest encoding",
        ),
        _control(
            measured,
            "control_class_mean",
            mean_predicted[test.predicted_class],
            "the mean train picture of the class that the sound encoder names",
        ),
    ]


def label_control(measured: MeasuredRun, control: Run) -> list[Score]:
    """A GAN conditioned on the class alone, scored by this run's encoder and verifier."""
    test = measured.test
    random = np.random.default_rng(SEED)
    noise = random.standard_normal((len(test), control.config.gan.noise_size))
    chosen = np.arange(len(test))[:: -(-len(test) // measured.config.cloud)]
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
        features, predicted = classify(measured.verifier, pictures)
        words = f"a class-conditional GAN told {words}"
        kid = clouds.kid(features[chosen], test.real_features[chosen])
        scores.append(_control(measured, name, predicted, words))
        scores.append(Score(f"{name}_kid", kid, "as kid", settings={"n": len(chosen)}))
    return scores


def _control(measured: MeasuredRun, name: str, predicted: NDArray[np.int64], words: str) -> Score:
    """Accuracy of a control's pictures."""
    test = measured.test
    correct = predicted == test.labels
    return Score(
        name,
        float(correct.mean()),
        f"verifier accuracy of {words}",
        classification.bootstrap_interval(correct, test.groups, seed=SEED),
        classification.majority_rate(test.labels),
        settings={"n": len(test)},
    )
