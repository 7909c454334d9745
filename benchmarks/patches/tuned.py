"""What specialising won: the same patches, codec and run, by the base model and the tuned one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean
from typing import Any

Row = Mapping[str, Any]


def tuned(base: str, before: Sequence[Row], after: Sequence[Row]) -> Iterator[str]:
    """Lines of the report.

    Args:
        base: name of the untuned model.
        before: its rows.
        after: those of the specialised one, of the same patches in the same order.
    """
    if [row["id"] for row in before] != [row["id"] for row in after]:
        return
    pairs = [
        (old["ours"]["payload_bytes"], new["ours"]["payload_bytes"])
        for old, new in zip(before, after, strict=True)
    ]
    old_mean, new_mean = (mean(pair[k] for pair in pairs) for k in (0, 1))
    shorter, longer = (sum(sign * (new - old) < 0 for old, new in pairs) for sign in (1, -1))
    by_more = sum(new > old + 1 for old, new in pairs)
    yield f"### Against `{base}`, untuned"
    yield ""
    yield "The same codec, search and patches, measured in the same run:"
    yield f"**{old_mean:.1f} -> {new_mean:.1f} bytes, {new_mean / old_mean - 1:+.1%}**."
    yield f"{shorter} patches are shorter, {len(pairs) - shorter - longer} as long, {longer}"
    yield f"longer, {by_more} of them ({by_more / len(pairs):.0%}) by more than a byte."
    yield ""
    yield "| where the bits are | untuned, mean bytes | specialised, mean bytes |"
    yield "|---|---|---|"
    causes = list(dict.fromkeys(c for row in after for c in row["ours"]["bits_by_cause"]))
    for cause in causes:
        means = [
            sum(row["ours"]["bits_by_cause"].get(cause, 0.0) for row in rows) / 8 / len(rows)
            for rows in (before, after)
        ]
        yield f"| {cause} | {means[0]:.2f} | {means[1]:.2f} |"
    yield ""
