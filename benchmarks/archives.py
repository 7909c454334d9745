"""Release archives as the benchmark names them; the code is the ground station's."""

from __future__ import annotations

from groundstation.corpus.sources.archives import (
    KINDS,
    MAX_ARCHIVE_BYTES,
    MAX_MEMBER_BYTES,
    ArchiveCache,
    Link,
    PackageIndex,
    corpus_home,
    open_index,
    preferred,
    read_members,
)

__all__ = [
    "KINDS",
    "MAX_ARCHIVE_BYTES",
    "MAX_MEMBER_BYTES",
    "ArchiveCache",
    "Link",
    "PackageIndex",
    "corpus_home",
    "open_index",
    "preferred",
    "read_members",
]
