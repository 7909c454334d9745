"""Messages and records of pictures, from prompt to pixels, and what stops them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.errors import (
    BadSignature,
    DigestMismatch,
    MalformedMessage,
    Refusal,
    RegenerationError,
    Replayed,
    UnsupportedVersion,
    WrongPin,
)
from shared.media.generator import read_generator
from shared.media.kinds.basis import Basis
from shared.media.message import (
    NO_BASELINE,
    decode_record,
    encode_record,
    image_record,
    prompt_recipe,
    prompt_record,
    regenerate_image,
    regenerate_record,
)
from shared.media.pixels import pixel_digest
from shared.media.prompt import Prompt
from shared.media.render import Renderer
from shared.message.envelope import open_envelope, sign
from shared.message.recipe import Kind
from shared.message.wire import decode_message, encode_message

PROMPT = Prompt((2, 1), (5, -9))


def test_a_picture_goes_over_the_link(pocket_file: bytes) -> None:
    loaded = read_generator(pocket_file)
    renderer = Renderer(loaded.generator)
    pixels = renderer(PROMPT)
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    recipe = prompt_recipe(loaded, PROMPT, pixels)
    envelope = sign(encode_message(recipe, 7), loaded.digest, NO_BASELINE, key)
    trusted = [key.public_key()]
    message = open_envelope(envelope, trusted, loaded.digest, NO_BASELINE, last_counter=6)
    assert message.kind is Kind.MEDIA
    assert (regenerate_image(message, renderer) == pixels).all()
    with pytest.raises(Replayed):
        open_envelope(envelope, trusted, loaded.digest, NO_BASELINE, last_counter=7)
    with pytest.raises(WrongPin):
        open_envelope(envelope, trusted, bytes(32), NO_BASELINE, last_counter=6)
    forged = bytearray(envelope)
    forged[14] ^= 1
    with pytest.raises(BadSignature):
        open_envelope(bytes(forged), trusted, loaded.digest, NO_BASELINE, last_counter=6)


def test_other_messages_are_refused(pocket_file: bytes) -> None:
    loaded = read_generator(pocket_file)
    renderer = Renderer(loaded.generator)
    recipe = prompt_recipe(loaded, PROMPT, renderer(PROMPT))
    code = dataclasses.replace(recipe, kind=Kind.CODE)
    with pytest.raises(UnsupportedVersion):
        regenerate_image(decode_message(encode_message(code, 0)), renderer)
    with_file = dataclasses.replace(recipe, blobs=b"\x89PNG")
    with pytest.raises(RegenerationError):
        regenerate_image(decode_message(encode_message(with_file, 0)), renderer)
    lying = dataclasses.replace(recipe, patch_digest=bytes(8))
    with pytest.raises(DigestMismatch):
        regenerate_image(decode_message(encode_message(lying, 0)), renderer)


def test_records_are_short_and_checked(pocket: Basis) -> None:
    renderer = Renderer(pocket)
    pixels = renderer(PROMPT)
    data = encode_record(prompt_record(pocket, PROMPT, pixels))
    assert data[0] == 0x10
    assert data[1:5] == pixel_digest(pixels)[:4]
    assert (regenerate_record(decode_record(data), renderer) == pixels).all()
    for bit in range(8, len(data) * 8):  # a damaged prompt or check never gives a picture
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Refusal):
            regenerate_record(decode_record(bytes(damaged)), renderer)


def test_records_of_files_notice_damage() -> None:
    data = encode_record(image_record(b"\x00\x01file"))
    assert decode_record(data).image == b"\x00\x01file"
    for place in range(1, len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0x20
        with pytest.raises(DigestMismatch):
            decode_record(bytes(damaged))


@pytest.mark.parametrize("data", [b"", b"\x10abc", b"\x12abcd", b"\x11abcd"])
def test_malformed_records_are_refused(data: bytes) -> None:
    with pytest.raises((MalformedMessage, UnsupportedVersion)):
        decode_record(data)


def test_a_file_record_is_not_drawn(pocket: Basis) -> None:
    with pytest.raises(RegenerationError):
        regenerate_record(image_record(b"file"), Renderer(pocket))


def test_the_digest_sees_shape_and_pixels() -> None:
    flat = np.arange(24, dtype=np.uint8)
    shapes = [(2, 4, 3), (4, 2, 3), (2, 3, 4), (24, 1, 1)]
    assert len({pixel_digest(flat.reshape(shape)) for shape in shapes}) == 4
    with pytest.raises(ValueError, match="no picture"):
        pixel_digest(flat)
