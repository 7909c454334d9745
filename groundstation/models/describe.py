"""What a pin is, for people and for ``--json``."""

from __future__ import annotations

from typing import Any

from shared.exact.bounds import ACTIVATION_BITS, WEIGHT_BITS
from shared.exact.kernels import compiled_library
from shared.exact.manifest import ARITHMETIC, parameter_count
from shared.exact.pin import Pin
from shared.message.codec_version import CODEC, binding
from shared.message.wire import PIN_PREFIX_BYTES


def describe_pin(pin: Pin) -> dict[str, Any]:
    """The facts of a loaded pin as a JSON object."""
    facts = pin.facts
    vocabulary = pin.tokenizer().get_vocab(with_added_tokens=True)
    return {
        "name": facts.name,
        "folder": str(pin.folder),
        "digest": pin.digest.hex(),
        "codec": CODEC,
        "pin_prefix": binding(pin.digest)[:PIN_PREFIX_BYTES].hex(),
        "arithmetic": ARITHMETIC,
        "weight_bits": WEIGHT_BITS,
        "activation_bits": ACTIVATION_BITS,
        "kernel": "numpy" if compiled_library() is None else "c",
        "family": facts.family,
        "parameters": parameter_count(facts),
        "shape": facts.as_json()["shape"],
        "tied": facts.tied,
        "rms_eps": facts.rms_eps,
        "rope_theta": facts.rope_theta,
        "context_tokens": facts.shape.max_positions,
        "usable_vocab": facts.usable_vocab,
        "special_tokens": len(facts.special_token_ids),
        "tokens": len(vocabulary),
        "total_bytes": sum(path.stat().st_size for path in pin.folder.iterdir()),
        "model_sha256": facts.model_sha256,
        "tokenizer_sha256": facts.tokenizer_sha256,
        "source": facts.source.name,
        "source_sha256": facts.source.sha256,
        "licence": facts.licence,
    }


def pin_lines(facts: dict[str, Any]) -> list[str]:
    """``describe_pin`` as lines for a terminal."""
    shape = facts["shape"]
    sizes = f"{shape['layers']} layers of width {shape['dim']}, MLP {shape['mlp_dim']}"
    heads = f"{shape['heads']} query heads on {shape['kv_heads']} key-value heads"
    rows = f"{facts['usable_vocab']} of {shape['vocab']} rows, {facts['special_tokens']} special"
    return [
        f"name        {facts['name']}",
        f"folder      {facts['folder']}",
        f"pin digest  {facts['digest']}",
        f"codec       {facts['codec']}: messages have the pin prefix {facts['pin_prefix']}",
        f"arithmetic  {facts['arithmetic']}, {facts['weight_bits']}-bit weights, "
        f"{facts['activation_bits']}-bit activations, "
        f"{facts['kernel']} kernel on this machine",
        f"model       {facts['family']}, {facts['parameters'] / 1e6:.1f} M parameters, "
        f"{facts['total_bytes'] / 1e6:.1f} MB",
        f"shape       {sizes}, {heads} of {shape['head_dim']}",
        f"context     {facts['context_tokens']} tokens",
        f"vocabulary  {rows} (never generated)",
        f"source      {facts['source']}  sha256 {facts['source_sha256']}",
        f"licence     {facts['licence'] or 'unknown; name it with `model pin --licence`'}",
    ]
