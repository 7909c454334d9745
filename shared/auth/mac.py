"""AES-CMAC, whole or truncated: the one message authentication code of this project.

Sources: RFC 4493 (AES-CMAC), NIST SP 800-38B (CMAC; truncation: the leading bytes, not fewer than
8 without an analysis of its own).  The block cipher is that of ``cryptography``.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

MAC_BYTES = 16
MIN_TAG_BYTES = 8
KEY_BYTES = (16, 32)
"""AES-128 and AES-256."""


def aes_cmac(key: bytes, data: bytes, tag_bytes: int = MAC_BYTES) -> bytes:
    """The first bytes of the AES-CMAC of ``data``.

    Args:
        key: 16 or 32 bytes.
        data: any bytes.
        tag_bytes: 8 to 16.

    Raises:
        ValueError: a key of another size, or a tag that is too short or too long.
    """
    if len(key) not in KEY_BYTES:
        raise ValueError(f"an AES key of {len(key)} bytes, not {KEY_BYTES[0]} or {KEY_BYTES[1]}")
    if not MIN_TAG_BYTES <= tag_bytes <= MAC_BYTES:
        raise ValueError(f"a tag of {tag_bytes} bytes, not {MIN_TAG_BYTES} to {MAC_BYTES}")
    mac = CMAC(AES(key))
    mac.update(data)
    return mac.finalize()[:tag_bytes]


def same(one: bytes, other: bytes) -> bool:
    """Whether two tags or keys are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one, other)
