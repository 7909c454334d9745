"""The classical ways to send a patch, each with a real encoder and a real decoder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from groundstation.peers import container, delta, general, ppmd
from shared.diff import apply_patch, unified_diff
from shared.diff import zstd_delta as dictionary
from shared.terminal import Report, silent
from shared.tree import Tree

MISSING = "not installed: pip install rehydration-uplink[compare]"


@dataclass(frozen=True)
class Peer:
    """One way to send a patch.

    Args:
        name: short and stable, for tables and JSON.
        summary: what travels, in a few words.
        encode: ``(base, target) -> payload``.
        decode: ``(base, payload, sole path) -> target``; the path as ``container.sole_path``.
        remark: ``(base, target) -> text`` about the result, or None.
    """

    name: str
    summary: str
    encode: Callable[[Tree, Tree], bytes]
    decode: Callable[[Tree, bytes, str | None], Tree]
    remark: Callable[[Tree, Tree], str] | None = None


@dataclass(frozen=True)
class PeerResult:
    """What one peer needed.

    Args:
        name: the peer's.
        bytes: size of the payload; None where there is none.
        verified: whether decoding gave exactly the target.
        seconds: time to encode and to decode.
        note: why there is no size, or what else there is to say; may be empty.
    """

    name: str
    bytes: int | None
    verified: bool
    seconds: float
    note: str


def _of_files(
    name: str,
    summary: str,
    encode: container.EncodeFile,
    decode: container.DecodeFile,
    remark: Callable[[Tree, Tree], str] | None = None,
) -> Peer:
    """A peer that codes file by file."""
    return Peer(
        name,
        summary,
        lambda base, target: container.pack(base, target, encode),
        lambda base, payload, sole: container.unpack(base, payload, decode, sole=sole),
        remark,
    )


def _of_new_files(
    name: str, summary: str, encode: Callable[[bytes], bytes], decode: Callable[[bytes], bytes]
) -> Peer:
    """A peer that sends changed files whole."""
    return _of_files(
        name, summary, lambda _old, new: encode(new), lambda _old, payload: decode(payload)
    )


def _of_patch(
    name: str, summary: str, encode: Callable[[bytes], bytes], decode: Callable[[bytes], bytes]
) -> Peer:
    """A peer that sends the canonical patch."""
    return Peer(
        name,
        summary,
        lambda base, target: encode(unified_diff(base, target)),
        lambda base, payload, _sole: apply_patch(base, decode(payload)),
    )


def _published_ppmd(base: Tree, target: Tree) -> str:
    bytes_ = 0

    def add(old: bytes, new: bytes) -> bytes:
        nonlocal bytes_
        bytes_ += ppmd.difference_bytes(old, new)
        return b""

    container.pack(base, target, add)
    return f"{bytes_} as a difference of two encoded sizes with positions in the text"


_BROTLI = (general.compress_brotli, general.decompress_brotli)
_XZ = (general.compress_xz, general.decompress_xz)
_ZSTD = (general.compress_zstd, general.decompress_zstd)
_OLD_AS_DICTIONARY = "the new file, the old one as raw dictionary"
_HPATCHLITE = delta.decode_hdiffpatch

_ALL = (
    _of_new_files("stored", "the new file", general.stored, general.stored),
    _of_new_files("xz", "the new file, compressed", *_XZ),
    _of_new_files("brotli", "the new file, compressed", *_BROTLI),
    _of_new_files("zstd", "the new file, compressed", *_ZSTD),
    _of_patch("diff", "the patch", general.stored, general.stored),
    _of_patch("diff+xz", "the patch, compressed", *_XZ),
    _of_patch("diff+brotli", "the patch, compressed", *_BROTLI),
    _of_patch("diff+zstd", "the patch, compressed", *_ZSTD),
    _of_files("bsdiff4", "a BSDIFF40 delta", delta.encode_bsdiff4, delta.decode_bsdiff4),
    _of_files(
        "detools-heatshrink",
        "a sequential delta, heatshrink",
        delta.encode_detools_heatshrink,
        delta.decode_detools,
    ),
    _of_files(
        "detools-crle",
        "a sequential delta, run lengths",
        delta.encode_detools_crle,
        delta.decode_detools,
    ),
    _of_files(
        "detools-lzma", "a sequential delta, LZMA", delta.encode_detools_lzma, delta.decode_detools
    ),
    _of_files("hdiffpatch-tamp", "an HPatchLite delta", delta.encode_hdiffpatch_tamp, _HPATCHLITE),
    _of_files("hdiffpatch-tuz", "an HPatchLite delta", delta.encode_hdiffpatch_tuz, _HPATCHLITE),
    _of_files(
        "zstd-dict-frame",
        _OLD_AS_DICTIONARY + ", usual frame without magic",
        dictionary.encode_frame,
        dictionary.decode_frame,
    ),
    _of_files("zstd-dict", _OLD_AS_DICTIONARY, dictionary.encode, dictionary.decode),
    _of_files(
        "ppmd-primed",
        "positions and added lines, PPMd order 6 primed with the old file",
        ppmd.encode,
        ppmd.decode,
        _published_ppmd,
    ),
)

PEERS: Mapping[str, Peer] = MappingProxyType({peer.name: peer for peer in _ALL})
"""Every peer by name, from the plainest to the strongest kind."""


def measure_peers(
    base: Tree,
    target: Tree,
    report: Report = silent,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[PeerResult, ...]:
    """Encode and decode the patch with every peer.

    A peer that is not installed, or whose library fails on these files, gives a row that says so.

    Args:
        base: the baseline.
        target: the tree after the patch.
        report: told after each peer.
        clock: seconds that only go forward.

    Returns:
        One result a peer, in the order of ``PEERS``.
    """
    results = []
    for done, peer in enumerate(PEERS.values(), start=1):
        results.append(measure_peer(peer, base, target, clock=clock))
        report("peers", done, len(PEERS))
    return tuple(results)


def measure_peer(
    peer: Peer, base: Tree, target: Tree, *, clock: Callable[[], float] = time.monotonic
) -> PeerResult:
    """As ``measure_peers``, for one of them."""
    start = clock()
    payload: bytes | None = None
    try:
        payload = peer.encode(base, target)
        decoded = peer.decode(base, payload, container.sole_path(base, target))
        seconds = clock() - start
        note = peer.remark(base, target) if peer.remark else ""
    except ImportError:
        return PeerResult(peer.name, None, False, clock() - start, MISSING)
    except Exception as error:  # libraries raise what they like; the row tells it
        size = None if payload is None else len(payload)
        return PeerResult(peer.name, size, False, clock() - start, f"failed: {error!r}")
    verified = decoded == target
    return PeerResult(
        peer.name, len(payload), verified, seconds, note if verified else "decodes to another tree"
    )
