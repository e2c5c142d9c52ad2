"""How real a run's pictures are, how various, and whether they are copies of training pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmgen.evaluate import inception
from cmgen.evaluate.metrics import classification, clouds, diversity, retrieval
from cmgen.evaluate.score import MeasuredRun, Score
from cmgen.evaluate.windows import SEED, classify, generate
from cmgen.media import charts, images
from cmgen.utils import provenance

FEATURES = "verifier, last hidden layer, 128 features"
PIXELS = "root mean square of pixels in [0, 1], at 32 x 32"


def feature_clouds(measured: MeasuredRun) -> list[Score]:
    """KID, precision and recall on the verifier's features."""
    test, train = measured.test, measured.train.spread(measured.config.cloud)
    test = test.spread(min(measured.config.cloud, len(train)))
    train = train.spread(len(test))
    sets = {
        "generated": (test.generated_features, test.groups),
        "real": (test.real_features, test.groups),
        "train": (train.real_features, train.groups),
    }
    return _cloud_scores(measured, sets, "", {"extractor": FEATURES, "n": len(test)})


def inception_clouds(measured: MeasuredRun, extractor: Any, weights: str) -> list[Score]:
    """The same on Inception's features."""
    number = min(measured.config.inception_pictures, len(measured.test), len(measured.train))
    test, train = measured.test.spread(number), measured.train.spread(number)
    sets = {
        name: (inception.features(extractor, pictures, name), groups)
        for name, pictures, groups in (
            ("generated", test.generated, test.groups),
            ("real", test.real, test.groups),
            ("train", train.real, train.groups),
        )
    }
    settings = inception.SETTINGS | {"weights": Path(weights).name, "n": number, "seed": SEED}
    return _cloud_scores(measured, sets, "_inception", settings)


def _cloud_scores(
    measured: MeasuredRun,
    sets: Mapping[str, tuple[NDArray, NDArray]],
    suffix: str,
    settings: Mapping[str, Any],
) -> list[Score]:
    """From (features, groups) of generated and real test pictures and of real train pictures."""
    (fake, groups), (real, _), (train, train_groups) = (
        sets[name] for name in ("generated", "real", "train")
    )
    floor_interval = clouds.kid_interval(train, real, train_groups, groups, paired=False, seed=SEED)
    kid = Score(
        f"kid{suffix}",
        clouds.kid(fake, real),
        "Binkowski et al. 2018: unbiased MMD^2, cubic kernel; real: real train against real test",
        clouds.kid_interval(fake, real, groups, groups, paired=True, seed=SEED),
        None,
        (f"kid{suffix}_floor", clouds.kid(train, real)),
        {**settings, "floor_ci95": list(floor_interval)},
    )
    if not all(clouds.has_neighbours(owners) for _, owners in sets.values()):
        measured.notes.append("too few recordings for neighbours, so no precision and recall")
        return [kid]
    return [kid, *_precision_and_recall(sets, suffix, settings)]


def _precision_and_recall(
    sets: Mapping[str, tuple[NDArray, NDArray]], suffix: str, settings: Mapping[str, Any]
) -> list[Score]:
    radii = {name: clouds.neighbour_radii(*cloud) for name, cloud in sets.items()}

    def shares(vectors: str, cloud: str) -> NDArray[np.bool_]:
        return clouds.inside(sets[vectors][0], sets[cloud][0], radii[cloud])

    pairs = {
        "precision": (shares("generated", "real"), shares("train", "real")),
        "recall": (shares("real", "generated"), shares("real", "train")),
    }
    return [
        Score(
            f"{name}{suffix}",
            float(hits.mean()),
            "Kynkaanniemi et al. 2019, k = 3, neighbours of the same recording left out; real: real "
            "train pictures in the place of generated ones",
            classification.bootstrap_interval(hits, sets["real"][1], seed=SEED),
            None,
            (f"{name}{suffix}_real", float(ceiling.mean())),
            settings,
        )
        for name, (hits, ceiling) in pairs.items()
    ]


def variety(measured: MeasuredRun) -> list[Score]:
    """Pictures of one sound by different noise, against real ones of one class."""
    config, test, run = measured.config, measured.test, measured.run
    random = np.random.default_rng(SEED)
    chosen = retrieval.draw_galleries(test.groups, min(config.sounds, len(test)), 1, SEED)[0]
    noise = random.standard_normal((len(chosen) * config.pictures, run.config.gan.noise_size))
    conditions = np.repeat(measured.conditions[chosen], config.pictures, axis=0)
    pictures = generate(run.generator, conditions, noise)
    number = len(chosen) * config.pictures * (config.pictures - 1) // 2
    pairs = diversity.draw_pairs(test.labels, test.groups, number, SEED)
    shape = (len(chosen), config.pictures, -1)
    features = classify(measured.verifier, pictures)[0]
    pixels, real_pixels = diversity.pixel_vectors(pictures), diversity.pixel_vectors(test.real)
    scores = []
    for name, extractor, generated, real in (
        ("diversity", FEATURES, features, test.real_features),
        ("diversity_pixels", PIXELS, pixels, real_pixels),
    ):
        distances = diversity.mean_pairwise_distance(generated.reshape(shape))
        real_distances = diversity.mean_pairwise_distance(real[pairs])
        scores.append(
            Score(
                name,
                float(distances.mean()),
                "mean pairwise distance over noise for one sound; real: pictures of one class and "
                "of different recordings",
                classification.bootstrap_interval(distances, test.groups[chosen], seed=SEED),
                0.0,
                (f"{name}_real", float(real_distances.mean())),
                {"extractor": extractor, "sounds": len(chosen), "pictures": config.pictures},
            )
        )
    return scores


def memory(measured: MeasuredRun, output: Path) -> list[Score]:
    """Are generated pictures nearer to training pictures than real test pictures are?"""
    test, train = measured.test, measured.train
    features = test.generated_features, test.real_features, train.real_features
    pixels = (diversity.pixel_vectors(each) for each in (test.generated, test.real, train.real))
    scores = []
    rows: dict[str, NDArray[np.uint8]] = {}
    for space, suffix, extractor, (generated, real, gallery) in (
        ("features", "", FEATURES, features),
        ("pixels", "_pixels", PIXELS, pixels),
    ):
        name = f"nearest_train_distance{suffix}"
        distances, nearest = diversity.nearest(generated, gallery)
        real_distances, nearest_of_real = diversity.nearest(real, gallery)
        scores.append(
            Score(
                name,
                float(distances.mean()),
                "mean distance to the nearest real train picture; real: of real test pictures",
                classification.bootstrap_interval(distances, test.groups, seed=SEED),
                None,
                (f"{name}_real", float(real_distances.mean())),
                {"extractor": extractor, "n": len(test), "n_train": len(train)},
            )
        )
        for title, pictures, apart, index in (
            ("generated", test.generated, distances, nearest),
            ("real test", test.real, real_distances, nearest_of_real),
        ):
            first = _nearest_of_recordings(apart, test.groups, measured.config.shown)
            rows[f"{title}, nearest by {space}"] = pictures[first]
            rows[f"its train picture ({title}, {space})"] = train.real[index[first]]
    sheet = charts.draw_rows(rows, "Nearest training pictures, nearest pairs first")
    comment = provenance.made_by("cmgen.evaluate", model=measured.run.metadata)
    images.write_png(output.with_name(f"{output.stem}_nearest.png"), sheet, comment)
    return scores


def _nearest_of_recordings(
    distances: NDArray[np.float64], groups: NDArray, number: int
) -> NDArray[np.int64]:
    """Indices of the smallest distances, at most one of each recording, smallest first."""
    order = np.argsort(distances, kind="stable")
    _, first = np.unique(groups[order], return_index=True)
    return order[np.sort(first)][:number]
