"""Generated spectrograms against real ones, each beside its floor and its ceiling."""

from cmgen.config import SoundConfig
from cmgen.evaluate.metrics import classification, sound
from cmgen.evaluate.score import Score
from cmgen.evaluate.windows import SEED, Sounds


def compare(sounds: Sounds, config: SoundConfig) -> list[Score]:
    """Distance in dB, distance of feature clouds, and agreement in pitch.

    Chance is a real window of the same class and of another recording, so that a number better than
    chance says more than the class.

    Args:
      sounds: what was generated, and from what.
      config: the spectrogram's settings.
    """
    partners = sound.shuffled_within(sounds.labels, sounds.groups, SEED)
    shuffled = sounds.real[partners]
    apart = sound.lms_distance(sounds.generated, sounds.real, config)
    generated, real = (sound.chroma(lms, config) for lms in (sounds.generated, sounds.real))
    agreeing = sound.chroma_agreement(generated, real)
    return [
        Score(
            "lms_distance",
            float(apart.mean()),
            "root mean square difference of LMS in dB (Gray and Markel 1976)",
            classification.bootstrap_interval(apart, sounds.groups, seed=SEED),
            float(sound.lms_distance(shuffled, sounds.real, config).mean()),
            ("lms_distance_real", 0.0),
            {"n": len(apart)},
        ),
        Score(
            "frechet_sound",
            classification.frechet_distance(sounds.generated_features, sounds.real_features),
            "Heusel et al. 2017 on the sound verifier's features; real: real train against real test",
            None,
            None,
            (
                "frechet_sound_floor",
                classification.frechet_distance(sounds.train_features, sounds.real_features),
            ),
            {"n": len(apart), "n_train": len(sounds.train_features)},
        ),
        Score(
            "chroma_agreement",
            float(agreeing.mean()),
            "correlation of the pitch classes' shares, folded from the mel bands (Fujishima 1999)",
            classification.bootstrap_interval(agreeing, sounds.groups, seed=SEED),
            float(sound.chroma_agreement(real[partners], real).mean()),
            ("chroma_agreement_real", 1.0),
            {"n": len(apart)},
        ),
    ]
