"""A training run as a picture: what a step costs, and what the patches held back need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from groundstation.specialise.plan import Note
from shared.errors import InputError
from shared.files import replacing

SMOOTHED = 20
"""Steps that a point of the drawn line is the mean of."""


def smoothed(notes: Sequence[Note], most: int = SMOOTHED) -> list[tuple[int, float]]:
    """Steps, and bits a token over the last ``most`` of them."""
    points = []
    for end in range(1, len(notes) + 1):
        window = notes[max(0, end - most) : end]
        written = sum(note.written for note in window)
        bits = sum(note.bits * note.written for note in window)
        points.append((notes[end - 1].step, bits / max(1, written)))
    return points


def draw_curve(notes: Sequence[Note], path: Path, title: str) -> None:
    """Draws both curves over the steps.

    Args:
        notes: of a run.
        path: ends in .png or .svg.
        title: above the picture.

    Raises:
        InputError: matplotlib is not installed, or the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "a curve needs matplotlib", remedy="pip install 'rehydration-uplink[compare]'"
        ) from error
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    left = figure.add_subplot()
    points = smoothed([note for note in notes if note.step])
    left.plot(*zip(*points, strict=True), color="#8aa4c8", linewidth=1.2)
    left.set_xlabel("steps")
    left.set_ylabel(f"training, bits a token (mean of {SMOOTHED} steps)", color="#4a6a9a")
    validated = [(note.step, note.validated) for note in notes if note.validated is not None]
    right = left.twinx()
    right.plot(*zip(*validated, strict=True), color="#b5432a", marker="o", linewidth=1.6)
    right.set_ylabel("held back, bytes a patch", color="#b5432a")
    right.set_ylim(bottom=0)
    left.set_ylim(bottom=0)
    left.set_title(title)
    left.grid(alpha=0.25)
    kind = path.suffix[1:]
    with replacing(path, durable=False) as file:
        figure.savefig(
            file, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else None
        )
