"""Binary deltas by their own libraries: bsdiff4, detools, HDiffPatch.

Sizes are those of the libraries' own formats, headers included: what a user of them would send.
Libraries are imported where they are used, so that a missing one costs one row.
"""

from __future__ import annotations

import io
from typing import Any


def encode_bsdiff4(old: bytes, new: bytes) -> bytes:
    """A BSDIFF40 patch (bzip2 inside)."""
    import bsdiff4

    return bytes(bsdiff4.diff(old, new))


def decode_bsdiff4(old: bytes, payload: bytes) -> bytes:
    """The new file of a BSDIFF40 patch."""
    import bsdiff4

    return bytes(bsdiff4.patch(old, payload))


def _encode_detools(old: bytes, new: bytes, compression: str) -> bytes:
    import detools

    made: list[bytes] = []
    for algorithm in ("bsdiff", "match-blocks"):
        patch = io.BytesIO()
        detools.create_patch(
            io.BytesIO(old),
            io.BytesIO(new),
            patch,
            compression=compression,
            patch_type="sequential",
            algorithm=algorithm,
            use_mmap=False,
        )
        made.append(patch.getvalue())
    return min(made, key=len)


def encode_detools_crle(old: bytes, new: bytes) -> bytes:
    """A sequential detools patch, conditional run-length encoding; the shorter of two matchers."""
    return _encode_detools(old, new, "crle")


def encode_detools_lzma(old: bytes, new: bytes) -> bytes:
    """A sequential detools patch, LZMA; the shorter of two matchers."""
    return _encode_detools(old, new, "lzma")


def encode_detools_heatshrink(old: bytes, new: bytes) -> bytes:
    """A sequential detools patch, heatshrink; the shorter of two matchers."""
    return _encode_detools(old, new, "heatshrink")


def decode_detools(old: bytes, payload: bytes) -> bytes:
    """The new file of any sequential detools patch."""
    import detools

    made = io.BytesIO()
    detools.apply_patch(io.BytesIO(old), io.BytesIO(payload), made)
    return made.getvalue()


def _encode_hdiffpatch(old: bytes, new: bytes, settings: list[Any]) -> bytes:
    import hdiffpatch

    made = (hdiffpatch.diff_lite(old, new, compression=chosen) for chosen in settings)
    return bytes(min(made, key=len))


def encode_hdiffpatch_tuz(old: bytes, new: bytes) -> bytes:
    """An HPatchLite patch, tinyuz inside; the shorter with and without literal lines."""
    import hdiffpatch

    settings = [hdiffpatch.TuzConfig(literal_line=flag) for flag in (True, False)]
    return _encode_hdiffpatch(old, new, settings)


def encode_hdiffpatch_tamp(old: bytes, new: bytes) -> bytes:
    """An HPatchLite patch, tamp inside; the shortest of five window sizes."""
    import hdiffpatch

    settings = [hdiffpatch.TampConfig(window=bits) for bits in (8, 9, 10, 11, 12)]
    return _encode_hdiffpatch(old, new, settings)


def decode_hdiffpatch(old: bytes, payload: bytes) -> bytes:
    """The new file of any HPatchLite patch."""
    import hdiffpatch

    return bytes(hdiffpatch.apply_lite(old, payload))
