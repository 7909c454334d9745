"""zstd with the old file as raw-content dictionary, down to the bytes that carry information.

A frame of RFC 8878 says much that both ends know: magic number, header descriptor, window size
(3.1.1.1), and for a frame of one block its header of three bytes (3.1.1.2), whose size the
payload's length gives.  All of it is left out and put back by the decoder:

- an empty payload is an empty file;
- a payload is the contents of a single compressed block;
- except that one starting with byte 0x03 is followed by whole blocks with their headers.  No first
  block starts like that: it would be treeless literals (3.1.1.3.1.1), which need the Huffman table
  of an earlier block.

A decoder reads any encoder's choices, so the shortest of several settings is sent.
"""

from __future__ import annotations

from collections.abc import Iterator

import zstandard

from shared.errors import RegenerationError
from shared.system.memory import lacks_memory

LEVEL = 22
ESCAPE = b"\x03"
HEADER = b"\x00"  # no content size, no checksum, no dictionary id, not a single segment
WINDOW_LOG = 27
WINDOW = bytes([(WINDOW_LOG - 10) << 3])
MOST_FILE_BYTES = 1 << 27
_LAST, _COMPRESSED = 1, 2
_MOST_BLOCK_BYTES = 128 << 10
_PIECE_BYTES = 256


def encode(old: bytes, new: bytes) -> bytes:
    """The shortest payload that turns ``old`` into ``new``; an ``old`` of ``b""`` is no dictionary.

    Raises:
        RegenerationError: ``new`` is larger than ``MOST_FILE_BYTES``.
    """
    if len(new) > MOST_FILE_BYTES:
        raise RegenerationError(
            f"a file of {len(new)} bytes", expected=f"at most {MOST_FILE_BYTES}"
        )
    if not new:
        return b""
    return min((_strip(frame) for frame in _frames(old, new)), key=len)


def decode(old: bytes, payload: bytes) -> bytes:
    """The new file.

    Raises:
        RegenerationError: ``payload`` does not decode with this old file.
    """
    if not payload:
        return b""
    if payload.startswith(ESCAPE):
        blocks = payload[len(ESCAPE) :]
    else:
        header = _LAST | _COMPRESSED << 1 | len(payload) << 3
        if len(payload) > _MOST_BLOCK_BYTES:
            raise RegenerationError(f"a block of {len(payload)} bytes in the payload")
        blocks = header.to_bytes(3, "little") + payload
    return decode_frame(old, HEADER + WINDOW + blocks)


def encode_frame(old: bytes, new: bytes) -> bytes:
    """What the usual settings give: level 22, only the magic number left out."""
    return next(_frames(old, new))


def decode_frame(old: bytes, frame: bytes) -> bytes:
    """The file that ``encode_frame`` coded.

    Raises:
        RegenerationError: ``frame`` is not exactly one frame, does not decode with this old file,
            or gives more than ``MOST_FILE_BYTES``.
        MemoryError: there is no room for window or text; the frame may be in order.
    """
    decoder = zstandard.ZstdDecompressor(
        dict_data=_dictionary(old),
        max_window_size=1 << WINDOW_LOG,
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
    ).decompressobj()
    text = bytearray()
    place = 0
    try:
        while place < len(frame) and not decoder.eof:
            # four bytes can stand for a block of 128 KiB: a few at a time keep memory bounded
            text += decoder.decompress(frame[place : place + _PIECE_BYTES])
            place += _PIECE_BYTES
            if len(text) > MOST_FILE_BYTES:
                raise RegenerationError(
                    "the payload is of a larger file", expected=f"at most {MOST_FILE_BYTES} bytes"
                )
    except zstandard.ZstdError as error:
        if lacks_memory(error):
            raise MemoryError(str(error)) from error
        raise RegenerationError(f"the payload does not decode: {error}") from error
    if not decoder.eof or decoder.unused_data or place < len(frame):
        raise RegenerationError("the payload does not end where its last block ends")
    return bytes(text)


def _frames(old: bytes, new: bytes) -> Iterator[bytes]:
    """Magicless frames of ``new`` under several settings, the plain one first."""
    for settings in (
        {},
        {"strategy": zstandard.STRATEGY_BTLAZY2, "min_match": 4},
        {"strategy": zstandard.STRATEGY_BTOPT, "min_match": 3},
        {"strategy": zstandard.STRATEGY_BTULTRA2, "min_match": 4},
    ):
        parameters = zstandard.ZstdCompressionParameters.from_level(
            LEVEL,
            source_size=len(old) + len(new),
            dict_size=len(old),
            window_log=min(WINDOW_LOG, max(10, (len(old) + len(new)).bit_length())),
            format=zstandard.FORMAT_ZSTD1_MAGICLESS,
            write_content_size=False,
            write_checksum=False,
            write_dict_id=False,
            **settings,
        )
        yield zstandard.ZstdCompressor(
            compression_params=parameters, dict_data=_dictionary(old)
        ).compress(new)


def _dictionary(old: bytes) -> zstandard.ZstdCompressionDict | None:
    if not old:
        return None
    return zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _strip(frame: bytes) -> bytes:
    blocks = frame[2:]
    header = int.from_bytes(blocks[:3], "little")
    if header & 7 == _LAST | _COMPRESSED << 1 and blocks[3:4] != ESCAPE:
        return blocks[3:]
    return ESCAPE + blocks
