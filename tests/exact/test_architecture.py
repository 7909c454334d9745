"""The exact transformer is the Llama and Qwen2 architecture: logits close to torch in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exact_models import LLAMA, QWEN, TinyPin, tiny_pin, tokens

from shared.exact.arithmetic import dequantised
from shared.exact.bounds import Shape
from shared.exact.transformer import Transformer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

PLACES = {
    "wq": "self_attn.q_proj",
    "wk": "self_attn.k_proj",
    "wv": "self_attn.v_proj",
    "wo": "self_attn.o_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}


def torch_model(pin: TinyPin) -> Any:
    """The same weights, after quantisation, in the float32 model of the transformers library."""
    shape = Shape.from_mapping(pin.manifest["shape"])
    tied, qwen = pin.manifest["tied"], pin.manifest["family"] == "qwen2"
    settings = {
        "vocab_size": shape.vocab,
        "hidden_size": shape.dim,
        "intermediate_size": shape.mlp_dim,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "max_position_embeddings": shape.max_positions,
        "rms_norm_eps": float.fromhex(pin.manifest["rms_eps"]),
        "tie_word_embeddings": tied,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "attn_implementation": "eager",
    }
    if qwen:
        made = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**settings))
    else:
        made = transformers.LlamaForCausalLM(transformers.LlamaConfig(**settings))
    state = {
        "model.embed_tokens.weight": matrix(pin, "embed"),
        "lm_head.weight": matrix(pin, "embed" if tied else "head"),
        "model.norm.weight": pin.tensors["final_norm"],
    }
    for layer in range(shape.layers):
        ours, theirs = f"layers.{layer}.", f"model.layers.{layer}."
        state[theirs + "input_layernorm.weight"] = pin.tensors[ours + "attn_norm"]
        state[theirs + "post_attention_layernorm.weight"] = pin.tensors[ours + "mlp_norm"]
        for name, place in PLACES.items():
            state[f"{theirs}{place}.weight"] = matrix(pin, ours + name)
            if f"{ours}{name}.b" in pin.tensors:
                state[f"{theirs}{place}.bias"] = pin.tensors[f"{ours}{name}.b"]
    made.load_state_dict({name: torch.tensor(value).float() for name, value in state.items()})
    return made.eval()


def matrix(pin: TinyPin, name: str) -> np.ndarray:
    """A weight matrix as floats."""
    return dequantised(pin.tensors, name)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        (LLAMA, {}),
        (LLAMA, {"tied": False, "seed": 2}),
        (QWEN, {"qwen": True}),
        (QWEN, {"qwen": True, "tied": False, "seed": 3}),
    ],
)
def test_logits_are_close_to_float32(shape: Shape, options: dict[str, Any]) -> None:
    pin = tiny_pin(shape, **options)
    ids = tokens(150, shape.vocab)
    with torch.inference_mode():
        wanted = torch_model(pin)(torch.tensor([ids])).logits[0].numpy()
    got = Transformer(pin).session().feed_scored(ids)
    error = np.abs(got - wanted)
    assert np.sqrt((error**2).mean()) < 5e-3 * wanted.std()
    assert error.max() < 5e-2 * wanted.std()
