"""The pinned tokenizer as bytes: what each token spells, and which tokens may come next.

Only byte-level tokenizers (GPT-2's byte alphabet) are accepted: there every token spells a fixed
byte string, so a generated sequence spells its text by concatenation and is never tokenised again.
"""

from __future__ import annotations

import bisect
import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from shared.errors import PinError


def byte_alphabet() -> dict[str, int]:
    """The character that stands for each byte in a byte-level vocabulary.

    Printable Latin-1 stands for itself; the other 68 bytes take the code points from 256 upward,
    in order (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    letters = {chr(byte): byte for byte in printable}
    letters.update({chr(256 + i): byte for i, byte in enumerate(others)})
    return letters


@dataclass(frozen=True)
class Vocabulary:
    """Token ids and the bytes that they spell.

    Attributes:
        spelling: bytes of each token id; b"" for tokens that must never be generated.
        tokenizer: the tokenizer itself, special tokens switched off.
    """

    spelling: tuple[bytes, ...]
    tokenizer: Tokenizer = field(repr=False)

    @classmethod
    def from_tokenizer(
        cls, tokenizer: Tokenizer, size: int, special_token_ids: Iterable[int]
    ) -> Vocabulary:
        """Reads the spelling of every token.

        Args:
            tokenizer: a byte-level tokenizer.
            size: rows of the model's head; ids from the tokenizer's end up to it spell nothing.
            special_token_ids: ids that are never generated nor found in a text.

        Raises:
            PinError: the tokenizer is not byte-level.
        """
        # the tokenizer object is ours to change: a pin hands out a fresh one
        tokenizer.encode_special_tokens = True
        kind = json.loads(tokenizer.to_str()).get("decoder") or {}
        if "ByteLevel" not in json.dumps(kind):
            raise PinError(
                f"the tokenizer's decoder is {kind.get('type')!r}",
                expected="a byte-level tokenizer (GPT-2's byte alphabet)",
                remedy="pin a model whose tokenizer is byte-level",
            )
        letters = byte_alphabet()
        special = set(special_token_ids)
        spelling = [b""] * size
        for text, token in tokenizer.get_vocab(with_added_tokens=False).items():
            if token < size and token not in special and all(c in letters for c in text):
                spelling[token] = bytes(letters[c] for c in text)
        return cls(tuple(spelling), tokenizer)

    def __len__(self) -> int:
        return len(self.spelling)

    def spell(self, token_ids: Sequence[int]) -> bytes:
        """The text of a token sequence."""
        return b"".join(self.spelling[token] for token in token_ids)

    def encode(self, text: bytes) -> list[int] | None:
        """Tokens of a text, or None when this vocabulary cannot spell it exactly."""
        try:
            token_ids: list[int] = self.tokenizer.encode(
                text.decode("utf-8"), add_special_tokens=False
            ).ids
        except UnicodeDecodeError:
            return None
        return token_ids if self.spell(token_ids) == text else None

    @functools.lru_cache(maxsize=256)  # noqa: B019 - one vocabulary lives as long as its model
    def encode_kept(self, text: bytes) -> NDArray[np.int32]:
        """The same for whole files, which are asked for again and again; none for what cannot be.

        Returns:
            int32 [n], not to be written to.
        """
        return np.array(self.encode(text) or (), dtype=np.int32)

    @functools.cached_property
    def _sorted(self) -> tuple[list[bytes], NDArray[np.int64]]:
        order = sorted((text, token) for token, text in enumerate(self.spelling) if text)
        return [text for text, _ in order], np.array([token for _, token in order], dtype=np.int64)

    @functools.cached_property
    def _by_text(self) -> dict[bytes, list[int]]:
        by_text: dict[bytes, list[int]] = {}
        for token, text in enumerate(self.spelling):
            if text:
                by_text.setdefault(text, []).append(token)
        return by_text

    @functools.lru_cache(maxsize=256)  # noqa: B019 - one vocabulary lives as long as its model
    def legal(self, prefix: bytes) -> NDArray[np.bool_]:
        """Tokens that may come next when the text is known to go on with ``prefix``.

        Returns:
            bool [len(self)]: true where the token spells a beginning of ``prefix`` or ``prefix``
            and more.
        """
        mask = np.zeros(len(self), dtype=np.bool_)
        mask[self.starting(prefix)] = True
        for end in range(1, len(prefix)):
            for token in self._by_text.get(prefix[:end], ()):
                mask[token] = True
        mask.setflags(write=False)
        return mask

    def starting(self, prefix: bytes) -> NDArray[np.int64]:
        """Tokens that spell ``prefix`` or ``prefix`` and more: int64 [n], in order of spelling."""
        texts, order = self._sorted
        first = bisect.bisect_left(texts, prefix)
        last = len(texts)
        if prefix.strip(b"\xff"):
            last = bisect.bisect_left(texts, _successor(prefix))
        return order[first:last]

    @functools.cached_property
    def _with_newlines(self) -> list[tuple[int, bytes]]:
        return [(token, text) for token, text in enumerate(self.spelling) if b"\n" in text]

    @functools.cached_property
    def _most_newlines(self) -> int:
        return max((text.count(b"\n") for _, text in self._with_newlines), default=0)

    @functools.lru_cache(maxsize=64)  # noqa: B019 - as above
    def agreeing(self, prefix: bytes, lines: int, resume: bytes) -> NDArray[np.bool_] | None:
        """Tokens that do not contradict the text that follows after some more newlines.

        Args:
            prefix: known bytes that come first; newlines in it do not count.
            lines: newlines left, at least 1.
            resume: the text that follows the last of them.

        Returns:
            bool [len(self)], false where a token spells that many newlines and goes on otherwise
            than ``resume``; None when no token can.
        """
        if lines > self._most_newlines:
            return None
        mask = np.ones(len(self), dtype=np.bool_)
        for token, text in self._with_newlines:
            parts = text[len(prefix) :].split(b"\n", lines)
            mask[token] = len(parts) <= lines or resume.startswith(parts[lines])
        mask.setflags(write=False)
        return mask

    def __hash__(self) -> int:
        return id(self)


def _successor(prefix: bytes) -> bytes:
    """The smallest byte string above all that start with ``prefix`` (not all 0xff)."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1])
