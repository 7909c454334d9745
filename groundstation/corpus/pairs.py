"""What a trainer reads: the texts of a manifest's patches, one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from groundstation.corpus.manifest import SPLITS, Row, read_manifest
from groundstation.corpus.sources.texts import TextStore
from shared.errors import InputError


@dataclass(frozen=True)
class TextPair:
    """One patch with its texts, decoded; line endings as they are in the files."""

    old: str
    new: str
    path: str
    package: str
    split: str
    language: str


def iter_pairs(
    manifest: Path | Iterable[Row],
    *,
    splits: Collection[str] = SPLITS,
    store: TextStore | None = None,
) -> Iterator[TextPair]:
    """The patches of a corpus in the manifest's order, which is the same on every machine.

    Args:
        manifest: its file, or rows that were read (and perhaps chosen) before.
        splits: only these.
        store: where the texts are; the user's cache by default.

    Raises:
        InputError: the manifest is malformed, or a split has no such name.
        DownloadError: a text is not in the cache (``groundstation corpus fetch`` gets it).
    """
    unknown = sorted(set(splits) - set(SPLITS))
    if unknown:
        raise InputError(f"no split {', '.join(unknown)}", expected=", ".join(SPLITS))
    texts = store or TextStore()
    rows = read_manifest(manifest) if isinstance(manifest, Path) else manifest
    for row in rows:
        if row.split in splits:
            yield TextPair(
                old=texts.get(row.old).decode(),
                new=texts.get(row.new).decode(),
                path=row.file,
                package=row.package,
                split=row.split,
                language=row.language,
            )
