"""A run's agreement with its sounds: Classification Accuracy Score and retrieval."""

import numpy as np

from cmgen.evaluate import reference_models
from cmgen.evaluate.accuracy import SEED
from cmgen.evaluate.measured_run import Subject
from cmgen.evaluate.metrics import classification
from cmgen.evaluate.metrics import retrieval as agreement
from cmgen.evaluate.score import Score
from cmgen.evaluate.windows import look


def classification_accuracy_score(subject: Subject) -> list[Score]:
    """Would the generated pictures teach a classifier what the real ones look like?"""
    test, train, judge = subject.test, subject.train, subject.config.judge
    steps = subject.config.classifier_steps or judge.image.train_steps
    found = {}
    for kind, pictures in (("generated", train.generated), ("real", train.real)):
        network = reference_models.classifier(
            pictures,
            train.labels,
            subject.classes,
            judge,
            steps,
            f"classifier_of_{kind}",
            subject.config.judges if kind == "real" else None,
        )
        found[kind] = look(network, test.real)[1] == test.labels
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


def retrieval(subject: Subject, paired: bool) -> list[Score]:
    """Does a picture find its own sound among others, of its class too?"""
    if not paired:
        subject.notes.append(
            "pictures and sounds share only their class, so a picture has no sound of its own and "
            "there is no retrieval"
        )
        return []
    config, test = subject.config, subject.test
    embedding = reference_models.embedding(
        subject.train, config.judge, config.embedding_steps, config.judges
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
