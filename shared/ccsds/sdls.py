"""Space Data Link Security on telecommand frames: who sent a frame, and that it is not an old one.

    primary header 5 [| segment header 1] | SPI 2 | SN 4  | data            | MAC 16    AES-256-CMAC
    primary header 5 [| segment header 1] | SPI 2 | IV 12 | data, encrypted | MAC 16    AES-256-GCM

The first is the baseline for telecommands, 22 bytes; the second authenticates and encrypts in 30.
The MAC covers the headers under a mask (``masked``), the security header, and the data.

``SecurityAssociation`` is a value, and what it says of a frame is a function of it.  ``SdlsLayer``
keeps one for each direction and is what the frame layer calls.

Source: CCSDS 355.0-B-2: 4.2 (processing, masks), 3.3 (fields), annex E (baseline modes).  The mask
and its zeros under the initialisation vector agree with those of Yamcs (``StandardAuthMask.TC``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.auth.mac import MAC_BYTES, aes_cmac, same
from shared.errors import BadSignature, InputError, MalformedMessage, Replayed, UnknownKey

SPI_BYTES = 2
KEY_BYTES = 32
MAX_SPI = 0xFFFE
"""0 and 65535 are reserved (355.0-B-2, 3.3.2.2)."""

_VCID_MASK = b"\x00\x00\xfc\x00\x00"
"""Of the primary header the virtual channel alone: version, length and N(S) are not known, or
change, where a frame is protected."""
_SEGMENT_MASK = b"\xff"


class Algorithm(Enum):
    """How a frame is protected; the value is the size of the sequence number or IV in bytes."""

    AES_256_CMAC = 4
    AES_256_GCM = 12


@dataclass(frozen=True)
class SecurityAssociation:
    """What both ends agree on, and how far the sequence numbers have come.

    Attributes:
        spi: security parameter index, 1 to 65534.
        key: 32 bytes, for this association alone: with GCM a number used twice under one key
            gives it away.
        algorithm: authentication, or authenticated encryption.
        sequence_number: of the last frame that was sent, or accepted; 0 before the first.
        window: how far above the last number an accepted one may be.

    Raises:
        ValueError: a field is out of its range.
    """

    spi: int
    key: bytes = field(repr=False)
    algorithm: Algorithm = Algorithm.AES_256_CMAC
    sequence_number: int = 0
    window: int = 1024

    def __post_init__(self) -> None:
        if not 1 <= self.spi <= MAX_SPI:
            raise ValueError(f"SPI {self.spi} is not in 1 to {MAX_SPI}")
        if len(self.key) != KEY_BYTES:
            raise ValueError(f"a key of {len(self.key)} bytes, not {KEY_BYTES}")
        if not 0 <= self.sequence_number <= self.max_sequence_number:
            raise ValueError(f"sequence number {self.sequence_number} does not fit its field")
        if self.window < 1:
            raise ValueError(f"a window of {self.window} accepts nothing")

    @property
    def max_sequence_number(self) -> int:
        """The last number; the key has to be changed before it is used up."""
        return int(256**self.algorithm.value - 1)

    @property
    def header_bytes(self) -> int:
        """Size of the security header."""
        return SPI_BYTES + self.algorithm.value

    @property
    def overhead_bytes(self) -> int:
        """By how many bytes ``protect`` lengthens data."""
        return self.header_bytes + MAC_BYTES

    def following(self) -> SecurityAssociation:
        """The association that the next frame is sent under.

        Raises:
            InputError: all numbers are used.
        """
        if self.sequence_number == self.max_sequence_number:
            raise InputError(
                f"the security association {self.spi} has used all its sequence numbers",
                expected=f"at most {self.max_sequence_number} frames with one key",
                remedy="agree on a new key",
            )
        return replace(self, sequence_number=self.sequence_number + 1)

    def protect(self, header: bytes, data: bytes) -> bytes:
        """Security header, data and MAC, under this association's own number.

        A number must not be used for two frames: send each under its ``following``.

        Args:
            header: primary header, and the segment header if there is one.
            data: what follows them.

        Raises:
            ValueError: the header has another size, or the number is 0.
        """
        if not self.sequence_number:
            raise ValueError("frames are numbered from 1: protect with association.following()")
        number = self.sequence_number.to_bytes(self.algorithm.value, "big")
        security = self.spi.to_bytes(SPI_BYTES, "big") + number
        covered = masked(header) + self._masked_security(security)
        if self.algorithm is Algorithm.AES_256_GCM:
            return security + AESGCM(self.key).encrypt(number, data, covered)
        return security + data + aes_cmac(self.key, covered + data)

    def unprotect(self, header: bytes, data: bytes) -> tuple[bytes, SecurityAssociation]:
        """The data again, and the association that has accepted this frame.

        Args:
            header: as ``protect`` has it.
            data: what ``protect`` gave.

        Raises:
            MalformedMessage: too short for the security fields.
            UnknownKey: of another association.
            BadSignature: it is not authentic.
            Replayed: it is, and its number was used before or is beyond the window.
        """
        if len(data) < self.overhead_bytes:
            raise MalformedMessage(
                f"{len(data)} bytes of a protected frame",
                expected=f"at least {self.overhead_bytes}",
            )
        security, rest = data[: self.header_bytes], data[self.header_bytes :]
        spi = int.from_bytes(security[:SPI_BYTES], "big")
        if spi != self.spi:
            raise UnknownKey(f"the frame names security association {spi}", expected=f"{self.spi}")
        opened = self._opened(masked(header) + self._masked_security(security), security, rest)
        number = int.from_bytes(security[SPI_BYTES:], "big")
        highest = min(self.sequence_number + self.window, self.max_sequence_number)
        if not self.sequence_number < number <= highest:
            raise Replayed(
                f"the frame has sequence number {number}",
                expected=f"{self.sequence_number + 1} to {highest}",
                remedy="send it anew; if the numbers have run apart, agree on them again",
            )
        return opened, replace(self, sequence_number=number)

    def _opened(self, covered: bytes, security: bytes, rest: bytes) -> bytes:
        forged = BadSignature(
            "the frame's MAC does not fit",
            expected=f"one made with the key of security association {self.spi}",
        )
        if self.algorithm is Algorithm.AES_256_GCM:
            try:
                return AESGCM(self.key).decrypt(security[SPI_BYTES:], rest, covered)
            except InvalidTag:
                raise forged from None
        data, mac = rest[:-MAC_BYTES], rest[-MAC_BYTES:]
        if not same(mac, aes_cmac(self.key, covered + data)):
            raise forged
        return data

    def _masked_security(self, security: bytes) -> bytes:
        if self.algorithm is Algorithm.AES_256_GCM:  # the IV is authenticated by being the IV
            return security[:SPI_BYTES] + bytes(self.algorithm.value)
        return security


def masked(header: bytes) -> bytes:
    """What of a frame's headers is authenticated; zeros in place of the rest (4.2.2.6).

    Args:
        header: the primary header, 5 bytes, and the segment header, 1 byte, if there is one.

    Raises:
        ValueError: another size.
    """
    mask = _VCID_MASK + _SEGMENT_MASK
    if len(header) not in (len(_VCID_MASK), len(mask)):
        raise ValueError(f"a frame header of {len(header)} bytes, not 5 or 6")
    return bytes(byte & wanted for byte, wanted in zip(header, mask, strict=False))


class SdlsLayer:
    """An association as the frame layer uses it: each call moves the state that is kept here.

    Attributes:
        association: as it is now; store it, and start again from what was stored.
    """

    def __init__(self, association: SecurityAssociation) -> None:
        self.association = association

    @property
    def overhead_bytes(self) -> int:
        """As the association's."""
        return self.association.overhead_bytes

    def protect(self, frame_header: bytes, data: bytes) -> bytes:
        """As the association's, each time under a new number."""
        self.association = self.association.following()
        return self.association.protect(frame_header, data)

    def unprotect(self, frame_header: bytes, data: bytes) -> bytes:
        """As the association's; a refused frame changes nothing."""
        opened, self.association = self.association.unprotect(frame_header, data)
        return opened
