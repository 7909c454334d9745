"""An explanation on a terminal: tables of causes, and the new text with each token in its heat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from groundstation.explain.account import Explanation, FileCost, Part, verb
from groundstation.explain.dearest import Dear, Dearest
from groundstation.explain.json_report import readable_path
from groundstation.explain.lines import HunkCost, Line
from groundstation.explain.spelling import (
    LEVELS_BITS,
    heat,
    in_bytes,
    shown,
    shown_line,
    shown_pieces,
)

_STYLES = ("", "green", "yellow", "bold dark_orange", "bold white on red")
_BAR = 10
_EIGHTHS = " ▏▎▍▌▋▊▉"
_SHARE = 24


def print_explanation(explanation: Explanation, costliest: Dearest, console: Console) -> None:
    """Prints everything."""
    for part in _renderables(explanation, costliest):
        console.print(part)


def _renderables(explanation: Explanation, costliest: Dearest) -> Iterator[RenderableType]:
    yield Text(headline(explanation))
    yield ""
    yield _parts(explanation.parts)
    if not explanation.text_is_coded:
        yield Text(uncoded(explanation), style="dim")
    most = max((line.bits for file in explanation.files for line in file.lines), default=0.0)
    for file in explanation.files:
        yield ""
        yield _file_line(file)
        for hunk in file.hunks:
            yield from _hunk(hunk, most)
    for kind, found in (
        ("tokens", costliest.tokens),
        ("words", costliest.words),
        ("lines", costliest.lines),
    ):
        if found:
            yield ""
            yield _dearest(kind, found)
    yield ""
    yield _legend()


def headline(explanation: Explanation) -> str:
    """What is explained, in a line."""
    settings = explanation.settings
    return (
        f"envelope {explanation.total_bytes} B for a patch of {explanation.patch_bytes} B: "
        f"{explanation.message.seed_source.name.lower()} seed, {explanation.tokens} tokens, "
        f"{explanation.surprises} of them not the model's first choice, {explanation.text_bits:.1f}"
        f" bits; prompt {settings.shape.name.lower()}, {settings.lines_before} lines before and "
        f"{settings.lines_after} after, inverse temperature {settings.inverse_temperature:g}; "
        "signature not checked"
    )


def uncoded(explanation: Explanation) -> str:
    """What the bits of tokens mean where they are not in the stream."""
    source = explanation.message.seed_source.name.lower()
    size = sum(part.bits for part in explanation.parts if part.name == "seed") / 8
    return (
        f"The seed is {source}: it takes {size:.0f} B, whatever the tokens cost. Their bits below "
        f"are ideal, -log2 of their probability, {explanation.text_bits:.1f} in all, and no part "
        "of the sum."
    )


def _parts(parts: Sequence[Part]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("where the bytes go", no_wrap=True)
    table.add_column("bits", justify="right", no_wrap=True)
    table.add_column("bytes", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("what for", overflow="fold")
    total = sum(part.bits for part in parts)
    for part in parts:
        share = max(0.0, part.bits) / total
        bar = Text(_bar(share, _SHARE), style="cyan" if part.coded else "blue")
        meaning = Text(part.meaning, style="dim")
        table.add_row(part.name, f"{part.bits:.2f}", in_bytes(part.bits), bar, meaning)
    table.add_row("total", f"{total:.2f}", in_bytes(total), "", "", style="bold")
    return table


def _file_line(file: FileCost) -> Text:
    causes = [f"{name} {bits:.1f}" for name, bits in file.bits_of]
    if file.blob_bytes:
        causes.append(f"{file.codec} {8 * file.blob_bytes}")
    return Text.assemble(
        (readable_path(file.path), "bold"),
        f"  {readable_path(verb(file.change))}, {file.codec}, {file.bits:.1f} bits: ",
        (", ".join(causes), "dim"),
    )


def _hunk(hunk: HunkCost, most: float) -> Iterator[Text]:
    causes = ", ".join(f"{label or 'text'} {bits:.1f}" for label, bits in hunk.bits_of)
    yield Text(
        f"  @@ line {hunk.new_line}: -{len(hunk.gone)} +{len(hunk.lines)}, "
        f"{hunk.bits:.1f} bits: {causes}",
        style="cyan",
    )
    for gone in hunk.gone:
        yield Text(f"{'':>{_BAR + 16}}-{shown_line(gone)}", style="dim red")
    for line in hunk.lines:
        yield _line(line, most)


def _line(line: Line, most: float) -> Text:
    bar = _bar(line.bits / most if most else 0.0, _BAR)
    text = Text.assemble(
        (f"{line.number:>6} ", "dim"), f"{line.bits:>7.1f} ", (f"{bar:<{_BAR}} ", "cyan"), "+"
    )
    for found, token in shown_pieces(line):
        text.append(found, "dim" if token is None else _STYLES[heat(token.bits)])
    return text


def _dearest(kind: str, found: Sequence[Dear]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(f"dearest {kind}", overflow="fold")
    table.add_column("bits", justify="right", no_wrap=True)
    table.add_column("where", overflow="fold")
    if kind == "tokens":
        table.add_column("expected", overflow="fold")
    for dear in found:
        where = Text(f"{readable_path(dear.path)}:{dear.line}")
        if kind == "lines":
            text = Text(shown_line(dear.text).strip())
        else:
            text = Text(shown(dear.text), _STYLES[heat(dear.bits)])
        cells = [text, Text(f"{dear.bits:.1f}"), where]
        if kind == "tokens":
            expected = "the same" if dear.expected == dear.text else shown(dear.expected)
            cells.append(Text(expected, "dim"))
        table.add_row(*cells)
    return table


def _legend() -> Text:
    limits = [f"from {limit:g}" for limit in LEVELS_BITS]
    parts: list[str | tuple[str, str]] = ["bits of a token: "]
    for style, words in zip(_STYLES, [f"under {LEVELS_BITS[0]:g}", *limits], strict=True):
        parts += [(words, style), "  "]
    return Text.assemble(*parts)


def _bar(share: float, width: int) -> str:
    """A bar of eighths of a character."""
    eighths = round(share * width * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
