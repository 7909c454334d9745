"""The classical delta that a message falls back on: zstd with the old file as raw dictionary.

The frame carries nothing that both ends know: no magic number, no sizes, no checksum (RFC 8878,
section 3.1.1; "magicless" is zstd's own name for frames without the first field).
"""

from __future__ import annotations

import zstandard

from shared.errors import RegenerationError

MAX_OUTPUT_BYTES = 1 << 30
_MAGICLESS = zstandard.FORMAT_ZSTD1_MAGICLESS


def encode(old: bytes, new: bytes) -> bytes:
    """The smallest delta found from ``old`` to ``new``; ``apply`` gives ``new`` back."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        22,
        source_size=len(old) + len(new),
        format=_MAGICLESS,
        window_log=max(10, min(27, (len(old) + len(new)).bit_length())),
        write_content_size=False,
        write_checksum=False,
        write_dict_id=False,
    )
    dictionary = _dictionary(old)
    if dictionary is None:
        return zstandard.ZstdCompressor(compression_params=parameters).compress(new)
    return zstandard.ZstdCompressor(compression_params=parameters, dict_data=dictionary).compress(
        new
    )


def apply(old: bytes, delta: bytes) -> bytes:
    """The new file.

    Raises:
        RegenerationError: the bytes are no delta, or give more than ``MAX_OUTPUT_BYTES``.
    """
    dictionary = _dictionary(old)
    decompressor = (
        zstandard.ZstdDecompressor(format=_MAGICLESS, max_window_size=1 << 27)
        if dictionary is None
        else zstandard.ZstdDecompressor(
            dict_data=dictionary, format=_MAGICLESS, max_window_size=1 << 27
        )
    )
    parts: list[bytes] = []
    size = 0
    try:
        with decompressor.stream_reader(delta, read_across_frames=False) as reader:
            while piece := reader.read(1 << 20):
                size += len(piece)
                if size > MAX_OUTPUT_BYTES:
                    raise RegenerationError(f"a delta gives more than {MAX_OUTPUT_BYTES} bytes")
                parts.append(piece)
    except zstandard.ZstdError as error:
        raise RegenerationError(f"a delta cannot be read: {error}") from error
    return b"".join(parts)


def _dictionary(old: bytes) -> zstandard.ZstdCompressionDict | None:
    if not old:
        return None
    return zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
