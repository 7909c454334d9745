"""A page for human eyes: originals beside what was drawn, flickering on a click.

One self-contained HTML file; pictures are lossless WebP inside it.  Numbers cannot say whether a
picture may be shown to customers; this is where somebody looks.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import numpy as np

from groundstation.media.images import encode_picture, opaque
from groundstation.media.judge.gate import BLOCK, Gate
from groundstation.media.records.encode import Checked
from shared.media.fixed import U8

GAIN = 8
"""How much differences are amplified."""

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1180px;padding:0 1rem;
 background:#fafafa;color:#222}
h1{font-size:1.4rem}h2{font-size:1rem;margin:2.2rem 0 .4rem;overflow-wrap:anywhere}
.row{display:grid;grid-template-columns:repeat(4,1fr);gap:.6rem}
figure{margin:0}figcaption{font-size:.8rem;color:#666}
.stack{position:relative;cursor:pointer}img{width:100%;display:block;image-rendering:auto}
.stack img+img{position:absolute;inset:0;visibility:hidden}
.stack.on img+img{animation:flicker .5s steps(1) infinite}
@keyframes flicker{0%{visibility:visible}50%{visibility:hidden}}
.frame{position:relative}.frame i{position:absolute;border:2px solid #e0218a}
table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:right}
td:first-child,th:first-child{text-align:left;overflow-wrap:anywhere}.bad{color:#b00020}
"""
_SCRIPT = "document.querySelectorAll('.stack').forEach(s=>s.onclick=()=>s.classList.toggle('on'))"


def quality_page(family: str, checked: Sequence[Checked], gate: Gate, shown: int) -> str:
    """The page.

    Args:
        family: its name.
        checked: all pictures.
        gate: what was asked for.
        shown: how many to show, the worst first.
    """
    worst = sorted(checked, key=lambda item: (item.passed, item.entry.verdict.score))
    passed = sum(item.passed for item in checked)
    rows = "".join(_line(item) for item in worst)
    blocks = "".join(_shown(item) for item in worst[:shown])
    second = column = ""
    if gate.butteraugli is not None:
        second = f", and a Butteraugli distance of at most {gate.butteraugli:g}"
        column = "<th>Butteraugli</th>"
    title = html.escape(f"{family}: {passed} of {len(checked)} pictures pass")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1>"
        f"<p>Asked for: SSIMULACRA2 of at least {gate.score:g}, and no block of {BLOCK} x {BLOCK} "
        f"pixels with a root-mean-square error above {gate.block_levels:g} of 255 levels{second}. "
        f"Click a picture of the third column to let it flicker between the two. Differences are "
        f"amplified {GAIN} times; the frame marks the worst block.</p>{blocks}"
        "<h2>All pictures</h2><table><tr><th>picture</th><th>tier</th><th>bytes</th>"
        f"<th>SSIMULACRA2</th><th>worst block</th><th>PSNR</th>{column}</tr>{rows}</table>"
        f"<script>{_SCRIPT}</script></html>\n"
    )


def _line(item: Checked) -> str:
    entry, verdict = item.entry, item.entry.verdict
    mark = "" if item.passed else ' class="bad"'
    cells = (
        f"{html.escape(entry.key)}</td><td>{entry.tier}</td><td>{entry.size_bytes}</td>"
        f"<td>{verdict.score:.2f}</td><td>{verdict.block_levels:.1f}</td><td>{verdict.psnr_db:.1f}"
    )
    if verdict.butteraugli is not None:
        cells += f"</td><td>{verdict.butteraugli:.2f}"
    return f"<tr{mark}><td>{cells}</td></tr>"


def _shown(item: Checked) -> str:
    verdict = item.entry.verdict
    original, made = opaque(item.original), opaque(item.made)
    distance = original.astype(np.int16) - made
    difference = np.clip(128 + GAIN * distance, 0, 255).astype(np.uint8)
    height, width = original.shape[:2]
    left, top = verdict.block_at
    frame = (
        f'<i style="left:{100 * left / width:.2f}%;top:{100 * top / height:.2f}%;'
        f'width:{100 * BLOCK / width:.2f}%;height:{100 * BLOCK / height:.2f}%"></i>'
    )
    first, second = _image(original), _image(made)
    return (
        f"<h2>{html.escape(item.entry.key)}: {verdict.score:.2f}, worst block "
        f"{verdict.block_levels:.1f} levels, {item.entry.tier}, {item.entry.size_bytes} bytes</h2>"
        '<div class="row">'
        f"<figure>{first}<figcaption>original, {item.entry.original_bytes} bytes</figcaption>"
        f"</figure><figure>{second}<figcaption>drawn</figcaption></figure>"
        f'<figure><div class="stack">{first}{second}</div><figcaption>click: flicker</figcaption>'
        f'</figure><figure><div class="frame">{_image(difference)}{frame}</div>'
        "<figcaption>difference</figcaption></figure></div>"
    )


def _image(pixels: U8) -> str:
    data = base64.b64encode(encode_picture(pixels, "WEBP", lossless=True)).decode("ascii")
    return f'<img alt="" src="data:image/webp;base64,{data}">'
