"""The weights of each preset after three training steps, within what processors and versions round.

With a momentum of 0, Adam's first step is the gradient's sign alone, so that rounding turns the step of
a weight whose gradient is nearly 0. That changes the direction of an array's step, but hardly its size,
and few arrays at a time: hence three tolerances, all as shares of how far training moved the array.
"""

import re
from statistics import median

import pytest
import subject

STORED = subject.stored("trained_weights")
SIZE_TOLERANCE = 0.05  # of mean, standard deviation and root mean square
DIRECTION_TOLERANCE = 0.5  # of projections
# Of the projections of half of a network's arrays; encoders warm up first, in steps that stay small.
MEDIAN_TOLERANCES = {"gan": 0.07, "verifier": 0.01, "sound_encoder": 0.01, "image_encoder": 0.01}
FAST = ("i2s", "s2i", "s2i_paper")

Network = dict[str, list[float]]


def stored(preset: str, part: str) -> dict[str, Network]:
    networks = STORED[preset][part]
    return STORED[networks][part] if isinstance(networks, str) else networks


def has_gradient(path: str, network: Network) -> bool:
    """Whether it is no bias in front of a batch normalisation, which takes it off again."""
    after = re.sub(r"(de)?convolution(_\d+)?/bias$", r"normalize\2/gamma", path)
    return after == path or after not in network


def deviations(values: list[float], expected: list[float]) -> tuple[float, float]:
    """Of sizes and of projections, as shares of the array's change."""
    _, spread, _, change, _ = expected
    scale = change + 1e-6 * spread + 1e-12
    shares = [abs(a - b) / scale for a, b in zip(values, expected, strict=True)]
    return max(shares[0], shares[1], shares[3]), max(shares[2], shares[4])


def differences(found: Network, expected: Network, median_tolerance: float) -> list[str]:
    """What of a network is beyond the tolerances."""
    shares = {
        path: deviations(values, expected[path])
        for path, values in found.items()
        if has_gradient(path, expected)
    }
    beyond = [
        f"{path}: size {size:.3f}, direction {direction:.3f}"
        for path, (size, direction) in shares.items()
        if size > SIZE_TOLERANCE or direction > DIRECTION_TOLERANCE
    ]
    middle = median(direction for _, direction in shares.values())
    return beyond + ([f"median direction {middle:.3f}"] if middle > median_tolerance else [])


@pytest.mark.parametrize(
    "preset",
    [
        preset if preset in FAST else pytest.param(preset, marks=pytest.mark.slow)
        for preset in subject.PRESETS
    ],
)
def test_weights_after_three_steps_stay(preset: str) -> None:
    found = subject.trained(preset)
    assert found.keys() == STORED[preset].keys()
    for part, networks in found.items():
        expected = stored(preset, part)
        assert {name: list(some) for name, some in networks.items()} == {
            name: list(some) for name, some in expected.items()
        }
        for name, network in networks.items():
            beyond = differences(network, expected[name], MEDIAN_TOLERANCES[part])
            assert beyond == [], f"{part}/{name}"
