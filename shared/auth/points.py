"""Which 32 bytes are the public key of somebody who can sign, and of nobody else.

RFC 8032 lets any encoding of a point be a public key, and libraries take what it allows and more.
With some of them there is nothing to know in order to sign: if the key is of small order, a
signature exists that fits one message in eight, or every message.  Others have two encodings, so
that one key has two fingerprints.  None of them comes out of a key generator.  So a key is taken
here only if it is

    canonical    y is below 2^255 - 19, and the sign bit is clear where x is 0
    on the curve some x goes with that y
    of order L   of the prime order that the base point generates, not 1, 2, 4, 8, nor of 8 L

Sources: RFC 8032, 5.1.2 and 5.1.3 (encoding) and 5.1.7; Chalkias, Garillot and Nikolaenko, "Taming
the many EdDSAs" (SSR 2020), whose strictest notion ("strongly binding") demands what is demanded
here; Bernstein et al., "High-speed high-security signatures" (2012) for the formulas, which are
those of Hisil et al. (2008) for extended coordinates.  Nothing here is secret, so nothing has to
take constant time.
"""

from __future__ import annotations

from functools import lru_cache

POINT_BYTES = 32

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)

_Extended = tuple[int, int, int, int]
"""X, Y, Z, T with x = X/Z, y = Y/Z, x y = T/Z."""


@lru_cache(maxsize=256)
def flaw_of(raw: bytes) -> str | None:
    """What is wrong with a public key of Ed25519, in a clause that follows "the key"; or None.

    Takes about 2 ms the first time that a key is seen by a process.
    """
    if len(raw) != POINT_BYTES:
        return f"has {len(raw)} bytes, not {POINT_BYTES}"
    number = int.from_bytes(raw, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= _P:
        return "is not in its canonical encoding: y is not below 2^255 - 19"
    x = _x_of(y)
    if x is None:
        return "is no point of the curve"
    if x == 0 and sign:
        return "is not in its canonical encoding: x is 0, and its sign bit is set"
    point = (x, y, 1, x * y % _P)
    if _is_neutral(_times(8, point)):
        return "is of small order: anybody can sign for it"
    if not _is_neutral(_times(_L, point)):
        return "is of mixed order: two programs may disagree on its signatures"
    return None


def _x_of(y: int) -> int | None:
    """One of the two x that go with y (RFC 8032, 5.1.3); which one does not matter here."""
    above, below = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = above * pow(below, 3, _P) * pow(above * pow(below, 7, _P), (_P - 5) // 8, _P) % _P
    square = below * x * x % _P
    if square == above:
        return x
    return x * _ROOT_OF_MINUS_1 % _P if square == -above % _P else None


def _times(factor: int, point: _Extended) -> _Extended:
    total: _Extended = (0, 1, 1, 0)
    for bit in bin(factor)[2:]:
        total = _sum(total, total)
        if bit == "1":
            total = _sum(total, point)
    return total


def _sum(one: _Extended, other: _Extended) -> _Extended:
    """Complete: no pair of points is an exception."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * _D * one[3] * other[3] % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _is_neutral(point: _Extended) -> bool:
    return point[0] % _P == 0 and (point[1] - point[2]) % _P == 0
