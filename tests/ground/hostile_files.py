"""Files that a ground station opens: small real ones, and what reads them.

``parsers`` get mutated bytes, ``texts`` the mutated JSON inside an otherwise whole file.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mutations import Parser
from tiny_models import save_checkpoint, save_gguf

from groundstation.git.history import Commit
from groundstation.models.adapter import Adapter, LowRank
from groundstation.models.catalogue import Part
from groundstation.models.download import _unpack
from groundstation.models.pin import read_source
from groundstation.signing.keys import load_private_key, write_key_pair
from groundstation.suggest.plans import FORMAT, read_plan
from groundstation.survey.log import open_log
from groundstation.survey.report import CommitCost, Outcome
from groundstation.survey.survey import _known
from shared.auth.trust_file import load_trusted_keys
from shared.digest import sha256
from shared.errors import DownloadError, InputError, PinError
from shared.exact.manifest import Manifest, layout
from shared.exact.pin import load_pin
from shared.journal import open_journal
from sims.hil.suite import FOLDER, load_suite
from sims.hil.tiny import tiny_pin

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
DATA = b"weights " * 999


class HostileFiles:
    """The readers; keeps real files in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = save_checkpoint(folder / "hf", "llama")
        save_gguf(folder / "tiny.gguf", "llama", self.model)
        self.pin = tiny_pin(folder / "pin")
        keys = write_key_pair(folder / "keys", KEY)
        adapter = self._adapter()
        gguf = (folder / "tiny.gguf").read_bytes()
        weights = (folder / "hf" / "model.safetensors").read_bytes()
        self.parsers: Mapping[str, Parser] = {
            "wheel": Parser(self._wheel, (wheel(), wheel(zipfile.ZIP_LZMA)), DownloadError),
            "gguf": Parser(self._gguf, (gguf[:9000] + gguf[9000:],), PinError),
            "checkpoint": Parser(lambda d: self._hf("model.safetensors", d), (weights,), PinError),
            "adapter": Parser(Adapter.from_bytes, (adapter,), PinError),
            "key": Parser(self._key, (keys.private.read_bytes(),), InputError),
            "trust": Parser(load_trusted_keys, (keys.public.read_bytes(),), InputError),
            "survey": Parser(self._survey, (self._log(),), InputError),
            "journal": Parser(self._journal, (b'{"a": 1}\n{"b": [2, 3]}\n',), InputError),
        }
        self.texts: Mapping[str, Parser] = {
            "config.json": self._text(
                lambda d: self._hf("config.json", d), "hf/config.json", PinError
            ),
            "tokenizer.json": self._text(
                lambda d: self._hf("tokenizer.json", d), "hf/tokenizer.json", PinError
            ),
            "weights' index": Parser(self._sharded, (self._shards(),), PinError),
            "safetensors": Parser(
                self._header, (weights[8 : 8 + int.from_bytes(weights[:8], "little")],), PinError
            ),
            "manifest": Parser(
                self._manifest, ((folder / "pin/manifest.json").read_bytes(),), PinError
            ),
            "adapter": Parser(
                lambda d: Adapter.from_bytes(
                    adapter[:4] + len(d).to_bytes(4, "big") + d + self.tail
                ),
                (adapter[8 : len(adapter) - len(self.tail)],),
                PinError,
            ),
            "suite": Parser(self._suite, ((FOLDER / "manifest.json").read_bytes(),), InputError),
            "proposals": Parser(read_plan, (self._plan(),), InputError),
            "survey": Parser(
                self._survey_record, (json.dumps(self._cost().as_record()).encode(),), InputError
            ),
        }

    # --- models

    def _text(self, read: Callable[[bytes], object], name: str, family: Any) -> Parser:
        return Parser(read, ((self.folder / name).read_bytes(),), family)

    def _hf(self, name: str, data: bytes) -> object:
        path = self.folder / "hf" / name
        whole = path.read_bytes()
        try:
            path.write_bytes(data)
            return _every_weight(read_source(path.parent))
        finally:
            path.write_bytes(whole)

    def _gguf(self, data: bytes) -> object:
        path = self.folder / "odd.gguf"
        path.write_bytes(data)
        return _every_weight(read_source(path))

    def _shards(self) -> bytes:
        names = self.model.state_dict()
        return json.dumps({"weight_map": dict.fromkeys(names, "part.safetensors")}).encode()

    def _sharded(self, data: bytes) -> object:
        folder = self.folder / "sharded"
        folder.mkdir(exist_ok=True)
        for name in ("config.json", "tokenizer.json"):
            (folder / name).write_bytes((self.folder / "hf" / name).read_bytes())
        (folder / "part.safetensors").write_bytes(
            (self.folder / "hf/model.safetensors").read_bytes()
        )
        (folder / "model.safetensors.index.json").write_bytes(data)
        return read_source(folder)

    def _header(self, data: bytes) -> object:
        whole = (self.folder / "hf/model.safetensors").read_bytes()
        numbers = whole[8 + int.from_bytes(whole[:8], "little") :]
        return self._hf("model.safetensors", len(data).to_bytes(8, "little") + data + numbers)

    def _manifest(self, data: bytes) -> object:
        value = json.loads(data) if len(data) < 5000 else None
        if isinstance(value, dict):  # in canonical form, so that more than that is looked at
            data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        layout(Manifest.from_bytes(data))
        folder = self.folder / "odd-pin"
        folder.mkdir(exist_ok=True)
        for path in self.pin.folder.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        (folder / "manifest.json").write_bytes(data)
        return load_pin(folder)

    def _adapter(self) -> bytes:
        rng = np.random.default_rng(1)
        matrix = LowRank.rounded(
            rng.normal(size=(2, 5)).astype(np.float32), rng.normal(size=(4, 2)).astype(np.float32)
        )
        self.tail = matrix.down.tobytes() + matrix.up.tobytes()
        return Adapter("tiny", "ab" * 32, {"layers.0.wq": matrix}, {"steps": 3}).to_bytes()

    def _wheel(self, data: bytes) -> object:
        path = self.folder / "some.whl"
        path.write_bytes(data)
        return _unpack(path, part(), self.folder / "piece")

    # --- suites, logs, keys

    def _suite(self, data: bytes) -> object:
        folder = self.folder / "suite"
        folder.mkdir(exist_ok=True)
        (folder / "manifest.json").write_bytes(data)
        suite = load_suite(folder)
        assert all("/" not in case.file for case in suite.cases)
        return suite

    def _plan(self) -> bytes:
        proposal = {
            "kind": "name", "path": "a.py", "line": 3, "what": "x", "rename": ["a", "b"],
            "edits": [[1, 2, "61"]], "chosen": True,
        }  # fmt: skip
        value = {"baseline": "00", "target": "01", "proposals": [proposal]}
        return json.dumps({"format": FORMAT, **value}).encode()

    def _cost(self) -> CommitCost:
        return CommitCost("c0ffee", "2026-01-01", "s", Outcome.SENT, codecs={"delta": 1})

    def _log(self) -> bytes:
        path = self.folder / "s.jsonl"
        with open_log(path, {"model": "m", "limit": 3}) as log:
            log.add(self._cost().as_record())
        return path.read_bytes()

    def _survey(self, data: bytes) -> object:
        path = self.folder / "odd.jsonl"
        path.write_bytes(data)
        with open_log(path, {"model": "m", "limit": 3}) as log:
            return known_costs(log)

    def _survey_record(self, record: bytes) -> object:
        first = self._log().split(b"\n")[0]
        return self._survey(first + b"\n" + record + b"\n")

    def _journal(self, data: bytes) -> object:
        path = self.folder / "journal"
        path.write_bytes(data)
        with open_journal(path, work="search", remedy="wait") as journal:
            return journal.resume(lambda first: int(first["a"]), lambda more: list(more["b"]))

    def _key(self, data: bytes) -> object:
        path = self.folder / "odd.key"
        path.write_bytes(data)
        return load_private_key(path)


def part() -> Part:
    """What the catalogue says of ``wheel``."""
    digest = sha256(DATA).hex()
    return Part("tiny", "1", "tiny/part.bin", len(DATA), digest, len(DATA))


def wheel(method: int = zipfile.ZIP_DEFLATED, data: bytes = DATA) -> bytes:
    """A wheel with one member."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("tiny/part.bin", data)
    return file.getvalue()


def known_costs(log: Any) -> object:
    """As ``groundstation.survey.survey`` takes them."""
    return [
        cost.as_dict()
        for cost in _known(
            log, [Commit(name, "", datetime.now(UTC), "") for name in log.known]
        ).values()
    ]


def _every_weight(model: Any) -> object:
    return [model.weight(name).shape for name in ("embed", "final_norm", "layers.1.wq")]
