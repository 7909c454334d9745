"""Several files in one payload, the same way for every peer that codes file by file.

A patch that modifies the contents of exactly one file is that file's payload and nothing else: its
path is told apart from the figures, as in the published comparisons.  Any other patch is::

    count                         varint
    then for each change, in the canonical order of changes:
    head        1 byte            bits 0-1 kind (add, delete, modify, rename), bits 2-3 mode of the
                                  new entry (regular, executable, link), bit 4 contents unchanged
    path        varint + bytes    the old path first where a file is renamed
    payload     varint + bytes    not for a deleted file or unchanged contents; the last change's
                                  payload has no length and takes the rest
"""

from __future__ import annotations

from collections.abc import Callable

from shared.errors import PatchError
from shared.tree import Change, ChangeKind, Entry, Mode, Tree, changes, path_bytes, path_text

EncodeFile = Callable[[bytes, bytes], bytes]
"""``encode(old, new) -> payload``; ``old`` is empty for a file that is added."""

DecodeFile = Callable[[bytes, bytes], bytes]
"""``decode(old, payload) -> new``."""

_KINDS = (ChangeKind.ADD, ChangeKind.DELETE, ChangeKind.MODIFY, ChangeKind.RENAME)
_MODES = (Mode.REGULAR, Mode.EXECUTABLE, Mode.SYMLINK)
_UNCHANGED = 1 << 4


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    coded = bytearray()
    while value > 0x7F:
        coded.append(value & 0x7F | 0x80)
        value >>= 7
    coded.append(value)
    return bytes(coded)


def sole_path(base: Tree, target: Tree) -> str | None:
    """The path of the one file that is modified, if that and nothing else happens."""
    found = changes(base, target)
    if len(found) != 1 or not _is_plain(found[0]):
        return None
    return found[0].path


def pack(base: Tree, target: Tree, encode: EncodeFile) -> bytes:
    """The payload of a whole patch."""
    found = changes(base, target)
    if len(found) == 1 and _is_plain(found[0]):
        return encode(_data(found[0].old), _data(found[0].new))
    packed = varint(len(found))
    for number, change in enumerate(found, start=1):
        same = _data(change.old) == _data(change.new)
        mode = _MODES.index(change.new.mode) if change.new else 0
        packed += bytes([_KINDS.index(change.kind) | mode << 2 | (_UNCHANGED if same else 0)])
        if change.kind is ChangeKind.RENAME:
            packed += _prefixed(path_bytes(change.old_path or ""))
        packed += _prefixed(path_bytes(change.path))
        if change.new is not None and not same:
            payload = encode(_data(change.old), _data(change.new))
            packed += payload if number == len(found) else _prefixed(payload)
    return packed


def unpack(base: Tree, packed: bytes, decode: DecodeFile, *, sole: str | None) -> Tree:
    """The target.

    Args:
        base: the tree that the payload was made for.
        packed: what ``pack`` gave.
        decode: the decoder of one file.
        sole: ``sole_path`` of the patch, which does not travel in the payload.

    Raises:
        PatchError: ``packed`` is malformed or names a file that ``base`` does not have.
    """
    if sole is not None:
        entry = _known(base, sole)
        return base.replace({sole: Entry(entry.mode, decode(entry.data, packed))})
    reader = _Reader(packed)
    edits: dict[str, Entry | None] = {}
    count = reader.varint()
    for number in range(1, count + 1):
        _take_change(base, reader, decode, edits, is_last=number == count)
    if reader.left:
        raise PatchError(f"{reader.left} bytes behind the last change of the payload")
    return base.replace(edits)


def _take_change(
    base: Tree,
    reader: _Reader,
    decode: DecodeFile,
    edits: dict[str, Entry | None],
    *,
    is_last: bool,
) -> None:
    head = reader.take(1)[0]
    kind, mode = _KINDS[head & 3], head >> 2 & 3
    if head >> 5 or mode >= len(_MODES):
        raise PatchError(f"head byte {head:#04x} in the payload")
    old_path = path_text(reader.prefixed()) if kind is ChangeKind.RENAME else None
    path = path_text(reader.prefixed())
    if kind is not ChangeKind.ADD:
        old = _known(base, old_path if old_path is not None else path).data
    else:
        old = b""
    if old_path is not None:
        edits.setdefault(old_path, None)
    if kind is ChangeKind.DELETE:
        edits.setdefault(path, None)
    elif head & _UNCHANGED:
        edits[path] = Entry(_MODES[mode], old)
    else:
        payload = reader.take(reader.left) if is_last else reader.prefixed()
        edits[path] = Entry(_MODES[mode], decode(old, payload))


class _Reader:
    """A cursor that refuses to run over the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise PatchError(f"the payload ends {size - self.left} bytes too early")
        self._at += size
        return self._data[self._at - size : self._at]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 56:
                raise PatchError("a number in the payload has more than eight bytes")

    def prefixed(self) -> bytes:
        return self.take(self.varint())


def _is_plain(change: Change) -> bool:
    """Whether only the contents of one file change."""
    if change.kind is not ChangeKind.MODIFY or change.old is None or change.new is None:
        return False
    return change.old.mode == change.new.mode


def _data(entry: Entry | None) -> bytes:
    return entry.data if entry else b""


def _known(base: Tree, path: str) -> Entry:
    entry = base.get(path)
    if entry is None:
        raise PatchError(f"the payload changes {path!r}, which the baseline does not have")
    return entry


def _prefixed(data: bytes) -> bytes:
    return varint(len(data)) + data
