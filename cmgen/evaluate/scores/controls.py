"""Controls without which a score means nothing: who never draws a picture of this sound."""

import numpy as np
from numpy.typing import NDArray

from cmgen.evaluate.accuracy import SEED
from cmgen.evaluate.measured_run import Subject
from cmgen.evaluate.metrics import classification, clouds, diversity
from cmgen.evaluate.score import Score
from cmgen.evaluate.windows import generate, look
from cmgen.models.encoder import one_hot
from cmgen.models.run import Run


def without_training(subject: Subject) -> list[Score]:
    """What accuracy is worth: those who never draw a picture of this sound score as well."""
    test, train = subject.test, subject.train
    _, nearest = diversity.nearest(test.encodings, train.encodings)
    means = np.stack(
        [
            train.real[train.labels == label].mean(axis=0)
            if (train.labels == label).any()
            else np.zeros(train.real.shape[1:])
            for label in range(subject.classes)
        ]
    )
    named_means = look(subject.verifier, np.rint(means).astype(np.uint8))[1]
    named = {
        "control_nearest_sound": (
            train.real_named[nearest],
            "the real picture of the train sound with the nearest encoding",
        ),
        "control_class_mean": (
            named_means[test.heard],
            "the mean train picture of the class that the sound encoder names",
        ),
    }
    return [_control(subject, name, *found) for name, found in named.items()]


def label_control(subject: Subject, control: Run) -> list[Score]:
    """A GAN that was told the class alone, by this run's ears and eyes."""
    test = subject.test
    random = np.random.default_rng(SEED)
    noise = random.standard_normal((len(test), control.config.gan.noise_size))
    scores = []
    for name, labels, words in (
        ("control_class_conditional", test.labels, "the true class"),
        ("control_class_conditional_heard", test.heard, "the class that the sound encoder names"),
    ):
        told = one_hot(labels, control.config.sound_encoder).numpy()
        pictures = generate(control.generator, told, noise)
        features, named = look(subject.verifier, pictures)
        scores.append(_control(subject, name, named, f"a class-conditional GAN told {words}"))
        chosen = np.arange(len(test))[:: -(-len(test) // subject.config.cloud)]
        kid = clouds.kid(features[chosen], test.real_features[chosen])
        scores.append(Score(f"{name}_kid", kid, "as kid", settings={"n": len(chosen)}))
    return scores


def _control(subject: Subject, name: str, named: NDArray[np.int64], words: str) -> Score:
    """Accuracy of a control's pictures."""
    test = subject.test
    right = named == test.labels
    return Score(
        name,
        float(right.mean()),
        f"verifier accuracy of {words}",
        classification.bootstrap_interval(right, test.groups, seed=SEED),
        classification.majority_rate(test.labels),
        settings={"n": len(test)},
    )
