"""What files of a family have in common to the byte, such as the same outline in each: kept once.

A recoloured picture has the alpha of its siblings, and lossless parts, profiles and tables as well.
Some of the files, put one behind the other, are what all others are compressed against: zstd with
a prefix copies long stretches of it for a few bytes.  Files come back exactly; no pixel is judged.

Source: RFC 8878 (Zstandard), here without magic number, size and checksum: the index has those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import zstandard

MAX_BYTES: Final = 1 << 26
"""Of the common bytes and of a file that is compressed against them."""
SAMPLED: Final = 24
"""Files that are tried, as common bytes and against them; larger families are sampled evenly."""
_LEVEL: Final = 19
_QUICK_LEVEL: Final = 6
_MIN_WINDOW: Final = 10


def packed(file: bytes, common: bytes, level: int = _LEVEL) -> bytes:
    """A file against the common bytes."""
    window = max(_MIN_WINDOW, (len(common) + len(file)).bit_length())
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level,
        source_size=len(file),
        dict_size=len(common),
        window_log=window,
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        write_content_size=False,
        write_checksum=False,
        write_dict_id=False,
    )
    prefix = zstandard.ZstdCompressionDict(common, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdCompressor(dict_data=prefix, compression_params=parameters).compress(file)


def unpacked(data: bytes, common: bytes, size: int) -> bytes:
    """The file again.

    Raises:
        ValueError: the bytes are none, or give a file of another size.
    """
    if size > MAX_BYTES:
        raise ValueError(f"it claims {size} bytes, more than {MAX_BYTES}")
    prefix = zstandard.ZstdCompressionDict(common, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    reader = zstandard.ZstdDecompressor(
        dict_data=prefix, format=zstandard.FORMAT_ZSTD1_MAGICLESS, max_window_size=2 * MAX_BYTES
    )
    try:
        with reader.stream_reader(data) as stream:
            file = stream.read(size + 1)
    except zstandard.ZstdError as error:
        raise ValueError(f"it does not unpack: {error}") from None
    if len(file) != size:
        raise ValueError(f"it unpacks to {len(file)} bytes, not {size}")
    return file


def common_bytes(files: Sequence[bytes]) -> bytes:
    """The files that make the rest smallest, one behind the other; empty if sharing saves nothing.

    One after the other that file is taken that saves most beyond its own size.  A file that is
    taken costs a few bytes more where it is kept itself.
    """
    told = [file for file in files if file]
    places = np.unique(np.linspace(0, max(0, len(told) - 1), SAMPLED).astype(int))
    chosen = [told[place] for place in places[: len(told)]]
    share = len(told) / max(1, len(chosen))
    common, costs = b"", [len(file) for file in chosen]
    while chosen:
        best: tuple[float, bytes, list[int]] = (0.0, b"", [])
        for candidate in chosen:
            longer = common + candidate
            if len(longer) > MAX_BYTES:
                continue
            reached = [len(packed(file, longer, _QUICK_LEVEL)) for file in chosen]
            after = [min(pair) for pair in zip(costs, reached, strict=True)]
            saved = share * (sum(costs) - sum(after)) - len(candidate)
            if saved > best[0]:
                best = saved, longer, after
        if not best[1]:
            break
        _, common, costs = best
    return common
