"""Which container a file is, and its facts."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from shared.pictures.containers.avif import BRANDS, avif_facts
from shared.pictures.containers.bmp import bmp_facts
from shared.pictures.containers.gif import gif_facts
from shared.pictures.containers.jpeg import jpeg_facts
from shared.pictures.containers.jxl import CODESTREAM, CONTAINER, jxl_facts
from shared.pictures.containers.png import SIGNATURE, png_facts
from shared.pictures.containers.tiff import tiff_facts
from shared.pictures.containers.webp import webp_facts
from shared.pictures.facts import Facts, NotUnderstood

_READERS: Final[tuple[tuple[bytes, int, Callable[[bytes], Facts]], ...]] = (
    (SIGNATURE, 0, png_facts),
    (b"\xff\xd8\xff", 0, jpeg_facts),
    (b"WEBP", 8, webp_facts),
    (b"GIF8", 0, gif_facts),
    (CODESTREAM, 0, jxl_facts),
    (CONTAINER, 0, jxl_facts),
    (b"BM", 0, bmp_facts),
    *((mark, 0, tiff_facts) for mark in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    *((brand, 8, avif_facts) for brand in BRANDS),
)


def container_facts(data: bytes) -> Facts:
    """The facts of a picture file.

    Args:
        data: its bytes.

    Raises:
        NotUnderstood: it is of no container known here, or has not the form of one.
    """
    for mark, at, reader in _READERS:
        if data[at : at + len(mark)] == mark:
            try:
                return reader(data)
            except NotUnderstood:
                raise
            except (struct.error, IndexError, ValueError) as error:
                raise NotUnderstood(f"a field of another form: {error}") from None
    raise NotUnderstood("a container that is not known here")
