"""The model in torch, with thin matrices beside its own that training changes.

transformers has the layers, peft the thin matrices (Hu et al., "LoRA", 2021).  The weights are
those of the publisher's file, read by the same code that pins them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from groundstation.models.adapter import Adapter, LowRank
from groundstation.models.source import SourceModel, missing_package
from groundstation.specialise.plan import Thin
from shared.errors import PinError

if TYPE_CHECKING:
    import torch

PLACES: Final = {
    "wq": "self_attn.q_proj",
    "wk": "self_attn.k_proj",
    "wv": "self_attn.v_proj",
    "wo": "self_attn.o_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}
"""Names of a layer's matrices in a pin, and in transformers."""
_NORMS: Final = {"attn_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm"}


def build(source: SourceModel, thin: Thin, *, half: bool = True) -> Any:
    """The network without its head, the thin matrices in place and nothing else to be trained.

    Args:
        source: weights.
        thin: the matrices to train.
        half: the others in bfloat16; half the memory, and no cast in every step.

    Returns:
        A ``torch.nn.Module`` of transformers; ``output_matrix`` gives its head.

    Raises:
        PinError: torch, transformers or peft is not installed.
    """
    try:
        import torch
        from peft import LoraConfig, inject_adapter_in_model
        from transformers import LlamaConfig, LlamaModel, Qwen2Config, Qwen2Model
    except ImportError as error:
        raise missing_package(error, "ground,train") from error
    shape = source.shape
    kinds = {"llama": (LlamaConfig, LlamaModel), "qwen2": (Qwen2Config, Qwen2Model)}
    config_class, model_class = kinds[source.family]
    config = config_class(
        vocab_size=shape.vocab,
        hidden_size=shape.dim,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        intermediate_size=shape.mlp_dim,
        rms_norm_eps=source.rms_eps,
        rope_parameters={"rope_type": "default", "rope_theta": source.rope_theta},
        max_position_embeddings=shape.max_positions,
        use_cache=False,
        attn_implementation="sdpa",
    )
    with torch.device("meta"):
        network = model_class(config)
    network = network.to_empty(device="cpu")
    network.rotary_emb = type(network.rotary_emb)(config)
    network.load_state_dict(dict(_state(source)), strict=True)
    network.requires_grad_(False)
    for name, module in network.named_modules():
        if half and name.endswith(tuple(PLACES.values())):
            module.to(torch.bfloat16)
    lora = LoraConfig(
        r=thin.rank,
        lora_alpha=thin.alpha,
        target_modules=[place.rpartition(".")[2] for place in PLACES.values()],
        layers_to_transform=list(range(thin.first_layer, shape.layers)),
        layers_pattern="layers",
    )
    network = inject_adapter_in_model(lora, network)
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return network


def _state(source: SourceModel) -> Any:
    import torch

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(source.weight(name)))

    yield "embed_tokens.weight", tensor("embed")
    yield "norm.weight", tensor("final_norm")
    for i in range(source.shape.layers):
        for ours, theirs in {**PLACES, **_NORMS}.items():
            yield f"layers.{i}.{theirs}.weight", tensor(f"layers.{i}.{ours}")
        if source.family == "qwen2":
            for ours in ("wq", "wk", "wv"):
                yield f"layers.{i}.{PLACES[ours]}.bias", tensor(f"layers.{i}.{ours}.b")


def output_matrix(source: SourceModel, network: Any) -> Any:
    """The head: [vocab, dim], the embedding itself where the model ties them."""
    import torch

    if source.tied:
        return network.embed_tokens.weight.detach()
    return torch.from_numpy(np.ascontiguousarray(source.weight("head")))


def thin_matrices(network: Any, thin: Thin) -> dict[str, LowRank]:
    """What training made of the thin matrices, rounded to small integers, by names of a pin."""
    found = {}
    for i, layer in enumerate(network.layers):
        for ours, theirs in PLACES.items():
            module = layer.get_submodule(theirs)
            if not hasattr(module, "lora_A"):
                continue  # a layer that stays as it is
            down = module.lora_A["default"].weight.detach().float().cpu().numpy()
            up = module.lora_B["default"].weight.detach().float().cpu().numpy()
            found[f"layers.{i}.{ours}"] = LowRank.rounded(down, up * (thin.alpha / thin.rank))
    return found


def load_thin(network: Any, thin: Thin, adapter: Adapter) -> None:
    """Begins where an adapter ended.

    Raises:
        PinError: it has other matrices than are to be trained, or of other sizes.
    """
    import torch

    places = {
        f"layers.{i}.{ours}": layer.get_submodule(theirs)
        for i, layer in enumerate(network.layers)
        for ours, theirs in PLACES.items()
        if hasattr(layer.get_submodule(theirs), "lora_A")
    }
    if set(places) != set(adapter.matrices):
        raise PinError(
            f"the adapter {adapter.name} has {len(adapter.matrices)} matrices",
            expected=f"those {len(places)} that are to be trained",
        )
    for name, module in places.items():
        matrix = adapter.matrices[name]
        down, up = module.lora_A["default"].weight, module.lora_B["default"].weight
        if (matrix.down.shape, matrix.up.shape) != (tuple(down.shape), tuple(up.shape)):
            raise PinError(
                f"{name} of the adapter {adapter.name} is {matrix.up.shape[0]} by "
                f"{matrix.down.shape[1]} of rank {matrix.down.shape[0]}",
                expected=f"{up.shape[0]} by {down.shape[1]} of rank {thin.rank}",
            )
        root = np.sqrt(matrix.scale)
        back = root * thin.rank / thin.alpha
        with torch.no_grad():
            down.copy_(torch.from_numpy(matrix.down * root))
            up.copy_(torch.from_numpy(matrix.up * back))
