"""Read a model from a Hugging Face folder, strictly.

Only ``config.json``, ``tokenizer.json`` and safetensors are read: no pickle, no code from the
folder.  ``transformers`` knows how its configuration files changed over the years; every setting
that would change the arithmetic of a pin is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundstation.models.source import (
    MAX_SIZE,
    SourceModel,
    checked_shape,
    missing_package,
    real_number,
    size_number,
    unsupported,
)
from groundstation.models.tokenizer import MAX_TOKENIZER_BYTES, from_tokenizer_json
from shared.errors import PinError, words_of
from shared.exact.bounds import Shape
from shared.exact.manifest import FAMILIES, MAX_LAYERS, MAX_POSITIONS, Source
from shared.exact.pin import file_sha256
from shared.untrusted import PARSING_FAULTS, json_value, read_at_most

_CONFIG, _TOKENIZER = "config.json", "tokenizer.json"
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_MAX_JSON_BYTES = 1 << 24
_MAX_SHARDS = 1024
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
_UNUSED = ("num_labels", "id2label", "label2id")
"""Of classifiers: transformers would list as many labels as a file says."""


def read_folder(folder: Path) -> SourceModel:
    """Open a checkpoint of the Llama or Qwen2 family.

    Raises:
        PinError: a file is missing or damaged, another family, or a feature that a pin does not
            have.
    """
    config = _config(folder)
    family = str(config.model_type)
    files = _weight_files(folder)
    shape = _shape(config)
    theta, rms_eps = _theta(config), real_number("rms_norm_eps", config.rms_norm_eps)
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
        rms_eps=rms_eps,
        rope_theta=theta,
        tied=tied,
        tokenizer=from_tokenizer_json(_tokenizer_bytes(folder / _TOKENIZER), rows=shape.vocab),
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
    # what transformers makes a list of, or does not concern a language model, before it gets it
    raw = {key: value for key, value in raw.items() if key not in _UNUSED}
    if "num_hidden_layers" in raw:
        size_number("num_hidden_layers", raw["num_hidden_layers"], MAX_LAYERS)
    try:
        config = {"llama": LlamaConfig, "qwen2": Qwen2Config}[family].from_dict(raw)
    except Exception as error:  # the library raises nothing narrower
        raise PinError(
            f"{folder / _CONFIG} is not usable: {type(error).__name__} {error}",
            remedy="save the model again with save_pretrained",
        ) from error
    for key, allowed in _NEUTRAL.items():
        value = getattr(config, key, None)
        if value is not None and value not in allowed:
            unsupported(f"{key} is {value}", f"{allowed[0]}" if allowed else f"no {key}")
    layer_types = getattr(config, "layer_types", None) or ()
    if odd := [each for each in layer_types if each != "full_attention"]:
        unsupported(f"it has layers of {odd[0]!r}", "full attention in every layer")
    return config


def _theta(config: Any) -> float:
    """The base of the rotary wavelengths, if positions are not scaled in any way."""
    found = getattr(config, "rope_parameters", None) or {}
    if not isinstance(found, Mapping):
        unsupported(f"its rotary positions are {found!r}", "rope_type default")
    rope = dict(found)
    kind = rope.pop("rope_type", "default")
    theta = rope.pop("rope_theta", None)
    rest = {key: value for key, value in rope.items() if value not in (None, 1.0)}
    if kind != "default" or rest or theta is None:
        unsupported(f"its rotary positions are {config.rope_parameters}", "rope_type default")
    return real_number("rope_theta", theta)


def _shape(config: Any) -> Shape:
    heads = size_number("num_attention_heads", config.num_attention_heads)
    dim = size_number("hidden_size", config.hidden_size)
    positions = size_number("max_position_embeddings", config.max_position_embeddings, MAX_SIZE)
    return checked_shape(
        vocab=config.vocab_size,
        dim=dim,
        layers=config.num_hidden_layers,
        heads=heads,
        kv_heads=config.num_key_value_heads or heads,
        head_dim=getattr(config, "head_dim", None) or dim // heads,
        mlp_dim=config.intermediate_size,
        max_positions=min(MAX_POSITIONS, positions),
    )


def _weight_files(folder: Path) -> dict[str, Path]:
    """The file of each tensor, one file or several with an index."""
    from safetensors import SafetensorError, safe_open

    if (folder / _WEIGHTS).is_file():
        paths = [folder / _WEIGHTS]
    elif (folder / _INDEX).is_file():
        paths = [folder / name for name in _shards(folder / _INDEX)]
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
    except (OSError, ValueError, SafetensorError) as error:
        raise PinError(
            f"the weights in {folder} cannot be read: {words_of(error)}",
            remedy="download them again",
        ) from error
    # Old checkpoints store the rotary frequencies, which follow from rope_theta.
    return {name: path for name, path in files.items() if not name.endswith("rotary_emb.inv_freq")}


def _shards(index: Path) -> list[str]:
    """The names of the files that an index lists."""
    shards = _json_object(index).get("weight_map")
    found = list(shards.values()) if isinstance(shards, dict) else []
    # A name with a slash would lead out of the folder.
    if not found or not all(isinstance(name, str) and Path(name).name == name for name in found):
        raise PinError(
            f"{index} does not name the files of the weights",
            expected="a weight_map with names of files in the same folder",
            remedy="download it again",
        )
    names = sorted(set(found))
    if len(names) > _MAX_SHARDS:
        raise PinError(f"{index} names {len(names)} files", expected=f"at most {_MAX_SHARDS}")
    return names


def _tokenizer_bytes(path: Path) -> bytes:
    try:
        return read_at_most(path, MAX_TOKENIZER_BYTES)
    except (OSError, ValueError) as error:
        raise PinError(
            f"{path} cannot be read: {words_of(error)}", remedy="download it again"
        ) from error


def _tensor(path: Path, name: str) -> NDArray[np.float32]:
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as opened:
            tensor = opened.get_tensor(name)
    except (OSError, SafetensorError, *PARSING_FAULTS) as error:
        raise PinError(
            f"the tensor {name} in {path} cannot be read: {words_of(error)}",
            remedy="download it again",
        ) from error
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
        value = json_value(read_at_most(path, _MAX_JSON_BYTES))
    except (OSError, ValueError) as error:
        raise PinError(
            f"{path} cannot be read: {words_of(error)}", remedy="download it again"
        ) from error
    if not isinstance(value, dict):
        raise PinError(f"{path} does not hold a JSON object", remedy="download it again")
    return value
