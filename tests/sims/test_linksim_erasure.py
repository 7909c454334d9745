"""The ideal erasure code against counting, and the choice of the cheapest."""

from __future__ import annotations

from itertools import product

import pytest

from sims.channel.link import LinkProfile
from sims.channel.noise import Noise
from sims.planning.erasure import at_least, best_erasure, best_repeated


@pytest.mark.parametrize(("needed", "sent", "chance"), [(1, 3, 0.4), (3, 5, 0.83), (2, 2, 0.9)])
def test_chances_by_counting_every_outcome(needed: int, sent: int, chance: float) -> None:
    total = 0.0
    for outcome in product((0, 1), repeat=sent):
        arrived = sum(outcome)
        if arrived >= needed:
            total += chance**arrived * (1 - chance) ** (sent - arrived)
    assert at_least(needed, sent, chance) == pytest.approx(total)
    assert at_least(needed, sent, 1.0) == 1.0


def test_a_clean_link_needs_no_code() -> None:
    profile = LinkProfile(16.0, 160.0, 0.0, Noise(1e-9))
    # 129 bytes of frame: 19 codewords, 162 bytes, 16 before and 8 behind
    assert best_repeated(115, profile, blind=True).bytes == 162 + 24
    assert best_erasure(115, profile).bytes == 162 + 24
