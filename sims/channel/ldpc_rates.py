"""How often the LDPC decoder fails on hard bits: measured, and interpolated between.

``python -m sims.channel.ldpc_rates`` writes ``ldpc_rates.csv`` anew, with the decoder that receives
frames (``shared.ccsds.coding.ldpc``) and the crossover that it supposes.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np

from shared.ccsds.bits import soften
from shared.ccsds.cltu import ChannelCoding, Coding
from shared.ccsds.coding import ldpc
from shared.ccsds.coding.ldpc_codes import LDPC_128_64, LDPC_512_256
from shared.errors import InputError
from sims.random_streams import Streams, natural_log

TABLE = Path(__file__).parent / "ldpc_rates.csv"
COLUMNS = ("code", "ber", "codewords", "failed")
CODES = {Coding.LDPC_128_64: LDPC_128_64, Coding.LDPC_512_256: LDPC_512_256}
RATES = {
    Coding.LDPC_128_64: (0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.07, 0.1, 0.14),
    Coding.LDPC_512_256: (0.03, 0.035, 0.04, 0.045, 0.05, 0.06, 0.07, 0.09, 0.12),
}
BATCH = 250
MOST_CODEWORDS = 20_000
ENOUGH_FAILURES = 60


@cache
def _points() -> dict[Coding, tuple[tuple[float, float], ...]]:
    """Rates and the share that failed, by code, ascending."""
    found: dict[Coding, list[tuple[float, float]]] = {code: [] for code in CODES}
    with TABLE.open(newline="", encoding="ascii") as stream:
        for row in csv.DictReader(stream):
            # Where none failed, there is nothing to draw a line through.
            if failed := int(row["failed"]):
                found[Coding(row["code"])].append(
                    (float(row["ber"]), failed / int(row["codewords"]))
                )
    return {code: tuple(sorted(each)) for code, each in found.items()}


def codeword_failures(code: Coding, ber: float) -> float:
    """Chance that a codeword is not decoded, hard bits being wrong with this probability.

    Between measured rates it is interpolated, the logarithms of both linearly.  Below the lowest at
    which any failed, the curve goes on with the slope of its last two points; there nobody
    measured.

    Raises:
        InputError: not a code that was measured.
    """
    points = _points().get(code)
    if not points:
        raise InputError(f"no measured failures of {code.value}", expected="an LDPC code")
    if ber <= 0.0:
        return 0.0
    if ber >= points[-1][0]:
        return 1.0 if ber > points[-1][0] else points[-1][1]
    upper = next(index for index, (rate, _) in enumerate(points) if rate > ber)
    (x0, y0), (x1, y1) = points[max(0, upper - 1)], points[max(1, upper)]
    share = (natural_log(ber) - natural_log(x0)) / (natural_log(x1) - natural_log(x0))
    exponent = natural_log(y0) + share * (natural_log(y1) - natural_log(y0))
    return min(1.0, _exp(exponent))


def _exp(value: float) -> float:
    """e^value for value <= 0, by squaring (1 + x + x^2/2 + ...): no library, as ``natural_log``."""
    halvings = 12
    x = max(value, -700.0) / (1 << halvings)
    result, term = 1.0, 1.0
    for number in range(1, 16):
        term = term * x / number
        result += term
    for _ in range(halvings):
        result *= result
    return result


def measure(code: Coding, ber: float) -> tuple[int, int]:
    """Codewords tried and failed: until enough have failed, or so many were tried."""
    chosen = CODES[code]
    crossover = ChannelCoding(coding=code).crossover
    tried = failed = 0
    while tried < MOST_CODEWORDS and failed < ENOUGH_FAILURES:
        streams = Streams(2026, tried)
        data = streams.stream(f"ldpc/{code.value}/{ber}/data").uniforms(BATCH * chosen.k)
        words = chosen.encode((data < 0.5).astype(np.uint8).reshape(BATCH, chosen.k))
        noise = streams.stream(f"ldpc/{code.value}/{ber}/noise").uniforms(BATCH * chosen.n)
        received = words ^ (noise < ber).astype(np.uint8).reshape(BATCH, chosen.n)
        decoded = ldpc.decode(chosen, soften(received, crossover))
        failed += int((~decoded.ok | (decoded.bits != words).any(axis=1)).sum())
        tried += BATCH
    return tried, failed


def main() -> None:
    """Write the table."""
    with TABLE.open("w", newline="", encoding="ascii") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for code, rates in RATES.items():
            for ber in rates:
                writer.writerow([code.value, ber, *measure(code, ber)])
                stream.flush()


if __name__ == "__main__":
    main()
