"""Token ids and their bytes: spelling, legality against a plain oracle, texts that cannot be."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_codec import MERGES, MISSING, SPECIAL, tokenizer, vocabulary
from tokenizers import Tokenizer

from shared.errors import PinError
from shared.prompts.language_model.vocabulary import Vocabulary, byte_alphabet

WORDS = (vocabulary(), vocabulary(words=True))
PLAIN = WORDS[0]
PIECES = st.sampled_from(
    [left + right for left, right in MERGES] + [bytes([k]) for k in range(0, 256, 3)]
)
PREFIXES = st.lists(PIECES, max_size=4).map(b"".join)


def oracle(words: Vocabulary, prefix: bytes) -> list[bool]:
    """Legality by its definition, token by token."""
    return [
        bool(text) and (text.startswith(prefix) or prefix.startswith(text))
        for text in words.spelling
    ]


def test_alphabet_is_that_of_gpt2() -> None:
    """Three letters of each kind, from the published table, and all 256 once."""
    alphabet = byte_alphabet()
    assert sorted(alphabet.values()) == list(range(256))
    assert [alphabet[letter] for letter in "!~¡ÿ"] == [0x21, 0x7E, 0xA1, 0xFF]
    assert [alphabet[letter] for letter in "ĀĉĊčĠġłŃ"] == [0, 9, 10, 13, 32, 127, 160, 173]


@given(prefix=PREFIXES)
def test_legal_tokens_are_those_of_the_definition(prefix: bytes) -> None:
    assert PLAIN.legal(prefix).tolist() == oracle(PLAIN, prefix)


@pytest.mark.parametrize(
    "prefix",
    [b"", b"\xff", b"\xff\xff\xff", b"\xf0", b"\xf0\x9f", b"\n", b"a\xff", b"\x00", b"@@@"],
)
def test_legal_at_the_edges_of_the_order(prefix: bytes) -> None:
    """Prefixes that have no successor, lie before or behind all tokens, or are longer than all."""
    assert PLAIN.legal(prefix).tolist() == oracle(PLAIN, prefix)


@given(prefix=PREFIXES)
def test_starting_tokens_come_in_order_of_spelling(prefix: bytes) -> None:
    found = [PLAIN.spelling[token] for token in PLAIN.starting(prefix)]
    assert found == sorted(text for text in PLAIN.spelling if text and text.startswith(prefix))


def test_two_tokens_of_one_spelling_are_both_legal() -> None:
    words = Vocabulary((b"a", b"", b"ab", b"a", b"b"), tokenizer())
    assert words.legal(b"a").tolist() == [True, False, True, True, False]
    assert words.legal(b"abc").tolist() == [True, False, True, True, False]
    assert words.starting(b"a").tolist() == [0, 3, 2]


def test_legality_cannot_be_changed_by_its_users() -> None:
    """The masks are kept and handed out again."""
    with pytest.raises(ValueError, match="read-only"):
        PLAIN.legal(b"in")[0] = True


@given(text=st.text(max_size=40))
@pytest.mark.parametrize("words", WORDS, ids=["bytes", "words"])
def test_encoding_spells_the_text_or_refuses(words: Vocabulary, text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    encoded = words.encode(data)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        assert encoded is None
        return
    if any(byte in data for byte in MISSING):
        assert encoded is None
    else:
        assert encoded is not None
        assert words.spell(encoded) == data


@pytest.mark.parametrize("words", WORDS, ids=["bytes", "words"])
@pytest.mark.parametrize(
    "text",
    [b"\x04", b"a\x04b", "x \U00040000 y".encode(), b"\xff", b"\xc3", b"\xa9x", b"\xed\xa0\x80"],
)
def test_what_the_vocabulary_lacks_is_none(words: Vocabulary, text: bytes) -> None:
    """Bytes without a token, and bytes that are not UTF-8."""
    assert words.encode(text) is None


@pytest.mark.parametrize("words", WORDS, ids=["bytes", "words"])
@pytest.mark.parametrize("name", SPECIAL)
def test_special_tokens_are_text_like_any_other(words: Vocabulary, name: str) -> None:
    """A file may hold "<|endoftext|>": it is spelled, and the special token is never used."""
    data = f"a {name}\n{name}{name}".encode()
    encoded = words.encode(data)
    assert encoded is not None
    assert words.spell(encoded) == data
    assert not {SPECIAL.index(name)} & set(encoded)
    assert words.spelling[SPECIAL.index(name)] == b""
    for prefix in (b"", name.encode(), name[:3].encode()):
        assert not words.legal(prefix)[: len(SPECIAL)].any()


def test_rows_without_a_token_are_never_legal() -> None:
    assert PLAIN.spelling[-3:] == (b"", b"", b"")
    assert not PLAIN.legal(b"")[-3:].any()
    assert int(PLAIN.legal(b"").sum()) == 256 - len(MISSING) + len(MERGES)


@given(prefix=PREFIXES, lines=st.integers(1, 4), resume=PREFIXES)
def test_agreeing_tokens_are_those_of_the_definition(
    prefix: bytes, lines: int, resume: bytes
) -> None:
    """A token may go beyond the last newline only the way the text does."""
    mask = PLAIN.agreeing(prefix, lines, resume)
    expected = []
    for text in PLAIN.spelling:
        places = [k for k, byte in enumerate(text) if byte == 10 and k >= len(prefix)]
        beyond = text[places[lines - 1] + 1 :] if len(places) >= lines else b""
        expected.append(resume.startswith(beyond))
    assert (mask is None and all(expected)) or (mask is not None and mask.tolist() == expected)


def test_a_tokenizer_of_other_bytes_is_refused() -> None:
    document = json.loads(tokenizer().to_str())
    document["decoder"] = {"type": "Metaspace", "replacement": "_", "prepend_scheme": "always"}
    with pytest.raises(PinError, match="byte-level"):
        Vocabulary.from_tokenizer(Tokenizer.from_str(json.dumps(document)), 400, [0, 1])


def test_tokens_beyond_the_model_and_in_other_letters_spell_nothing() -> None:
    """A row that the head lacks cannot be written; neither can a token of foreign letters."""
    document = json.loads(tokenizer().to_str())
    last = max(document["model"]["vocab"].values())
    document["model"]["vocab"] |= {"日本": last + 1, "zz": last + 2}
    made = Tokenizer.from_str(json.dumps(document))
    words = Vocabulary.from_tokenizer(made, last + 2, [0, 1])
    assert len(words) == last + 2
    assert words.spelling[last] == b"c\n"
    assert words.spelling[last + 1] == b""
    assert last + 1 not in np.flatnonzero(words.legal("日".encode()))
    assert words.encode(b"zz") == [words.spelling.index(b"z")] * 2
