"""Read a model from a GGUF file, strictly.

GGUF is llama.cpp's format (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).  Keys and
tensors that are not understood are refused instead of ignored: a rope scaling that is overlooked
gives a model that almost works.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundstation.models.source import (
    MAX_SIZE,
    SourceModel,
    TokenizerFacts,
    checked_shape,
    missing_package,
    real_number,
    size_number,
    unsupported,
)
from groundstation.models.tokenizer import PRE_TOKENIZERS, byte_level_bpe
from shared.errors import PinError, words_of
from shared.exact.bounds import Shape
from shared.exact.manifest import FAMILIES, MAX_POSITIONS, Source
from shared.exact.pin import file_sha256
from shared.untrusted import PARSING_FAULTS

_LAYER_TENSORS = {
    "attn_norm": "attn_norm.weight",
    "mlp_norm": "ffn_norm.weight",
    "wq": "attn_q.weight",
    "wk": "attn_k.weight",
    "wv": "attn_v.weight",
    "wo": "attn_output.weight",
    "gate": "ffn_gate.weight",
    "up": "ffn_up.weight",
    "down": "ffn_down.weight",
}
_BIASES = {"wq.b": "attn_q.bias", "wk.b": "attn_k.bias", "wv.b": "attn_v.bias"}
_CONTROL, _USER_DEFINED, _UNUSED = 3, 4, 5
_TWIN_NOISE = 0.1
"""Two copies of one matrix, both quantised, differ by less than this share of their power;
independently trained matrices differ by twice their power."""


def read_gguf(path: Path) -> SourceModel:
    """Open a GGUF file of the Llama or Qwen2 family.

    Raises:
        PinError: damaged, another family, or a feature that a pin does not have.
    """
    reader_class = gguf_reader()
    try:
        reader = reader_class(path)
        facts = {key: field.contents() for key, field in reader.fields.items()}
    except (OSError, *PARSING_FAULTS) as error:
        raise PinError(
            f"{path.name} is not a readable GGUF file: {words_of(error)}",
            expected="a complete GGUF file of version 2 or 3",
            remedy="download the file again",
        ) from error
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    family = str(facts.get("general.architecture"))
    if family not in FAMILIES:
        unsupported(f"its architecture is {family}", " or ".join(FAMILIES))
    shape = _shape(facts, family, tensors)
    names = _names(shape, family, tensors)
    epsilon = f"{family}.attention.layer_norm_rms_epsilon"
    embedding = "token_embd.weight"
    if "head" in names and _same_matrix(tensors[embedding], tensors["output.weight"]):
        # The head's copy is the finer one in llama.cpp's mixtures, and its errors cost more.
        names["embed"] = names.pop("head")
    weights = _Weights(tensors, names, shape, interleaved=family == "llama")
    return SourceModel(
        name=path.stem.lower(),
        family=family,
        shape=shape,
        rms_eps=real_number(epsilon, _required(facts, epsilon)),
        rope_theta=real_number("rope.freq_base", facts.get(f"{family}.rope.freq_base", 10000.0)),
        tied="head" not in names,
        tokenizer=_tokenizer(facts, shape.vocab),
        source=Source(path.name, file_sha256(path)),
        licence=_licence(facts),
        weight=weights.get,
    )


def gguf_reader() -> Any:
    """The reader class of the gguf package, which only the ground station needs.

    Raises:
        PinError: the package is not installed.
    """
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise missing_package(error) from error
    return GGUFReader


class _Weights:
    """Dequantised tensors on demand, so that the whole model is never in memory as float32."""

    def __init__(
        self, tensors: Mapping[str, Any], names: Mapping[str, str], shape: Shape, interleaved: bool
    ) -> None:
        self._tensors, self._names = tensors, names
        self._heads = {"wq": shape.heads, "wk": shape.kv_heads} if interleaved else {}

    def get(self, name: str) -> NDArray[np.float32]:
        values = _dequantised(self._tensors[self._names[name]])
        heads = self._heads.get(name.rpartition(".")[2])
        return values if heads is None else _halves_apart(values, heads)


def _halves_apart(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Undo the order of rows that GGUF files of the Llama family have.

    llama.cpp rotates neighbouring rows (2j, 2j + 1) of a head; the original implementation and
    the pin rotate rows j and j + head_dim / 2.

    Args:
        values: float32 [heads * head_dim, dim].
    """
    if values.ndim != 2 or values.shape[0] % (2 * heads):
        unsupported(f"a matrix of queries or keys has the shape {values.shape}", "whole heads")
    rows, columns = values.shape
    pairs = values.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def _dequantised(tensor: Any, rows: slice = slice(None)) -> NDArray[np.float32]:
    from gguf import dequantize

    try:
        values: NDArray[np.float32] = dequantize(tensor.data[rows], tensor.tensor_type)
    except PARSING_FAULTS as error:
        raise PinError(
            f"the tensor {tensor.name} has type {tensor.tensor_type.name}: {error}",
            expected="a quantisation that the gguf package can undo",
            remedy="update gguf, or choose a file in Q4_K_M, Q8_0 or F16",
        ) from error
    return values


def _same_matrix(one: Any, other: Any) -> bool:
    """Whether a file stores one tied matrix twice (every 64th row tells)."""
    rows = slice(None, None, 64)
    first = _dequantised(one, rows).astype(np.float64)
    second = _dequantised(other, rows).astype(np.float64)
    return bool(np.sum((first - second) ** 2) < _TWIN_NOISE * np.sum(second**2))


def _shape(facts: Mapping[str, Any], family: str, tensors: Mapping[str, Any]) -> Shape:
    """The sizes, after refusing every key of the architecture that would change the arithmetic."""
    dim = size_number("embedding_length", _required(facts, f"{family}.embedding_length"))
    heads = size_number("head_count", _required(facts, f"{family}.attention.head_count"))
    head_dim = facts.get(f"{family}.attention.key_length", dim // heads)
    neutral: dict[str, object] = {
        "rope.dimension_count": head_dim,
        "attention.value_length": head_dim,
        "rope.scaling.type": "none",
        "expert_count": 0,
        "expert_used_count": 0,
    }
    sizes = {
        "block_count",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "vocab_size",
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "attention.layer_norm_rms_epsilon",
        "rope.freq_base",
    }
    for key in facts:
        name = key.removeprefix(f"{family}.")
        if key != name and name not in sizes and facts[key] != neutral.get(name):
            unsupported(f"{key} is {facts[key]}", f"{neutral.get(name, 'no such key')}")
    if "token_embd.weight" not in tensors:
        raise PinError("the file has no token_embd.weight", remedy="download the file again")
    embedding = [int(size) for size in tensors["token_embd.weight"].shape]
    if len(embedding) != 2:
        unsupported(f"token_embd.weight has the shape {embedding}", "two dimensions")
    positions = _required(facts, f"{family}.context_length")
    return checked_shape(
        vocab=embedding[1],
        dim=dim,
        layers=_required(facts, f"{family}.block_count"),
        heads=heads,
        kv_heads=facts.get(f"{family}.attention.head_count_kv", heads),
        head_dim=head_dim,
        mlp_dim=_required(facts, f"{family}.feed_forward_length"),
        max_positions=min(MAX_POSITIONS, size_number("context_length", positions, MAX_SIZE)),
    )


def _names(shape: Shape, family: str, tensors: Mapping[str, Any]) -> dict[str, str]:
    """Names in the pin to names in the file; exactly the tensors of the family must be there."""
    names = {"embed": "token_embd.weight", "final_norm": "output_norm.weight"}
    if "output.weight" in tensors:
        names["head"] = "output.weight"
    inner = _LAYER_TENSORS | (_BIASES if family == "qwen2" else {})
    for i in range(shape.layers):
        names |= {f"layers.{i}.{ours}": f"blk.{i}.{theirs}" for ours, theirs in inner.items()}
    if missing := sorted(set(names.values()) - set(tensors)):
        raise PinError(f"the file has no {missing[0]}", remedy="download the file again")
    if extra := sorted(set(tensors) - set(names.values())):
        unsupported(f"it has the tensor {extra[0]}", f"only the tensors of the {family} family")
    return names


def _tokenizer(facts: Mapping[str, Any], rows: int) -> TokenizerFacts:
    kind, splitting = facts.get("tokenizer.ggml.model"), facts.get("tokenizer.ggml.pre")
    if kind != "gpt2":
        unsupported(f"its tokenizer is {kind}", "byte-level BPE (gpt2)")
    if not isinstance(splitting, str) or splitting not in PRE_TOKENIZERS:
        unsupported(f"its tokenizer splits like {splitting}", ", ".join(PRE_TOKENIZERS))
    tokens, kinds, pairs = (
        _list(facts, f"tokenizer.ggml.{name}", kind)
        for name, kind in (("tokens", str), ("token_type", int), ("merges", str))
    )
    merges = [pair.split(" ") for pair in pairs]
    if len(tokens) != len(kinds) or len(set(tokens)) != len(tokens):
        raise PinError("the tokens of the GGUF file are not distinct, or their types are missing")
    ordinary: dict[str, int] = {}
    added: dict[str, int] = {}
    for index, (text, token_kind) in enumerate(zip(tokens, kinds, strict=True)):
        if token_kind in (_CONTROL, _USER_DEFINED):
            added[text] = index
        elif token_kind != _UNUSED:
            ordinary[text] = index
    return byte_level_bpe(
        ordinary,
        merges,
        added,
        PRE_TOKENIZERS[str(splitting)],
        rows=rows,
        ignore_merges=splitting == "llama-bpe",
    )


def _required(facts: Mapping[str, Any], key: str) -> Any:
    if key not in facts:
        raise PinError(f"the GGUF file has no {key}", remedy="choose a complete GGUF file")
    return facts[key]


def _list(facts: Mapping[str, Any], key: str, kind: type) -> list[Any]:
    found = _required(facts, key)
    if not isinstance(found, list) or not all(type(each) is kind for each in found):
        raise PinError(f"{key} of the GGUF file is no list of {kind.__name__}")
    return found


def _licence(facts: Mapping[str, Any]) -> str | None:
    """The SPDX identifier, which GGUF files write in small letters."""
    licence = facts.get("general.license")
    return {"apache-2.0": "Apache-2.0", "mit": "MIT"}.get(str(licence), licence)
