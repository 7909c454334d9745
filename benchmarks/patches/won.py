"""What the search won: against the prompts of codec 2, and by what."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

EARLIER = Path(__file__).parents[1] / "earlier.csv"
"""Payload and prompt of every patch by codec 2: no recall, references or hints, few prompts."""

KINDS = ("settings", "hunks", "references", "hints", "classical")
CAUSES = ("settings", "files", "loci", "hunks", "references", "hint", "text")

Row = Mapping[str, Any]


def earlier(model: str) -> dict[str, dict[str, int]]:
    """Of each patch measured with a model: payload, prompt and candidates then."""
    with EARLIER.open(newline="", encoding="utf-8") as stream:
        return {
            row["id"]: {
                name: int(row[name]) for name in ("payload_bytes", "prompt_bytes", "candidates")
            }
            for row in csv.DictReader(stream)
            if row["model"] == model
        }


def won(model: str, rows: Sequence[Row]) -> Iterator[str]:
    """Lines of the report; none where a patch was not measured then."""
    then = earlier(model)
    if not rows or any(row["id"] not in then for row in rows):
        return
    pairs = [(then[row["id"]]["payload_bytes"], row["ours"]["payload_bytes"]) for row in rows]
    before, after = mean(old for old, _ in pairs), mean(new for _, new in pairs)
    yield "### Against codec 2"
    yield ""
    candidates = max(each["candidates"] for each in then.values())
    yield f"By codec 2, with {candidates} prompts a patch, no recall, references or hints, and"
    yield "loci that did not learn (`benchmarks/earlier.csv`):"
    yield f"**{before:.1f} -> {after:.1f} bytes, {after / before - 1:+.1%}**."
    shorter, longer = (sum(sign * (new - old) < 0 for old, new in pairs) for sign in (1, -1))
    worst = max(new - old for old, new in pairs)
    yield f"{shorter} patches are shorter, {len(pairs) - shorter - longer} as long, {longer} longer"
    yield f"(by {worst} at most)." if longer else "than before."
    yield ""
    yield "| step | mean bytes | patches it helped |"
    yield "|---|---|---|"
    plain = [row["first_bits"]["nothing recalled"] / 8 for row in rows]
    usual = [row["first_bits"]["usual"] / 8 for row in rows]
    yield f"| usual settings, nothing recalled | {mean(plain):.2f} | |"
    helped = sum(b < a for a, b in zip(plain, usual, strict=True))
    yield f"| what the old files suggest | {mean(usual) - mean(plain):+.2f} | {helped} |"
    gains: Counter[str] = Counter()
    patches: Counter[str] = Counter()
    for row in rows:
        moves = row["ours"]["moves"]
        for move in moves:
            gains[move["kind"]] += (move["bits_after"] - move["bits_before"]) / 8
        patches.update({move["kind"] for move in moves})
    for kind in KINDS:
        yield f"| search: {kind} | {gains[kind] / len(rows):+.2f} | {patches[kind]} |"
    known = mean(usual) + sum(gains.values()) / len(rows)
    yield f"| rounding to bytes, deltas | {after - known:+.2f} | |"
    yield f"| **payload** | **{after:.2f}** | |"
    yield ""
    yield "| where the bits are | mean bytes |"
    yield "|---|---|"
    for cause in CAUSES:
        total = sum(row["ours"]["bits_by_cause"].get(cause, 0.0) for row in rows) / 8
        yield f"| {cause} | {total / len(rows):.2f} |"
    yield ""
