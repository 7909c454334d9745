"""What a survey reports: the cost of each commit, and of all of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from groundstation.peers.link_cost import RATES_BITS_PER_S, link_seconds, ratio


class Outcome(StrEnum):
    """What came of a commit."""

    SENT = "sent"
    SKIPPED = "skipped"
    FAILED = "failed"


_KINDS: Mapping[str, Any] = {
    **dict.fromkeys(("commit", "date", "subject", "outcome", "note", "seed_source"), str),
    **dict.fromkeys(("zstd_dict_bytes", "zstd_dict_total_bytes"), int | None),
    "codecs": dict | None,
    "work_s": int | float,
}
"""What the fields of a record are that are no whole numbers."""


@dataclass(frozen=True)
class CommitCost:
    """What one commit would have cost.

    Attributes:
        commit: its hash.
        date: when it was committed, ISO 8601.
        subject: first line of its message.
        outcome: whether there is a message; the sizes are 0 where there is none.
        note: why there is none, or what else there is to say.
        files: changed files.
        diff_bytes: the canonical patch.
        payload_bytes: prompt, seed and deltas.
        total_bytes: the signed envelope.
        zstd_dict_bytes: payload of the peer ``zstd-dict``; None where it has none.
        zstd_dict_total_bytes: the same in the same envelope.
        codecs: how many files travel by which codec.
        seed_source: of the message.
        tokens: that the model writes.
        surprises: those that are not its first choice.
        checked: whether the message was regenerated.
        work_s: seconds that authoring took.
    """

    commit: str
    date: str
    subject: str
    outcome: Outcome
    note: str = ""
    files: int = 0
    diff_bytes: int = 0
    payload_bytes: int = 0
    total_bytes: int = 0
    zstd_dict_bytes: int | None = None
    zstd_dict_total_bytes: int | None = None
    codecs: Mapping[str, int] | None = None
    seed_source: str = ""
    tokens: int = 0
    surprises: int = 0
    checked: bool = False
    work_s: float = 0.0

    @property
    def codec(self) -> str:
        """The codec of all its files, or "mixed"; "-" where nothing is sent."""
        names = list(self.codecs or ())
        return "mixed" if len(names) > 1 else names[0] if names else "-"

    def as_record(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> CommitCost:
        """From what ``as_record`` gave.

        Raises:
            TypeError, ValueError: it was something else.
        """
        known = {field.name for field in fields(cls)}
        kept = {key: value for key, value in record.items() if key in known}
        for name, value in kept.items():
            if not isinstance(value, _KINDS.get(name, int)):
                raise TypeError(f"{name} is {value!r}")
        if not all(type(count) is int for count in (record.get("codecs") or {}).values()):
            raise TypeError(f"codecs is {record['codecs']!r}")
        return cls(**kept | {"outcome": Outcome(record["outcome"])})

    def as_dict(self) -> dict[str, object]:
        """For ``--json`` output."""
        sent = self.outcome is Outcome.SENT
        return {
            **self.as_record(),
            "codec": self.codec,
            **{
                f"seconds_at_{rate}_bit_s": link_seconds(self.total_bytes, rate) if sent else None
                for rate in RATES_BITS_PER_S
            },
            "payload_ratio": ratio(self.payload_bytes, self.zstd_dict_bytes) if sent else None,
            "wire_ratio": ratio(self.total_bytes, self.zstd_dict_total_bytes) if sent else None,
        }


@dataclass(frozen=True)
class Summary:
    """One quantity over all commits that were sent.

    Attributes:
        median, mean, worst, total: of the quantity.
        worst_commit: the commit of ``worst``.
    """

    median: float
    mean: float
    worst: float
    worst_commit: str
    total: float

    @classmethod
    def of(cls, values: Sequence[tuple[str, float]]) -> Summary | None:
        """Of (commit, value) pairs; None where there are none."""
        if not values:
            return None
        numbers = [value for _, value in values]
        name, worst = max(values, key=lambda pair: pair[1])
        return cls(statistics.median(numbers), statistics.fmean(numbers), worst, name, sum(numbers))


QUANTITIES = (
    "diff_bytes",
    "payload_bytes",
    "total_bytes",
    "zstd_dict_bytes",
    "zstd_dict_total_bytes",
)


@dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes:
        repository: its git folder.
        pin: digest of the model, in hexadecimal.
        settings: what the costs depend on.
        state: the file that keeps them.
        since: the earliest commit date asked for.
        selected: commits that were asked for.
        costs: those that were looked at, the newest first.
        resumed: how many of them were known from before.
        interrupted: whether it was stopped before the last commit.
    """

    repository: str
    pin: str
    settings: Mapping[str, Any]
    state: str
    since: datetime | None
    selected: int
    costs: tuple[CommitCost, ...]
    resumed: int
    interrupted: bool

    def having(self, outcome: Outcome) -> tuple[CommitCost, ...]:
        """The commits that this came of."""
        return tuple(cost for cost in self.costs if cost.outcome is outcome)

    def summary(self, quantity: str) -> Summary | None:
        """One of ``QUANTITIES`` over the commits that were sent and have it."""
        values = [(cost.commit, getattr(cost, quantity)) for cost in self.having(Outcome.SENT)]
        return Summary.of([pair for pair in values if pair[1] is not None])

    def ratio(self, ours: str, theirs: str) -> float | None:
        """Total of a quantity over the total of another, over commits that have both."""
        pairs = [(getattr(cost, ours), getattr(cost, theirs)) for cost in self.having(Outcome.SENT)]
        both = [pair for pair in pairs if None not in pair]
        return ratio(sum(pair[0] for pair in both), sum(pair[1] for pair in both))

    def as_dict(self) -> dict[str, object]:
        """For ``--json`` output."""
        summaries = {quantity: self.summary(quantity) for quantity in QUANTITIES}
        total = summaries["total_bytes"]
        return {
            "repository": self.repository,
            "pin": self.pin,
            "settings": dict(self.settings),
            "state": self.state,
            "since": None if self.since is None else self.since.isoformat(),
            "selected": self.selected,
            "looked_at": len(self.costs),
            "resumed": self.resumed,
            "interrupted": self.interrupted,
            **{outcome.value: len(self.having(outcome)) for outcome in Outcome},
            "summary": {
                **{
                    key: None if value is None else asdict(value)
                    for key, value in summaries.items()
                },
                **{
                    f"seconds_at_{rate}_bit_s": None
                    if total is None
                    else {
                        "median": 8 * total.median / rate,
                        "mean": 8 * total.mean / rate,
                        "worst": 8 * total.worst / rate,
                        "worst_commit": total.worst_commit,
                        "total": 8 * total.total / rate,
                    }
                    for rate in RATES_BITS_PER_S
                },
                "payload_ratio": self.ratio("payload_bytes", "zstd_dict_bytes"),
                "wire_ratio": self.ratio("total_bytes", "zstd_dict_total_bytes"),
            },
            "commits": [cost.as_dict() for cost in self.costs],
        }
