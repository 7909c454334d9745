"""How text and bits are shown to people, on a terminal and on a page alike."""

from __future__ import annotations

from groundstation.explain.lines import Line, Token

LEVELS_BITS = (0.5, 2.0, 4.0, 8.0)
"""Where a token's heat rises by one: up to half a bit it was expected."""

_SIGNS = {"\n": "⏎", "\r": "␍", "\t": "→\t"}


def heat(bits: float) -> int:
    """How dear a token is, 0 to 4."""
    return sum(bits >= limit for limit in LEVELS_BITS)


def shown_pieces(line: Line) -> list[tuple[str, Token | None]]:
    """The pieces of a line as text, its newline as a sign where a token wrote it.

    A character whose bytes are in several pieces stands in the first; the others hold "·".  So does
    a token that writes again what was known, if that costs anything to speak of.  Bytes that are no
    UTF-8 are shown as ``\\xNN``.
    """
    text = line.text
    starts: dict[int, str] = {}
    place = 0
    for character in text.decode("utf-8", "surrogateescape"):
        starts[place] = character
        place += len(character.encode("utf-8", "surrogateescape"))
    pieces = []
    place = 0
    for piece in line.pieces:
        end = place + len(piece.text)
        inside = [starts[k] for k in range(place, end) if k in starts]
        if piece.token is None:
            inside = [character for character in inside if character != "\n"]
        found = "".join(_SIGNS.get(each, printable(each)) for each in inside)
        if piece.token is not None and not found and (piece.text or heat(piece.token.bits)):
            found = "·"
        pieces.append((found, piece.token))
        place = end
    return [(found, token) for found, token in pieces if found]


def shown(text: bytes) -> str:
    """A piece of text in a table: blanks and newlines as signs."""
    found = "".join(
        {" ": "␣", "\n": "⏎", "\r": "␍", "\t": "→"}.get(each, printable(each))
        for each in text.decode("utf-8", "surrogateescape")
    )
    return found or "·"


def shown_line(text: bytes) -> str:
    """A whole line without its newline."""
    letters = text.decode("utf-8", "surrogateescape").removesuffix("\n")
    return "".join(each if each == "\t" else printable(each) for each in letters)


def printable(character: str) -> str:
    """A character, or how it is escaped where a terminal or page could not show it."""
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def in_bytes(bits: float) -> str:
    """Bits as bytes, to a tenth."""
    return f"{bits / 8:.1f}"
