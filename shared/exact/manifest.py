"""What a pinned model is: the manifest, its canonical bytes, and the tensors it promises.

The SHA-256 of the manifest's bytes names the pin, and the manifest names the SHA-256 of the other
files, so that one digest fixes everything that decides which tokens are written.  It holds no
date, no path and nothing about the machine: pinning the same source again gives the same bytes.
``docs/pin-format.md`` is the specification.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from shared.errors import PinError
from shared.exact.bounds import (
    ACTIVATION_BITS,
    EXP_ENTRIES,
    WEIGHT_BITS,
    Shape,
    check_bounds,
    rest_bytes,
)
from shared.untrusted import json_value

FORMAT = "rehydration-pin/2"
ARITHMETIC = "exact/2"
FAMILIES = ("llama", "qwen2")
MAX_MANIFEST_BYTES = 1 << 20
MAX_POSITIONS = 8192
"""Rows of the rotary tables: longer contexts than this are not worth their computing time."""
MAX_LAYERS = 1024
"""No model has more; what a manifest makes readers list is bounded by it."""
MAX_DIMENSION = 1 << 24
"""No width, count or vocabulary is larger; keeps arithmetic on sizes far from overflow."""

_VERSIONS: Mapping[str, str | int] = {
    "format": FORMAT,
    "arithmetic": ARITHMETIC,
    "activation_bits": ACTIVATION_BITS,
    "weight_bits": WEIGHT_BITS,
}
_REPIN = "pin the model again with this version of the program"


@dataclass(frozen=True)
class TensorSpec:
    """A tensor in the pin: safetensors dtype name and shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Source:
    """Where the weights came from: a file's name and its SHA-256 in hexadecimal."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The facts of a pin.

    Attributes:
        name: what people call the model; part of the digest.
        family: "llama" or "qwen2" (biases on query, key and value).
        rms_eps: added to the mean square in every norm.
        rope_theta: base of the rotary wavelengths, from which the tables were made.
        tied: the output matrix is the embedding matrix.
        special_token_ids: ids below ``usable_vocab`` that are never generated, ascending.
        usable_vocab: rows of the vocabulary from here on have no token and are never generated.
        licence: SPDX identifier of the weights, or None where unknown.
        model_sha256: hexadecimal SHA-256 of model.safetensors.
        tokenizer_sha256: hexadecimal SHA-256 of tokenizer.json.
    """

    name: str
    family: str
    shape: Shape
    rms_eps: float
    rope_theta: float
    tied: bool
    special_token_ids: tuple[int, ...]
    usable_vocab: int
    source: Source
    licence: str | None
    model_sha256: str
    tokenizer_sha256: str

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise PinError(f"the manifest is not usable: {problem}", remedy=_REPIN)
        check_bounds(self.shape)

    def as_json(self) -> dict[str, Any]:
        """The manifest as a JSON object, with the versions; floats are hexadecimal texts."""
        floats = {"rms_eps": self.rms_eps.hex(), "rope_theta": self.rope_theta.hex()}
        return {**asdict(self), **_VERSIONS, **floats}

    def to_bytes(self) -> bytes:
        """Canonical JSON: ASCII, keys sorted, no spaces, newline at the end."""
        text = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return text.encode("ascii") + b"\n"

    @staticmethod
    def from_bytes(data: bytes) -> Manifest:
        """The manifest that ``to_bytes`` wrote.

        Raises:
            PinError: not JSON, another format or arithmetic version, a missing, unknown or
                ill-typed field, or not in canonical form.
        """
        facts = _parsed(data)
        _check_versions(facts)
        own = {field.name for field in fields(Manifest)}
        expected = own | set(_VERSIONS)
        if set(facts) != expected:
            odd = ", ".join(sorted(set(facts) ^ expected))
            raise PinError(f"the manifest has missing or unknown fields: {odd}", remedy=_REPIN)
        manifest = Manifest(
            name=_text(facts["name"]),
            family=_text(facts["family"]),
            shape=Shape(**_members(facts["shape"], Shape, _integer)),
            rms_eps=_hex_float(facts["rms_eps"]),
            rope_theta=_hex_float(facts["rope_theta"]),
            tied=_boolean(facts["tied"]),
            special_token_ids=tuple(_integer(i) for i in _list(facts["special_token_ids"])),
            usable_vocab=_integer(facts["usable_vocab"]),
            source=Source(**_members(facts["source"], Source, _text)),
            licence=None if facts["licence"] is None else _text(facts["licence"]),
            model_sha256=_text(facts["model_sha256"]),
            tokenizer_sha256=_text(facts["tokenizer_sha256"]),
        )
        if manifest.to_bytes() != data:
            raise PinError(
                "the manifest is not in canonical form",
                expected="sorted keys, no spaces, one newline at the end",
                remedy="restore the file; its digest names the pin, so it must not be edited",
            )
        return manifest


def layout(manifest: Manifest) -> dict[str, TensorSpec]:
    """Every tensor of the pin by name, in the order of the file.

    Wide element types come first: each tensor then starts at a multiple of its element's size
    without any gap, which the safetensors format does not allow.
    """
    shape = manifest.shape
    query, key = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    matrices = {
        "wq": (query, shape.dim),
        "wk": (key, shape.dim),
        "wv": (key, shape.dim),
        "wo": (shape.dim, query),
        "gate": (shape.mlp_dim, shape.dim),
        "up": (shape.mlp_dim, shape.dim),
        "down": (shape.dim, shape.mlp_dim),
    }
    ends = ("embed",) if manifest.tied else ("embed", "head")
    specs: dict[str, TensorSpec] = {"final_norm": TensorSpec("F64", (shape.dim,))}

    def matrix(name: str, rows: int, columns: int) -> None:
        specs[f"{name}.q"] = TensorSpec("I8", (rows, columns))
        specs[f"{name}.r"] = TensorSpec("U8", (rows, rest_bytes(columns)))
        specs[f"{name}.s"] = TensorSpec("F64", (rows,))

    for name in ends:
        matrix(name, shape.vocab, shape.dim)
    for i in range(shape.layers):
        for norm in ("attn_norm", "mlp_norm"):
            specs[f"layers.{i}.{norm}"] = TensorSpec("F64", (shape.dim,))
        for name, (rows, columns) in matrices.items():
            matrix(f"layers.{i}.{name}", rows, columns)
            if manifest.family == "qwen2" and name in ("wq", "wk", "wv"):
                specs[f"layers.{i}.{name}.b"] = TensorSpec("F64", (rows,))
    specs["tables.exp"] = TensorSpec("I64", (EXP_ENTRIES,))
    for name in ("rope.cos", "rope.sin"):
        specs[name] = TensorSpec("I32", (shape.max_positions, shape.head_dim // 2))
    order = ("F64", "I64", "I32", "I8", "U8")
    return dict(sorted(specs.items(), key=lambda item: order.index(item[1].dtype)))


def parameter_count(manifest: Manifest) -> int:
    """Learned numbers in the pin: matrices, norms and biases, without scales and tables."""
    return sum(
        math.prod(spec.shape)
        for name, spec in layout(manifest).items()
        if not name.endswith((".s", ".r")) and not name.startswith(("tables.", "rope."))
    )


def _problem(manifest: Manifest) -> str | None:
    """Why these facts cannot be a model, or None."""
    shape, ids = manifest.shape, manifest.special_token_ids
    if manifest.family not in FAMILIES:
        return f"the family {manifest.family!r} is none of {', '.join(FAMILIES)}"
    for name, size in asdict(shape).items():
        if not 1 <= size <= MAX_DIMENSION:
            return f"{name} is {size}"
    if shape.layers > MAX_LAYERS:
        return f"layers is {shape.layers}, above {MAX_LAYERS}"
    if shape.max_positions > MAX_POSITIONS:
        return f"max_positions is {shape.max_positions}, above {MAX_POSITIONS}"
    if not (0 < manifest.rms_eps < 1 and 1 <= manifest.rope_theta < 1e12):
        return f"rms_eps {manifest.rms_eps} or rope_theta {manifest.rope_theta} out of range"
    if not 1 <= manifest.usable_vocab <= shape.vocab:
        return f"usable_vocab is {manifest.usable_vocab} of {shape.vocab}"
    if list(ids) != sorted(set(ids)) or (ids and not 0 <= ids[0] <= ids[-1] < shape.vocab):
        return "special_token_ids are not ascending ids of the vocabulary"
    for digest in (manifest.model_sha256, manifest.tokenizer_sha256, manifest.source.sha256):
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            return f"{digest!r} is not a SHA-256 in hexadecimal"
    return None


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        facts = json_value(data, most_bytes=MAX_MANIFEST_BYTES)
    except ValueError as error:
        raise PinError(f"the manifest is not JSON: {error}", remedy=_REPIN) from error
    if not isinstance(facts, dict):
        raise PinError("the manifest is not a JSON object", remedy=_REPIN)
    return facts


def _check_versions(facts: Mapping[str, Any]) -> None:
    """The version first: its message is more useful than complaints about unknown fields."""
    for key, value in _VERSIONS.items():
        if facts.get(key) != value or type(facts[key]) is not type(value):
            raise PinError(
                f"the pin has {key} {facts.get(key)!r}", expected=repr(value), remedy=_REPIN
            )


def _ill_typed(value: object, wanted: str) -> PinError:
    return PinError(f"the manifest holds {value!r}", expected=wanted, remedy=_REPIN)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _ill_typed(value, "a text")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _ill_typed(value, "an integer")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise _ill_typed(value, "true or false")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise _ill_typed(value, "a list")
    return value


def _hex_float(value: object) -> float:
    try:
        return float.fromhex(_text(value))
    except (ValueError, OverflowError) as error:
        raise _ill_typed(value, "a float in hexadecimal") from error


def _members(value: object, kind: type, convert: Callable[[object], Any]) -> dict[str, Any]:
    names = [field.name for field in fields(kind)]
    if not isinstance(value, dict) or sorted(value) != sorted(names):
        raise _ill_typed(value, f"an object with {', '.join(names)}")
    return {name: convert(value[name]) for name in names}
