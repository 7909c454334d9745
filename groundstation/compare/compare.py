"""One patch, every way to send it: the peers, and ours with each source of the seed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from groundstation.authoring.author import Effort, author
from groundstation.authoring.result import Authored
from groundstation.peers import PEERS, PeerResult, measure_peers
from groundstation.peers.link_cost import (
    RATES_BITS_PER_S,
    link_seconds,
    overhead_bytes,
    ratio,
    wire_bytes,
)
from groundstation.replay.reseed import Retelling, retell
from groundstation.scoring.cached_model import ReusingModel
from groundstation.seeds.drawn_search import find_seed
from shared.digest import sha256
from shared.errors import InputError, RehydrationError
from shared.message.codec_version import CODEC
from shared.message.envelope import SIGNATURE_BYTES, open_envelope, sign
from shared.message.recipe import Recipe
from shared.message.wire import Message, encode_message
from shared.prompts.language_model.model import LanguageModel
from shared.regenerate import Regenerated, regenerate
from shared.seeds.coins import SeedSource
from shared.terminal import Report, silent
from shared.tree import Tree

REFERENCE = "zstd-dict"
"""The peer that ratios are told against."""

SEARCHED_BITS = 24
"""A drawn seed is searched for when it takes at most about this many bits, 2**24 seeds."""

TRIES = 16
"""Seeds tried, as a multiple of the expected number: in vain once in e**16."""

GREEDY_CANDIDATES = 64
"""Prompts tried to make the model write a patch by itself."""

_COUNTER = 1
_SUMMARIES = {
    SeedSource.GREEDY: "prompt alone, the model's first choices",
    SeedSource.DRAWN: "prompt and a number that draws the tokens",
    SeedSource.CODED: "prompt and the codeword of the tokens",
}


@dataclass(frozen=True)
class Way:
    """One way to send the patch.

    Attributes:
        name: short and stable, for tables and JSON.
        ours: whether the model is in it.
        summary: what travels.
        payload_bytes: what depends on the patch; None where this way cannot send it.
        wire_bytes: the signed envelope; None likewise.
        verified: whether the other end got exactly the target from it.
        seconds: time to find, and for peers to decode; of ours without the common search.
        note: why there is no size, or what else there is to say; may be empty.
    """

    name: str
    ours: bool
    summary: str
    payload_bytes: int | None
    wire_bytes: int | None
    verified: bool
    seconds: float
    note: str

    def as_dict(self, reference: Way | None) -> dict[str, object]:
        """For ``--json`` output; ratios are to ``reference``."""
        size = self.wire_bytes
        return {
            "name": self.name,
            "ours": self.ours,
            "summary": self.summary,
            "payload_bytes": self.payload_bytes,
            "wire_bytes": size,
            "payload_ratio": _rounded(
                ratio(self.payload_bytes, reference.payload_bytes if reference else None)
            ),
            "wire_ratio": _rounded(ratio(size, reference.wire_bytes if reference else None)),
            **{
                f"seconds_at_{rate}_bit_s": None if size is None else link_seconds(size, rate)
                for rate in RATES_BITS_PER_S
            },
            "verified": self.verified,
            "work_s": round(self.seconds, 3),
            "note": self.note,
        }


@dataclass(frozen=True)
class Comparison:
    """All ways, the fewest bytes on the wire first, those that cannot send the patch last.

    Attributes:
        authored: our message with a coded seed; the prompt of all of ours.
        retelling: the same, read back.
        ways: one for each peer and for each seed source.
    """

    authored: Authored
    retelling: Retelling
    ways: tuple[Way, ...]

    @property
    def reference(self) -> Way | None:
        """The way that ratios are told against."""
        return next((way for way in self.ways if way.name == REFERENCE), None)

    def as_dict(self) -> dict[str, object]:
        """For ``--json`` output."""
        authored = self.authored
        return {
            "patch_bytes": len(authored.patch),
            "files": len(authored.files),
            "pin": authored.recipe.pin.hex(),
            "codec": CODEC,
            "baseline": authored.recipe.baseline.hex(),
            "overhead_bytes": overhead_bytes(_COUNTER),
            "signature_bytes": SIGNATURE_BYTES,
            "reference": REFERENCE,
            "prompt_bits": round(authored.prompt_bits, 2),
            "token_bits": round(authored.token_bits, 2),
            "tokens": len(self.retelling.tokens),
            "surprises": len(self.retelling.surprises),
            "candidates": authored.candidates,
            "search_s": round(authored.search_s, 3),
            "ways": [way.as_dict(self.reference) for way in self.ways],
        }


def compare(
    base: Tree,
    target: Tree,
    model: LanguageModel,
    *,
    max_seconds: float = 30.0,
    report: Report = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Comparison:
    """Sends the patch in every way and reads each message back.

    The prompt is searched for the shortest coded message; a drawn seed is judged with that prompt.
    Where the model's first choice is wrong after it, another is searched after which it is right.

    Args:
        base: the tree on board.
        target: the tree that the probe shall have.
        model: the model pinned on board.
        max_seconds: after these no new prompt is tried, each time.
        report: told of progress.
        clock: seconds from any fixed moment.

    Raises:
        InputError: baseline and target are the same.
    """
    reusing = ReusingModel(model)
    effort = Effort(SeedSource.CODED, max_seconds=max_seconds, check=False)
    authored = author(base, target, reusing, effort=effort, report=report, clock=clock)
    right = replace(effort, seed_source=SeedSource.GREEDY, max_candidates=GREEDY_CANDIDATES)

    def without_surprises() -> Authored:
        return author(base, target, reusing, effort=right, report=report, clock=clock)

    ours, retelling = _ours(authored, without_surprises, base, target, reusing, report, clock)
    peers = [_of_peer(result) for result in measure_peers(base, target, report, clock=clock)]
    ways = sorted((*ours, *peers), key=lambda way: (way.wire_bytes is None, way.wire_bytes or 0))
    return Comparison(authored, retelling, tuple(ways))


def _of_peer(result: PeerResult) -> Way:
    return Way(
        name=result.name,
        ours=False,
        summary=PEERS[result.name].summary,
        payload_bytes=result.bytes,
        wire_bytes=None if result.bytes is None else wire_bytes(result.bytes),
        verified=result.verified,
        seconds=result.seconds,
        note=result.note,
    )


def _ours(
    authored: Authored,
    without_surprises: Callable[[], Authored],
    base: Tree,
    target: Tree,
    model: LanguageModel,
    report: Report,
    clock: Callable[[], float],
) -> tuple[list[Way], Retelling]:
    """The three seed sources, each sent and received."""

    def receive(message: Message) -> Regenerated:
        return regenerate(message, base, lambda: model, report=report, clock=clock)

    started = clock()
    message, size = _through_envelope(authored.recipe)
    retelling = retell(message, base, lambda: model, report, clock)
    is_right = retelling.target == target and _names(message, retelling.patch)
    coded = _of_ours(authored.recipe, size, is_right, clock() - started)
    ways = [coded]
    for source in (SeedSource.GREEDY, SeedSource.DRAWN):
        started = clock()
        if source is SeedSource.GREEDY:
            recipe, note = _greedy(authored.recipe, retelling, without_surprises)
        else:
            recipe, note = _drawn(authored.recipe, retelling, report)
        if recipe is None:
            ways.append(_unsent(source, clock() - started, note))
            continue
        message, size = _through_envelope(recipe)
        try:
            received = receive(message)
        except RehydrationError as error:
            is_right, note = False, f"failed: {error}"
        else:
            is_right = received.target == target and _names(message, received.patch)
        ways.append(replace(_of_ours(recipe, size, is_right, clock() - started), note=note))
    return ways, retelling


def _through_envelope(recipe: Recipe) -> tuple[Message, int]:
    """What a probe reads from the signed recipe, and the size of its envelope.

    The key is made up and forgotten: every key gives as many bytes.
    """
    key = Ed25519PrivateKey.generate()
    envelope = sign(encode_message(recipe, _COUNTER), recipe.pin, recipe.baseline, key)
    message = open_envelope(envelope, [key.public_key()], recipe.pin, recipe.baseline)
    return message, len(envelope)


def _names(message: Message, patch: bytes) -> bool:
    """Whether the message's digest is that of the patch."""
    return sha256(patch).startswith(message.patch_digest)


def _of_ours(recipe: Recipe, size: int, verified: bool, seconds: float) -> Way:
    payload = len(recipe.stream) + len(recipe.seed) + len(recipe.blobs)
    source = recipe.seed_source
    return Way(_name(source), True, _SUMMARIES[source], payload, size, verified, seconds, note="")


def _unsent(source: SeedSource, seconds: float, note: str) -> Way:
    return Way(_name(source), True, _SUMMARIES[source], None, None, False, seconds, note)


def _name(source: SeedSource) -> str:
    return f"ours-{source.name.lower()}"


def _greedy(
    recipe: Recipe, retelling: Retelling, without_surprises: Callable[[], Authored]
) -> tuple[Recipe | None, str]:
    """The patch without any seed, or why the model does not write it by itself."""
    tokens = len(retelling.tokens)
    if not retelling.surprises:
        note = f"the model's first choice is right at all {tokens} tokens"
        return retelling.with_source(recipe, SeedSource.GREEDY), note
    try:
        found = without_surprises()
    except InputError as error:
        return None, f"cannot: {error.found}"
    note = (
        f"the model's first choice, wrong at {len(retelling.surprises)} of {tokens} tokens before, "
        f"is right after the best of {found.candidates} other prompts"
    )
    return found.recipe, note


def _drawn(recipe: Recipe, retelling: Retelling, report: Report) -> tuple[Recipe | None, str]:
    """The patch with a small number as seed, or how many would have to be tried for one."""
    bits = token_bits(retelling.tokens)
    if bits > SEARCHED_BITS:
        note = f"not tried: about 2^{bits:.1f} seeds would have to be, this tries up to 2^"
        return None, note + f"{SEARCHED_BITS}"
    limit = TRIES * math.ceil(2**bits)
    seed = find_seed(retelling.tokens, limit, report)
    if seed is None:
        return None, f"none of {limit} seeds draws the tokens; 1 in 2^{bits:.1f} was expected to"
    note = f"seed {seed}; 1 in 2^{bits:.1f} draws the tokens"
    return retelling.with_source(recipe, SeedSource.DRAWN, seed), note


def token_bits(tokens: Sequence[tuple[int, int, int]]) -> float:
    """Bits that the model's surprise at these tokens amounts to: -log2 of their probability."""
    return sum(math.log2(total) - math.log2(freq) for _, freq, total in tokens)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
