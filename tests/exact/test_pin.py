"""Pins on disk: what is written comes back, and nothing else is accepted."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file

from groundstation.models.catalogue import KNOWN, SMOLLM2
from groundstation.models.pin import write_pin
from groundstation.models.source import SourceModel
from groundstation.models.tokenizer import PRE_TOKENIZERS, byte_level_bpe
from shared.errors import PinError
from shared.exact.arithmetic import dequantised
from shared.exact.bounds import Shape
from shared.exact.manifest import Manifest, Source, TensorSpec, layout, parameter_count
from shared.exact.pin import Pin, load_pin, pins_home, resolve_pin
from shared.exact.tensorfile import encode_header, map_tensors, write_tensors

SHAPE = Shape(
    vocab=11, dim=12, layers=2, heads=6, kv_heads=3, head_dim=4, mlp_dim=20, max_positions=5
)
FILES = ("manifest.json", "model.safetensors", "tokenizer.json")


def manifest(**changes: Any) -> Manifest:
    facts: dict[str, Any] = {
        "name": "tiny",
        "family": "llama",
        "shape": SHAPE,
        "rms_eps": 1e-5,
        "rope_theta": 10000.0,
        "tied": True,
        "special_token_ids": (2, 7),
        "usable_vocab": 9,
        "source": Source("tiny.gguf", "ab" * 32),
        "licence": None,
        "model_sha256": "01" * 32,
        "tokenizer_sha256": "23" * 32,
    }
    return Manifest(**facts | changes)


def source(family: str = "llama", *, tied: bool = True) -> SourceModel:
    """A model with random weights, the same on every call."""
    facts = manifest(family=family, tied=tied)
    specs = layout(facts)

    def weight(name: str) -> NDArray[np.float32]:
        spec = specs.get(name) or specs[f"{name}.q"]
        seed = list(hashlib.sha256(name.encode()).digest())
        return np.random.default_rng(seed).normal(size=spec.shape).astype(np.float32)

    tokens = {chr(ord("a") + i): i for i in range(9) if i not in (2, 7)}
    tokenizer = byte_level_bpe(tokens, [], {"<x>": 2, "<y>": 7}, PRE_TOKENIZERS["gpt-2"], rows=11)
    return SourceModel(
        name="tiny",
        family=family,
        shape=SHAPE,
        rms_eps=1e-5,
        rope_theta=10000.0,
        tied=tied,
        tokenizer=tokenizer,
        source=facts.source,
        licence=None,
        weight=weight,
    )


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory) -> Pin:
    return write_pin(source("qwen2", tied=False), tmp_path_factory.mktemp("pins") / "tiny")


@pytest.fixture
def copy(pinned: Pin, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pinned.folder, tmp_path / "copy"))


# --- the manifest ------------------------------------------------------------------------------


def test_the_manifest_literally() -> None:
    expected = (
        b'{"activation_bits":14,"arithmetic":"exact/2","family":"llama",'
        b'"format":"rehydration-pin/2","licence":null,"model_sha256":"' + b"01" * 32 + b'",'
        b'"name":"ti\\u00f1y","rms_eps":"0x1.4f8b588e368f1p-17",'
        b'"rope_theta":"0x1.3880000000000p+13",'
        b'"shape":{"dim":12,"head_dim":4,"heads":6,"kv_heads":3,"layers":2,"max_positions":5,'
        b'"mlp_dim":20,"vocab":11},"source":{"name":"tiny.gguf","sha256":"' + b"ab" * 32 + b'"},'
        b'"special_token_ids":[2,7],"tied":true,"tokenizer_sha256":"' + b"23" * 32 + b'",'
        b'"usable_vocab":9,"weight_bits":10}\n'
    )
    facts = manifest(name="tiñy")
    assert facts.to_bytes() == expected
    assert Manifest.from_bytes(expected) == facts


@given(
    name=st.text(),
    eps=st.floats(min_value=1e-12, max_value=0.5),
    theta=st.floats(min_value=1, max_value=1e9),
    ids=st.sets(st.integers(min_value=0, max_value=10)),
    licence=st.none() | st.text(),
    tied=st.booleans(),
    family=st.sampled_from(["llama", "qwen2"]),
)
def test_manifests_come_back(
    name: str, eps: float, theta: float, ids: set[int], licence: str | None, tied: bool, family: str
) -> None:
    facts = manifest(
        name=name,
        rms_eps=eps,
        rope_theta=theta,
        special_token_ids=tuple(sorted(ids)),
        licence=licence,
        tied=tied,
        family=family,
    )
    assert Manifest.from_bytes(facts.to_bytes()) == facts


@given(data=st.binary(max_size=60))
def test_no_bytes_crash_the_manifest_reader(data: bytes) -> None:
    with pytest.raises(PinError):
        Manifest.from_bytes(data)


@given(position=st.integers(min_value=0), value=st.integers(min_value=0, max_value=255))
def test_a_changed_manifest_is_refused_or_is_another_pin(position: int, value: int) -> None:
    data = bytearray(manifest().to_bytes())
    position %= len(data)
    if data[position] == value:
        return
    data[position] = value
    try:
        found = Manifest.from_bytes(bytes(data))
    except PinError:
        return
    assert found != manifest()
    assert found.to_bytes() == bytes(data)


def test_every_truncation_of_the_manifest_is_refused() -> None:
    data = manifest().to_bytes()
    for length in range(len(data)):
        with pytest.raises(PinError):
            Manifest.from_bytes(data[:length])
    with pytest.raises(PinError, match="canonical"):
        Manifest.from_bytes(data + b"\n")


def rewritten(**changes: Any) -> bytes:
    """The manifest with other JSON values; ``...`` deletes a field."""
    facts = json.loads(manifest().to_bytes()) | changes
    facts = {key: value for key, value in facts.items() if value is not ...}
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"arithmetic": "exact/1"}, "arithmetic 'exact/1'"),
        ({"format": "rehydration-pin/1", "new": 1}, "format 'rehydration-pin/1'"),
        ({"activation_bits": 8}, "activation_bits 8"),
        ({"activation_bits": 12.0}, "activation_bits 12.0"),
        ({"arithmetic": ...}, "arithmetic None"),
        ({"tied": ...}, "tied"),
        ({"colour": "red"}, "colour"),
        ({"tied": 1}, "holds 1"),
        ({"name": None}, "holds None"),
        ({"usable_vocab": True}, "holds True"),
        ({"usable_vocab": 9.0}, "holds 9.0"),
        ({"usable_vocab": 12}, "usable_vocab is 12"),
        ({"usable_vocab": 0}, "usable_vocab is 0"),
        ({"special_token_ids": [7, 2]}, "ascending"),
        ({"special_token_ids": [2, 2]}, "ascending"),
        ({"special_token_ids": [11]}, "ascending"),
        ({"special_token_ids": [-1]}, "ascending"),
        ({"special_token_ids": "27"}, "holds '27'"),
        ({"family": "gemma"}, "gemma"),
        ({"rms_eps": "0x0.0p+0"}, "rms_eps"),
        ({"rms_eps": "nan"}, "rms_eps"),
        ({"rms_eps": 1e-5}, "holds 1e-05"),
        ({"rms_eps": "0x1p-17"}, "canonical"),
        ({"rope_theta": "inf"}, "rope_theta"),
        ({"rope_theta": "0x1.0p+99999"}, "hexadecimal"),
        ({"model_sha256": "0" * 63}, "SHA-256"),
        ({"model_sha256": "G" * 64}, "SHA-256"),
        ({"source": {"name": "x"}}, "name, sha256"),
        ({"shape": [1, 2]}, "vocab"),
        ({"shape": dataclasses.asdict(SHAPE) | {"heads": 5}}, "unevenly"),
        ({"shape": dataclasses.asdict(SHAPE) | {"layers": 0}}, "layers is 0"),
        ({"shape": dataclasses.asdict(SHAPE) | {"layers": 2**40}}, "layers is"),
        ({"shape": dataclasses.asdict(SHAPE) | {"max_positions": 8193}}, "8193"),
        ({"shape": dataclasses.asdict(SHAPE) | {"head_dim": 3}}, "head_dim is 3"),
        ({"shape": dataclasses.asdict(SHAPE) | {"dim": "12"}}, "holds '12'"),
        ({"shape": dataclasses.asdict(SHAPE) | {"mlp_dim": 2**20}}, "activation limit"),
    ],
)
def test_each_unusable_field_has_its_message(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(PinError) as caught:
        Manifest.from_bytes(rewritten(**changes))
    assert word in str(caught.value)


# --- the tensor file ---------------------------------------------------------------------------


def test_the_tensor_file_literally(tmp_path: Path) -> None:
    specs = {
        "w": TensorSpec("F64", (1,)),
        "t": TensorSpec("I32", (1, 2)),
        "q": TensorSpec("I8", (3,)),
    }
    arrays: dict[str, NDArray[Any]] = {
        "w": np.array([-1.5]),
        "t": np.array([[0x01020304, -2]], np.int32),
        "q": np.array([1, -1, 127], np.int8),
    }
    path, pieces = tmp_path / "x", []
    with path.open("wb") as file:
        write_tensors(file, specs, arrays.__getitem__, lambda piece: pieces.append(bytes(piece)))
    text = (
        b'{"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},'
        b'"t":{"dtype":"I32","shape":[1,2],"data_offsets":[8,16]},'
        b'"q":{"dtype":"I8","shape":[3],"data_offsets":[16,19]}}'
    )
    padding = b" " * (-(8 + len(text)) % 64)
    header = (len(text) + len(padding)).to_bytes(8, "little") + text + padding
    numbers = bytes.fromhex("000000000000f8bf04030201feffffff01ff7f")
    assert path.read_bytes() == header + numbers == b"".join(pieces)
    assert len(header) % 64 == 0
    for name, array in map_tensors(path, specs).items():
        assert np.array_equal(array, arrays[name])
        assert not array.flags.writeable


@pytest.mark.parametrize(
    "array", [np.zeros((2, 3)), np.zeros((3, 2), np.float32), np.zeros(6), np.zeros((3, 2), ">f8")]
)
def test_a_tensor_other_than_promised_is_not_written(tmp_path: Path, array: Any) -> None:
    with (tmp_path / "x").open("wb") as file, pytest.raises(PinError, match="tensor w"):
        write_tensors(file, {"w": TensorSpec("F64", (3, 2))}, lambda _: array, lambda _: None)


@settings(max_examples=200)
@given(head=st.binary(max_size=40), length=st.integers(min_value=0, max_value=2**64 - 1))
def test_no_header_crashes_the_reader(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, length: int
) -> None:
    path = tmp_path_factory.mktemp("h") / "x"
    specs = {"w": TensorSpec("I8", (4,))}
    for data in (head, len(head).to_bytes(8, "little") + head, length.to_bytes(8, "little") + head):
        path.write_bytes(data)
        with pytest.raises(PinError):
            map_tensors(path, specs)


@pytest.mark.parametrize(
    ("specs", "word"),
    [
        ({"w": TensorSpec("I8", (5,))}, r"w is I8 \[4\], not I8 \[5\]"),
        ({"w": TensorSpec("I8", (2, 2))}, r"not I8 \[2, 2\]"),
        ({"w": TensorSpec("I32", (1,))}, r"w is I8 \[4\], not I32 \[1\]"),
        ({"v": TensorSpec("I8", (4,))}, "v is absent"),
        ({}, "not absent"),
    ],
)
def test_other_tensors_than_expected_are_named(
    tmp_path: Path, specs: dict[str, TensorSpec], word: str
) -> None:
    path = tmp_path / "x"
    path.write_bytes(encode_header({"w": TensorSpec("I8", (4,))}) + b"abcd")
    with pytest.raises(PinError, match=word):
        map_tensors(path, specs)


# --- whole pins --------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "tied"), [("llama", True), ("qwen2", False)])
def test_a_pin_comes_back(family: str, tied: bool, tmp_path: Path) -> None:
    model = source(family, tied=tied)
    pin = write_pin(model, tmp_path / "pin")
    again = load_pin(tmp_path / "pin", expected=pin.digest)
    assert again.digest == hashlib.sha256((tmp_path / "pin/manifest.json").read_bytes()).digest()
    assert sorted(path.name for path in (tmp_path / "pin").iterdir()) == sorted(FILES)
    assert set(again.tensors) == set(layout(again.facts))
    assert ("head.q" in again.tensors) is not tied
    assert ("layers.1.wk.b" in again.tensors) is (family == "qwen2")
    # An independent reader finds the same numbers.
    for name, array in load_file(tmp_path / "pin/model.safetensors").items():
        assert array.dtype == again.tensors[name].dtype
        assert np.array_equal(array, again.tensors[name])
    down = dequantised(again.tensors, "layers.1.down")
    assert np.abs(down - model.weight("layers.1.down")).max() < 0.005
    assert again.manifest["shape"]["mlp_dim"] == 20
    assert float.fromhex(again.manifest["rms_eps"]) == 1e-5
    assert again.tokenizer().token_to_id("<y>") == 7
    assert again.tokenizer() is again.tokenizer()


def test_tensors_start_at_multiples_of_their_element(pinned: Pin) -> None:
    for name, array in pinned.tensors.items():
        assert array.ctypes.data % array.itemsize == 0, name
    assert next(iter(pinned.tensors.values())).ctypes.data % 64 == 0


def test_parameters_are_those_of_the_published_model() -> None:
    facts = manifest(family="qwen2", tied=False)
    attention = 24 * 12 + 2 * 12 * 12 + 12 * 24 + 24 + 2 * 12
    layer = attention + 3 * 12 * 20 + 2 * 12
    assert parameter_count(facts) == 2 * 11 * 12 + 12 + 2 * layer


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(PinError, match=name):
        load_pin(copy, verify=False)


@pytest.mark.parametrize("name", FILES[1:])
def test_changed_bytes_are_refused(pinned: Pin, copy: Path, name: str) -> None:
    original = (pinned.folder / name).read_bytes()
    random_positions = random.Random(7).sample(range(len(original)), 40)
    for position in [*range(40), *random_positions, len(original) - 1]:
        damaged = bytearray(original)
        damaged[position] ^= 1 << (position % 8)
        (copy / name).write_bytes(damaged)
        with pytest.raises(PinError):
            load_pin(copy)


def test_changed_manifests_are_refused_where_the_digest_is_known(pinned: Pin, copy: Path) -> None:
    original = (copy / "manifest.json").read_bytes()
    for position in range(0, len(original), 5):
        damaged = bytearray(original)
        damaged[position] ^= 1 << (position % 8)
        (copy / "manifest.json").write_bytes(damaged)
        with pytest.raises(PinError, match="is the pin"):
            load_pin(copy, expected=pinned.digest, verify=False)


def test_truncated_and_longer_model_files_are_refused_without_reading_them(
    pinned: Pin, copy: Path
) -> None:
    data = (pinned.folder / "model.safetensors").read_bytes()
    for length in (0, 1, 7, 8, 9, 100, 2000, len(data) // 2, len(data) - 1):
        (copy / "model.safetensors").write_bytes(data[:length])
        with pytest.raises(PinError):
            load_pin(copy, verify=False)
    (copy / "model.safetensors").write_bytes(data + b"\0")
    with pytest.raises(PinError, match="too long"):
        load_pin(copy, verify=False)


def resealed(copy: Path, name: str, change: Any) -> None:
    """Change a tensor and make every digest fit again, as a careless tool would."""
    facts = Manifest.from_bytes((copy / "manifest.json").read_bytes())
    arrays = {k: v.copy() for k, v in load_pin(copy).tensors.items()}
    change(arrays[name])
    digest = hashlib.sha256()
    with (copy / "model.safetensors").open("wb") as file:
        write_tensors(file, layout(facts), arrays.__getitem__, digest.update)
    facts = dataclasses.replace(facts, model_sha256=digest.hexdigest())
    (copy / "manifest.json").write_bytes(facts.to_bytes())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("head.s", 0.0),
        ("head.s", -1.0),
        ("embed.s", np.inf),
        ("final_norm", np.nan),
        ("layers.0.wv.b", np.nan),
        ("tables.exp", 0),
        ("tables.exp", 2**40 + 1),
        ("rope.cos", 2**30 + 1),
        ("rope.sin", -(2**30) - 1),
    ],
)
def test_numbers_beyond_the_bounds_are_refused_even_if_sealed(
    copy: Path, name: str, value: float
) -> None:
    def change(array: NDArray[Any]) -> None:
        array.reshape(-1)[-1] = value

    resealed(copy, name, change)
    with pytest.raises(PinError, match=f"{name} holds numbers out of range"):
        load_pin(copy)


def test_a_huge_manifest_is_not_swallowed(copy: Path) -> None:
    (copy / "manifest.json").write_bytes(b" " * (1 << 20) + b"{}")
    with pytest.raises(PinError, match="larger than"):
        load_pin(copy)


def test_a_tokenizer_that_is_none_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{}")
    with pytest.raises(PinError, match="tokenizer"):
        load_pin(copy)
    with pytest.raises(PinError, match="not a tokenizer"):
        load_pin(copy, verify=False).tokenizer()


# --- where pins lie ----------------------------------------------------------------------------


def test_pins_are_found_by_folder_and_by_name(
    pinned: Pin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert pins_home() == tmp_path / "rehydration-uplink" / "pins"
    shutil.copytree(pinned.folder, pins_home() / "known")
    assert resolve_pin("known") == pins_home() / "known"
    assert resolve_pin(pinned.folder) == pinned.folder
    (tmp_path / "known").mkdir()
    assert resolve_pin("known") == pins_home() / "known"
    shutil.copytree(pinned.folder, tmp_path / "known", dirs_exist_ok=True)
    assert resolve_pin("known") == Path("known")
    for absent in ("unknown", "../pins/known/..", "", "."):
        with pytest.raises(PinError, match="neither") as caught:
            resolve_pin(absent)
        assert "known" in str(caught.value.expected)


def test_the_cache_is_where_the_xdg_specification_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for ignored in ("", "relative/folder"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert pins_home() == tmp_path / ".cache" / "rehydration-uplink" / "pins"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert pins_home() == tmp_path / ".cache" / "rehydration-uplink" / "pins"


# --- the documentation -------------------------------------------------------------------------


def test_the_documented_manifest_is_the_documented_pin() -> None:
    page = (Path(__file__).parents[2] / "docs" / "pin-format.md").read_text()
    example = page.split("```json\n")[1].split("```")[0].encode()
    facts = Manifest.from_bytes(example)
    assert facts.name == "smollm2-135m"
    assert facts.source.sha256 == SMOLLM2.sha256
    assert hashlib.sha256(example).hexdigest() == SMOLLM2.pin_digest
    for model in KNOWN.values():
        assert model.pin_digest in page
