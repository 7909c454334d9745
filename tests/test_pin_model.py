"""From published checkpoints to pins: every format gives the numbers of the torch model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import SPECIAL, save_checkpoint, save_gguf, tokenizer, weights_of
from tokenizers import Tokenizer
from typer.testing import CliRunner

from groundstation.commands.models.model import app
from groundstation.models.gguf import read_gguf
from groundstation.models.pin import quantise_rows, read_source, write_pin
from groundstation.models.tokenizer import PRE_TOKENIZERS, byte_level_bpe, from_tokenizer_json
from shared.errors import InputError, PinError
from shared.exact.arithmetic import joined_weights
from shared.exact.pin import Pin, load_pin

IN_LAYER = {
    "wq": "self_attn.q_proj",
    "wk": "self_attn.k_proj",
    "wv": "self_attn.v_proj",
    "wo": "self_attn.o_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any]]:
    """Folder and torch model of each kind of checkpoint."""
    root = tmp_path_factory.mktemp("checkpoints")
    kinds: dict[str, tuple[str, bool, dict[str, Any]]] = {
        "llama-tied": ("llama", True, {}),
        "llama-free": ("llama", False, {"head_dim": 6}),
        "qwen2-tied": ("qwen2", True, {"rope_parameters": {"rope_theta": 777.5}}),
        "qwen2-free": ("qwen2", False, {}),
    }
    return {
        kind: (root / kind, save_checkpoint(root / kind, family, tie_word_embeddings=tied, **more))
        for kind, (family, tied, more) in kinds.items()
    }


def assert_holds(pin: Pin, model: Any) -> None:
    """Every weight of the torch model is in the pin, matrices within half a step of 10 bits."""
    weights = weights_of(model)
    seen = 0
    for name, values in weights.items():
        if name == "lm_head.weight" and pin.facts.tied:
            continue
        seen += 1
        ours = {"model.embed_tokens": "embed", "lm_head": "head", "model.norm": "final_norm"}
        stem, _, kind = name.rpartition(".")
        if stem in ours:
            mine = ours[stem]
        else:
            _, _, layer, rest = stem.split(".", 3)
            norms = {"input_layernorm": "attn_norm", "post_attention_layernorm": "mlp_norm"}
            back = {theirs: ours for ours, theirs in IN_LAYER.items()} | norms
            mine = f"layers.{layer}.{back[rest]}"
        if values.ndim == 2:
            scale = pin.tensors[f"{mine}.s"]
            integers = joined_weights(pin.tensors[f"{mine}.q"], pin.tensors[f"{mine}.r"])
            error = np.abs(integers * scale[:, None] - values.astype(np.float64))
            assert (error <= 0.5000001 * scale[:, None]).all(), name
            assert (np.abs(integers).max(axis=1) == 511).all(), name
        else:
            mine += ".b" if kind == "bias" else ""
            assert np.array_equal(pin.tensors[mine], values.astype(np.float64)), name
    assert seen == len(pin.tensors) - 3 - sum(n.endswith((".s", ".r")) for n in pin.tensors)


@pytest.mark.parametrize("kind", ["llama-tied", "llama-free", "qwen2-tied", "qwen2-free"])
def test_a_folder_is_pinned_with_every_weight(
    checkpoints: dict[str, tuple[Path, Any]], kind: str, tmp_path: Path
) -> None:
    folder, model = checkpoints[kind]
    pin = write_pin(read_source(folder), tmp_path / "pin", name="tiny", licence="MIT")
    assert_holds(load_pin(tmp_path / "pin"), model)
    facts = pin.facts
    assert facts.family == kind[:5]
    assert facts.tied is kind.endswith("tied")
    assert (facts.name, facts.licence) == ("tiny", "MIT")
    assert facts.rms_eps == 1e-6
    assert facts.rope_theta == (777.5 if kind == "qwen2-tied" else 10000.0)
    shape = facts.shape
    assert (shape.vocab, shape.dim, shape.layers, shape.heads) == (304, 24, 2, 6)
    assert (shape.kv_heads, shape.mlp_dim, shape.max_positions) == (2, 40, 48)
    assert shape.head_dim == (6 if kind == "llama-free" else 4)


@pytest.mark.parametrize("kind", ["llama-tied", "llama-free", "qwen2-tied"])
def test_a_gguf_file_gives_the_same_numbers_as_the_folder(
    checkpoints: dict[str, tuple[Path, Any]], kind: str, tmp_path: Path
) -> None:
    folder, model = checkpoints[kind]
    extra = {"llama.attention.key_length": 6} if kind == "llama-free" else {}
    save_gguf(tmp_path / "Tiny.gguf", kind[:5], model, facts=extra)
    from_folder = write_pin(read_source(folder), tmp_path / "a")
    from_file = write_pin(read_source(tmp_path / "Tiny.gguf"), tmp_path / "b")
    assert from_file.facts.name == "tiny"
    assert from_file.facts.source.name == "Tiny.gguf"
    assert from_file.facts.model_sha256 == from_folder.facts.model_sha256
    assert from_file.facts.tokenizer_sha256 == from_folder.facts.tokenizer_sha256
    assert from_file.facts.usable_vocab == from_folder.facts.usable_vocab == 280


@pytest.mark.parametrize(
    ("family", "kind"), [("llama", "F16"), ("llama", "BF16"), ("qwen2", "Q8_0")]
)
def test_quantised_gguf_files_agree_with_transformers(
    family: str, kind: str, tmp_path: Path
) -> None:
    """An independent reader of the same file: names, order of rows and dequantisation."""
    import torch
    from transformers import AutoModelForCausalLM

    wide = {"hidden_size": 96, "intermediate_size": 64}  # Q8_0 has blocks of 32 columns
    model = save_checkpoint(tmp_path / "hf", family, tie_word_embeddings=True, **wide)
    save_gguf(tmp_path / "m.gguf", family, model, kind=kind)
    pin = write_pin(read_source(tmp_path / "m.gguf"), tmp_path / "pin")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="m.gguf", dtype=torch.float32)
    assert_holds(pin, theirs)


def test_a_matrix_that_a_gguf_file_stores_twice_is_tied_again(
    checkpoints: dict[str, tuple[Path, Any]], tmp_path: Path
) -> None:
    import torch

    folder, model = checkpoints["qwen2-free"]
    with torch.no_grad():
        embedding = model.get_input_embeddings().weight
        head = torch.nn.Parameter(embedding * (1 + 0.01 * torch.rand(embedding.shape)))
    twin = save_checkpoint(tmp_path / "hf", "qwen2", tie_word_embeddings=False)
    twin.lm_head.weight, twin.model.embed_tokens.weight = head, embedding
    save_gguf(tmp_path / "twin.gguf", "qwen2", twin)
    save_gguf(tmp_path / "free.gguf", "qwen2", model)
    assert read_source(tmp_path / "free.gguf").tied is False
    source = read_source(tmp_path / "twin.gguf")
    assert source.tied is True
    assert np.array_equal(source.weight("embed"), head.detach().numpy())
    assert folder.is_dir()


def test_special_tokens_and_rows_without_a_token_are_listed(
    checkpoints: dict[str, tuple[Path, Any]],
) -> None:
    facts = read_source(checkpoints["llama-tied"][0]).tokenizer
    assert facts.special_token_ids == (0, 1)
    assert facts.usable_vocab == 280
    hole = byte_level_bpe({"a": 0, "b": 3}, [], {"<x>": 4}, PRE_TOKENIZERS["gpt-2"], rows=9)
    assert hole.special_token_ids == (1, 2, 4)
    assert hole.usable_vocab == 5


def test_pinning_twice_gives_the_same_bytes(
    checkpoints: dict[str, tuple[Path, Any]], tmp_path: Path
) -> None:
    folder, _ = checkpoints["qwen2-free"]
    moved = tmp_path / "elsewhere" / folder.name
    shutil.copytree(folder, moved)
    one = write_pin(read_source(folder), tmp_path / "one")
    two = write_pin(read_source(moved), tmp_path / "two")
    assert one.digest == two.digest
    for name in ("manifest.json", "model.safetensors", "tokenizer.json"):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()
    assert str(tmp_path) not in (one.folder / "manifest.json").read_text()
    other = write_pin(read_source(folder), tmp_path / "three", name="other")
    assert other.digest != one.digest


def test_shards_give_the_same_pin_as_one_file(tmp_path: Path) -> None:
    model = save_checkpoint(tmp_path / "one", "llama")
    shutil.copytree(tmp_path / "one", tmp_path / "many")
    (tmp_path / "many" / "model.safetensors").unlink()
    model.save_pretrained(tmp_path / "many", max_shard_size="20KB")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 1
    one = write_pin(read_source(tmp_path / "one"), tmp_path / "a")
    many = write_pin(read_source(tmp_path / "many"), tmp_path / "b")
    assert one.facts.model_sha256 == many.facts.model_sha256


# --- quantisation ------------------------------------------------------------------------------


def test_quantised_rows_literally() -> None:
    matrix = np.array([[0.5, -5.11, 0.005], [0.0, 0.0, -0.0], [1.0, -511.0, 2.5]], np.float32)
    integers, scales = quantise_rows(matrix)
    assert integers.tolist() == [[50, -511, 0], [0, 0, 0], [1, -511, 2]]
    assert scales[1:].tolist() == [1.0, 1.0]
    assert scales[0] == float(np.float32(5.11)) / 511


# --- the tokenizer -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["e\u0301 and \u212b", "<|im_start|>x", " a  12\n", "\x00\u00ff"])
def test_the_pinned_tokenizer_gives_back_every_text(text: str, tmp_path: Path) -> None:
    document = json.loads(tokenizer().to_str())
    document["normalizer"] = {"type": "NFC"}
    document["pre_tokenizer"]["add_prefix_space"] = True
    folder = tmp_path / "hf"
    save_checkpoint(folder, "llama")
    (folder / "tokenizer.json").write_text(json.dumps(document))
    pin = write_pin(read_source(folder), tmp_path / "pin")
    pinned = pin.tokenizer()
    ids = pinned.encode(text).ids
    assert pinned.decode(ids, skip_special_tokens=False) == text
    assert not set(ids) & set(pin.facts.special_token_ids)
    assert pinned.token_to_id(SPECIAL[1]) == 1


def test_numbers_are_split_as_their_model_was_trained() -> None:
    document = json.loads(tokenizer().to_str())
    vocabulary = {t: i for t, i in document["model"]["vocab"].items() if t not in SPECIAL}
    vocabulary |= {"ĠĠ": 500, "12": 501, "123": 502}
    merges = [["Ġ", "Ġ"], ["1", "2"], ["12", "3"]]

    def pieces(name: str) -> list[str]:
        facts = byte_level_bpe(vocabulary, merges, {}, PRE_TOKENIZERS[name], rows=600)
        return list(Tokenizer.from_str(facts.data.decode()).encode("a  1234").tokens)

    assert pieces("gpt-2") == ["a", "Ġ", "Ġ", "123", "4"]
    assert pieces("smollm") == ["a", "ĠĠ", "1", "2", "3", "4"]
    assert pieces("qwen2") == ["a", "Ġ", "Ġ", "1", "2", "3", "4"]
    assert pieces("llama-bpe") == ["a", "Ġ", "Ġ", "123", "4"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"normalizer": {"type": "Lowercase"}}, "Lowercase"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "bytes"),
        ({"pre_tokenizer": None}, "bytes"),
        ({"model": {"type": "Unigram", "vocab": {}, "merges": []}}, "Unigram"),
        ({"added_tokens": [{"id": 7, "content": "<x>"}]}, "distinct"),
    ],
)
def test_tokenizers_that_are_not_exact_are_refused(change: dict[str, Any], word: str) -> None:
    document = json.loads(tokenizer().to_str()) | change
    with pytest.raises(PinError, match=word):
        from_tokenizer_json(json.dumps(document).encode(), rows=304)


def test_a_tokenizer_with_more_tokens_than_rows_is_refused() -> None:
    with pytest.raises(PinError, match="rows"):
        from_tokenizer_json(tokenizer().to_str().encode(), rows=279)


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model_type": "mistral"}, "mistral"),
        ({"hidden_act": "gelu"}, "gelu"),
        ({"attention_bias": True}, "attention_bias"),
        ({"mlp_bias": True}, "mlp_bias"),
        ({"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}}, "linear"),
        ({"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2.0}}, "linear"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "quantization"),
        ({"num_hidden_layers": 3}, "layers.2"),
        ({"num_hidden_layers": 1}, "layers.1"),
        ({"num_key_value_heads": 4}, "unevenly"),
        ({"tie_word_embeddings": False}, "lm_head"),
        ({"vocab_size": 303}, "shape"),
    ],
)
def test_settings_that_change_the_arithmetic_are_refused(
    checkpoints: dict[str, tuple[Path, Any]], tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    folder = tmp_path / "hf"
    shutil.copytree(checkpoints["llama-tied"][0], folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(PinError, match=word):
        write_pin(read_source(folder), tmp_path / "pin")
    assert [path.name for path in tmp_path.iterdir()] == ["hf"]


def test_a_sliding_window_in_use_is_refused(
    checkpoints: dict[str, tuple[Path, Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "hf"
    shutil.copytree(checkpoints["qwen2-tied"][0], folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"sliding_window": 16, "max_window_layers": 1}
    (folder / "config.json").write_text(json.dumps(config | {"use_sliding_window": False}))
    read_source(folder)
    del config["layer_types"]
    (folder / "config.json").write_text(json.dumps(config | {"use_sliding_window": True}))
    with pytest.raises(PinError, match="sliding"):
        read_source(folder)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    import torch

    model = save_checkpoint(tmp_path / "hf", "llama")
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[3, 4] = float("nan")
    model.save_pretrained(tmp_path / "hf")
    with pytest.raises(PinError, match=r"layers\.1\.up has infinite"):
        write_pin(read_source(tmp_path / "hf"), tmp_path / "pin")
    assert [path.name for path in tmp_path.iterdir()] == ["hf"]


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"llama.rope.scaling.type": "yarn"}, "yarn"),
        ({"llama.expert_count": 8}, "expert_count"),
        ({"llama.rope.dimension_count": 2}, "dimension_count"),
        ({"llama.attention.sliding_window": 16}, "sliding_window"),
        ({"tokenizer.ggml.pre": "poro-chat"}, "poro"),
        ({"tokenizer.ggml.model": "llama"}, "byte-level"),
        ({"general.architecture": "gemma"}, "gemma"),
    ],
)
def test_gguf_keys_that_change_the_arithmetic_are_refused(
    checkpoints: dict[str, tuple[Path, Any]], tmp_path: Path, facts: dict[str, Any], word: str
) -> None:
    import gguf

    path = tmp_path / "m.gguf"
    overridden = {key for key in facts if key.startswith(("tokenizer", "general"))}
    with pytest.MonkeyPatch.context() as patch:
        # The writer refuses to write a key twice; ours must win over the ordinary one.
        original = gguf.GGUFWriter.add_key_value

        def add(self: Any, key: str, value: Any, *rest: Any, **more: Any) -> None:
            if key in overridden:
                value = facts[key]
            original(self, key, value, *rest, **more)

        patch.setattr(gguf.GGUFWriter, "add_key_value", add)
        new = {key: value for key, value in facts.items() if key not in overridden}
        save_gguf(path, "llama", checkpoints["llama-tied"][1], facts=new)
    with pytest.raises(PinError, match=word):
        read_gguf(path)


def test_neutral_gguf_keys_are_accepted(
    checkpoints: dict[str, tuple[Path, Any]], tmp_path: Path
) -> None:
    facts = {"llama.rope.scaling.type": "none", "llama.rope.dimension_count": 4}
    save_gguf(tmp_path / "m.gguf", "llama", checkpoints["llama-tied"][1], facts=facts)
    assert read_gguf(tmp_path / "m.gguf").shape.head_dim == 4


def test_truncated_gguf_files_are_refused(
    checkpoints: dict[str, tuple[Path, Any]], tmp_path: Path
) -> None:
    save_gguf(tmp_path / "m.gguf", "llama", checkpoints["llama-tied"][1])
    data = (tmp_path / "m.gguf").read_bytes()
    short = tmp_path / "short.gguf"
    for length in (0, 3, 4, 10, 100, len(data) // 8, len(data) // 2, len(data) - 1):
        short.write_bytes(data[:length])
        with pytest.raises(PinError):
            write_pin(read_source(short), tmp_path / "pin")
    assert not (tmp_path / "pin").exists()


def test_missing_sources_are_named(tmp_path: Path) -> None:
    with pytest.raises(PinError, match="does not exist"):
        read_source(tmp_path / "absent.gguf")
    with pytest.raises(PinError, match=r"no config\.json"):
        read_source(tmp_path)


def test_an_existing_folder_is_never_overwritten(
    checkpoints: dict[str, tuple[Path, Any]], tmp_path: Path
) -> None:
    source = read_source(checkpoints["llama-tied"][0])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").write_text("x")
    with pytest.raises(InputError, match="exists already"):
        write_pin(source, tmp_path / "full")
    assert (tmp_path / "full" / "precious").read_text() == "x"
    (tmp_path / "empty").mkdir()
    assert write_pin(source, tmp_path / "empty").folder == tmp_path / "empty"


# --- the commands ------------------------------------------------------------------------------


def test_pin_and_info_on_the_command_line(
    checkpoints: dict[str, tuple[Path, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    run = CliRunner().invoke
    out = tmp_path / "rehydration-uplink" / "pins" / "mine"
    source = str(checkpoints["llama-free"][0])
    made = run(app, ["pin", source, "--out", str(out), "--licence", "MIT", "--json"])
    assert made.exit_code == 0, made.output
    facts = json.loads(made.stdout)
    assert facts["digest"] == load_pin(out).digest.hex()
    assert facts["licence"] == "MIT"
    expected_parameters = sum(v.size for v in weights_of(checkpoints["llama-free"][1]).values())
    assert facts["parameters"] == expected_parameters
    assert facts["total_bytes"] == sum(path.stat().st_size for path in out.iterdir())
    by_name = run(app, ["info", "mine"])
    assert by_name.exit_code == 0
    assert facts["digest"] in by_name.stdout
    assert "48 tokens" in by_name.stdout
    again = run(app, ["pin", source, "--out", str(out)])
    assert again.exit_code == InputError.exit_code
    absent = run(app, ["info", "nobody", "--json"])
    assert absent.exit_code == PinError.exit_code
    assert "mine" in json.loads(absent.stdout)["expected"]
    for command in ("fetch", "pin", "info"):
        assert run(app, [command, "--help"]).exit_code == 0
