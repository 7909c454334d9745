"""Which files a module computes with: itself, what it imports, and the kernels."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

_COMPILED_FROM = frozenset({".c", ".h"})


def files_of(module: str, root: Path) -> tuple[Path, ...]:
    """Sources that running a module can reach, sorted.

    Imports are read from the text, those inside of functions as well, so that more is named than
    one run loads. C beside such a module counts as a kernel of it.

    Args:
        module: its dotted name.
        root: folder that has the packages; what is not below it is not followed.
    """
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        source = _source(name, root)
        if source is None or name in found:
            continue
        found[name] = source
        waiting.extend(_named(source, name))
    folders = {path.parent for path in found.values()}
    kernels = {
        path for folder in folders for path in folder.iterdir() if path.suffix in _COMPILED_FROM
    }
    return tuple(sorted(kernels | set(found.values())))


def _source(name: str, root: Path) -> Path | None:
    place = root.joinpath(*name.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


def _named(source: Path, name: str) -> Iterator[str]:
    """Modules that a source may import, and the packages that a module lies in."""
    if "." in name:
        yield name.rpartition(".")[0]
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)
