"""The randomiser against published octets: only they tell the right taps from wrong ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.ccsds.coding.randomiser import PERIOD_BITS, random_bits, randomise


def test_published_octets() -> None:
    """The first 40 bits in 231.0-B-4, 6.2; all 32 in the dissector of a TC CLTU for Wireshark."""
    assert randomise(bytes(5)).hex() == "ff399e5a68"
    assert randomise(bytes(32)).hex() == (
        "ff399e5a68e906f56c892fa1315e08c052a8bbae4ec2c7ed66dc38d4f886503d"
    )


def test_the_tail_of_corrigendum_1() -> None:
    """231.0-B-4, corrigendum 1, 5.2.4.2, note: the LDPC tail before and after derandomising."""
    sent = bytes.fromhex("63A1ED72C6AC79E25555555555555555")
    assert randomise(sent).hex().upper() == "9C987328AE457F1739DC7AF4640B5D95"


def test_the_polynomial_and_its_period() -> None:
    bits = random_bits(3 * PERIOD_BITS).astype(int)
    assert (bits[:PERIOD_BITS] == bits[PERIOD_BITS : 2 * PERIOD_BITS]).all()
    for smaller in (3, 5, 15, 17, 51, 85):
        assert (bits[smaller : 2 * PERIOD_BITS] != bits[: 2 * PERIOD_BITS - smaller]).any()
    # h(x) = x^8 + x^6 + x^4 + x^3 + x^2 + x + 1
    taps = sum(bits[power : power + 500] for power in (8, 6, 4, 3, 2, 1, 0))
    assert not (taps % 2).any()
    assert bits[:PERIOD_BITS].sum() == 128


@given(st.binary(max_size=100))
def test_twice_is_nothing(data: bytes) -> None:
    assert randomise(randomise(data)) == data
    assert np.unpackbits(np.frombuffer(randomise(data), np.uint8)).size == 8 * len(data)
