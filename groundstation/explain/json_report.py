"""An explanation as JSON: every bit of it, and the dearest of each kind."""

from __future__ import annotations

from groundstation.explain.account import TEXT, Explanation, FileCost
from groundstation.explain.dearest import Dear, Dearest
from groundstation.explain.lines import HunkCost, Line


def as_dict(explanation: Explanation, costliest: Dearest) -> dict[str, object]:
    """For ``--json`` output; bits are multiples of 2**-20, so that their sums are exact.

    Bytes that are no UTF-8 are written as ``\\xNN``.
    """
    settings, message = explanation.settings, explanation.message
    return {
        "total_bytes": explanation.total_bytes,
        "total_bits": sum(part.bits for part in explanation.parts),
        "patch_bytes": explanation.patch_bytes,
        "seed_source": message.seed_source.name.lower(),
        "counter": message.counter,
        "signature_checked": False,
        "tokens": explanation.tokens,
        "surprises": explanation.surprises,
        "text_bits": explanation.text_bits,
        "text_is_coded": explanation.text_is_coded,
        "settings": {
            "shape": settings.shape.name.lower(),
            "lines_before": settings.lines_before,
            "lines_after": settings.lines_after,
            "inverse_temperature": settings.inverse_temperature,
        },
        "parts": [
            {
                "name": part.name,
                "coded": part.coded,
                "bits": part.bits,
                "meaning": part.meaning,
            }
            for part in explanation.parts
        ],
        "files": [_file(file) for file in explanation.files],
        "dearest": {
            "tokens": [
                {**_dear(dear), "expected": readable(dear.expected)} for dear in costliest.tokens
            ],
            "words": [_dear(dear) for dear in costliest.words],
            "lines": [_dear(dear) for dear in costliest.lines],
        },
    }


def readable(text: bytes) -> str:
    """Text as it is, other bytes as ``\\xNN``."""
    return text.decode("utf-8", "backslashreplace")


def _file(file: FileCost) -> dict[str, object]:
    return {
        "path": readable_path(file.path),
        "old_path": None if file.change.old_path is None else readable_path(file.change.old_path),
        "kind": file.change.kind.value,
        "codec": file.codec,
        "bits": file.bits,
        "delta_bytes": file.blob_bytes,
        "causes": dict(file.bits_of),
        "hunks": [_hunk(hunk) for hunk in file.hunks],
    }


def readable_path(path: str) -> str:
    """A path without what a terminal would obey or JSON could not hold."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in path
    )


def _hunk(hunk: HunkCost) -> dict[str, object]:
    return {
        "old_line": hunk.old_line,
        "new_line": hunk.new_line,
        "removed_lines": len(hunk.gone),
        "written_lines": len(hunk.lines),
        "bits": hunk.bits,
        "causes": {label or TEXT: bits for label, bits in hunk.bits_of},
        "lines": [_line(line) for line in hunk.lines],
    }


def _line(line: Line) -> dict[str, object]:
    return {
        "line": line.number,
        "text": readable(line.text),
        "bits": line.bits,
        "tokens": [
            {
                "text": readable(token.text),
                "spelling": readable(token.spelling),
                "column": token.column,
                "bits": token.bits,
                "expected": readable(token.expected),
            }
            for token in line.tokens
        ],
    }


def _dear(dear: Dear) -> dict[str, object]:
    return {
        "file": readable_path(dear.path),
        "line": dear.line,
        "text": readable(dear.text),
        "bits": dear.bits,
    }
