"""A run's agreement with its sounds: Classification Accuracy Score and retrieval."""

import numpy as np

from cmgen.evaluate import reference_models
from cmgen.evaluate.metrics import classification
from cmgen.evaluate.metrics import retrieval as agreement
from cmgen.evaluate.score import MeasuredRun, Score
from cmgen.evaluate.windows import SEED, classify


def classification_accuracy_score(measured: MeasuredRun) -> list[Score]:
    """Would the generated pictures teach a classifier what the real ones look like?"""
    test, train, judge = measured.test, measured.train, measured.config.reference
    steps = measured.config.classifier_steps or judge.image.train_steps
    found = {}
    for kind, pictures in (("generated", train.generated), ("real", train.real)):
        network = reference_models.classifier(
            pictures,
            train.labels,
            measured.classes,
            judge,
            steps,
            f"classifier_of_{kind}",
            measured.config.reference_folder if kind == "real" else None,
        )
        found[kind] = classify(network, test.real)[1] == test.labels
    score = Score(
        "cas",
        float(found["generated"].mean()),
        "Ravuri and Vinyals 2019: trained on generated pictures of train sounds, tested on "
        "real test pictures; real: the same, trained on the real pictures of those sounds",
        classification.bootstrap_interval(found["generated"], test.groups, seed=SEED),
        classification.majority_rate(test.labels),
        ("cas_real", float(found["real"].mean())),
        {"steps": steps, "n_train": len(train), "n_test": len(test)},
    )
    return [score]


def retrieval(measured: MeasuredRun, paired: bool) -> list[Score]:
    """Does a picture find its own sound among others, of its class too?"""
    if not paired:
        measured.notes.append(
            "pictures and sounds share only their class, so a picture has no sound of its own and "
            "there is no retrieval"
        )
        return []
    config, test = measured.config, measured.test
    embedding = reference_models.embedding(
        measured.train, config.reference, config.embedding_steps, config.reference_folder
    )
    sounds = embedding.sounds(test.lms)
    pictures = {
        "generated": embedding.pictures(test.generated),
        "real": embedding.pictures(test.real),
    }
    size = min(config.gallery, len(test))
    galleries = agreement.draw_galleries(test.groups, size, config.galleries, SEED)
    ranks = {
        kind: np.concatenate([agreement.retrieval_ranks(p[g], sounds[g]) for g in galleries])
        for kind, p in pictures.items()
    }
    groups = test.groups[galleries].ravel()
    scores = []
    for k in (1, 5):
        hits = ranks["generated"] < k
        known = [agreement.class_only_recall(test.labels[g], k) for g in galleries]
        scores.append(
            Score(
                f"retrieval_r{k}",
                float(hits.mean()),
                "InfoNCE embedding of sounds and pictures, trained on real train recordings",
                classification.bootstrap_interval(hits, groups, seed=SEED),
                min(1.0, k / size),
                (f"retrieval_r{k}_real", float((ranks["real"] < k).mean())),
                {
                    "class_known_alone": float(np.mean(known)),
                    "gallery": size,
                    "galleries": config.galleries,
                    "steps": config.embedding_steps,
                },
            )
        )
    return scores
