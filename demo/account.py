"""What the patch would have cost in other forms, and how long each takes on a thin link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from groundstation.peers import PEERS, measure_peer
from shared.diff import unified_diff
from shared.tree import Tree

LINK_BITS_PER_S = 16
"""A deep-space probe's uplink through its low-gain antenna."""


@dataclass(frozen=True)
class Row:
    """One form of the patch.

    Attributes:
        form: in words.
        bytes: its size.
        ours: whether it is what was sent.
    """

    form: str
    bytes: int
    ours: bool = False

    @property
    def link_s(self) -> float:
        """Seconds on the link, without framing."""
        return 8 * self.bytes / LINK_BITS_PER_S


def account(base: Tree, target: Tree, envelope: Mapping[str, Any]) -> list[Row]:
    """The forms to compare; every delta here was decoded again and gave the target.

    Args:
        base: the baseline.
        target: the tree after the patch.
        envelope: what ``groundstation inspect --json`` says of it.
    """
    rows = [Row("patch (unified diff)", len(unified_diff(base, target)))]
    around = envelope["overhead_bytes"] + envelope["signature_bytes"]
    deltas = []
    for name, form in (("zstd-dict", "zstd delta"), ("ppmd-primed", "PPMd delta")):
        result = measure_peer(PEERS[name], base, target)
        if result.bytes is not None and result.verified:
            deltas.append(Row(f"{form} against the old files", result.bytes))
    payload = envelope["total_bytes"] - around
    rows += [*deltas, Row("prompt + seed", payload, ours=True)]
    rows += [Row(f"{row.form}, signed", row.bytes + around) for row in deltas]
    return [*rows, Row("prompt + seed, signed: the envelope", envelope["total_bytes"], ours=True)]


def as_table(rows: list[Row]) -> Table:
    """The account for people."""
    table = Table("form", box=None, padding=(0, 2, 0, 0))
    table.add_column("bytes", justify="right")
    table.add_column(f"seconds at {LINK_BITS_PER_S} bit/s", justify="right")
    for row in rows:
        style = "bold" if row.ours else None
        table.add_row(row.form, str(row.bytes), f"{row.link_s:.1f}", style=style)
    return table
