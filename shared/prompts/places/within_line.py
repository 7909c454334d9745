"""A change inside a line: what is kept at its beginning and end, and what is written between."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from shared.prompts.language_model.vocabulary import Vocabulary
from shared.seeds.decisions import Decisions

MAX_TOKENS = 64

# blanks go with what follows them, as in the vocabulary
_PIECE = re.compile(rb"[ \t]*(?:[A-Za-z0-9_]+|[\x80-\xff]+|[^\n])|[ \t]+$")
_TOKEN_WEIGHTS = np.array(
    [60, *((1 << 10) // (n * (n + 1)) + 1 for n in range(1, MAX_TOKENS + 1))], dtype=np.int64
)


@dataclass(frozen=True)
class Inside:
    """A line of which a middle part changes.

    Attributes:
        head: bytes kept before it.
        tail: bytes kept after it, newline included.
        tokens: how many tokens the model writes between; 0 where nothing stands there.
        middle: the part itself on the ground; None on the probe.
    """

    head: bytes
    tail: bytes
    tokens: int
    middle: bytes | None


def pieces(line: bytes) -> list[bytes]:
    """A line, its newline left out, as words, runs of non-ASCII letters, and single signs."""
    return _PIECE.findall(line.rstrip(b"\n"))


def fits_inside(vocabulary: Vocabulary, old: bytes, new: bytes) -> bool:
    """Whether a line may be written inside another: most is kept, and the rest can be spelled."""
    head, tail = _shared(pieces(old), pieces(new))
    kept = sum(map(len, [*pieces(old)[:head], *pieces(old)[len(pieces(old)) - tail :]]))
    tokens = vocabulary.encode(_middle(old, new, head, tail))
    if b"".join([*pieces(old), b"\n"]) != old or tokens is None:
        return False
    return 2 * kept >= len(old) and len(tokens) <= MAX_TOKENS


def transcribe_inside(
    decisions: Decisions, vocabulary: Vocabulary, old: bytes, wanted: bytes | None
) -> Inside:
    """Writes or reads which pieces of a line are kept, and how many tokens stand between.

    Args:
        decisions: takes what is wanted, or yields what was.
        vocabulary: counts the tokens on the ground.
        old: the old line, ended by a newline.
        wanted: the new line, ended by a newline, which ``fits_inside``; None on the probe.
    """
    parts = pieces(old)
    shared, middle, tokens = (0, 0), None, None
    if wanted is not None:
        shared = _shared(parts, pieces(wanted))
        middle = _middle(old, wanted, *shared)
        tokens = len(vocabulary.encode(middle) or ())
    head = decisions.uniform(len(parts) + 1, shared[0], "hunks")
    tail = decisions.uniform(len(parts) - head + 1, shared[1], "hunks")
    count = decisions.prompt(_TOKEN_WEIGHTS, tokens, "hunks")
    after = b"".join(parts[len(parts) - tail :]) + b"\n"
    return Inside(b"".join(parts[:head]), after, count, middle)


def _shared(old: list[bytes], new: list[bytes]) -> tuple[int, int]:
    """Pieces that two lines share at their beginning and, beyond that, at their end."""
    most = min(len(old), len(new))
    head = next((k for k in range(most) if old[k] != new[k]), most)
    most -= head
    tail = next((k for k in range(most) if old[-1 - k] != new[-1 - k]), most)
    return head, tail


def _middle(old: bytes, new: bytes, head: int, tail: int) -> bytes:
    parts = pieces(old)
    before = len(b"".join(parts[:head]))
    after = len(b"".join(parts[len(parts) - tail :])) + 1
    return new[before : len(new) - after]
