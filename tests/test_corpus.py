"""The benchmark's lists, archives and sampling; pip reads a folder here instead of the network."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.archives import ArchiveCache, corpus_home, open_index, read_members
from benchmarks.patches.pairs import (
    HELDOUT,
    PAIRS,
    PairRow,
    format_rows,
    load_corpus,
    load_pair,
    read_rows,
)
from benchmarks.patches.sampling import draw, main, release_steps, unified_bytes
from shared.errors import DownloadError, InputError

OLD = b"".join(b"int value_%d;\n" % n for n in range(40))
NEW = OLD.replace(b"int value_7;", b"long value_7;").replace(b"int value_31;\n", b"")
SETUP = b"raise SystemExit('setup.py was executed')\n"


def sdist(members: dict[str, bytes], top: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for path, data in members.items():
            info = tarfile.TarInfo(f"{top}/{path}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo(f"{top}/link.c")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return made.getvalue()


def wheel(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("folder/", b"")
        for path, data in members.items():
            archive.writestr(path, data)
    return made.getvalue()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the whole world; two packages, three releases."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for version, text in (("1.9", OLD), ("1.10", NEW), ("1.11", NEW + b"int last;\n" * 30)):
        files = {"src/x.c": text, "src/same.c": OLD, "setup.py": SETUP, "x.py": text}
        name = f"probe_kit-{version}"
        (folder / f"{name}.tar.gz").write_bytes(sdist(files, name))
        (folder / f"{name}-py3-none-any.whl").write_bytes(wheel({"kit/x.py": text}))
    (folder / "probe_kit-2.0rc1.tar.gz").write_bytes(sdist({"src/x.c": OLD}, "probe_kit-2.0rc1"))
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def row(**changed: str) -> PairRow:
    made = PairRow(
        id="probe-kit-1.10-x",
        language="c",
        package="probe-kit",
        old_version="1.9",
        new_version="1.10",
        archive="sdist",
        file="src/x.c",
        diff_bytes=unified_bytes(OLD, NEW),
        old_sha256=hashlib.sha256(OLD).hexdigest(),
        new_sha256=hashlib.sha256(NEW).hexdigest(),
    )
    return replace(made, **changed)  # type: ignore[arg-type]


# --- the lists ------------------------------------------------------------------------------------


def test_pairs_are_as_many_and_as_mixed_as_promised() -> None:
    rows = read_rows(PAIRS)
    assert len(rows) >= 44
    by_language = Counter(item.language for item in rows)
    assert by_language["python"] >= 34
    assert by_language["c"] >= 10
    assert max(Counter(item.package for item in rows).values()) <= 4
    assert len({item.package for item in rows if item.language == "python"}) >= 12
    assert len({item.package for item in rows if item.language == "c"}) >= 4


def test_heldout_is_flight_software_and_shares_no_package() -> None:
    pairs, heldout = read_rows(PAIRS), read_rows(HELDOUT)
    assert len(heldout) >= 16
    assert {"spacepackets", "cfdp-py"} <= {item.package for item in heldout}
    assert not {item.package for item in pairs} & {item.package for item in heldout}


@pytest.mark.parametrize("path", [PAIRS, HELDOUT], ids=["pairs", "heldout"])
def test_lists_are_canonical_and_in_range(path: Path) -> None:
    rows = read_rows(path)
    assert path.read_text() == format_rows(rows)
    for item in rows:
        assert 250 <= item.diff_bytes <= 4000
        assert item.old_sha256 != item.new_sha256
        assert item.file.endswith((".py",) if item.language == "python" else (".c", ".h", ".pyx"))


@pytest.mark.parametrize(
    "old, new",
    [
        ("diff_bytes", "diff"),
        (",sdist,", ",egg,"),
        (",c,probe-kit", ",c,../probe-kit"),
        (f",{unified_bytes(OLD, NEW)},", ",many,"),
        ("probe-kit-1.10-x,", "probe-kit-1.10-x,,"),
        (row().old_sha256, row().old_sha256[:-1]),
    ],
)
def test_malformed_lists_are_refused(old: str, new: str, tmp_path: Path) -> None:
    text = format_rows([row()])
    assert old in text
    path = tmp_path / "list.csv"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=r"list\.csv line 2"):
        read_rows(path)


def test_repeated_id_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(format_rows([row(), row(file="src/y.c")]))
    with pytest.raises(InputError, match="twice"):
        read_rows(path)


# --- archives -------------------------------------------------------------------------------------


def test_a_row_becomes_its_two_texts_without_running_anything(shelf: Path, tmp_path: Path) -> None:
    assert shelf.is_dir()
    listed = tmp_path / "list.csv"
    listed.write_text(format_rows([row(), row(id="w", archive="wheel", file="kit/x.py")]))
    told: list[int] = []
    pairs = load_corpus(
        listed, folder=tmp_path / "cache", report=lambda _stage, done, _total: told.append(done)
    )
    assert [(pair.id, pair.old, pair.new) for pair in pairs] == [
        ("probe-kit-1.10-x", OLD, NEW),
        ("w", OLD, NEW),
    ]
    assert (pairs[0].path, pairs[0].language, pairs[0].package) == ("src/x.c", "c", "probe-kit")
    assert told == [1, 2]


def test_the_cache_needs_no_index_the_second_time(shelf: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with open_index() as index:
        load_pair(row(), ArchiveCache(cache, index))
    (shelf / "probe_kit-1.9.tar.gz").unlink()
    assert load_pair(row(), ArchiveCache(cache)).new == NEW
    assert not list(cache.glob("*.part"))
    (cache / "probe-kit-1.9-sdist").unlink()
    with pytest.raises(DownloadError, match="no package index"):
        load_pair(row(), ArchiveCache(cache))


def test_another_text_than_the_row_says_is_refused(shelf: Path, tmp_path: Path) -> None:
    assert shelf.is_dir()
    with open_index() as index:
        archives = ArchiveCache(tmp_path / "cache", index)
        with pytest.raises(DownloadError, match="expected: sha256 0000"):
            load_pair(row(new_sha256="0" * 64), archives)
        with pytest.raises(DownloadError, match="no such file"):
            load_pair(row(file="src/nowhere.c"), archives)
        with pytest.raises(DownloadError, match=r"no sdist of probe-kit 7\.7"):
            load_pair(row(new_version="7.7"), archives)
        with pytest.raises(DownloadError, match="no archive of no-such-kit"):
            load_pair(row(package="no-such-kit"), archives)


def test_members_leave_out_links_and_the_top_folder() -> None:
    found = read_members(sdist({"a/b.c": b"1", "c.h": b"22"}, "kit-1.0"), "sdist")
    assert found == {"a/b.c": b"1", "c.h": b"22"}
    assert read_members(wheel({"kit/x.py": b"3"}), "wheel") == {"kit/x.py": b"3"}


def test_damaged_archives_are_refused() -> None:
    good = sdist({"a.c": OLD}, "kit-1.0")
    for data in (b"", b"PK", good[: len(good) // 2], b"\x1f\x8b" + good[2:40]):
        with pytest.raises(InputError, match="not a readable sdist"):
            read_members(data, "sdist")


def test_home_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert corpus_home() == tmp_path / "rehydration-uplink" / "corpus"


# --- sampling -------------------------------------------------------------------------------------


def test_steps_join_neighbouring_final_releases_in_version_order(
    shelf: Path, tmp_path: Path
) -> None:
    assert shelf.is_dir()
    with open_index() as index:
        archives = ArchiveCache(tmp_path / "cache", index)
        steps = release_steps(archives, "probe-kit", "sdist")
    assert steps == [("1.9", "1.10"), ("1.10", "1.11")]


def test_a_drawn_row_can_be_loaded_and_is_the_same_each_time(shelf: Path, tmp_path: Path) -> None:
    assert shelf.is_dir()
    with open_index() as index:
        archives = ArchiveCache(tmp_path / "cache", index)
        rows = draw(archives, ["probe-kit"], kind="sdist", language="c", per_package=3)
        again = draw(archives, ["probe-kit"], kind="sdist", language="c", per_package=3)
        one = draw(archives, ["probe-kit"], kind="sdist", language="c", per_package=1)
        assert rows == again
        assert one == rows[:1]
        assert {(item.file, item.new_version) for item in rows} == {("src/x.c", "1.11")} | (
            {("src/x.c", "1.10")} if unified_bytes(OLD, NEW) >= 250 else set()
        )
        for item in rows:
            assert load_pair(item, archives).diff_bytes == item.diff_bytes


def test_the_command_prints_a_list_that_reads_back(
    shelf: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shelf.is_dir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    main(["--language", "python", "--archive", "wheel", "--per-package", "1", "probe-kit"])
    listed = tmp_path / "list.csv"
    listed.write_text(capsys.readouterr().out)
    (found,) = read_rows(listed)
    assert (found.archive, found.file, found.language) == ("wheel", "kit/x.py", "python")


def test_diff_size_is_that_of_a_plain_unified_diff() -> None:
    expected = b"--- \n+++ \n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
    assert unified_bytes(b"a\nb\n", b"a\nc\n") == len(expected)
