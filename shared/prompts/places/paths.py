"""The path of a new or renamed file: what it shares with a path on board, then its own letters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shared.errors import InputError, RegenerationError
from shared.seeds.decisions import Decisions
from shared.tree import check_path, path_bytes, path_text

MAX_PATH_BYTES = 4096

_END = 256


def _letter_weights() -> list[int]:
    weights = [1] * 257
    for common, weight in (
        (b"abcdefghijklmnopqrstuvwxyz", 40),
        (b"eirstnaolcpdm_", 40),
        (b"0123456789-./ABCDEFGHIJKLMNOPQRSTUVWXYZ", 8),
        (b"/.", 30),
    ):
        for letter in common:
            weights[letter] += weight
    weights[0] = 0
    weights[_END] = 90
    return weights


_LETTERS = np.array(_letter_weights(), dtype=np.int64)


def transcribe_path(
    decisions: Decisions, known: Sequence[str], old_path: str | None, wanted: str | None
) -> str:
    """Writes or reads a path.

    It starts with the beginning of a known path (the file's old one where it has one) and ends
    with a known ending, both counted in bytes; the letters between are spelled.

    Args:
        decisions: takes what is wanted, or yields what was.
        known: the paths on board, sorted.
        old_path: the file's path before a renaming.
        wanted: the path; None on the probe.

    Raises:
        RegenerationError: what was read is not a path.
    """
    model, head, tail = 0, 0, 0
    if wanted is not None:
        candidates = range(len(known)) if old_path is None else [known.index(old_path)]
        model, head, tail = max(
            ((k, *_shared(path_bytes(known[k]), path_bytes(wanted))) for k in candidates),
            key=lambda found: (found[1] + found[2], -found[0]),
            default=(0, 0, 0),
        )
    pattern = b""
    if old_path is not None:
        pattern = path_bytes(old_path)
    elif known:
        pattern = path_bytes(known[decisions.uniform(len(known), model, "files")])
    head = decisions.uniform(len(pattern) + 1, head, "files")
    tail = decisions.uniform(len(pattern) - head + 1, tail, "files")
    middle = None if wanted is None else path_bytes(wanted)[head : len(path_bytes(wanted)) - tail]
    letters = bytearray()
    while True:
        want = None
        if middle is not None:
            want = middle[len(letters)] if len(letters) < len(middle) else _END
        letter = decisions.prompt(_LETTERS, want, "files")
        if letter == _END:
            break
        letters.append(letter)
        if len(letters) > MAX_PATH_BYTES:
            raise RegenerationError(f"a path is longer than {MAX_PATH_BYTES} bytes")
    path = path_text(pattern[:head] + bytes(letters) + pattern[len(pattern) - tail :])
    try:
        check_path(path)
    except InputError as error:
        raise RegenerationError(f"not a path: {error.found}") from error
    return path


def _shared(pattern: bytes, wanted: bytes) -> tuple[int, int]:
    """Bytes that a path shares with another at its beginning and, beyond that, at its end."""
    most = min(len(pattern), len(wanted))
    head = next((k for k in range(most) if pattern[k] != wanted[k]), most)
    most -= head
    tail = next((k for k in range(most) if pattern[-1 - k] != wanted[-1 - k]), most)
    return head, tail
