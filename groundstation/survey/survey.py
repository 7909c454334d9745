"""What a team's past commits would have cost to send."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from groundstation.authoring.author import Effort, author
from groundstation.authoring.signed import send
from groundstation.git.history import Commit, CommitTrees, TreeReader, find_commits
from groundstation.git.objects import open_objects
from groundstation.peers import PEERS, measure_peer
from groundstation.peers.link_cost import wire_bytes
from groundstation.survey.log import SurveyLog, default_log, open_log
from groundstation.survey.report import CommitCost, Outcome, Survey
from shared.diff import unified_diff
from shared.errors import InputError, RehydrationError
from shared.message.codec_version import CODEC
from shared.message.wire import WIRE_VERSION
from shared.prompts.language_model.model import LanguageModel
from shared.terminal import Report, silent

DEFAULT_LIMIT = 20
"""Commits looked at where neither a number nor a date is given."""

_PEER = PEERS["zstd-dict"]
_COUNTER = 1


@dataclass(frozen=True)
class Selection:
    """Which commits, and what of them.

    Attributes:
        since: none committed before; None for any.
        limit: at most so many; None for ``DEFAULT_LIMIT`` without and any number with ``since``.
        paths: git pathspecs from the root of the repository; none for everything.
    """

    since: datetime | None = None
    limit: int | None = None
    paths: tuple[str, ...] = ()

    @property
    def most(self) -> int | None:
        """The limit that holds."""
        return DEFAULT_LIMIT if self.limit is None and self.since is None else self.limit


@dataclass(frozen=True)
class Care:
    """How much work each commit is worth.

    Attributes:
        budget_s: seconds to search for prompts; 0 takes the usual one, the same on every machine.
        check: regenerate each message.
        max_diff_bytes: larger patches are not looked at.
    """

    budget_s: float = 0.0
    check: bool = True
    max_diff_bytes: int = 64_000


def survey(
    repository: Path,
    model: LanguageModel,
    selection: Selection,
    *,
    care: Care | None = None,
    state: Path | None = None,
    report: Report = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Survey:
    """Authors each commit against its parent.

    What is done is kept in a file; a later survey with the same model and settings does not do it
    again.  An interrupt (Ctrl-C) ends the survey with what there is.

    Args:
        repository: a folder of a git repository.
        model: the model pinned on board.
        selection: which commits.
        care: how much work each is worth.
        state: the file; None for one of its own beside the pins.
        report: told of progress.
        clock: seconds from any fixed moment.

    Raises:
        InputError: no repository, no commits, a pathspec or a state file that cannot be used.
    """
    care = care or Care()
    settings = _settings(model, selection, care)
    with open_objects(repository) as objects:
        commits = find_commits(
            objects, since=selection.since, limit=selection.most, paths=selection.paths
        )
        path = state or default_log(objects.folder, settings)
        with open_log(path, settings) as log:
            known = _known(log, commits)
            costs = dict(known)
            reader = TreeReader(objects, selection.paths)
            interrupted = False
            try:
                for done, commit in enumerate(commits):
                    report("commits", done, len(commits))
                    if commit.name not in costs:
                        cost = _cost(commit, reader, model, care, clock)
                        costs[commit.name] = cost
                        if cost.outcome is Outcome.SENT:
                            log.add(cost.as_record())
                report("commits", len(commits), len(commits))
            except KeyboardInterrupt:
                interrupted = True
        return Survey(
            repository=str(objects.folder),
            pin=model.digest.hex(),
            settings=settings,
            state=str(path),
            since=selection.since,
            selected=len(commits),
            costs=tuple(costs[commit.name] for commit in commits if commit.name in costs),
            resumed=len(known),
            interrupted=interrupted,
        )


def _settings(model: LanguageModel, selection: Selection, care: Care) -> dict[str, Any]:
    """Everything that the cost of a commit depends on, beside the commit."""
    try:
        program = version("rehydration-uplink")
    except PackageNotFoundError:
        program = "unknown"
    return {
        "pin": model.digest.hex(),
        "paths": sorted(selection.paths),
        "budget_s": care.budget_s,
        "check": care.check,
        "wire_version": WIRE_VERSION,
        "codec": CODEC,
        "program": program,
    }


def _known(log: SurveyLog, commits: Sequence[Commit]) -> dict[str, CommitCost]:
    """The costs of these commits that the log has."""
    try:
        return {
            commit.name: CommitCost.from_record(log.known[commit.name])
            for commit in commits
            if commit.name in log.known
        }
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(
            f"{log.path} holds a record that is none of a survey: {error}",
            remedy="delete it, or name another file with --state",
        ) from error


def _cost(
    commit: Commit,
    reader: TreeReader,
    model: LanguageModel,
    care: Care,
    clock: Callable[[], float],
) -> CommitCost:
    """What a commit costs, or why that is not known."""

    def left_out(outcome: Outcome, note: str, diff_bytes: int = 0) -> CommitCost:
        return CommitCost(
            commit.name,
            commit.date.isoformat(),
            commit.subject,
            outcome,
            note=note,
            diff_bytes=diff_bytes,
        )

    try:
        trees = reader.trees(commit)
        diff_bytes = len(unified_diff(trees.base, trees.target))
        if not diff_bytes:
            why = "only submodules change" if trees.submodules else "no file changes"
            return left_out(Outcome.SKIPPED, why)
        if diff_bytes > care.max_diff_bytes:
            why = f"a patch of {diff_bytes} bytes, looked at are up to {care.max_diff_bytes}"
            return left_out(Outcome.SKIPPED, why, diff_bytes)
        return _author(commit, trees, model, care, clock)
    except RehydrationError as error:
        # one commit that cannot be sent must not cost the survey of the others
        return left_out(Outcome.FAILED, f"{error.kind}: {error}")


def _author(
    commit: Commit,
    trees: CommitTrees,
    model: LanguageModel,
    care: Care,
    clock: Callable[[], float],
) -> CommitCost:
    effort = Effort(max_seconds=care.budget_s, check=care.check)
    authored = author(trees.base, trees.target, model, effort=effort, clock=clock)
    sent = send(authored, _COUNTER, Ed25519PrivateKey.generate())
    peer = measure_peer(_PEER, trees.base, trees.target, clock=clock)
    peer_bytes = peer.bytes if peer.verified else None
    notes = [
        f"{trees.submodules} submodules left out" if trees.submodules else "",
        "unchanged files by name only" if trees.is_lean else "",
        f"{trees.unread} unchanged files that the repository lacks by name only"
        if trees.unread
        else "",
        "" if peer.verified else f"zstd-dict: {peer.note}",
    ]
    return CommitCost(
        commit=commit.name,
        date=commit.date.isoformat(),
        subject=commit.subject,
        outcome=Outcome.SENT,
        note="; ".join(filter(None, notes)),
        files=len(authored.files),
        diff_bytes=len(authored.patch),
        payload_bytes=authored.payload_bytes,
        total_bytes=len(sent.envelope),
        zstd_dict_bytes=peer_bytes,
        zstd_dict_total_bytes=None if peer_bytes is None else wire_bytes(peer_bytes),
        codecs=dict(Counter(file.codec for file in authored.files)),
        seed_source=authored.recipe.seed_source.name.lower(),
        tokens=authored.tokens,
        surprises=authored.surprises,
        checked=care.check,
        work_s=round(authored.search_s, 3),
    )
