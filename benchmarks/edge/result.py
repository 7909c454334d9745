"""What was measured of the edge, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.edge.load import Spread
from benchmarks.edge.wrk import Measured


@dataclass(frozen=True)
class Load:
    """The Zipf mix, with all that happened meanwhile.

    Attributes:
        requests: that were answered, or should have been.
        seconds: that all took.
        names: different ones that were asked for.
        spreads: seconds by who answered.
        wrong: what was wrong or lost.
        drawn: pictures of which an answer was drawn.
        drawn_again: answers that were drawn although another answer had been.
        sent_bytes: of pictures, to the clients.
        origin: requests to the origin, and bytes of pictures that it sent.
        once_bytes: of the originals of all names asked for: what the origin sends to a cache that
            keeps everything and has no prompts.
        happened: seconds since the start, what, and how it ended.
        under: answers that were begun while something was so.
    """

    requests: int
    seconds: float
    names: int
    spreads: Mapping[str, Spread]
    wrong: Sequence[str]
    drawn: int
    drawn_again: int
    sent_bytes: int
    origin: tuple[int, int]
    once_bytes: int
    happened: Sequence[tuple[float, str, str]]
    under: Mapping[str, int]


@dataclass(frozen=True)
class Result:
    """All of a family.

    Attributes:
        family: its name.
        width, height: of its pictures.
        generator_bytes: of the file.
        batch_bytes: of both batches; the first has the generator along.
        records: published.
        original_bytes: of all files of the origin.
        workers: of each edge.
        quiet: seconds of one client at a time, by who answered.
        steps: seconds of what happens in a drawn answer of these.
        herds: how many pictures 50 clients asked for at once.
        herd: who gave the answers.
        load: see there.
        mixed: requests in several formats, and for every key once.
        wrk: what it saw.
        wrong: what was wrong outside ``load``.
        files: different ones that were compared.
        least_db: lowest PSNR of them against the pixels.
        counters: of the last batch, as the edges have it in the end.
        mismatches: drawings that were not as signed.
    """

    family: str
    width: int
    height: int
    generator_bytes: int
    batch_bytes: tuple[int, int]
    records: int
    original_bytes: int
    workers: int
    quiet: Mapping[str, Spread]
    steps: Mapping[str, Spread]
    herds: int
    herd: Mapping[str, int]
    load: Load
    mixed: int
    wrk: Measured
    wrong: Sequence[str]
    files: int
    least_db: float
    counters: Sequence[int]
    mismatches: int

    @property
    def all_right(self) -> bool:
        """Nothing wrong, nothing lost, nothing drawn twice."""
        faults = len(self.wrong) + len(self.load.wrong) + self.wrk.wrong + self.wrk.lost
        return not faults and not self.mismatches and not self.load.drawn_again
