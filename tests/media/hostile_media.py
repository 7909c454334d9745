"""Files of the picture mode: small real ones, and what reads them; see ``mutations``."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from drops import made
from mutations import Parser

from groundstation.media.archive.decode_entry import ArchiveDamaged
from groundstation.media.archive.index import Index, Keep, Kind, Picture, encode_index
from groundstation.media.archive.locator import HEAD_INDEX, LOCATOR_BYTES, Locator, encode_locator
from groundstation.media.archive.reader import Archive
from groundstation.media.archive.shards import Layout, protected
from groundstation.media.judge.gate import Gate, Verdict
from groundstation.media.records.book import Book, Entry, read_book, write_book
from groundstation.media.records.bundle import MAGIC, VERSION, read_bundle, write_bundle
from shared.auth.profiles import Profile
from shared.auth.tags import make_tail
from shared.digest import sha256
from shared.errors import InputError, PinError, Refusal
from shared.media.batch import Batch, _signed, open_batch, sign_batch
from shared.media.container import Coder, Container, pack, unpack
from shared.media.generator import read_generator, write_generator
from shared.media.kinds.basis import Basis
from shared.media.kinds.network import Dense, Network
from shared.media.message import encode_record, image_record, prompt_record
from shared.media.prompt import Attribute, Grammar, Prompt
from shared.media.render import Renderer

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def basis() -> Basis:
    """16 x 8 pixels, one attribute, one latent."""
    return Basis(
        name="dot",
        width=16,
        height=8,
        grammar=Grammar((Attribute("lit", ("no", "yes")),), (90,)),
        tables=(np.full((2, 1, 3), 900, np.int16),),
        gains=np.full((1, 3), 20, np.int16),
        terms=((), (0,)),
        steps=(180, 90),
        coded=np.ones((2, 2), bool),
        waves=np.full((4, 64), 3, np.int16),
        curves=np.stack([np.arange(1, 256) * 240] * 3).astype(np.int32),
        notes={"licence": "MIT"},
    )


def network() -> Network:
    """The same planes behind one hidden number."""
    one = basis()
    shared = {
        name: getattr(one, name)
        for name in ("name", "width", "height", "grammar", "tables", "gains", "steps", "coded")
    }

    def layer(outputs: int, inputs: int) -> Dense:
        return Dense(
            np.ones((outputs, inputs), np.int8),
            np.full(outputs, 64, np.int32),
            np.full(outputs, 7, np.int32),
            9,
        )

    return Network(
        hidden=(layer(1, 2),),
        output=layer(2, 3),
        waves=one.waves,
        curves=one.curves,
        notes=one.notes,
        **shared,
    )


class HostileMedia:
    """The readers; keeps real files in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loaded = read_generator(write_generator(basis(), Coder.DEFLATE))
        self.index = self._index()
        book, bundle, archive = (
            self._book(),
            self._bundle(),
            self._archive(encode_index(self.index)),
        )
        diffusion = write_generator(made(), Coder.DEFLATE)
        self.parsers: Mapping[str, Parser] = {
            "book": Parser(self._read_book, (book,), InputError),
            "bundle": Parser(read_bundle, (bundle,), (InputError, PinError)),
            "bundle, digest right": Parser(
                lambda d: read_bundle(d + sha256(d)), (bundle[:-32],), (InputError, PinError)
            ),
            "archive": Parser(self._restore, (archive,), (InputError, ArchiveDamaged, PinError)),
            "batch": Parser(self._batch, (self._signed(),), Refusal),
            "batch, signature right": Parser(self._sign, (self._signed()[:-64],), Refusal),
            "generator": Parser(read_generator, (write_generator(network()), diffusion), PinError),
        }
        self.texts: Mapping[str, Parser] = {
            "book": Parser(self._read_book, (book,), InputError),
            "bundle": Parser(self._bundled, (self._bundle_header(bundle),), (InputError, PinError)),
            "index": Parser(
                lambda d: self._restore(self._archive(zlib.compress(d))),
                (zlib.decompress(encode_index(self.index)),),
                (InputError, ArchiveDamaged, PinError),
            ),
            "network": self._generator(write_generator(network())),
            "diffusion": self._generator(diffusion),
        }

    def _book(self) -> bytes:
        path = self.folder / "book.json"
        entry = Entry("a.png", "T3", image_record(b"\x89PNG"), Verdict(90.0, 1.0, (0, 8), 40.0), 99)
        write_book(Book("dot", self.loaded.digest, {"a.png": entry}), path)
        return path.read_bytes()

    def _read_book(self, data: bytes) -> object:
        path = self.folder / "odd-book.json"
        path.write_bytes(data)
        return read_book(path)

    def _bundle(self) -> bytes:
        prompt = Prompt((1,), (3,))
        record = prompt_record(
            self.loaded.generator, prompt, Renderer(self.loaded.generator)(prompt)
        )
        return write_bundle(self.loaded, {"a.png": record, "b.png": image_record(b"\x89PNG")})

    def _bundle_header(self, bundle: bytes) -> bytes:
        (size,) = struct.unpack_from("<I", bundle, 8)
        self.behind = bundle[12 + size : -32]
        return zlib.decompress(bundle[12 : 12 + size])

    def _bundled(self, header: bytes) -> object:
        packed = zlib.compress(header)
        body = struct.pack("<4sB3xI", MAGIC, VERSION, len(packed)) + packed + self.behind
        return read_bundle(body + sha256(body))

    def _index(self) -> Index:
        file = b"\x89PNG and so on"
        digest = sha256(file)[:16]
        behind = Layout(self.loaded.size_bytes).stored_bytes
        pictures = tuple(
            Picture(
                f"{n}.png",
                f"{n}.png",
                kind,
                b"",
                behind,
                len(file),
                digest,
                digest,
                digest,
                len(file),
                90.0,
                1.0,
            )
            for n, kind in enumerate((Kind.FILE, Kind.PACKED, Kind.SHARED))
        )
        drawn = Picture(
            "p.png", "p.png", Kind.PROMPT, b"\0", 0, 0, b"", digest, digest, 9, 90.0, 1.0
        )
        return Index(
            "dot", Keep.QUALITY, Gate(70.0, 9.0), "2026", {"note": "x"},
            self.loaded.digest, self.loaded.size_bytes, (*pictures, drawn),
        )  # fmt: skip

    def _archive(self, index: bytes) -> bytes:
        section = protected(index)
        body = protected(write_generator(basis(), Coder.DEFLATE)) + b"\x89PNG and so on"
        tail = HEAD_INDEX + len(section) + len(body)
        size = tail + len(section) + LOCATOR_BYTES
        locator = encode_locator(Locator(len(index), size, tail, sha256(index)))
        return locator * 2 + section + body + section + locator

    def _restore(self, data: bytes) -> object:
        archive = Archive(io.BytesIO(data))
        archive.check_frame()
        lost = 0
        for picture in archive.index.pictures:
            try:
                archive.restore(picture)
            except ArchiveDamaged:
                lost += 1
        return archive.parts(), lost

    def _generator(self, data: bytes) -> Parser:
        found = unpack(data)

        def read(header: bytes) -> object:
            try:
                value = json.loads(header)
                whole = pack(Container(value, found.arrays), Coder.DEFLATE)
            except (ValueError, TypeError, RecursionError):  # nothing that can be made canonical
                body = struct.pack("<I", len(header)) + header
                whole = struct.pack("<4sBBI", b"RHMG", 1, 1, len(body)) + zlib.compress(body)
            return read_generator(whole)

        return Parser(read, (json.dumps(dict(found.header)).encode(),), PinError)

    def _signed(self) -> bytes:
        prompt = Prompt((1,), (3,))
        record = prompt_record(
            self.loaded.generator, prompt, Renderer(self.loaded.generator)(prompt)
        )
        records = {"a/b.png": encode_record(record), "a/c.png": b""}
        file = write_generator(basis(), Coder.DEFLATE)
        return sign_batch(Batch(self.loaded.digest, 3, records, file), "site", KEY)

    def _batch(self, data: bytes) -> object:
        return open_batch(data, [KEY.public_key()], "site")

    def _sign(self, covered: bytes) -> object:
        tail = make_tail(KEY, _signed(covered, "site", Profile.ED25519))
        return self._batch(covered + tail)
