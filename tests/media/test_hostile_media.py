"""Every file of the picture mode, damaged and hostile: one family of errors, memory bounded."""

from __future__ import annotations

import io
import json
import zlib

import pytest
from hostile_media import HostileMedia
from mutations import bounded_memory, check_bytes, check_texts

from groundstation.media.archive.decode_entry import ArchiveDamaged
from groundstation.media.archive.index import encode_index
from groundstation.media.archive.locator import HEAD_INDEX, LOCATOR_BYTES, Locator, encode_locator
from groundstation.media.archive.reader import Archive
from groundstation.media.archive.shards import Layout
from shared.digest import sha256
from shared.errors import InputError

PARSERS = (
    "book",
    "bundle",
    "bundle, digest right",
    "archive",
    "batch",
    "batch, signature right",
    "generator",
)
TEXTS = ("book", "bundle", "index", "network", "diffusion")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> HostileMedia:
    return HostileMedia(tmp_path_factory.mktemp("hostile"))


def test_every_parser_is_listed(hostile: HostileMedia) -> None:
    assert (set(hostile.parsers), set(hostile.texts)) == (set(PARSERS), set(TEXTS))


@pytest.mark.parametrize("name", PARSERS)
def test_mutated_bytes_are_one_family_of_errors(hostile: HostileMedia, name: str) -> None:
    check_bytes(hostile.parsers[name], name, 300)


@pytest.mark.parametrize("name", TEXTS)
def test_changed_json_is_one_family_of_errors(hostile: HostileMedia, name: str) -> None:
    check_texts(hostile.texts[name], 60)


@pytest.mark.parametrize("place", [1 << 40, (1 << 63) - (1 << 24), (1 << 64) - (1 << 24)])
def test_a_locator_may_point_anywhere(place: int) -> None:
    """Its places are 64 bits: beyond what files can have, a seek raised OverflowError."""
    end = place + Layout(99).stored_bytes + LOCATOR_BYTES
    locator = encode_locator(Locator(99, end, place, bytes(32)))
    with bounded_memory(), pytest.raises(ArchiveDamaged):
        Archive(io.BytesIO(locator * 2 + bytes(HEAD_INDEX)))


@pytest.mark.parametrize(
    "claim",
    [
        {"original_bytes": 1 << 50},
        {"original_bytes": 1 << 63},
        {"bytes": 1 << 45},
        {"offset": 1 << 63},
        {"offset": 1 << 64, "bytes": 1 << 63},
    ],
)
def test_sizes_in_an_index_take_no_memory(hostile: HostileMedia, claim: dict[str, int]) -> None:
    value = json.loads(zlib.decompress(encode_index(hostile.index)))
    for picture in value["pictures"]:
        picture |= claim
    archive = Archive(io.BytesIO(hostile._archive(zlib.compress(json.dumps(value).encode()))))
    for picture in archive.index.pictures[1:3]:
        with bounded_memory(), pytest.raises(ArchiveDamaged):
            archive.restore(picture)


def test_a_bundle_of_little_bytes_takes_little_memory(hostile: HostileMedia) -> None:
    text = b'{"format":[' + b"{}," * 30_000_000 + b"0]}"
    with bounded_memory(), pytest.raises(InputError):
        hostile._bundled(b"")
    packed = zlib.compress(text, 1)
    body = b"RHMB\1\0\0\0" + len(packed).to_bytes(4, "little") + packed + hostile.behind
    data = body + sha256(body)
    del text, body
    with bounded_memory(), pytest.raises(InputError):
        hostile.parsers["bundle"].read(data)
