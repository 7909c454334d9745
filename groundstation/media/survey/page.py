"""A survey as a page: families with their pictures, the most valuable first."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import numpy as np

from groundstation.media.images import encode_picture
from groundstation.media.survey.survey import Found, Inventory

SHOWN = 24
"""Pictures of a family on its contact sheet."""

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1100px;padding:0 1rem;
 background:#fafafa;color:#222}
h1{font-size:1.4rem}h2{font-size:1rem;margin:1.8rem 0 .2rem;overflow-wrap:anywhere}
p{margin:.2rem 0}img{max-width:100%}
"""


def survey_page(inventory: Inventory, families: Sequence[Found], shown: int) -> str:
    """One self-contained HTML page.

    Args:
        inventory: all pictures.
        families: the most valuable first.
        shown: how many of them to show.
    """
    grouped = sum(len(family.members) for family in families)
    title = html.escape(
        f"{len(families)} families with {grouped} of {len(inventory.names)} pictures"
    )
    sheets = "".join(_sheet(inventory, family) for family in families[:shown])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1><p>The most valuable first. Sizes of generators "
        "are estimates from thumbnails until a family is trained.</p>"
        f"{sheets}</html>\n"
    )


def _sheet(inventory: Inventory, family: Found) -> str:
    members = family.members[:SHOWN]
    row = np.concatenate([inventory.thumbnails[n] for n in members], axis=1)
    data = base64.b64encode(encode_picture(row, "WEBP", quality=80)).decode("ascii")
    found = family.worth
    first = html.escape(inventory.names[members[0]])
    return (
        f"<h2>{first} and {found.pictures - 1} more</h2>"
        f"<p>{found.stored_bytes:,} bytes stored; a generator of about {found.generator_bytes:,} "
        f"({family.fit.components} components); {found.saved_month:.4f} a month, "
        f"{found.total:.4f} in all</p>"
        f'<img alt="" src="data:image/webp;base64,{data}">'
    )
