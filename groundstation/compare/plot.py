"""A comparison as a picture; matplotlib is loaded only when one is wanted."""

from __future__ import annotations

from pathlib import Path

from groundstation.compare.compare import Comparison
from groundstation.peers.link_cost import overhead_bytes
from shared.errors import InputError
from shared.files import check_writable, replacing
from shared.message.envelope import SIGNATURE_BYTES

SUFFIXES = (".png", ".pdf", ".svg")
_OURS, _PEERS, _FLOOR, _GRID = "#c2410c", "#64748b", "#334155", "#e2e8f0"


def check_plot(path: Path) -> None:
    """Finds out, before long work, whether a picture can be drawn into this file.

    Raises:
        InputError: matplotlib is missing, the format is unknown, or the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"cannot draw into {path}",
            expected=f"a name that ends in {', '.join(SUFFIXES)}",
            remedy="name another file with --plot",
        )
    check_writable(path)
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise InputError(
            "matplotlib, which draws the picture, is not installed",
            remedy="pip install 'rehydration-uplink[sims]', or leave --plot out",
        ) from error


def draw(comparison: Comparison, path: Path) -> None:
    """Bytes on the wire of each way that can send the patch, on a logarithmic axis.

    Raises:
        InputError: see ``check_plot``.
    """
    check_plot(path)
    from matplotlib.figure import Figure

    ways = [way for way in comparison.ways if way.wire_bytes is not None and way.verified]
    names = [way.name for way in ways]
    sizes = [way.wire_bytes or 0 for way in ways]
    figure = Figure(figsize=(8, 0.8 + 0.27 * len(ways)), layout="constrained")
    axes = figure.subplots()
    # points and not bars: a logarithmic axis has no zero for a length to start from
    places = range(len(ways))
    axes.scatter(sizes, places, color=[_OURS if way.ours else _PEERS for way in ways], zorder=3)
    for place, size in zip(places, sizes, strict=True):
        axes.annotate(f"{size:,}", (size, place), (8, 0), textcoords="offset points", va="center")
    axes.set_yticks(places, names)
    axes.grid(axis="y", color=_GRID)
    axes.invert_yaxis()
    axes.set_xscale("log")
    floor = overhead_bytes() + SIGNATURE_BYTES
    axes.set_xlim(floor / 1.5, max(sizes) * 2.5)
    axes.axvline(floor, color=_FLOOR, linestyle=":")
    axes.set_xlabel(f"bytes on the wire; dotted: {floor} bytes of envelope and signature alone")
    axes.set_title(f"One patch of {len(comparison.authored.patch):,} bytes")
    axes.spines[["top", "right", "left"]].set_visible(False)
    with replacing(path, durable=False) as file:
        figure.savefig(file, format=path.suffix.lower()[1:])
