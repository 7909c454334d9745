"""What a probe accepts unless told otherwise, held against a patch before anything is searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import zstandard

from groundstation.scoring.options import Options
from shared.diff.zstd_delta import MOST_FILE_BYTES
from shared.errors import InputError
from shared.message.envelope import Limits
from shared.prompts.language_model.vocabulary import Vocabulary
from shared.regenerate import Budget
from shared.tree import Tree

_WINDOW_LOG = 27
_HOPELESS = 2
"""A quick estimate this many times too large is not mended by the best encoder."""
_UNRELATED = 0.9
"""Share of its size at which a file gains nothing by its old contents."""


@dataclass(frozen=True)
class ProbeLimits:
    """What the probe takes.

    Attributes:
        max_envelope_bytes: of ``probe init --max-envelope-bytes``.
        max_tokens: that the model may read and write, of ``probe apply --max-tokens``.
    """

    max_envelope_bytes: int = Limits.max_envelope_bytes
    max_tokens: int = Budget.max_tokens


def check_files(base: Tree, target: Tree, limits: ProbeLimits) -> None:
    """Refuse files that no message can carry, from a look at their bytes.

    Raises:
        InputError: a changed file is larger than a delta can make, or certainly too much for an
            envelope.
    """
    known = {entry.data for _, entry in base.items() if len(entry.data) > limits.max_envelope_bytes}
    for path, entry in target.items():
        if len(entry.data) <= limits.max_envelope_bytes or entry.data in known:
            continue
        if len(entry.data) > MOST_FILE_BYTES:
            raise InputError(
                f"{path} is a file of {len(entry.data)} bytes and changes",
                expected=f"at most {MOST_FILE_BYTES} bytes, what a delta can make",
                remedy="split it into smaller files, or leave it as it is on board",
            )
        old = base[path].data if path in base else b""
        alone, beside = _quick(entry.data), _quick(old + entry.data) - _quick(old)
        if min(alone, beside) > _HOPELESS * limits.max_envelope_bytes and (
            beside > _UNRELATED * alone
        ):
            raise _too_large(path, min(alone, beside), limits)


def check_options(choices: Sequence[Options], vocabulary: Vocabulary, limits: ProbeLimits) -> None:
    """Refuse a patch whose least message is too much, before its prompts are searched.

    Raises:
        InputError: what only deltas can carry does not fit an envelope, or what the model would
            write is more than the probe lets it.
    """
    deltas = {each.change.path: len(each.classical.blob) for each in choices if each.model is None}
    if sum(deltas.values()) > limits.max_envelope_bytes:
        raise _too_large(max(deltas, key=deltas.__getitem__), sum(deltas.values()), limits)
    tokens = {
        each.change.path: sum(len(vocabulary.encode(hunk.text) or ()) for hunk in each.model.hunks)
        for each in choices
        if each.model is not None
    }
    if sum(tokens.values()) > limits.max_tokens:
        raise too_many_tokens(max(tokens, key=tokens.__getitem__), sum(tokens.values()), limits)


def check_envelope(size: int, sizes: Sequence[tuple[str, float]], limits: ProbeLimits) -> None:
    """Refuse an envelope that the probe would.

    Args:
        size: its bytes.
        sizes: path and bits of each file in it.
        limits: of the probe.

    Raises:
        InputError: it is too large.
    """
    if size > limits.max_envelope_bytes:
        raise _too_large(max(sizes, key=lambda pair: pair[1])[0], size, limits)


def too_many_tokens(path: str, tokens: int, limits: ProbeLimits) -> InputError:
    """The error for a patch that takes more of the model than a probe allows."""
    return InputError(
        f"the model would have to take {tokens} tokens or more, most of them for {path}",
        expected=f"at most {limits.max_tokens}, what a probe allows unless told otherwise",
        remedy="send it in several messages; or allow more, here and on board, with --max-tokens",
    )


def _too_large(path: str, size: int, limits: ProbeLimits) -> InputError:
    return InputError(
        f"the message would have about {size} bytes or more, most of them for {path}",
        expected=f"at most {limits.max_envelope_bytes}, what a probe takes unless told otherwise",
        remedy="send it in several messages; or allow more, here and on board, with "
        "--max-envelope-bytes",
    )


def _quick(data: bytes) -> int:
    """About the size that zstd gives, by a fast method that sees repetitions far back."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        3, window_log=_WINDOW_LOG, enable_ldm=True
    )
    return len(zstandard.ZstdCompressor(compression_params=parameters).compress(data))
