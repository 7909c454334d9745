"""Where the bytes of an envelope go: every bit of it, by cause, file, line and token."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from groundstation.explain.attribution import LOCI, FileTold, tell
from groundstation.explain.lines import HunkCost, Line, by_label, hunks_of
from groundstation.replay.record import Decided, record
from groundstation.signing.inspect import inspect_envelope
from shared.digest import sha256
from shared.errors import DigestMismatch, RegenerationError, UnsupportedVersion
from shared.message.envelope import check_baseline, check_pin
from shared.message.recipe import Kind
from shared.message.wire import Message
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.settings import Settings
from shared.seeds.coins import SeedSource
from shared.terminal import Report, silent
from shared.tree import Change, ChangeKind, Tree, changes

TEXT = "text"
"""The cause of tokens, whose decisions carry no label."""

MEANINGS = {
    "settings": "how the model is asked",
    "files": "which files, and what happens to each",
    "references": "which excerpts of the tree on board the model reads first",
    "hint": "words that it reads first",
    "loci": "where hunks sit, and how many lines each removes",
    "hunks": "how many lines each writes, and what is kept inside a line",
    TEXT: "what the model would not have written by itself",
    "rounding": "the stream to whole bytes: what its end wastes, or saves",
    "seed": "the number that draws the tokens",
    "deltas": "files as zstd deltas or as they are",
    "key id": "who signed",
    "head": "version, kind, seed source",
    "counter": "against messages sent twice",
    "pin prefix": "which model",
    "baseline prefix": "which tree on board",
    "patch digest": "what must come of it",
    "stream size": "where the deltas begin",
    "signature": "Ed25519",
}


@dataclass(frozen=True)
class Part:
    """A part of the envelope.

    Attributes:
        name: a decision's label, or a field of the wire format.
        coded: whether it shares the stream; else it is whole bytes of its own.
        bits: how much; of "rounding" it may be below zero.
    """

    name: str
    coded: bool
    bits: float

    @property
    def meaning(self) -> str:
        """For people; empty for labels that are not known here."""
        return MEANINGS.get(self.name, "")


@dataclass(frozen=True)
class FileCost:
    """What one change costs.

    Attributes:
        change: what happens.
        codec: how its contents travel: model, delta, stored or same.
        blob_bytes: of its delta, or of itself.
        bits_of: of its decisions by label, tokens as "text"; deltas are not in it.
        hunks: changed places that the model writes; a new file is one.
    """

    change: Change
    codec: str
    blob_bytes: int
    bits_of: tuple[tuple[str, float], ...]
    hunks: tuple[HunkCost, ...]

    @property
    def path(self) -> str:
        """In the target; of a deletion in the baseline."""
        return self.change.path

    @property
    def bits(self) -> float:
        """All of it, with its delta."""
        return sum(bits for _, bits in self.bits_of) + 8 * self.blob_bytes

    @property
    def lines(self) -> Iterator[Line]:
        """The new lines that the model wrote."""
        return (line for hunk in self.hunks for line in hunk.lines)


@dataclass(frozen=True)
class Explanation:
    """An envelope, accounted for.

    Attributes:
        message: what it holds; its signature was not checked.
        total_bytes: size of the envelope.
        patch_bytes: size of the canonical patch.
        settings: how the model is asked.
        parts: of the envelope; their bits are 8 times ``total_bytes``, exactly.
        files: one for each change, in order.
        tokens: how many the model wrote.
        surprises: how many of them were not its first choice.
        text_bits: what the tokens cost, ideally; with a coded seed that is the part "text".
    """

    message: Message
    total_bytes: int
    patch_bytes: int
    settings: Settings
    parts: tuple[Part, ...]
    files: tuple[FileCost, ...]
    tokens: int
    surprises: int
    text_bits: float

    @property
    def text_is_coded(self) -> bool:
        """Whether the tokens' bits are in the stream; a drawn seed stands for them as a number."""
        return self.message.seed_source is SeedSource.CODED


def explain(
    envelope: bytes,
    base: Tree,
    model: LanguageModel,
    *,
    report: Report = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Explanation:
    """Regenerates an envelope and accounts for each of its bits.

    The signature is not checked: that takes the key.

    Args:
        envelope: the bytes that ``author`` wrote.
        base: the tree on board.
        model: the model pinned on board.
        report: told of progress, in tokens.
        clock: seconds from any fixed moment.

    Raises:
        MalformedMessage: the bytes are no envelope.
        UnsupportedVersion: a version or kind that this program does not know.
        WrongPin: it was authored for another model or codec.
        WrongBaseline: it was authored for another tree.
        RegenerationError: it leads nowhere.
        DigestMismatch: it leads to another patch than the one that it names.
        OutOfMemory: there is too little memory now.
    """
    inspection = inspect_envelope(envelope)
    message = inspection.envelope.message
    if message.kind is not Kind.CODE:
        raise UnsupportedVersion(
            f"the message is of the kind {message.kind.name.lower()}", expected="code"
        )
    check_pin(message, model.digest)
    check_baseline(message, base.digest)
    made, decided = record(message, base, model, report, clock)
    if not sha256(made.patch).startswith(message.patch_digest):
        raise DigestMismatch(
            "the envelope leads to another patch than the one that it names",
            expected=f"a patch whose sha256 begins with {message.patch_digest.hex()}",
            remedy="look for damage: the signature is not checked here",
        )
    telling = tell(decided, base, message.blobs, model)
    found = changes(base, made.target)
    paths = (path for change in found for path in (change.old_path, change.path) if path)
    if (len(found), tuple(dict.fromkeys(paths))) != (len(telling.files), telling.paths):
        raise RegenerationError(
            f"the envelope tells of {', '.join(map(repr, telling.paths))} in this order",
            expected="each change once, in canonical order, as `author` tells them",
        )
    fields = {field.name: 8 * len(field.data) for field in inspection.fields}
    tokens = [one for one in decided if one.is_token and not one.label]
    return Explanation(
        message=message,
        total_bytes=inspection.total_bytes,
        patch_bytes=len(made.patch),
        settings=telling.settings,
        parts=tuple(_parts(message, decided, fields)),
        files=tuple(
            _file(told, change, decided, model)
            for told, change in zip(telling.files, found, strict=True)
        ),
        tokens=len(tokens),
        surprises=sum(one.index != one.expected for one in tokens),
        text_bits=sum(one.bits for one in tokens),
    )


def _parts(
    message: Message, decided: tuple[Decided, ...], fields: dict[str, int]
) -> Iterator[Part]:
    """The stream by label and what is left of it, then the fields in the order of the wire."""
    if message.seed_source is SeedSource.CODED:
        in_stream = decided
    else:
        in_stream = tuple(one for one in decided if not one.is_token)
    coded = by_label(in_stream)
    yield from (Part(label, True, bits) for label, bits in coded if label)
    yield from (Part(TEXT, True, bits) for label, bits in coded if not label)
    yield Part("rounding", True, fields.pop("stream") - sum(bits for _, bits in coded))
    names = {"blobs": "deltas"}
    payload = [name for name in ("seed", "blobs") if name in fields]
    for name in [*payload, *(name for name in fields if name not in payload)]:
        yield Part(names.get(name, name), False, float(fields[name]))


def _file(
    told: FileTold, change: Change, decided: tuple[Decided, ...], model: LanguageModel
) -> FileCost:
    places = [*told.decided, *(place for hunk in told.hunks for place in hunk.decided)]
    mine = [decided[place] for place in places]
    bits_of = [(label or TEXT, bits) for label, bits in by_label(mine)]
    codec = "same"
    if told.blob is not None:
        codec = "stored" if change.new and change.new.data == told.blob else "delta"
    elif told.writing or any(one.label == LOCI for one in mine):
        codec = "model"
    return FileCost(
        change,
        codec,
        len(told.blob or b""),
        tuple(bits_of),
        hunks_of(told, change, decided, model.vocabulary) if codec == "model" else (),
    )


def verb(change: Change) -> str:
    """What happens to a path, in words."""
    if change.kind is ChangeKind.RENAME:
        return f"rename from {change.old_path}"
    return str(change.kind.value)
