"""Signed messages on their way out: a file that is written together with its counter, or neither.

Everything that could hinder the writing is tried before the work: whether the name is free and its
folder takes a file, and whether the key's folder takes the counter.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from groundstation.signing.counter import counter_path, keep_counter
from shared.errors import InputError
from shared.files import check_free, check_writable, staged_file


def check_outgoing(
    out: Path, keys: Sequence[Path], *, force: bool = False, inputs: Sequence[Path | None] = ()
) -> None:
    """Refuse before the work what could not, or must not, be written after it.

    Args:
        out: file for the message.
        keys: private keys; the counter of each is beside it.
        force: whether a file at ``out`` may be replaced.
        inputs: other files that are never replaced; None stands for one that was not named.

    Raises:
        InputError: ``out`` holds something and ``force`` is not there; it cannot be written, or is
            one of the inputs; or the counter cannot be written.
    """
    for path in (*keys, *map(counter_path, keys), *inputs):
        if path is not None and path.exists() and out.exists() and path.samefile(out):
            raise InputError(
                f"--out would overwrite {path}", expected="another file", remedy="name a new one"
            )
    check_free(out, force=force)
    for key in keys:
        check_writable(counter_path(key))


def write_outgoing(out: Path, data: bytes, keys: Sequence[Path], counter: int) -> None:
    """Write a signed message and use its counter up: both, or neither.

    The message is on the disk under another name before the counter is, and gets its own name
    after it, so that a counter is never used twice and never for nothing.

    Args:
        out: file for the message.
        data: the message.
        keys: the private keys.
        counter: of the message.

    Raises:
        InputError: either cannot be written; the file at ``out`` and the counter are as before.
    """
    with staged_file(out, data, durable=True):
        for key in keys:
            keep_counter(key, counter)
