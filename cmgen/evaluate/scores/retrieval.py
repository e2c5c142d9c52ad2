"""Do pictures match their sounds? Classification Accuracy Score and retrieval."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmgen.evaluate import reference_models
from cmgen.evaluate.metrics import classification
from cmgen.evaluate.metrics import retrieval as metrics
from cmgen.evaluate.score import MeasuredRun, Score
from cmgen.evaluate.windows import SEED, classify


def classification_accuracy_score(measured: MeasuredRun) -> list[Score]:
    """Would the generated pictures teach a classifier what the real ones look like?"""
    test, train, config = measured.test, measured.train, measured.config
    steps = config.classifier_steps or config.reference.image.train_steps

    def correct(source: str, pictures: np.ndarray, folder: Path | None) -> NDArray[np.bool_]:
        name = f"classifier_of_{source}"
        classifier = reference_models.classifier(
            pictures, train.labels, measured.classes, config.reference, steps, name, folder
        )
        return classify(classifier, test.real)[1] == test.labels

    generated = correct("generated", train.generated, None)
    real = correct("real", train.real, config.reference_folder)
    score = Score(
        "cas",
        float(generated.mean()),
        "Ravuri and Vinyals 2019: trained on generated pictures of train sounds, tested on "
        "real test pictures; real: the same, trained on the real pictures of those sounds",
        classification.bootstrap_interval(generated, test.groups, seed=SEED),
        classification.majority_rate(test.labels),
        ("cas_real", float(real.mean())),
        {"steps": steps, "n_train": len(train), "n_test": len(test)},
    )
    return [score]


def retrieval(measured: MeasuredRun, paired: bool) -> list[Score]:
    """How often does a picture retrieve its sound among others, some of the same class?"""
    if not paired:
        measured.notes.append(
            "pictures and sounds share only their class, so no picture belongs to a sound and there "
            "is no retrieval"
        )
        return []
    config, test = measured.config, measured.test
    embedding = reference_models.embedding(
        measured.train, config.reference, config.embedding_steps, config.reference_folder
    )
    sounds = embedding.sounds(test.lms)
    size = min(config.gallery, len(test))
    galleries = metrics.draw_galleries(test.groups, size, config.galleries, SEED)
    generated, real = (
        np.concatenate([metrics.retrieval_ranks(queries[g], sounds[g]) for g in galleries])
        for queries in (embedding.pictures(test.generated), embedding.pictures(test.real))
    )
    groups = test.groups[galleries].ravel()
    scores = []
    for k in (1, 5):
        hits = generated < k
        class_only = [metrics.class_only_recall(test.labels[g], k) for g in galleries]
        scores.append(
            Score(
                f"retrieval_r{k}",
                float(hits.mean()),
                "InfoNCE embedding of sounds and pictures, trained on real train recordings",
                classification.bootstrap_interval(hits, groups, seed=SEED),
                min(1.0, k / size),
                (f"retrieval_r{k}_real", float((real < k).mean())),
                {
                    "class_known_alone": float(np.mean(class_only)),
                    "gallery": size,
                    "galleries": config.galleries,
                    "steps": config.embedding_steps,
                },
            )
        )
    return scores
