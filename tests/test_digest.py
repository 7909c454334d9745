"""Digests against published values."""

from __future__ import annotations

import pytest

from shared.digest import from_hex, git_blob_id, sha256, to_hex
from shared.errors import InputError

# FIPS 180-4 example, "abc"
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_sha256_of_parts_is_that_of_the_whole() -> None:
    assert sha256(b"a", b"", b"bc").hex() == ABC
    assert sha256() == sha256(b"")


def test_hexadecimal_goes_both_ways() -> None:
    digest = sha256(b"abc")
    assert to_hex(digest) == ABC
    assert to_hex(digest, characters=5) == "ba781"
    assert from_hex(ABC) == from_hex(ABC.upper()) == digest
    assert from_hex("12ab", size=2) == b"\x12\xab"


@pytest.mark.parametrize(
    "text",
    ["", ABC[:-1], ABC + "0", ABC[:-2] + " a", ABC[:-1] + "g", ABC[:-1] + "١", "0x" + ABC[2:]],
)
def test_anything_else_is_no_digest(text: str) -> None:
    with pytest.raises(InputError, match="not a digest"):
        from_hex(text)


@pytest.mark.parametrize(
    ("data", "algorithm", "expected"),
    [  # printed by git hash-object in repositories of either object format
        (b"", "sha1", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
        (b"hello\n", "sha1", "ce013625030ba8dba906f756967f9e9ca394464a"),
        (b"", "sha256", "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813"),
    ],
)
def test_git_blob_id(data: bytes, algorithm: str, expected: str) -> None:
    assert git_blob_id(data, algorithm=algorithm) == expected
