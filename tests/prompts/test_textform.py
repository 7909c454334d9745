"""What is set aside of a text before the model sees it comes back byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.prompts.text.line_endings import TextForm

TEXTS = st.lists(
    st.sampled_from([b"a", b"", b"\r", b"\r\r", b"\n", b"\r\n", b"\xff", b"b\r\n", b"c\n"]),
    max_size=9,
).map(b"".join)

PLAIN, CRLF = TextForm(), TextForm(crlf=True)
UNENDED, BOTH = TextForm(unended=True), TextForm(crlf=True, unended=True)


@pytest.mark.parametrize(
    ("data", "form", "lines"),
    [
        (b"", PLAIN, []),
        (b"\n", PLAIN, [b"\n"]),
        (b"a\nb\n", PLAIN, [b"a\n", b"b\n"]),
        (b"a\nb", UNENDED, [b"a\n", b"b\n"]),
        (b"a", UNENDED, [b"a\n"]),
        (b"a\r\nb\r\n", CRLF, [b"a\n", b"b\n"]),
        (b"a\r\nb", BOTH, [b"a\n", b"b\n"]),
        (b"\r\n", CRLF, [b"\n"]),
        (b"a\r\nb\n", PLAIN, [b"a\r\n", b"b\n"]),
        (b"a\nb\r", UNENDED, [b"a\n", b"b\r\n"]),
        (b"a\r", UNENDED, [b"a\r\n"]),
        (b"a\r\nb\r", BOTH, [b"a\n", b"b\r\n"]),
        (b"a\r\r\nb\r\n", CRLF, [b"a\r\n", b"b\n"]),
        (b"a\rb\r\n", CRLF, [b"a\rb\n"]),
    ],
)
def test_forms_and_lines(data: bytes, form: TextForm, lines: list[bytes]) -> None:
    assert TextForm.of(data) == form
    assert form.normalise(data) == lines
    assert form.restore(b"".join(lines)) == data
    assert form.fits(data)


@given(data=TEXTS)
def test_every_text_survives_its_own_form(data: bytes) -> None:
    form = TextForm.of(data)
    lines = form.normalise(data)
    assert all(line.endswith(b"\n") and b"\n" not in line[:-1] for line in lines)
    assert form.fits(data)
    assert form.restore(b"".join(lines)) == data


@given(data=TEXTS, form=st.sampled_from([PLAIN, CRLF, UNENDED, BOTH]))
def test_fits_is_what_it_says(data: bytes, form: TextForm) -> None:
    """With any form, ``fits`` tells whether lines that all end in newlines stand for the text."""
    lines = form.normalise(data)
    assert form.fits(data) == (form.restore(b"".join(lines)) == data)


def test_a_form_of_other_text_does_not_fit() -> None:
    assert not CRLF.fits(b"a\nb\r\n")
    assert CRLF.restore(b"") == PLAIN.restore(b"") == UNENDED.restore(b"") == b""
