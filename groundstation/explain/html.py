"""An explanation as one HTML page: nothing is fetched, nothing is run, light and dark alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from groundstation.explain.account import Explanation, FileCost, Part, verb
from groundstation.explain.dearest import Dear, Dearest
from groundstation.explain.json_report import readable_path
from groundstation.explain.lines import HunkCost, Line, Token
from groundstation.explain.spelling import (
    LEVELS_BITS,
    heat,
    in_bytes,
    printable,
    shown,
    shown_line,
    shown_pieces,
)
from groundstation.explain.terminal import headline, uncoded

_WORTH_A_NUMBER = 3  # heat from which a token's bits are written beside it

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --soft: #667085; --page: #fff; --line: #e4e7ec;
  --bar: #3b82c4; --wire: #98a2b3; --gone: #b42318; --h1: #e3f5e1; --h2: #fff1b8; --h3: #ffd8a8;
  --h4: #ffb3a7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ec; --soft: #98a2b3; --page: #14181f;
  --line: #2b3240; --bar: #5aa2e0; --wire: #667085; --gone: #f1867c; --h1: #1d3b26; --h2: #4d4213;
  --h3: #6b3f10; --h4: #8c2a1e; } }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1.5rem; background: var(--page);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
p, .soft, summary, caption { color: var(--soft); } p { margin: .2rem 0 1rem; }
table { border-collapse: collapse; } caption { text-align: left; padding-bottom: .2rem; }
td, th { padding: .1rem .8rem .1rem 0; text-align: left; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.total td { border-top: 1px solid var(--line); font-weight: 600; }
.stack { display: flex; height: 1.5rem; margin: .8rem 0; border-radius: 4px; overflow: hidden; }
.stack i { background: var(--bar); border-right: 1px solid var(--page); }
.stack i.wire { background: var(--wire); }
.bar { display: block; height: .8em; margin-top: .35em; min-width: 1px; background: var(--bar);
  border-radius: 2px; }
.bar.wire { background: var(--wire); }
td.b { width: 9rem; } .dear { display: flex; flex-wrap: wrap; gap: 1rem 3rem; }
code, pre, td.c { font: 13px/1.55 ui-monospace, "DejaVu Sans Mono", monospace; tab-size: 4; }
td.c { white-space: pre-wrap; overflow-wrap: anywhere; padding: 0; }
table.code { width: 100%; margin: .3rem 0 1rem; }
table.code td { padding-top: 0; padding-bottom: 0; }
table.code td.n { color: var(--soft); width: 3.5rem; } table.code td.b { width: 7rem; }
tr.kept td.c, .k { color: var(--soft); } tr.gone td.c { color: var(--gone); opacity: .8; }
tr.new:target { outline: 2px solid var(--bar); }
.t { border-radius: 2px; } .h1 { background: var(--h1); } .h2 { background: var(--h2); }
.h3 { background: var(--h3); } .h4 { background: var(--h4); font-weight: 600; }
.t[data-n]::after { content: attr(data-n); font-size: .65em; vertical-align: sub; opacity: .75;
  padding: 0 .15em; }
pre { max-height: 24rem; overflow: auto; border: 1px solid var(--line); padding: .6rem;
  white-space: pre-wrap; }
summary { cursor: pointer; } a { color: inherit; }
"""


def as_page(explanation: Explanation, costliest: Dearest) -> str:
    """The whole page, in UTF-8 when written."""
    return "\n".join(_page(explanation, costliest)) + "\n"


def _page(explanation: Explanation, costliest: Dearest) -> Iterator[str]:
    total = sum(part.bits for part in explanation.parts)
    yield "<!doctype html>"
    yield '<html lang="en">'
    yield '<head><meta charset="utf-8">'
    # a browser would refuse to fetch or run anything, should a text ever break out of its place
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width">'
    yield f"<title>Where {explanation.total_bytes} bytes go</title>"
    yield f"<style>{_STYLE}</style></head>"
    yield f'<body data-total-bits="{total}" data-total-bytes="{explanation.total_bytes}">'
    yield f"<h1>Where {explanation.total_bytes} bytes go</h1>"
    yield f"<p>{escape(headline(explanation))}</p>"
    yield from _parts(explanation.parts, total)
    if not explanation.text_is_coded:
        yield f"<p>{escape(uncoded(explanation))}</p>"
    yield from _legend()
    anchors = {file.path: number for number, file in enumerate(explanation.files)}
    yield '<div class="dear">'
    yield from _dearest("tokens", costliest.tokens, anchors)
    yield from _dearest("words", costliest.words, anchors)
    yield from _dearest("lines", costliest.lines, anchors)
    yield "</div>"
    most = max((line.bits for file in explanation.files for line in file.lines), default=0.0)
    for number, file in enumerate(explanation.files):
        yield from _file(file, number, most)
    yield "</body></html>"


def _parts(parts: Sequence[Part], total: float) -> Iterator[str]:
    yield '<div class="stack">'
    for part in parts:
        if part.bits > 0:
            style = f'style="flex:{part.bits:.2f} 0 0"'
            told = f"{part.name}: {part.bits:.1f} bits"
            yield f'<i{_wire(part, " class")} {style} title="{escape(told)}"></i>'
    yield "</div>"
    yield '<table id="parts"><tr><th>part<th>bits<th>bytes<th><th></tr>'
    for part in parts:
        width = max(0.0, part.bits) / total * 100
        yield (
            f'<tr data-part="{escape(part.name)}" data-bits="{part.bits}"><td>{escape(part.name)}'
            f'<td class="n">{part.bits:.2f}<td class="n">{in_bytes(part.bits)}'
            f'<td class="b"><span class="bar{" wire" if not part.coded else ""}" '
            f'style="width:{width:.1f}%"></span><td class="soft">{escape(part.meaning)}</tr>'
        )
    yield (
        f'<tr class="total"><td>total<td class="n">{total:.2f}<td class="n">{in_bytes(total)}'
        "<td><td></tr></table>"
    )


def _wire(part: Part, attribute: str) -> str:
    return "" if part.coded else f'{attribute}="wire"'


def _legend() -> Iterator[str]:
    names = [f"under {LEVELS_BITS[0]:g}", *(f"from {limit:g}" for limit in LEVELS_BITS)]
    spans = " ".join(
        f'<span class="t h{level}">&nbsp;{name}&nbsp;</span>' for level, name in enumerate(names)
    )
    yield f"<p>bits of a token: {spans}; point at one to see what the model expected</p>"


def _dearest(kind: str, found: Sequence[Dear], anchors: dict[str, int]) -> Iterator[str]:
    if not found:
        return
    yield f'<table id="dearest-{kind}"><caption>dearest {kind}</caption>'
    for dear in found:
        is_line = kind == "lines"
        text = shown_line(dear.text).strip() if is_line else shown(dear.text)
        level = 0 if is_line else heat(dear.bits)
        where = f"{readable_path(dear.path)}:{dear.line}"
        link = f"#f{anchors[dear.path]}l{dear.line}"
        expected = ""
        if kind == "tokens" and dear.expected != dear.text:
            expected = f'<td class="soft">not <code>{escape(shown(dear.expected))}</code>'
        yield (
            f'<tr><td class="n">{dear.bits:.1f}<td><code class="t h{level}">{escape(text)}</code>'
            f'{expected}<td><a href="{link}">{escape(where)}</a></tr>'
        )
    yield "</table>"


def _file(file: FileCost, number: int, most: float) -> Iterator[str]:
    causes = [f"{name} {bits:.1f}" for name, bits in file.bits_of]
    if file.blob_bytes:
        causes.append(f"{file.codec} {8 * file.blob_bytes}")
    yield (
        f'<section data-file="{escape(readable_path(file.path))}" data-bits="{file.bits}">'
        f"<h2>{escape(readable_path(file.path))}</h2>"
    )
    yield (
        f"<p>{escape(readable_path(verb(file.change)))}, {file.codec}, {file.bits:.1f} bits: "
        f"{escape(', '.join(causes))}</p>"
    )
    for hunk in file.hunks:
        yield from _hunk(hunk, number, most)
    yield "</section>"


def _hunk(hunk: HunkCost, number: int, most: float) -> Iterator[str]:
    if hunk.shown:
        lines = hunk.shown.decode("utf-8", "surrogateescape").split("\n")
        text = "\n".join("".join(c if c == "\t" else printable(c) for c in line) for line in lines)
        yield (
            f"<details><summary>what the model was shown before it wrote here: {len(hunk.shown)} "
            f"bytes</summary><pre>{escape(text)}</pre></details>"
        )
    causes = ", ".join(f"{label or 'text'} {bits:.1f}" for label, bits in hunk.bits_of)
    yield (
        f'<table class="code"><caption>line {hunk.new_line}: {len(hunk.gone)} out, '
        f"{len(hunk.lines)} in, {hunk.bits:.1f} bits: {escape(causes)}</caption>"
    )
    for k, text_kept in enumerate(hunk.above):
        yield _known("kept", str(hunk.new_line - len(hunk.above) + k), text_kept)
    for text_gone in hunk.gone:
        yield _known("gone", "−", text_gone)
    for line in hunk.lines:
        yield _line(line, number, most)
    for k, text_kept in enumerate(hunk.below):
        yield _known("kept", str(hunk.new_line + len(hunk.lines) + k), text_kept)
    yield "</table>"


def _known(kind: str, number: str, text: bytes) -> str:
    return f'<tr class="{kind}"><td class="n">{number}<td><td><td class="c">' + (
        f"{escape(shown_line(text))}</tr>"
    )


def _line(line: Line, number: int, most: float) -> str:
    width = line.bits / most * 100 if most else 0.0
    pieces = "".join(_piece(found, token, line.number) for found, token in shown_pieces(line))
    return (
        f'<tr class="new" id="f{number}l{line.number}" data-bits="{line.bits}">'
        f'<td class="n">{line.number}<td class="n">{line.bits:.1f}'
        f'<td class="b"><span class="bar" style="width:{width:.1f}%"></span>'
        f'<td class="c">{pieces}</tr>'
    )


def _piece(found: str, token: Token | None, line: int) -> str:
    if token is None:
        return f'<span class="k">{escape(found)}</span>'
    level = heat(token.bits)
    told = f"{token.bits:.2f} bits"
    if token.expected != token.spelling:
        told += f"; the model expected {shown(token.expected)}"
    numbered = (
        level >= _WORTH_A_NUMBER and token.line == line
    )  # else it goes on from the line above
    beside = f' data-n="{token.bits:.0f}"' if numbered else ""
    return f'<span class="t h{level}"{beside} title="{escape(told)}">{escape(found)}</span>'
