"""A suggestion as JSON and back: what was found today can be chosen from tomorrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from groundstation.suggest.choosing import Choice, Suggested
from groundstation.suggest.proposals import Edit, Kind, Proposal
from shared.errors import InputError
from shared.tree import Tree
from shared.untrusted import PARSING_FAULTS, json_value

FORMAT = "rehydration-suggest/1"


@dataclass(frozen=True)
class Plan:
    """Proposals for one target.

    Attributes:
        baseline: digest of the baseline, 64 hexadecimal digits.
        target: the same of the engineer's target.
        proposals: numbered from 1; the first ``chosen`` of them are the set that belongs together.
        chosen: how many those are.
    """

    baseline: str
    target: str
    proposals: tuple[Proposal, ...]
    chosen: int

    def pick(self, words: str) -> tuple[Proposal, ...]:
        """The proposals that a user names: ``all`` (the set), or numbers like ``1,3``.

        Raises:
            InputError: there is no such number.
        """
        if words.strip() == "all":
            return self.proposals[: self.chosen]
        numbers = []
        for word in words.split(","):
            number = int(word) if word.strip().isdecimal() and len(word) < 10 else 0
            if not 1 <= number <= len(self.proposals):
                raise InputError(
                    f"there is no proposal {word.strip()[:40]!r}",
                    expected=f"all, or numbers from 1 to {len(self.proposals)} like 1,3",
                    remedy="look at the list; an empty list has nothing to choose from",
                )
            numbers.append(number)
        return tuple(self.proposals[number - 1] for number in dict.fromkeys(numbers))

    def check(self, base: Tree, target: Tree) -> None:
        """Refuses trees that the plan was not made for.

        Raises:
            InputError: the baseline or the target is another.
        """
        for what, tree, digest in (("baseline", base, self.baseline),
                                   ("target", target, self.target)):  # fmt: skip
            if tree.digest.hex() != digest:
                raise InputError(
                    f"the {what} has digest {tree.digest.hex()[:16]}...",
                    expected=f"{digest[:16]}..., for which the proposals were made",
                    remedy="name the same trees, or look for proposals anew without --from",
                )


def plan_of(found: Suggested, base: Tree, target: Tree) -> Plan:
    """What was found, as it is numbered for the user."""
    every = tuple(choice.proposal for choice in (*found.chosen, *found.others))
    return Plan(base.digest.hex(), target.digest.hex(), every, len(found.chosen))


def as_dict(found: Suggested, base: Tree, target: Tree) -> dict[str, object]:
    """The report for ``--json``, from which ``read_plan`` reads the plan."""
    return {
        "format": FORMAT,
        "baseline": base.digest.hex(),
        "target": target.digest.hex(),
        "before_payload_bytes": found.before.payload_bytes,
        "before_bits": round(found.before.bits, 2),
        "after_payload_bytes": found.after.payload_bytes,
        "after_bits": round(found.after.bits, 2),
        "saved_bytes": found.before.payload_bytes - found.after.payload_bytes,
        "proven": found.proposals,
        "refused": found.refused,
        "scored": found.scored,
        "finished": found.finished,
        "interrupted": found.interrupted,
        "search_s": round(found.search_s, 3),
        "proposals": [
            {"number": number, "chosen": number <= len(found.chosen), **_choice(choice)}
            for number, choice in enumerate((*found.chosen, *found.others), start=1)
        ],
    }


def _choice(choice: Choice) -> dict[str, object]:
    proposal = choice.proposal
    return {
        "kind": proposal.kind.value,
        "path": proposal.path,
        "line": proposal.line,
        "what": proposal.what,
        "alone_bytes": round(choice.alone_bits / 8, 2),
        "saved_bytes": round(choice.saved_bits / 8, 2),
        "rename": None if proposal.rename is None else list(proposal.rename),
        "edits": [[edit.start, edit.end, edit.text.hex()] for edit in proposal.edits],
    }


def read_plan(data: bytes) -> Plan:
    """The plan in a report.

    Raises:
        InputError: it is none.
    """
    try:
        report = json_value(data)
        if report["format"] != FORMAT:
            raise InputError(f"the format is {report['format']!r}", expected=FORMAT)
        records: Sequence[dict[str, Any]] = report["proposals"]
        return Plan(
            str(report["baseline"]),
            str(report["target"]),
            tuple(_proposal(record) for record in records),
            sum(bool(record["chosen"]) for record in records),
        )
    except PARSING_FAULTS as error:
        raise InputError(
            "this is no list of proposals",
            expected="what `groundstation suggest --json` has printed",
            remedy="look for proposals anew without --from",
        ) from error


def _proposal(record: dict[str, Any]) -> Proposal:
    rename = record["rename"]
    return Proposal(
        Kind(record["kind"]),
        str(record["path"]),
        int(record["line"]),
        str(record["what"]),
        tuple(Edit(int(a), int(b), bytes.fromhex(text)) for a, b, text in record["edits"]),
        None if rename is None else (str(rename[0]), str(rename[1])),
    )
