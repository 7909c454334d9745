"""Public keys that are none: judged by another arithmetic, published lists, and every way in.

The oracle here is the schoolbook one: affine points, one modular inverse for each addition, square
roots by Tonelli's way for p = 5 mod 8, the order found by walking, not by the formulas under test.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.auth.keys import ed25519_public, from_text
from shared.auth.points import flaw_of
from shared.auth.tags import fits
from shared.auth.trust_file import load_trusted_keys
from shared.errors import BadSignature, InputError
from shared.message.envelope import open_envelope

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = (-121665 * pow(121666, P - 2, P)) % P
Point = tuple[int, int]
NEUTRAL: Point = (0, 1)


def add(one: Point, other: Point) -> Point:
    """The affine addition law of -x^2 + y^2 = 1 + d x^2 y^2."""
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P
    return x, y


def times(factor: int, point: Point) -> Point:
    total = NEUTRAL
    while factor:
        if factor & 1:
            total = add(total, point)
        point = add(point, point)
        factor >>= 1
    return total


def on_curve(point: Point) -> bool:
    x, y = point
    return (y * y - x * x - 1 - D * x * x * y * y) % P == 0


def root(square: int) -> int | None:
    candidate = pow(square, (P + 3) // 8, P)
    for found in (candidate, candidate * pow(2, (P - 1) // 4, P) % P):
        if found * found % P == square:
            return found
    return None


def encode(point: Point) -> bytes:
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(raw: bytes) -> Point | None:
    """The point that these bytes are the canonical encoding of."""
    number = int.from_bytes(raw, "little")
    y, sign = number % 2**255, number >> 255
    x = root((y * y - 1) * pow(D * y * y + 1, -1, P) % P)
    if x is None:
        return None
    point = (x if x & 1 == sign else -x % P, y % P)
    return point if on_curve(point) and encode(point) == raw else None


def may_be_trusted(raw: bytes) -> bool:
    point = decode(raw)
    return point is not None and point != NEUTRAL and times(L, point) == NEUTRAL


BASE = decode(bytes.fromhex("58" + "66" * 31))
assert BASE is not None
assert times(L, BASE) == NEUTRAL
# A point of order 8: any point whose multiple by L has that order.
TORSION = next(
    eight
    for y in range(2, 50)
    if (point := decode(y.to_bytes(32, "little"))) is not None
    and times(4, eight := times(L, point)) != NEUTRAL
)

SMALL = [
    # Canonical encodings of the points of order 1, 2, 4, 4, 8, 8, 8, 8.
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    # The same points otherwise encoded.
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]
"""All encodings of small order: libsodium 1.0.20, ge25519_has_small_order, with both signs; the
same fourteen are the cases of ZIP 215 (ed25519-zebra, tests/small_order.rs)."""

MIXED = [
    "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
    "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
]
"""Public keys of mixed order: Chalkias et al., "Taming the many EdDSAs", test vectors 2 to 5, 8, 9
(ed25519-speccheck, cases.json)."""

GOOD = [
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    "278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e",
    "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
    "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
]
"""RFC 8032, 7.1, all five; and the one good key of speccheck (vectors 6 and 7)."""


@pytest.mark.parametrize("text", SMALL + MIXED)
def test_published_keys_that_are_none(text: str) -> None:
    raw = bytes.fromhex(text)
    assert not may_be_trusted(raw)
    assert flaw_of(raw)
    with pytest.raises(ValueError, match="the key " + text):
        ed25519_public(raw)
    with pytest.raises(ValueError, match=r"order|canonical"):
        from_text(text)


@pytest.mark.parametrize("text", GOOD)
def test_published_keys(text: str) -> None:
    assert may_be_trusted(bytes.fromhex(text))
    assert flaw_of(bytes.fromhex(text)) is None


def test_the_list_of_small_orders_is_whole() -> None:
    """Every multiple of a point of order 8, in every encoding of 32 bytes that leads to it."""
    found = set()
    for factor in range(8):
        x, y = times(factor, TORSION)
        signs = (0, 1) if x == 0 else (x & 1,)
        found |= {
            (number | sign << 255).to_bytes(32, "little").hex()
            for number in (y, y + P)
            if number < 2**255
            for sign in signs
        }
    assert found == set(SMALL)


@given(st.binary(min_size=32, max_size=32))
@example(P.to_bytes(32, "little"))
@example((P + 3).to_bytes(32, "little"))
@example(b"\xff" * 32)
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_judged_as_the_oracle_judges(raw: bytes) -> None:
    assert (flaw_of(raw) is None) == may_be_trusted(raw)


@given(st.integers(0, L - 1), st.integers(0, 7))
@example(0, 0)
@example(1, 4)
@settings(max_examples=60, deadline=None)
def test_every_point_of_the_curve(factor: int, torsion: int) -> None:
    """k B + t T with T of order 8: taken only if t is 0 and k is not."""
    raw = encode(add(times(factor, BASE), times(torsion, TORSION)))
    assert (flaw_of(raw) is None) == (factor != 0 and torsion == 0)


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=40, deadline=None)
def test_every_generated_key_is_taken(seed: bytes) -> None:
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert flaw_of(public) is None
    assert ed25519_public(public).public_bytes_raw() == public


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_other_sizes(size: int) -> None:
    assert flaw_of(bytes(size)) == f"has {size} bytes, not 32"


# --- every way in ---------------------------------------------------------------------------------


def test_what_the_library_itself_takes_is_not_taken_here() -> None:
    """The hole is real: for the neutral point one signature fits every message."""
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(SMALL[0]))
    forged = bytes.fromhex(SMALL[0]) + bytes(32)
    key.verify(forged, b"any message")
    assert not fits(key, forged, b"any message")
    number = hashlib.sha256(key.public_bytes_raw()).digest()[:1]
    message = bytes([0x50, 7]) + bytes(10)
    with pytest.raises(BadSignature):
        open_envelope(number + message + forged, [key], _pin(), bytes(32))


def _pin() -> bytes:
    """A pin whose binding begins with a zero byte, as the message above says."""
    from shared.message.codec_version import binding

    found = (number.to_bytes(32, "big") for number in range(100_000))
    return next(pin for pin in found if binding(pin)[0] == 0)


def pem(raw: bytes) -> bytes:
    key = Ed25519PublicKey.from_public_bytes(raw)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("text", [SMALL[0], SMALL[4], SMALL[12], MIXED[0], "02" + "00" * 31])
def test_a_trust_file_with_one_is_refused(text: str) -> None:
    good = pem(bytes.fromhex(GOOD[0]))
    with pytest.raises(InputError, match="a public key in the trust file is none"):
        load_trusted_keys(good + pem(bytes.fromhex(text)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "'CERTIFICATE'"),
        (b"-----BEGIN RSA PUBLIC KEY-----\nAA\n-----END RSA PUBLIC KEY-----\n", "'RSA PUBLIC KEY'"),
        (b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n", "cut short"),
    ],
)
def test_no_block_of_a_trust_file_is_passed_over(text: bytes, found: str) -> None:
    good = pem(bytes.fromhex(GOOD[0]))
    for data in (good + text, text + good):
        with pytest.raises(InputError, match=found):
            load_trusted_keys(data)
    assert len(load_trusted_keys(good + b"a remark\n" + pem(bytes.fromhex(GOOD[1])))) == 2


def test_init_refuses_one_given_as_bytes(tmp_path: Path) -> None:
    from probe.trees.setup import Setup, initialise

    (tmp_path / "root").mkdir()
    setup = Setup(tmp_path / "root", tmp_path, bytes(32), [bytes.fromhex(SMALL[5])])
    for one in (setup, replace(setup, keys=[Ed25519PublicKey.from_public_bytes(bytes(32))])):
        with pytest.raises(InputError, match="a trusted key is none"):
            initialise(tmp_path / "state", one, now_s=1.0)
    assert not (tmp_path / "state").exists()
