"""Messages of the media mode: the same recipes and envelopes as for code, of kind media.

    pin       the generator's digest
    baseline  ``NO_BASELINE``: nothing on board but the generator is drawn upon
    digest    the first 8 bytes of the pixels' digest (``shared.media.pixels``), or of the file's
    stream    the prompt, coded; empty with a file
    blobs     empty; or, for an image that no prompt regenerates well enough, its file

A key-value store, which knows the generator and the image from where the entry lies, keeps a
*record* instead: a check of four bytes and the prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.digest import sha256
from shared.errors import DigestMismatch, MalformedMessage, RegenerationError, UnsupportedVersion
from shared.media.fixed import U8
from shared.media.generator import Generator, Loaded
from shared.media.pixels import pixel_digest
from shared.media.prompt import Prompt, decode_prompt, encode_prompt
from shared.media.render import Renderer
from shared.message.recipe import PATCH_DIGEST_BYTES, Kind, Recipe
from shared.message.wire import Message
from shared.seeds.coins import SeedSource

NO_BASELINE: Final = sha256(b"rehydration-media/1 without a baseline\n")
CHECK_BYTES: Final = 4
_PROMPT_RECORD: Final = 0x10
_IMAGE_RECORD: Final = 0x11


def prompt_recipe(loaded: Loaded, prompt: Prompt, pixels: U8) -> Recipe:
    """The recipe of an image that its prompt regenerates as ``pixels``."""
    return Recipe(
        pin=loaded.digest,
        baseline=NO_BASELINE,
        patch_digest=pixel_digest(pixels)[:PATCH_DIGEST_BYTES],
        seed_source=SeedSource.CODED,
        stream=encode_prompt(loaded.generator.grammar, prompt),
        kind=Kind.MEDIA,
    )


def image_recipe(generator: bytes, image: bytes) -> Recipe:
    """The recipe of an image that travels as a file.

    Args:
        generator: digest of the one that both ends use for the family, 32 bytes.
        image: the file, not empty.
    """
    return Recipe(
        pin=generator,
        baseline=NO_BASELINE,
        patch_digest=sha256(image)[:PATCH_DIGEST_BYTES],
        seed_source=SeedSource.CODED,
        stream=b"",
        blobs=image,
        kind=Kind.MEDIA,
    )


def carried_image(message: Message) -> bytes:
    """The file in an authenticated message of kind media; empty if it has a prompt.

    Raises:
        RegenerationError: it has both.
        DigestMismatch: the file is not the one that was signed.
    """
    if not message.blobs:
        return b""
    if message.stream:
        raise RegenerationError("the message has a prompt and an image file", expected="one")
    found = sha256(message.blobs)
    if not found.startswith(message.patch_digest):
        raise _mismatch(found, message.patch_digest, "image file")
    return message.blobs


def regenerate_image(message: Message, renderer: Renderer) -> U8:
    """The pixels of an authenticated message.

    Raises:
        UnsupportedVersion: it is not of kind media.
        RegenerationError: it carries an image file, or its prompt is not this generator's.
        DigestMismatch: other pixels come out than were signed.
    """
    if message.kind is not Kind.MEDIA or message.seed_source is not SeedSource.CODED:
        raise UnsupportedVersion(
            f"a message of kind {message.kind.name.lower()}, {message.seed_source.name.lower()}",
            expected="kind media, coded",
            remedy="hand code to probe apply",
        )
    if message.blobs:
        raise RegenerationError(
            "the message carries an image file instead of a prompt",
            remedy="store its bytes as they are",
        )
    pixels = renderer(decode_prompt(renderer.generator.grammar, message.stream))
    _check(pixels, message.patch_digest)
    return pixels


@dataclass(frozen=True)
class Record:
    """An entry of a key-value store.

    Attributes:
        check: the first bytes of the digest: of the pixels for a prompt, else of the file.
        stream: the prompt, or empty.
        image: an image file, or empty.
    """

    check: bytes
    stream: bytes = b""
    image: bytes = b""


def prompt_record(generator: Generator, prompt: Prompt, pixels: U8) -> Record:
    """The record of an image that its prompt regenerates as ``pixels``."""
    check = pixel_digest(pixels)[:CHECK_BYTES]
    return Record(check, stream=encode_prompt(generator.grammar, prompt))


def image_record(image: bytes) -> Record:
    """The record of an image that is kept as a file."""
    return Record(sha256(image)[:CHECK_BYTES], image=image)


def encode_record(record: Record) -> bytes:
    """head (1 byte) | check (4 bytes) | prompt or image file."""
    head = _IMAGE_RECORD if record.image else _PROMPT_RECORD
    return bytes([head]) + record.check + (record.image or record.stream)


def decode_record(data: bytes) -> Record:
    """Reads a record.

    Raises:
        MalformedMessage: too short.
        UnsupportedVersion: another head.
        DigestMismatch: the image file in it is damaged.
    """
    if len(data) < 1 + CHECK_BYTES:
        raise MalformedMessage(
            f"a record of {len(data)} bytes", expected=f"at least {1 + CHECK_BYTES}"
        )
    check, rest = data[1 : 1 + CHECK_BYTES], data[1 + CHECK_BYTES :]
    if data[0] == _IMAGE_RECORD and rest:
        if sha256(rest)[:CHECK_BYTES] != check:
            raise _mismatch(sha256(rest), check, "image file")
        return Record(check, image=rest)
    if data[0] == _PROMPT_RECORD:
        return Record(check, stream=rest)
    raise UnsupportedVersion(
        f"a record with head {data[0]:#04x}",
        expected=f"{_PROMPT_RECORD:#04x} (prompt) or {_IMAGE_RECORD:#04x} (image file)",
        remedy="update this program, or publish the record again",
    )


def regenerate_record(record: Record, renderer: Renderer) -> U8:
    """The pixels of a record that has a prompt.

    Raises:
        RegenerationError: it has none, or not one of this generator's.
        DigestMismatch: other pixels come out than were recorded.
    """
    if record.image:
        raise RegenerationError(
            "the record has an image file, not a prompt", remedy="serve the file as it is"
        )
    pixels = renderer(decode_prompt(renderer.generator.grammar, record.stream))
    _check(pixels, record.check)
    return pixels


def _check(pixels: U8, digest: bytes) -> None:
    found = pixel_digest(pixels)
    if not found.startswith(digest):
        raise _mismatch(found, digest, "regenerated pixels")


def _mismatch(found: bytes, digest: bytes, what: str) -> DigestMismatch:
    return DigestMismatch(
        f"the {what} have the digest {found[: len(digest)].hex()}",
        expected=digest.hex(),
        remedy="take the generator that the message names; if it is, send the message again",
    )
