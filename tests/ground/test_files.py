"""What lasts is there whole or not at all, whatever happens while it is written."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import files
from shared.errors import InputError

OLD = b"what was there before\n"


def names(folder: str | Path) -> list[str]:
    return sorted(each.name for each in Path(folder).iterdir())


@contextmanager
def room_for(size_bytes: int) -> Iterator[None]:
    """The system lets no file of this process grow beyond a size: the real write(2) fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@given(
    old=st.none() | st.binary(max_size=200),
    new=st.binary(min_size=1, max_size=100_000),
    share=st.floats(0, 1, exclude_max=True),
    durable=st.booleans(),
)
def test_a_disk_that_fills_up_at_any_byte_leaves_the_old_file(
    old: bytes | None, new: bytes, share: float, durable: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out")
        if old is not None:
            path.write_bytes(old)
        with room_for(int(share * len(new))), pytest.raises(InputError, match="out"):
            files.replace_file(path, new, durable=durable)
        assert (path.read_bytes() if path.exists() else None) == old
        assert names(folder) == ([] if old is None else ["out"])
        with room_for(int(share * len(new))), pytest.raises(InputError):
            files.create_file(Path(folder, "fresh"), new, durable=durable, mode=0o600)
        assert names(folder) == ([] if old is None else ["out"])
        files.replace_file(path, new, durable=durable)
        assert path.read_bytes() == new


@given(parts=st.lists(st.binary(min_size=1, max_size=5000), min_size=1, max_size=5), at=st.data())
def test_so_it_is_with_what_is_written_piece_by_piece(
    parts: list[bytes], at: st.DataObject
) -> None:
    whole = b"".join(parts)
    room = at.draw(st.integers(0, len(whole) - 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out")
        path.write_bytes(OLD)
        with (
            room_for(room),
            pytest.raises(InputError),
            files.replacing(path, durable=True) as file,
        ):
            for part in parts:
                file.write(part)
        assert path.read_bytes() == OLD
        assert names(folder) == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_what_ends_the_body_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "out"
    path.write_bytes(OLD)
    with pytest.raises(error), files.replacing(path, durable=False) as file:
        file.write(b"half")
        raise error
    with pytest.raises(error), files.staged_file(path, b"new", durable=False):
        assert path.read_bytes() == OLD, "nothing has the name before the body has ended"
        raise error
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["out"]


_WRITER = """
import sys
from pathlib import Path
from shared import files
path, each = Path(sys.argv[1]), {n: bytes([n]) * 300_000 for n in (1, 2)}
print("begun", flush=True)
for turn in range(1_000_000):
    files.replace_file(path, each[turn % 2 + 1], durable=False)
"""


def test_a_kill_leaves_one_of_the_two_files_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            while not path.exists() and writer.poll() is None:
                pass
            writer.send_signal(signal.SIGKILL)
        found = path.read_bytes()
        assert len(found) == 300_000
        assert len(set(found)) == 1


def test_a_link_stays_and_leads_to_the_new_bytes(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    real, link = tmp_path / "far" / "real", tmp_path / "link"
    real.write_bytes(OLD)
    link.symlink_to(Path("far", "real"))
    files.replace_file(link, b"new", durable=True)
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    dangling = tmp_path / "dangling"
    dangling.symlink_to(Path("far", "made"))
    files.replace_file(dangling, b"new", durable=True)
    assert (tmp_path / "far" / "made").read_bytes() == b"new"


def test_a_link_in_a_circle_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for act in (
        lambda: files.replace_file(tmp_path / "a", b"", durable=False),
        lambda: files.check_writable(tmp_path / "a"),
    ):
        with pytest.raises(InputError, match="a"):
            act()


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permission_bits_are_those_of_open(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        files.replace_file(tmp_path / "fresh", b"", durable=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o666 & ~umask
    (tmp_path / "fresh").chmod(0o640)
    files.replace_file(tmp_path / "fresh", b"x", durable=False)
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o640
    files.replace_file(tmp_path / "fresh", b"x", durable=False, mode=0o600)
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o600


def test_a_name_that_is_taken_is_never_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    files.create_file(path, b"first", durable=True, mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(InputError, match="exists"):
        files.create_file(path, b"second", durable=True, mode=0o600)
    link = tmp_path / "link"
    link.symlink_to("elsewhere")
    with pytest.raises(InputError, match="exists"):
        files.create_file(link, b"second", durable=True, mode=0o600)
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["key", "link"]


def test_what_could_not_be_written_is_told_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)
    for path, word in [
        (tmp_path, "folder"),
        (tmp_path / "missing" / "out", "no such folder"),
        (tmp_path / "file" / "out", "no such folder"),
        (tmp_path / ("n" * 300), "long"),
    ]:
        for act in (
            lambda path=path: files.check_writable(path),
            lambda path=path: files.replace_file(path, b"x", durable=False),
        ):
            with pytest.raises(InputError, match=word) as told:
                act()
            assert told.value.remedy
    files.check_writable(tmp_path / "out")
    files.check_writable(tmp_path / "file")
    assert names(tmp_path) == ["file"]


def test_a_file_there_is_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "out"
    files.check_free(path, force=False)
    path.touch()
    files.check_free(path, force=False)  # mktemp(1) makes an empty file
    path.write_bytes(OLD)
    with pytest.raises(InputError, match="exists"):
        files.check_free(path, force=False)
    files.check_free(path, force=True)
    assert path.read_bytes() == OLD


def test_streams_are_written_as_they_come(tmp_path: Path) -> None:
    files.check_free(Path("/dev/null"), force=False)
    files.replace_file(Path("/dev/null"), b"gone", durable=True)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    script = (
        "from pathlib import Path; from shared import files;"
        "print('before', flush=True);"
        "files.replace_file(Path('/dev/stdout'), b'through\\n', durable=True)"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.endswith(b"through\n")
    with (tmp_path / "log").open("ab") as log:
        subprocess.run(command, stdout=log, check=True)
    assert (tmp_path / "log").read_bytes().endswith(b"through\n")
    assert names(tmp_path) == ["log"]


def test_a_file_that_may_not_be_written_is_not_replaced() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out")
        path.write_bytes(OLD)
        path.chmod(0o444)
        user = os.geteuid()
        if user == 0:  # root may write everything
            os.chown(folder, 65534, 65534)
            os.chown(path, 65534, 65534)
            os.seteuid(65534)
        try:
            for act in (
                lambda: files.check_writable(path),
                lambda: files.replace_file(path, b"new", durable=False),
            ):
                with pytest.raises(InputError, match="out"):
                    act()
        finally:
            os.seteuid(user)
        assert path.read_bytes() == OLD


@given(lines=st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=6), at=st.data())
def test_what_is_appended_is_whole_or_gone(lines: list[bytes], at: st.DataObject) -> None:
    room = at.draw(st.integers(0, sum(map(len, lines))))
    with tempfile.TemporaryDirectory() as folder:
        path, kept = Path(folder, "log"), b""
        with path.open("ab", buffering=0) as file, room_for(room):
            for line in lines:
                try:
                    files.append_whole(file, line, durable=False)
                    kept += line
                except OSError:
                    assert len(kept) + len(line) > room
        assert path.read_bytes() == kept
