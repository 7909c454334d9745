"""Files that a ground station opens, damaged and hostile: one family of errors, bounded memory."""

from __future__ import annotations

import ast
import io
import json
import zipfile
from pathlib import Path

import pytest
from hostile_files import DATA, HostileFiles, wheel
from mutations import bounded_memory, check_bytes, check_texts

from shared.errors import DownloadError, InputError, PinError
from shared.untrusted import json_value, read_at_most

PARSERS = ("wheel", "gguf", "checkpoint", "adapter", "key", "trust", "survey", "journal")
TEXTS = (
    "config.json",
    "tokenizer.json",
    "weights' index",
    "safetensors",
    "manifest",
    "adapter",
    "suite",
    "proposals",
    "survey",
)
SLOW = {"gguf": 25, "checkpoint": 25}
FEW = dict.fromkeys(("config.json", "tokenizer.json", "safetensors", "weights' index"), 25)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> HostileFiles:
    return HostileFiles(tmp_path_factory.mktemp("hostile"))


def test_every_parser_is_listed(hostile: HostileFiles) -> None:
    assert (set(hostile.parsers), set(hostile.texts)) == (set(PARSERS), set(TEXTS))


@pytest.mark.parametrize("name", PARSERS)
def test_mutated_bytes_are_one_family_of_errors(hostile: HostileFiles, name: str) -> None:
    check_bytes(hostile.parsers[name], name, SLOW.get(name, 300))


@pytest.mark.parametrize("name", TEXTS)
def test_changed_json_is_one_family_of_errors(hostile: HostileFiles, name: str) -> None:
    check_texts(hostile.texts[name], FEW.get(name, 60))


def test_json_is_read_in_one_place() -> None:
    """Everywhere else it would be unbounded, and RecursionError come through."""
    root = Path(__file__).parents[2]
    found = {
        str(path.relative_to(root))
        for folder in ("shared", "groundstation", "probe", "sims")
        for path in (root / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Attribute)
        and node.attr in ("loads", "load")
        and isinstance(node.value, ast.Name)
        and node.value.id == "json"
    }
    # the second reads what the tokenizers library has just written
    assert found == {"shared/untrusted.py", "shared/prompts/language_model/vocabulary.py"}


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b"NaN",
        b"[-Infinity]",
        b"1e999",
        b"1" * 5000,
        b"9" * 21,
        b"[" + b"[]," * 1_000_001 + b"0]",
        b" " * (1 << 25),
        b"",
        b'"\xff"',
    ],
)
def test_such_json_is_a_value_error_before_it_takes_memory(text: bytes) -> None:
    with bounded_memory(), pytest.raises(ValueError):
        json_value(text)


def test_a_file_is_read_no_further_than_it_may_go(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 34)
    with bounded_memory(), pytest.raises(ValueError, match="more than"):
        read_at_most(path, 1 << 20)
    path.write_bytes(b"whole")
    with bounded_memory():
        assert read_at_most(path, 1 << 40) == b"whole"


def altered(sample: bytes, **changes: object) -> bytes:
    return json.dumps({**json.loads(sample), **changes}).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"num_hidden_layers": 10**9},
        {"num_labels": 10**9, "num_hidden_layers": 1 << 23},
        {"num_attention_heads": 0},
        {"rms_norm_eps": "small"},
        {"vocab_size": 1 << 40},
        {"rope_parameters": [1]},
        {"rope_theta": 10**15, "hidden_size": None},
    ],
)
def test_no_list_is_made_of_what_a_configuration_says(
    hostile: HostileFiles, changes: dict[str, object]
) -> None:
    parser = hostile.texts["config.json"]
    with bounded_memory(), pytest.raises(PinError):
        parser.read(altered(parser.samples[0], **changes))


@pytest.mark.parametrize("layers", [1025, 1 << 20, 1 << 24])
def test_no_layout_is_made_of_a_manifest_with_many_layers(
    hostile: HostileFiles, layers: int
) -> None:
    parser = hostile.texts["manifest"]
    shape = {**json.loads(parser.samples[0])["shape"], "layers": layers}
    with bounded_memory(), pytest.raises(PinError, match="layers"):
        parser.read(altered(parser.samples[0], shape=shape))


def test_ids_without_a_token_are_not_listed(hostile: HostileFiles) -> None:
    parser = hostile.texts["tokenizer.json"]
    value = json.loads(parser.samples[0])
    value["added_tokens"][0]["id"] = value["model"]["vocab"]["<|endoftext|>"] = 1 << 60
    with bounded_memory(), pytest.raises(PinError):
        parser.read(json.dumps(value).encode())


def odd_wheel(what: str) -> bytes:
    data = bytearray(wheel(data=DATA * 9) if what == "more than it says" else wheel())
    entry = data.rindex(b"PK\x01\x02")
    match what:
        case "an unknown method":
            data[entry + 10] = 99
        case "a password":
            data[entry + 8] |= 1
        case "damage":
            place = data.index(b"tiny/part.bin") + 13
            data[place : place + 20] = b"\xff" * 20
        case _:
            data[entry + 24 : entry + 28] = len(DATA).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize("what", ["an unknown method", "a password", "damage", "more than it says"])
def test_odd_wheels_are_download_errors(hostile: HostileFiles, what: str) -> None:
    (hostile.folder / "piece").unlink(missing_ok=True)
    with bounded_memory(), pytest.raises(DownloadError):
        hostile.parsers["wheel"].read(odd_wheel(what))
    assert not (hostile.folder / "piece").exists()


def test_a_damaged_lzma_wheel_is_a_download_error(hostile: HostileFiles) -> None:
    data = bytearray(wheel(zipfile.ZIP_LZMA))
    place = data.index(b"tiny/part.bin") + 13 + 9
    data[place : place + 20] = b"\xff" * 20
    with zipfile.ZipFile(io.BytesIO(data)) as archive, pytest.raises(Exception) as found:
        archive.read("tiny/part.bin")
    assert not isinstance(found.value, zipfile.BadZipFile | KeyError | EOFError)
    with pytest.raises(DownloadError):
        hostile.parsers["wheel"].read(bytes(data))


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "", "a/b", 3, None])
def test_cases_of_a_suite_are_files_of_its_folder(hostile: HostileFiles, name: object) -> None:
    parser = hostile.texts["suite"]
    value = json.loads(parser.samples[0])
    value["cases"][0]["file"] = name
    with pytest.raises(InputError):
        parser.read(json.dumps(value).encode())
