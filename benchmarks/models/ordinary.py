"""What specialising costs elsewhere: code length of source text that nobody changes.

``python -m benchmarks.models.ordinary`` writes ORDINARY.md.  Both pins read the same beginnings of
the
same files, in the exact arithmetic that messages are made with.  No file is of a package that the
specialised model was trained on.
"""

from __future__ import annotations

import importlib.util
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.models.quality import bits, excess_percent
from shared.errors import InputError
from shared.exact.pin import load_pin, resolve_pin
from shared.exact.transformer import Transformer
from shared.terminal import progress

RESULT = Path(__file__).parents[1] / "ORDINARY.md"
BASE, SPECIALISED = "smollm2-135m", "smollm2-135m-patch"
TOKENS = 1000
"""Of a text at most, each after all before it."""

MODULES = ("textwrap.py", "sched.py", "shlex.py", "queue.py", "fractions.py", "socketserver.py")
HEADERS = ("listobject.h", "pymem.h", "objimpl.h", "pythread.h")
PACKAGES = {
    "spacepackets": ("cfdp/defs.py", "ccsds/spacepacket.py", "ecss/tc.py"),
    "simpy": ("events.py", "resources/store.py"),
}
"""Installed with the simulations, and left out of the corpus by name."""


@dataclass(frozen=True)
class Ordinary:
    """One text.

    Attributes:
        name: the file's.
        tokens: how many were coded.
        untuned_bits, specialised_bits: -log2 of the probabilities, added up.
    """

    name: str
    tokens: int
    untuned_bits: float
    specialised_bits: float


def texts() -> Iterator[tuple[str, str]]:
    """Names and texts, Python and C.

    Raises:
        InputError: a package of the list is not installed.
    """
    paths = sysconfig.get_paths()
    for name in MODULES:
        yield name, (Path(paths["stdlib"]) / name).read_text("utf-8")
    for name in HEADERS:
        header = Path(paths["include"]) / name
        if header.exists():
            yield name, header.read_text("utf-8")
    for package, names in PACKAGES.items():
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            raise InputError(f"{package} is not installed", remedy="run `make setup`")
        folder = Path(found.submodule_search_locations[0])
        for name in names:
            yield f"{package}/{name}", (folder / name).read_text("utf-8")


def measure(base: str = BASE, specialised: str = SPECIALISED) -> list[Ordinary]:
    """Codes every text with both models; a minute or two.

    Args:
        base, specialised: names or folders of pins; they must have one tokenizer.

    Raises:
        InputError, PinError: a pin or a package is not there.
    """
    pins = [load_pin(resolve_pin(name)) for name in (base, specialised)]
    tokenizer = pins[0].tokenizer()
    models = [Transformer(pin) for pin in pins]
    found = []
    with progress() as report:
        coded = list(texts())
        for done, (name, text) in enumerate(coded):
            report("ordinary text", done, len(coded))
            ids = tokenizer.encode(text, add_special_tokens=False).ids[: TOKENS + 1]
            both = (bits(model.session().feed_scored(ids[:-1]), ids[1:]) for model in models)
            found.append(Ordinary(name, len(ids) - 1, *both))
    return found


def total_percent(found: Sequence[Ordinary]) -> float:
    """How much longer the specialised model's code is, all texts together, in percent."""
    return excess_percent(
        sum(each.specialised_bits for each in found), sum(each.untuned_bits for each in found)
    )


def page(found: Sequence[Ordinary]) -> str:
    """The report."""
    lines = [
        "# Ordinary source text",
        "",
        "Written by `python -m benchmarks.models.ordinary` (part of `make bench`); do not edit.",
        f"Code length in bits of the first {TOKENS:,} tokens of files that no patch changes, in",
        f"exact arithmetic: `{BASE}` against `{SPECIALISED}`.",
        "",
        "| text | tokens | untuned | specialised | change |",
        "|---|---|---|---|---|",
    ]
    for each in found:
        change = excess_percent(each.specialised_bits, each.untuned_bits)
        lines.append(
            f"| {each.name} | {each.tokens} | {each.untuned_bits:.1f} | "
            f"{each.specialised_bits:.1f} | {change:+.2f} % |"
        )
    return "\n".join([*lines, "", f"Total: {total_percent(found):+.2f} %.", ""])


def main(out: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULT) -> None:
    """Measure both models on Python and C that nobody changes."""
    out.write_text(page(measure()), "utf-8")
    typer.echo(out.read_text("utf-8"))


if __name__ == "__main__":
    typer.run(main)
