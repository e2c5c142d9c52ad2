"""Who sees what when: each rater's order of pictures, a function of the study and their number."""

import random
from collections.abc import Sequence
from itertools import chain

from cmgen.rate.study import Item, Manifest


def rater_order(manifest: Manifest, number: int) -> list[Item]:
    """All items in one rater's order.

    There are as many rounds as sources. A round shows each window once, its sources dealt out in
    turn, so that nobody hears a sound a second time before having heard every other one. Each run
    of as many pictures as there are sources has one of each, so that a rater who stops early
    leaves balanced votes. Two raters in a row get the same sources in the same round, so that
    their agreement can be measured early; the next two go on with the next source.

    Args:
      manifest: windows and items.
      number: of the rater, from 0.
    """
    draw = random.Random(f"{manifest.seed} {number}")
    items, sources = manifest.item_at(), manifest.sources
    rounds = []
    for turn in range(len(sources)):
        dealt: list[list[Item]] = [[] for _ in sources]
        for window in range(len(manifest.windows)):
            source = (window + number // 2 + turn) % len(sources)
            dealt[source].append(items[window, sources[source]])
        for pile in dealt:
            draw.shuffle(pile)
        rounds.append(_interleave(dealt, draw))
    return list(chain.from_iterable(rounds))


def _interleave(piles: Sequence[list[Item]], draw: random.Random) -> list[Item]:
    """One of each pile, in an order drawn anew, until all are empty."""
    mixed: list[Item] = []
    for place in range(max(map(len, piles))):
        block = [pile[place] for pile in piles if place < len(pile)]
        draw.shuffle(block)
        mixed += block
    return mixed
