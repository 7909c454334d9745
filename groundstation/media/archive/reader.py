"""Reading an archive, whatever has become of it: what is whole comes back, what is not is named.

Bytes are looked for from the start of the file, and if its length is wrong from its end as well, so
that what stands behind a gap is found too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from groundstation.media.archive.decode_entry import (
    ArchiveDamaged,
    Restored,
    drawn_again,
    file_again,
)
from groundstation.media.archive.index import (
    DIGEST_BYTES,
    DRAWN,
    Index,
    Kind,
    Picture,
    decode_index,
)
from groundstation.media.archive.locator import (
    HEAD_COPIES,
    HEAD_INDEX,
    LOCATOR_BYTES,
    Locator,
    decode_locator,
    encode_locator,
)
from groundstation.media.archive.shards import Layout, recovered
from shared.digest import sha256
from shared.errors import InputError, RehydrationError
from shared.media.generator import read_generator
from shared.media.pixels import pixel_digest
from shared.media.render import Renderer
from shared.untrusted import PARSING_FAULTS


class Archive:
    """An archive, open.

    Args:
        file: to read from; seekable.
        name: what messages call it.

    Raises:
        InputError: it is none, or of another version.
        ArchiveDamaged: nothing in it tells where things lie, or neither index can be mended.
    """

    def __init__(self, file: BinaryIO, name: str = "the archive") -> None:
        self._file, self._name = file, name
        self.size_bytes = file.seek(0, 2)
        self.damage: list[str] = []
        """What was found damaged so far, though it may have been mended."""
        self._locator = self._find_locator()
        self.index: Index = self._read_index()

    @property
    def body(self) -> int:
        """Where the first index ends, which offsets of pictures count from."""
        return self._locator.after_head

    def parts(self) -> dict[str, int]:
        """How many bytes each part takes."""
        index, common = Layout(self._locator.index_bytes), self.index.common_bytes
        return {
            "generator": self.index.generator_bytes,
            "its checks and parity": self._generator_size() - self.index.generator_bytes,
            "common bytes": common,
            "checks and parity of those": _section_bytes(common) - common,
            "index": index.size_bytes,
            "its checks and parity, its second copy, locators": 2 * index.stored_bytes
            - index.size_bytes
            + (HEAD_COPIES + 1) * LOCATOR_BYTES,
            "bytes of pictures": sum(picture.size_bytes for picture in self.index.pictures),
        }

    def check_frame(self) -> None:
        """Looks at all that does not belong to one picture, so that ``damage`` lists it."""
        locator = encode_locator(self._locator)
        ends = (*range(0, HEAD_INDEX, LOCATOR_BYTES), self._locator.archive_bytes - LOCATOR_BYTES)
        for number, offset in enumerate(ends, 1):
            if self._at(offset, LOCATOR_BYTES) != locator:
                self.damage.append(f"locator {number} of {HEAD_COPIES + 1}")
        if self.size_bytes != self._locator.archive_bytes:
            self.damage.append(
                f"the size: {self.size_bytes} bytes, not {self._locator.archive_bytes}"
            )
        if self.index.generator:
            try:
                _ = self.renderer
            except RehydrationError as error:
                self.damage.append(error.found)
        if self.index.common:
            try:
                _ = self.common
            except ArchiveDamaged as error:
                self.damage.append(error.found)

    @property
    def renderer(self) -> Renderer:
        """The generator, mended and checked.

        Raises:
            ArchiveDamaged: too much of it is lost.
            PinError: it is none.
        """
        if isinstance(self._opened, RehydrationError):
            raise self._opened
        return self._opened

    @cached_property
    def _opened(self) -> Renderer | RehydrationError:
        """Computed once, also if it fails: every picture asks for it."""
        try:
            return Renderer(read_generator(self.generator_file()).generator)
        except RehydrationError as error:
            return error

    def generator_file(self) -> bytes:
        """The file of the generator.

        Raises:
            ArchiveDamaged: too much of it is lost.
        """
        index = self.index
        if not index.generator:
            raise ArchiveDamaged("the archive holds no generator", expected="pictures as files")
        return self._section("generator", self.body, index.generator_bytes, index.generator)

    @property
    def common(self) -> bytes:
        """The common bytes, mended and checked.

        Raises:
            ArchiveDamaged: too much of them is lost.
        """
        if isinstance(self._common, RehydrationError):
            raise self._common
        return self._common

    @cached_property
    def _common(self) -> bytes | RehydrationError:
        if not self.index.common:
            return ArchiveDamaged("the archive holds no common bytes")
        place, size = self.body + self._generator_size(), self.index.common_bytes
        try:
            return self._section("common part", place, size, self.index.common)
        except ArchiveDamaged as error:
            return error

    def _generator_size(self) -> int:
        """Of its section."""
        return _section_bytes(self.index.generator_bytes)

    def _section(self, what: str, place: int, size: int, digest: bytes) -> bytes:
        if size > self.size_bytes:  # nothing is made of what cannot be there
            raise ArchiveDamaged(f"the {what} of {size} bytes is lost")
        found = recovered(list(self._near(place, Layout(size).stored_bytes)), size)
        self._note(what, size, found.bad[:1])
        if found.data is None or sha256(found.data) != digest:
            raise ArchiveDamaged(
                f"the {what} is lost",
                expected=f"bytes with sha256 {digest.hex()}",
                remedy="restore the archive from another copy",
            )
        return found.data

    def restore(self, picture: Picture) -> Restored:
        """A picture, checked against the digest in the index.

        Raises:
            ArchiveDamaged: it is lost.
        """
        try:
            stored = self._stored(picture)
            if picture.kind in DRAWN:
                pixels = drawn_again(picture, stored, self.renderer)
                found = Restored(picture, pixels=pixels)
                digest = pixel_digest(pixels)
            else:
                common = self.common if picture.kind is Kind.SHARED else b""
                data = file_again(picture, stored, common)
                found, digest = Restored(picture, data), sha256(data)
        except (RehydrationError, *PARSING_FAULTS) as error:
            reason = error.found if isinstance(error, RehydrationError) else str(error)
            raise ArchiveDamaged(
                f"{picture.name} is lost: {reason}", remedy="restore it from another copy"
            ) from None
        if digest[:DIGEST_BYTES] != picture.result:
            raise ArchiveDamaged(
                f"{picture.name} is lost: it comes out with digest {digest[:DIGEST_BYTES].hex()}",
                expected=picture.result.hex(),
            )
        return found

    def _stored(self, picture: Picture) -> bytes:
        if picture.kind is Kind.PROMPT or not picture.size_bytes:
            return b""
        if picture.size_bytes > self.size_bytes:
            raise ArchiveDamaged(f"its {picture.size_bytes} bytes are missing")
        for data in self._near(self.body + picture.offset, picture.size_bytes):
            if sha256(data)[:DIGEST_BYTES] == picture.check:
                return data
        raise ArchiveDamaged("its bytes are damaged or missing")

    def _find_locator(self) -> Locator:
        places = (*range(0, HEAD_INDEX, LOCATOR_BYTES), self.size_bytes - LOCATOR_BYTES)
        for place in places:
            locator = decode_locator(self._at(place, LOCATOR_BYTES))
            if locator is not None:
                return locator
        raise InputError(
            f"{self._name} is no archive, or both its ends are damaged",
            expected="a file that `media archive` wrote",
            remedy="check the path, or take another copy",
        )

    def _read_index(self) -> Index:
        locator = self._locator
        size = locator.index_bytes
        stored = Layout(size).stored_bytes
        head, *shifted = self._near(HEAD_INDEX, stored)
        tail, *more = self._near(locator.tail_index, stored)
        found = recovered((head, tail, *shifted, *more), size)
        self._note("index at the head", size, found.bad[:1])
        self._note("index at the tail", size, found.bad[1:2])
        if found.data is None or sha256(found.data) != locator.index_digest:
            raise ArchiveDamaged(
                f"both indexes of {self._name} are lost", remedy="take another copy of the archive"
            )
        return decode_index(found.data)

    def _note(self, what: str, size: int, bad: tuple[tuple[int, ...], ...]) -> None:
        layout = Layout(size)
        if bad and bad[0]:
            self.damage.append(f"{what}: {len(bad[0])} of {layout.data + layout.parity} shards")

    def _near(self, offset: int, size: int) -> Iterator[bytes]:
        """What stands there, and what stands there counted from the end if the length is wrong."""
        yield self._at(offset, size)
        shift = self.size_bytes - self._locator.archive_bytes
        if shift:
            yield self._at(offset + shift, size)

    def _at(self, offset: int, size: int) -> bytes:
        """So many bytes; zeros stand for those before the start, fewer come at the end."""
        if not -size < offset < self.size_bytes:  # a locator or an index may say anything
            return b""
        before = max(0, -offset)
        self._file.seek(max(0, offset))
        return bytes(before) + self._file.read(size - before)


def open_archive(path: Path) -> Archive:
    """The archive in a file, which stays open as long as it is used.

    Raises:
        InputError: it cannot be read, or is none.
        ArchiveDamaged: too much of it is lost.
    """
    try:
        return Archive(path.open("rb"), str(path))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", remedy="check the path"
        ) from None


def _section_bytes(size: int) -> int:
    return Layout(size).stored_bytes if size else 0
