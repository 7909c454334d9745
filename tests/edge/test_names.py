"""One spelling for each name, and nothing that is none."""

from __future__ import annotations

import contextlib
import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InputError
from shared.media.names import MAX_NAME_BYTES, name_of_url, normal_name, url_of_name


@pytest.mark.parametrize(
    ("path", "query", "name"),
    [
        (b"/shoes/red.webp", b"", "shoes/red.webp"),
        (b"/shoes/%72ed.webp", b"utm=7", "shoes/red.webp"),
        (b"/shoes%2Fred.webp", b"", "shoes/red.webp"),
        (b"/a%20b", b"", "a b"),
        (b"/a+b", b"", "a+b"),
        (b"/caf%C3%A9", b"", "café"),
        (b"/cafe%CC%81", b"", "café"),
        (b"/x", b"sole=sky&lid=red", "x?lid=red&sole=sky"),
        (b"/x", b"lid=red&zoom=2&sole=sky", "x?lid=red&sole=sky"),
        (b"/x", b"lid=a%20b", "x?lid=a%20b"),
        (b"/x", b"lid=a+b", "x?lid=a%20b"),
        (b"/x", b"lid=", "x?lid="),
    ],
)
def test_spellings(path: bytes, query: bytes, name: str) -> None:
    assert name_of_url(path, query, ("lid", "sole")) == name
    assert normal_name(name) == name


@pytest.mark.parametrize(
    "path",
    [
        *(b"/", b"", b"//a", b"/a//b", b"/a/", b"/./a", b"/a/..", b"/../a", b"/a/%2e%2e/b"),
        *(b"/%2e", b"/a%00", b"/a%0a", b"/a%5cb", b"/a%3fb", b"/a%23b", b"/%ff", b"/a%c3"),
        *(b"/%ed%a0%80", b"/metrics", b"/healthz", b"/batches", b"/%73tatus"),
        *(b"/" + b"x" * (MAX_NAME_BYTES + 1), b"/" + b"%C3%A9" * (MAX_NAME_BYTES // 2 + 1)),
    ],
)
def test_what_is_no_name(path: bytes) -> None:
    with pytest.raises(InputError):
        name_of_url(path)


@pytest.mark.parametrize("query", [b"lid=a&lid=b", b"lid=%ff", b"\xff", b"&".join([b"a=b"] * 65)])
def test_what_is_no_query(query: bytes) -> None:
    with pytest.raises(InputError):
        name_of_url(b"/x", query, ("lid",))


@pytest.mark.parametrize(
    "name", ["a?", "a?b", "a?b=1&b=2", "a?b=1&a=2", "a?b=%41", "a?b=1?c=2", "cafe\u0301", "a?a=b#"]
)
def test_other_spellings_are_not_normal(name: str) -> None:
    with contextlib.suppress(InputError):
        assert normal_name(name) != name


@given(st.text(st.sampled_from(string.ascii_letters + "/.%?&=+ é\u0301\\\n\0"), max_size=30))
def test_a_normal_name_stays_as_it_is_and_is_found_by_its_url(text: str) -> None:
    try:
        name = normal_name(text)
    except InputError:
        return
    assert normal_name(name) == name
    path, _, query = url_of_name(name).partition("?")
    keys = [pair.partition("=")[0] for pair in query.split("&")] if query else []
    if not any("%" in key for key in keys):
        assert name_of_url(f"/{path}".encode("ascii"), query.encode("ascii"), keys) == name
    assert unicodedata.is_normalized("NFC", name.partition("?")[0])
    assert not {"", ".", ".."} & set(name.partition("?")[0].split("/"))
