"""How what is kept becomes the picture again: the reverse of ``kept``."""

from __future__ import annotations

import lzma
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from groundstation.media.archive.common import unpacked
from groundstation.media.archive.index import Kind, Picture
from groundstation.media.images import decode_picture
from shared.errors import RehydrationError
from shared.media.fixed import U8
from shared.media.png import write_png
from shared.media.prompt import decode_prompt
from shared.media.render import Renderer

MIDDLE: Final = 128
"""Added to a residual, so that small ones of both signs are near each other."""
MAX_PACKED_BYTES: Final = 1 << 29
"""Of a file that is kept packed; .xz can claim seven thousand times its size."""


class ArchiveDamaged(RehydrationError):  # noqa: N818 - named for what happened
    """A part of an archive is lost."""

    exit_code = 3
    kind = "damaged"


@dataclass(frozen=True)
class Restored:
    """A picture that came back, checked.

    Attributes:
        picture: what it was.
        stored: its file; None of a drawn picture.
        pixels: of a drawn picture; None of a file.
    """

    picture: Picture
    stored: bytes | None = None
    pixels: U8 | None = None

    def file(self) -> bytes:
        """The file to write: a PNG of a drawn picture."""
        if self.pixels is not None:
            return write_png(self.pixels)
        return self.stored or b""


def file_again(picture: Picture, stored: bytes, common: bytes) -> bytes:
    """The file of a picture that is not drawn.

    Args:
        picture: whose it is.
        stored: its bytes in the archive.
        common: those of all, for ``Kind.SHARED``.

    Raises:
        RehydrationError, ValueError, lzma.LZMAError: it does not come out.
    """
    if picture.kind is Kind.SHARED:
        return unpacked(stored, common, picture.original_bytes)
    return stored if picture.kind is Kind.FILE else _inflated(stored, picture)


def drawn_again(picture: Picture, stored: bytes, renderer: Renderer) -> U8:
    """The pixels of a picture that is drawn.

    Args:
        picture: whose they are.
        stored: its bytes in the archive; none of a prompt alone.
        renderer: of the archive's generator.

    Raises:
        RehydrationError: they do not come out.
    """
    prompt = decode_prompt(renderer.generator.grammar, picture.prompt)
    if picture.kind is Kind.CORRECTED:
        return renderer(replace(prompt, residual=stored))
    drawn = renderer(prompt)
    if picture.kind is Kind.PROMPT:
        return drawn
    rest = decode_picture(stored, picture.name)
    if rest.shape != drawn.shape:
        raise ArchiveDamaged(f"a residual of shape {rest.shape}")
    return (drawn + rest - np.uint8(MIDDLE)).astype(np.uint8)  # modulo 256


def _inflated(data: bytes, picture: Picture) -> bytes:
    if picture.original_bytes > MAX_PACKED_BYTES:
        raise ValueError(f"it claims {picture.original_bytes} bytes, more than {MAX_PACKED_BYTES}")
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    file = unpacker.decompress(data, picture.original_bytes + 1)
    if len(file) != picture.original_bytes:
        raise ValueError(f"it unpacks to {len(file)} bytes")
    return file
