"""Read a model from a Hugging Face folder, strictly.

Only ``config.json``, ``tokenizer.json`` and safetensors are read: no pickle, no code from the
folder.  ``transformers`` knows how its configuration files changed over the years; every setting
that would change the arithmetic of a pin is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundstation.sources import SourceModel, missing_package, unsupported
from groundstation.tokenizer_json import from_tokenizer_json
from shared.errors import PinError, words_of
from shared.exact.bounds import Shape
from shared.exact.manifest import FAMILIES, MAX_POSITIONS, Source
from shared.exact.pin import file_sha256

_CONFIG, _TOKENIZER = "config.json", "tokenizer.json"
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_LAYER_TENSORS = {
    "attn_norm": "input_layernorm.weight",
    "mlp_norm": "post_attention_layernorm.weight",
    "wq": "self_attn.q_proj.weight",
    "wk": "self_attn.k_proj.weight",
    "wv": "self_attn.v_proj.weight",
    "wo": "self_attn.o_proj.weight",
    "gate": "mlp.gate_proj.weight",
    "up": "mlp.up_proj.weight",
    "down": "mlp.down_proj.weight",
}
_BIASES = {f"w{x}.b": f"self_attn.{x}_proj.bias" for x in "qkv"}
_NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "hidden_act": ("silu",),
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "use_sliding_window": (False,),
    "partial_rotary_factor": (1.0,),
    "quantization_config": (),
}
"""Settings with the values that a pin can reproduce; absent or None is fine as well."""


def read_folder(folder: Path) -> SourceModel:
    """Open a checkpoint of the Llama or Qwen2 family.

    Raises:
        PinError: a file is missing or damaged, another family, or a feature that a pin does not
            have.
    """
    config = _config(folder)
    family = str(config.model_type)
    files = _weight_files(folder)
    shape, theta = _shape(config), _theta(config)
    tied = bool(config.tie_word_embeddings)
    names = _names(shape, family, tied, files)
    digests = "".join(
        f"{file_sha256(folder / name)}  {name}\n"
        for name in sorted({_CONFIG, _TOKENIZER, *(path.name for path in files.values())})
    )

    def weight(name: str) -> NDArray[np.float32]:
        return _tensor(files[names[name]], names[name])

    return SourceModel(
        name=folder.resolve().name.lower(),
        family=family,
        shape=shape,
        rms_eps=float(config.rms_norm_eps),
        rope_theta=theta,
        tied=tied,
        tokenizer=from_tokenizer_json((folder / _TOKENIZER).read_bytes(), rows=shape.vocab),
        source=Source(_WEIGHTS, hashlib.sha256(digests.encode()).hexdigest()),
        licence=None,
        weight=weight,
    )


def _config(folder: Path) -> Any:
    """The configuration object of transformers, after refusing what a pin cannot do."""
    for name in (_CONFIG, _TOKENIZER):
        if not (folder / name).is_file():
            raise PinError(
                f"{folder} has no {name}",
                expected="a folder saved by save_pretrained of model and tokenizer",
                remedy="to pin a GGUF file, name the file itself",
            )
    raw = _json_object(folder / _CONFIG)
    family = raw.get("model_type")
    if family not in FAMILIES:
        unsupported(f"its model_type is {family}", " or ".join(FAMILIES))
    try:
        import safetensors  # noqa: F401
        import torch  # noqa: F401
        from transformers import LlamaConfig, Qwen2Config
        from transformers.utils import logging
    except ImportError as error:
        raise missing_package(error) from error
    logging.set_verbosity_error()
    try:
        config = {"llama": LlamaConfig, "qwen2": Qwen2Config}[family].from_dict(raw)
    except (ValueError, TypeError, KeyError) as error:
        raise PinError(f"{folder / _CONFIG} is not usable: {error}") from error
    for key, allowed in _NEUTRAL.items():
        value = getattr(config, key, None)
        if value is not None and value not in allowed:
            unsupported(f"{key} is {value}", f"{allowed[0]}" if allowed else f"no {key}")
    layer_types = set(getattr(config, "layer_types", None) or ())
    if layer_types - {"full_attention"}:
        unsupported(f"it has layers of {sorted(layer_types)}", "full attention in every layer")
    return config


def _theta(config: Any) -> float:
    """The base of the rotary wavelengths, if positions are not scaled in any way."""
    rope = dict(getattr(config, "rope_parameters", None) or {})
    kind = rope.pop("rope_type", "default")
    theta = rope.pop("rope_theta", None)
    rest = {key: value for key, value in rope.items() if value not in (None, 1.0)}
    if kind != "default" or rest or theta is None:
        unsupported(f"its rotary positions are {config.rope_parameters}", "rope_type default")
    return float(theta)


def _shape(config: Any) -> Shape:
    heads = config.num_attention_heads
    return Shape(
        vocab=config.vocab_size,
        dim=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=heads,
        kv_heads=config.num_key_value_heads or heads,
        head_dim=getattr(config, "head_dim", None) or config.hidden_size // heads,
        mlp_dim=config.intermediate_size,
        max_positions=min(MAX_POSITIONS, config.max_position_embeddings),
    )


def _weight_files(folder: Path) -> dict[str, Path]:
    """The file of each tensor, one file or several with an index."""
    from safetensors import SafetensorError, safe_open

    if (folder / _WEIGHTS).is_file():
        paths = [folder / _WEIGHTS]
    elif (folder / _INDEX).is_file():
        shards = _json_object(folder / _INDEX).get("weight_map", {})
        # A name with a slash would lead out of the folder.
        paths = [folder / Path(name).name for name in sorted(set(shards.values()))]
    else:
        raise PinError(
            f"{folder} has neither {_WEIGHTS} nor {_INDEX}",
            remedy="save the model again with save_pretrained; pickled weights are not read",
        )
    files: dict[str, Path] = {}
    try:
        with ExitStack() as stack:
            for path in paths:
                opened = stack.enter_context(safe_open(path, framework="pt"))
                files |= dict.fromkeys(opened.keys(), path)
    except (OSError, SafetensorError) as error:
        raise PinError(
            f"the weights in {folder} cannot be read: {words_of(error)}",
            remedy="download them again",
        ) from error
    # Old checkpoints store the rotary frequencies, which follow from rope_theta.
    return {name: path for name, path in files.items() if not name.endswith("rotary_emb.inv_freq")}


def _tensor(path: Path, name: str) -> NDArray[np.float32]:
    import torch
    from safetensors import safe_open

    with safe_open(path, framework="pt") as opened:
        tensor = opened.get_tensor(name)
    if not tensor.is_floating_point():
        unsupported(f"{name} holds {tensor.dtype}", "floating-point weights, not quantised ones")
    values: NDArray[np.float32] = tensor.to(torch.float32).numpy()
    return values


def _names(shape: Shape, family: str, tied: bool, files: Mapping[str, Path]) -> dict[str, str]:
    """Names in the pin to names in the files; exactly the tensors of the family must be there."""
    names = {"embed": "model.embed_tokens.weight", "final_norm": "model.norm.weight"}
    if not tied:
        names["head"] = "lm_head.weight"
    inner = _LAYER_TENSORS | (_BIASES if family == "qwen2" else {})
    for i in range(shape.layers):
        names |= {f"layers.{i}.{ours}": f"model.layers.{i}.{x}" for ours, x in inner.items()}
    if missing := sorted(set(names.values()) - set(files)):
        raise PinError(f"the checkpoint has no {missing[0]}", remedy="download it again")
    if extra := sorted(set(files) - set(names.values()) - {"lm_head.weight"}):
        unsupported(f"it has the tensor {extra[0]}", f"only the tensors of the {family} family")
    return names


def _json_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PinError(
            f"{path} cannot be read: {words_of(error)}", remedy="download it again"
        ) from error
    if not isinstance(value, dict):
        raise PinError(f"{path} does not hold a JSON object", remedy="download it again")
    return value
