"""Tokenizers in the one form in which they are pinned: byte-level BPE, exact on any text.

Whatever the source looks like, the pinned ``tokenizer.json`` is rebuilt from its vocabulary,
merges, added tokens and way of splitting, so that its bytes do not depend on the version of any
library.  What would change the text itself is left out: Unicode normalisation (the text of a
patch is bytes, not canonically equivalent bytes), a space put in front, and begin-of-text tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer, pre_tokenizers

from groundstation.models.source import TokenizerFacts, unsupported
from shared.errors import PinError
from shared.untrusted import PARSING_FAULTS, json_value

MAX_TOKENIZER_BYTES = 1 << 26
"""Of a tokenizer.json; those of a quarter of a million tokens have half of that."""

_MAX_GAPS = 1 << 16
_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORDS = r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def _split(digits: str) -> dict[str, Any]:
    """Split by a pattern; ``digits`` is the repetition that a run of digits may have."""
    pattern = {
        "type": "Split",
        "pattern": {"Regex": _CONTRACTIONS + _WORDS % digits},
        "behavior": "Isolated",
        "invert": False,
    }
    return {"type": "Sequence", "pretokenizers": [pattern, _BYTE_LEVEL | {"use_regex": False}]}


_GPT2 = _BYTE_LEVEL | {"use_regex": True}
_GPT2_SINGLE_DIGITS = {
    "type": "Sequence",
    "pretokenizers": [{"type": "Digits", "individual_digits": True}, _GPT2],
}
PRE_TOKENIZERS: Mapping[str, Mapping[str, Any]] = {
    "gpt-2": _GPT2,
    "smollm": _GPT2_SINGLE_DIGITS,
    "starcoder": _GPT2_SINGLE_DIGITS,
    "refact": _GPT2_SINGLE_DIGITS,
    "qwen2": _split(""),
    "llama-bpe": _split("{1,3}"),
}
"""How text is split before merging, by the name in ``tokenizer.ggml.pre`` of a GGUF file.

A GGUF file holds only the name.  Splitting in another way than in training costs bits: numbers
after spaces, above all.
"""


def byte_level_bpe(
    tokens: Mapping[str, int],
    merges: Sequence[Sequence[str]],
    added: Mapping[str, int],
    pre_tokenizer: Mapping[str, Any],
    *,
    rows: int,
    ignore_merges: bool = False,
) -> TokenizerFacts:
    """Assemble the pinned tokenizer.

    Args:
        tokens: ordinary tokens in the byte alphabet of GPT-2, with their ids.
        merges: pairs of tokens, most important first.
        added: control and user-defined tokens with their ids; none of them is ever generated.
        pre_tokenizer: how text is split, in the form of tokenizer.json.
        rows: vocabulary rows of the model.
        ignore_merges: a whole piece that is a token is taken as it is.

    Raises:
        PinError: tokens in another alphabet, duplicate ids, or ids beyond the model's rows.
    """
    vocabulary = dict(tokens) | dict(added)
    ids = sorted(vocabulary.values())
    if not all(type(number) is int for number in ids):
        raise PinError("a token's id is no whole number", expected="a number for each token")
    alphabet = set(pre_tokenizers.ByteLevel.alphabet())
    if strange := sorted(t for t in tokens if t not in added and not set(t) <= alphabet):
        unsupported(f"the token {strange[0]!r} is not byte-level", "a byte-level BPE tokenizer")
    if len(set(ids)) != len(ids) or not ids or not 0 <= ids[0] <= ids[-1] < rows:
        raise PinError(
            f"the tokenizer's ids run from {ids[:1]} to {ids[-1:]} with {len(ids)} tokens",
            expected=f"distinct ids below {rows}, the rows of the model's vocabulary",
            remedy="check that the tokenizer belongs to the model",
        )
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added_token(*item) for item in sorted(added.items(), key=_by_id)],
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": _BYTE_LEVEL | {"use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": ignore_merges,
            "vocab": dict(sorted(vocabulary.items(), key=_by_id)),
            "merges": [list(pair) for pair in merges],
        },
    }
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=True)
    _check(text, vocabulary)
    usable = ids[-1] + 1
    if usable - len(ids) > _MAX_GAPS:  # each would be listed in the manifest
        raise PinError(f"{usable - len(ids)} ids have no token", expected=f"at most {_MAX_GAPS}")
    special = set(range(usable)) - set(ids) | set(added.values())
    return TokenizerFacts(text.encode("ascii") + b"\n", tuple(sorted(special)), usable)


def from_tokenizer_json(data: bytes, *, rows: int) -> TokenizerFacts:
    """The pinned form of a published ``tokenizer.json``.

    Raises:
        PinError: it is not byte-level BPE, or rewrites text in a way that cannot be left out.
    """
    try:
        return _from_document(json_value(data, most_bytes=MAX_TOKENIZER_BYTES), rows)
    except PARSING_FAULTS as error:
        raise PinError(
            f"tokenizer.json is not usable: {error!r}",
            expected="a file of the tokenizers library",
            remedy="save the tokenizer again with AutoTokenizer(...).save_pretrained(folder)",
        ) from error


def _from_document(document: Any, rows: int) -> TokenizerFacts:
    """The pinned form; any of ``PARSING_FAULTS`` where the document is none of a tokenizer."""
    model, normalizer = document["model"], document["normalizer"]
    added = {entry["content"]: entry["id"] for entry in document["added_tokens"]}
    kind, vocabulary, merges = model["type"], model["vocab"], model["merges"]
    pre_tokenizer = document["pre_tokenizer"]
    affixes = model.get("continuing_subword_prefix"), model.get("end_of_word_suffix")
    if kind != "BPE" or model.get("byte_fallback") or any(affixes) or model.get("dropout"):
        unsupported(f"its tokenizer is {kind} with affixes or byte fallback", "byte-level BPE")
    if normalizer is not None and normalizer.get("type") not in ("NFC", "NFD", "NFKC", "NFKD"):
        unsupported(f"its tokenizer rewrites text by {normalizer.get('type')}", "no rewriting")
    return byte_level_bpe(
        {text: index for text, index in vocabulary.items() if text not in added},
        [pair.split(" ") if isinstance(pair, str) else pair for pair in merges],
        added,
        _without_prefix_space(pre_tokenizer),
        rows=rows,
        ignore_merges=bool(model.get("ignore_merges", False)),
    )


def _by_id(item: tuple[str, int]) -> int:
    return item[1]


def _added_token(text: str, index: int) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": index, "content": text, **flags, "special": True}


def _without_prefix_space(pre_tokenizer: Any) -> dict[str, Any]:
    """The same splitting; a file's first word is then encoded like any other."""
    steps = pre_tokenizer.get("pretokenizers", []) if isinstance(pre_tokenizer, dict) else []
    for step in steps or [pre_tokenizer]:
        if isinstance(step, dict) and step.get("type") == "ByteLevel":
            step["add_prefix_space"] = False
            return dict(pre_tokenizer)
    return unsupported("its tokenizer does not split into bytes", "byte-level BPE")


def _check(text: str, vocabulary: Mapping[str, int]) -> None:
    """Refuse what the tokenizers library cannot read, or numbers in another way."""
    try:
        found = Tokenizer.from_str(text).get_vocab(with_added_tokens=True)
    except Exception as error:  # the library raises nothing narrower
        raise PinError(f"the tokenizer cannot be rebuilt: {error}") from error
    if found != dict(vocabulary):
        raise PinError("the rebuilt tokenizer numbers its tokens in another way")
