"""Git's extended header lines: what happens to a file besides its changed lines."""

from __future__ import annotations

import re

from shared.diff.reading.cursor import Cursor, shown
from shared.diff.reading.names import Names, bare_or_quoted
from shared.diff.reading.sections import Section
from shared.tree import Mode

_INDEX = re.compile(rb"index ([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})(?: ([0-7]{6}))?\n")
_SIMILARITY = re.compile(rb"(dis)?similarity index (\d{1,3})%\n")
_MODES = {b"100644": Mode.REGULAR, b"100664": Mode.REGULAR, b"100755": Mode.EXECUTABLE,
          b"120000": Mode.SYMLINK}  # fmt: skip


class Headings:
    """Git's extended header lines of one section.

    Args:
        names: how the patch names files.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._seen: set[str] = set()
        self._modes: dict[str, Mode] = {}
        self._paths: dict[str, str] = {}
        self._ids: tuple[str, str] = ("", "")
        self._percent = 100

    @property
    def tell_of_edit(self) -> bool:
        """Whether they announce contents that differ from the old ones."""
        return self._ids[0] != self._ids[1] or self._percent < 100

    def take(self, cursor: Cursor) -> bool:
        """Take the current line if it is a heading.

        Raises:
            PatchError: a heading that cannot be read, or one that was there already.
        """
        line = cursor.peek()
        for key in ("old mode", "new mode", "new file mode", "deleted file mode"):
            if line.startswith(key.encode() + b" "):
                self._once(cursor, key)
                self._modes[key] = _mode(cursor, line[len(key) + 1 : -1])
                cursor.take()
                return True
        for key in ("rename from", "rename to", "copy from", "copy to"):
            if line.startswith(key.encode() + b" "):
                self._once(cursor, key)
                self._paths[key] = bare_or_quoted(cursor, line[len(key) + 1 : -1], self._names)
                cursor.take()
                return True
        match = _INDEX.fullmatch(line)
        if match:
            self._once(cursor, "index")
            self._ids = (match[1].decode(), match[2].decode())
            if match[3]:
                self._modes["index"] = _mode(cursor, match[3])
        elif percent := _SIMILARITY.fullmatch(line):
            self._once(cursor, "similarity index")
            self._percent = 100 - int(percent[2]) if percent[1] else int(percent[2])
        else:
            return False
        cursor.take()
        return True

    def _once(self, cursor: Cursor, key: str) -> None:
        if key in self._seen:
            raise cursor.refusal(
                f"a second line {key!r}",
                expected="each heading once for a file",
                remedy="get the patch as git wrote it",
            )
        self._seen.add(key)

    def section(self, cursor: Cursor, path: str | None, at: int) -> Section:
        """What the headings say, as a section without contents.

        Raises:
            PatchError: they contradict each other or miss a half.
        """
        modes, paths = self._modes, self._paths
        kinds = [
            {"new file mode"}, {"deleted file mode"},
            {"rename from", "rename to"}, {"copy from", "copy to"},
        ]  # fmt: skip
        said = [kind for kind in kinds if kind & (modes.keys() | paths.keys())]
        is_whole = all(kind <= (modes.keys() | paths.keys()) for kind in said)
        if len(said) > 1 or not is_whole or ("old mode" in modes) != ("new mode" in modes):
            raise cursor.refusal(
                "headings that do not fit together",
                expected="one of new, deleted, renamed, copied; from and to; old and new mode",
                line_number=at,
            )
        old_path = new_path = path
        if paths:
            verb = "copy" if "copy from" in paths else "rename"
            old_path, new_path = paths[f"{verb} from"], paths[f"{verb} to"]
        elif path is None:
            raise cursor.refusal(
                "two different names without 'rename' or 'copy'",
                expected="the same path below a/ and b/",
                remedy="make the patch with the usual a/ and b/ before its paths, or say with "
                "--strip how many folders to leave away",
                line_number=at,
            )
        is_new, is_gone = "new file mode" in modes, "deleted file mode" in modes
        return Section(
            line_number=at,
            old_path=None if is_new else old_path,
            new_path=None if is_gone else new_path,
            is_copy="copy from" in paths,
            old_mode=modes.get("old mode") or modes.get("deleted file mode") or modes.get("index"),
            new_mode=modes.get("new mode") or modes.get("new file mode"),
            changes_mode="old mode" in modes,
            old_id=self._ids[0],
            new_id=self._ids[1],
        )


def _mode(cursor: Cursor, digits: bytes) -> Mode:
    """The mode that six octal digits name.

    Raises:
        PatchError: none that a tree holds.
    """
    mode = _MODES.get(digits)
    if mode is None:
        raise cursor.refusal(
            "a submodule" if digits == b"160000" else f"mode {shown(digits)}",
            expected="100644, 100755 or 120000",
            remedy="leave it out of the patch",
        )
    return mode
