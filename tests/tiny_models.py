"""Very small checkpoints with random weights, in the formats in which models are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = ("<|endoftext|>", "<|im_start|>")
SIZES = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 48,
    "rms_norm_eps": 1e-6,
}
"""All different, so that no two axes can be confused; head_dim is 4."""

CORPUS = [
    "def clip(x):\n    return min(x, 10)\n",
    "int clip(int x) { return x > 10 ? 10 : x; }\n",
] * 3


def tokenizer() -> Tokenizer:
    """A byte-level BPE tokenizer with 2 special tokens, all 256 bytes and some merges."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=280,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(CORPUS, trainer)
    return made


def save_checkpoint(folder: Path, family: str, *, rows: int = 304, **settings: Any) -> Any:
    """A Hugging Face folder of a family; returns the torch model that was saved.

    Args:
        folder: to create.
        family: "llama" or "qwen2".
        rows: of the vocabulary; more than the tokenizer has tokens.
        settings: of the configuration, over ``SIZES``.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    classes = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM)}
    make_config, make_model = classes[family]
    torch.manual_seed(20)
    model = make_model(make_config(vocab_size=rows, **SIZES | settings))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-2.0, 2.0)
    model.save_pretrained(folder)
    tokenizer().save(str(folder / "tokenizer.json"))
    return model


def weights_of(model: Any) -> dict[str, NDArray[np.float32]]:
    """The weights of a torch model by their published names."""
    return {name: tensor.float().numpy() for name, tensor in model.state_dict().items()}


def save_gguf(
    path: Path, family: str, model: Any, *, kind: str = "F32", facts: dict[str, Any] | None = None
) -> None:
    """The same model as a GGUF file, converted the way llama.cpp does it.

    Args:
        path: to create.
        family: "llama" or "qwen2".
        model: from ``save_checkpoint``.
        kind: how matrices are stored, a name of gguf.GGMLQuantizationType.
        facts: further metadata; strings, integers or floats.
    """
    import gguf

    config = model.config
    writer = gguf.GGUFWriter(path, family)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    _add_tokenizer(writer, config.vocab_size)
    for key, value in (facts or {}).items():
        adders = {str: writer.add_string, int: writer.add_uint32, float: writer.add_float32}
        adders[type(value)](key, value)
    names = gguf.get_tensor_name_map(
        {"llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2}[family],
        config.num_hidden_layers,
    )
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, values in weights_of(model).items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        stored = values
        part = name.split(".")[-2]
        if family == "llama" and part in heads:
            stored = _neighbours(values, heads[part])
        quantise = values.ndim == 2
        quantisation = gguf.GGMLQuantizationType[kind if quantise else "F32"]
        data = gguf.quantize(np.ascontiguousarray(stored), quantisation)
        ours = names.get_name(name, try_suffixes=(".weight", ".bias"))
        writer.add_tensor(ours, data, raw_dtype=quantisation)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _neighbours(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows j and j + head_dim / 2 of each head become neighbours, written as a plain loop."""
    head_dim = values.shape[0] // heads
    order = []
    for head in range(heads):
        for j in range(head_dim // 2):
            order += [head * head_dim + j, head * head_dim + head_dim // 2 + j]
    return values[order]


def _add_tokenizer(writer: Any, rows: int) -> None:
    document = json.loads(tokenizer().to_str())
    vocabulary = document["model"]["vocab"]
    tokens = [f"[PAD{i}]" for i in range(rows)]
    kinds = [5] * rows
    for text, index in vocabulary.items():
        tokens[index], kinds[index] = text, 3 if text in SPECIAL else 1
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in document["model"]["merges"]])
