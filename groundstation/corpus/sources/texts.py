"""The texts of a corpus in the user's cache, by digest, compressed; never in the repository."""

from __future__ import annotations

from pathlib import Path

import zstandard

from groundstation.corpus.patch import short_digest
from groundstation.corpus.sources.archives import corpus_home
from shared.errors import DownloadError
from shared.files import make_folder, replace_file

_LEVEL = 6
_LARGEST = 64 << 20


def texts_home() -> Path:
    """Where texts are kept unless a caller says otherwise: beside the archives."""
    return corpus_home().with_name("corpus-texts")


class TextStore:
    """Texts on disk by short digest."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or texts_home()
        self._pack = zstandard.ZstdCompressor(level=_LEVEL)
        self._unpack = zstandard.ZstdDecompressor()

    def __contains__(self, digest: str) -> bool:
        return self._path(digest).exists()

    def put(self, data: bytes) -> str:
        """Keeps a text and returns its digest; a file appears only with all its bytes."""
        digest = short_digest(data)
        path = self._path(digest)
        if not path.exists():
            make_folder(path.parent)
            replace_file(path, self._pack.compress(data), durable=False)
        return digest

    def get(self, digest: str) -> bytes:
        """A text, checked against its digest.

        Raises:
            DownloadError: it is not there, or damaged.
        """
        try:
            data = self._unpack.decompress(self._path(digest).read_bytes(), _LARGEST)
        except FileNotFoundError as error:
            raise DownloadError(
                f"the text {digest} is not in the cache",
                remedy="fetch the texts with: groundstation corpus fetch MANIFEST",
            ) from error
        except zstandard.ZstdError as error:
            raise self._damaged(digest) from error
        if short_digest(data) != digest:
            raise self._damaged(digest)
        return data

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest[2:]

    def _damaged(self, digest: str) -> DownloadError:
        return DownloadError(
            f"the text {digest} is damaged", remedy=f"delete {self._path(digest)} and fetch again"
        )
