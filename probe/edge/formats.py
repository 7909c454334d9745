"""Which format a client gets, the bytes of it, and the tag that names these bytes.

Sources: RFC 9110, 12.5.1 (Accept), 8.8.3 (ETag).
"""

from __future__ import annotations

import io
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from PIL import Image, features
from PIL import __version__ as pillow_version

from shared.digest import sha256
from shared.errors import RegenerationError
from shared.media.fixed import U8
from shared.pictures.containers.read import container_facts
from shared.pictures.facts import NotUnderstood
from shared.pictures.reading import Unreadable, read_bytes

_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True)
class Format:
    """A format that the edge writes.

    Attributes:
        media_type: as in Accept and Content-Type.
        name: Pillow's.
        options: Pillow's; one thread, since pictures are encoded side by side, and since the bytes
            must not depend on how many.
        alpha: whether it can hold alpha.
    """

    media_type: str
    name: str
    options: Mapping[str, object]
    alpha: bool = True


@dataclass(frozen=True)
class Quality:
    """How finely lossy formats are written; the gate judged the pixels that go in, not these.

    Attributes:
        avif, webp, jpeg: as each encoder counts, 1 to 100.
    """

    avif: int = 80
    webp: int = 90
    jpeg: int = 92

    def formats(self) -> tuple[Format, ...]:
        """All formats, the preferred one first."""
        avif = {"quality": self.avif, "speed": 8, "subsampling": "4:4:4", "max_threads": 1}
        return (
            Format("image/avif", "AVIF", avif),
            Format("image/webp", "WEBP", {"quality": self.webp, "method": 4}),
            Format("image/jpeg", "JPEG", {"quality": self.jpeg, "subsampling": 0}, alpha=False),
            Format("image/png", "PNG", {}),
        )


def choose(accept: str | None, formats: Sequence[Format], alpha: bool) -> Format | None:
    """The format that a client gets, or None if it wants none of them.

    Of formats that it likes equally well the first wins; but AVIF and WebP go only to clients that
    name them, since many that send ``*/*`` cannot show them.

    Args:
        accept: the request's field.
        formats: the preferred one first.
        alpha: whether the picture has an alpha channel, which the format must be able to hold.
    """
    wanted = ranges(accept)
    best: tuple[float, bool, int] | None = None
    for place, one in enumerate(formats):
        if alpha and not one.alpha:
            continue
        weight, named = liking(one.media_type, wanted)
        plain = one.name in ("JPEG", "PNG")
        rank = (weight, named or plain, -place)
        if weight > 0 and (best is None or rank > best):
            best = rank
    return None if best is None else formats[-best[2]]


def goes_as_it_is(
    media_type: str, accept: str | None, formats: Sequence[Format], alpha: bool
) -> bool:
    """Whether a client gets a picture file unchanged: it likes no other format better.

    Args:
        media_type: of the file.
        accept: the request's field.
        formats: in which the picture could be written anew.
        alpha: whether it has an alpha channel.
    """
    wanted = ranges(accept)
    weight = liking(media_type, wanted)[0]
    other = choose(accept, formats, alpha)
    return weight > 0 and (other is None or weight >= liking(other.media_type, wanted)[0])


def ranges(accept: str | None) -> dict[str, float]:
    """Media ranges and their weights; an empty or missing field accepts everything.

    A range with parameters of its own (``image/webp;level=1``) asks for less than the type, which
    the edge has not: it says nothing of the type (RFC 9110, 12.5.1).
    """
    found: dict[str, float] = {}
    said = False
    for piece in _outside_quotes(accept or ""):
        media, *parameters = (word.strip().lower() for word in piece.split(";"))
        if not media:
            continue
        said = True
        media = "*/*" if media == "*" else media  # as HTTP/1.0 clients and Java's have it
        weight, narrowed = 1.0, False
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    weight = min(max(float(value), 0.0), 1.0)
                except ValueError:
                    weight = 0.0
                break  # what follows a weight extends the field, not the type
            narrowed = narrowed or bool(key.strip())
        if not narrowed:
            found[media] = weight if weight == weight else 0.0  # a NaN is no weight
    return found if said else {"*/*": 1.0}


def _outside_quotes(field: str) -> list[str]:
    """The members of a list; commas in a quoted string separate nothing."""
    return _QUOTED.sub("", field).split(",")


def liking(media_type: str, wanted: Mapping[str, float]) -> tuple[float, bool]:
    """How much a client likes a media type, and whether it named it."""
    if media_type in wanted:
        return wanted[media_type], True
    family = media_type.partition("/")[0] + "/*"
    return wanted.get(family, wanted.get("*/*", 0.0)), False


def encoded(pixels: U8, into: Format) -> bytes:
    """The file of a picture ``[height, width, 1, 3 or 4]``."""
    shown = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    out = io.BytesIO()
    Image.fromarray(shown).save(out, into.name, **into.options)
    return out.getvalue()


def decoded(data: bytes) -> U8:
    """The pixels of a picture file, as the whole product reads them: upright, in sRGB.

    Raises:
        RegenerationError: no picture that Pillow reads here, or too large a one.
    """
    try:
        return read_bytes(data, "the picture file in the record").pixels
    except Unreadable as error:
        raise RegenerationError(
            f"the picture file in the record cannot be read: {error.found}",
            remedy="publish it in a format that Pillow reads",
        ) from None


def has_alpha(data: bytes) -> bool:
    """Whether a picture file has an alpha channel, by its header; False if it is no picture."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return bool(image.has_transparency_data)
    except Exception:  # a decoder raises whatever it likes
        return False


def moves(data: bytes) -> bool:
    """Whether a picture file has several frames, of which no format written here would have one.

    Such a file goes out as it is, whatever the client likes (RFC 9110, 12.5.1, allows that).
    """
    try:
        return container_facts(data).frames > 1
    except NotUnderstood:
        return False


def media_type_of(data: bytes) -> str | None:
    """What a picture file is, by its first bytes; None if it is none of those known."""
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        return "image/avif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if data[:2] == b"\xff\x0a" or data[:12] == b"\0\0\0\x0cJXL \r\n\x87\n":
        return "image/jxl"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    return None


@cache
def encoders() -> str:
    """The encoders at work, by release: what the bytes of a file depend on beside its options."""
    releases = [f"{name}/{features.version(name)}" for name in ("avif", "webp", "jpg", "zlib")]
    return " ".join([f"pillow/{pillow_version}", *releases, platform.machine()])


def entity_tag(generator: bytes, record: bytes, into: Format | None) -> str:
    """A strong tag, known without drawing: same tag, same bytes.

    It names all that the bytes come from: generator, record, format, options and encoders.

    Args:
        generator: digest of the one that draws.
        record: as stored.
        into: the format; None for a picture file that goes out as it is.
    """
    how = "as it is" if into is None else f"{into.name} {sorted(into.options.items())} {encoders()}"
    parts = (b"rehydration-edge/1\n", generator, sha256(record), how.encode("utf-8"))
    return f'"{sha256(*parts).hex()[:32]}"'


def tag_matches(field: str | None, tag: str) -> bool:
    """Whether If-None-Match names a tag; compared weakly (RFC 9110, 13.1.2)."""
    if field is None:
        return False
    names = [name.strip().removeprefix("W/") for name in field.split(",")]
    return tag.removeprefix("W/") in names or names == ["*"]
