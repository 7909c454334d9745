"""What a probe would not take is refused before the search, by name and with a way out."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_codec import write_random_pin
from typer.testing import CliRunner

from groundstation.authoring.probe_limits import ProbeLimits, check_files
from groundstation.cli import app
from shared.diff.zstd_delta import MOST_FILE_BYTES
from shared.errors import InputError
from shared.tree import Entry, Mode, Tree, write_tree


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def tree(**files: bytes) -> Tree:
    return Tree({name: Entry(Mode.REGULAR, data) for name, data in files.items()})


def test_a_file_that_no_delta_makes_is_named() -> None:
    big = bytes(MOST_FILE_BYTES + 1)
    with pytest.raises(InputError, match="huge") as told:
        check_files(tree(huge=big, a=b"1"), tree(huge=big[:-1] + b"x", a=b"1"), ProbeLimits())
    assert told.value.exit_code == 4
    assert told.value.remedy
    check_files(tree(huge=big, a=b"1"), tree(huge=big, a=b"2"), ProbeLimits())
    check_files(tree(huge=big, a=b"1"), tree(moved=big, a=b"2"), ProbeLimits())


@given(size=st.integers(0, 60_000), changed=st.integers(0, 60_000), limit=st.integers(1000, 40_000))
@settings(max_examples=40)
def test_only_what_cannot_fit_is_refused_at_a_glance(size: int, changed: int, limit: int) -> None:
    """Of a file of noise, the changed part has to be sent, and nothing else has to."""
    old = noise(size)
    new = noise(min(size, changed), 2) + old[changed:]
    limits = ProbeLimits(max_envelope_bytes=limit)
    try:
        check_files(tree(a=old), tree(a=new), limits)
    except InputError:
        assert min(size, changed) > limit
    else:
        assert size <= limit or changed < size or size <= 2 * limit + 100


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_random_pin(tmp_path / "pin")
    made = CliRunner().invoke(app, ["keygen", "--out", str(tmp_path / "keys")])
    assert made.exit_code == 0
    return tmp_path


def author(place: Path, base: Tree, target: Tree, *more: str) -> tuple[int, str]:
    write_tree(base, place / "base")
    write_tree(target, place / "target")
    words = ["author", "--base", "base", "--target", "target", "--model", "pin", "--out", "out"]
    words = [str(place / word) if not word.startswith("-") and word != "author" else word
             for word in words]  # fmt: skip
    words += ["--key", str(place / "keys" / "ground.key"), "--trials", "1", "--no-history", *more]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code == 0) == (place / "out").exists()
    return done.exit_code, done.output


def test_an_envelope_too_large_for_the_probe_is_refused_by_name(place: Path) -> None:
    code, told = author(place, tree(a=b"1\n"), tree(a=b"2\n", blob=noise(3_000_000)))
    assert code == 4
    assert "blob" in told
    assert "--max-envelope-bytes" in told


@pytest.mark.parametrize(("limit", "code"), [(1000, 4), (6000, 0)])
def test_the_limit_is_an_option(limit: int, code: int, place: Path) -> None:
    found, told = author(
        place, tree(a=b"1\n"), tree(a=b"2\n", blob=noise(1500)),
        "--max-envelope-bytes", str(limit),
    )  # fmt: skip
    assert found == code
    assert ("blob" in told and "--max-envelope-bytes" in told) or not code


def test_too_many_tokens_are_told_by_name(place: Path) -> None:
    lines = b"".join(b"value_%d = %d\n" % (n, n) for n in range(200))
    code, told = author(place, tree(a=b"1\n"), tree(a=b"1\n", wordy=lines), "--max-tokens", "50")
    assert code == 4
    assert "wordy" in told
    assert "--max-tokens" in told
