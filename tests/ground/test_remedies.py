"""What an error tells to do can be done: every option that it names is one of the command's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parents[2]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
QUOTED = re.compile(r"`([^`]*)`")
OTHERS = re.compile(r"(?<![\w-])(?:git|diff|pip|python|openssl)(?: [^\s,;:()`]+)+")
"""Commands of other programs, up to where the sentence goes on."""


def commands() -> dict[str, tuple[str, frozenset[str]]]:
    """Of every command, by what is typed: its module, and its options."""
    from groundstation.cli import app as ground
    from probe.cli import app as probe
    from sims.cli import app as sims

    found = {}

    def walk(command: object, words: tuple[str, ...]) -> None:
        for name, below in getattr(command, "commands", {}).items():
            walk(below, (*words, name))
        callback = getattr(command, "callback", None)
        if callback is not None:
            options = {
                text
                for parameter in command.params  # type: ignore[attr-defined]
                for text in (*parameter.opts, *parameter.secondary_opts)
            }
            found[" ".join(words)] = (callback.__module__, frozenset(options | {"--help"}))

    for name, app in (("groundstation", ground), ("probe", probe), ("linksim", sims)):
        walk(typer.main.get_command(app), (name,))
    return found


def texts(node: ast.expr) -> str:
    """The text of a remedy, blanks for what is only known when it runs."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            texts(part) if isinstance(part, ast.Constant) else "X" for part in node.values
        )
    if isinstance(node, ast.BinOp):
        return texts(node.left) + texts(node.right)
    if isinstance(node, ast.IfExp):
        return f"{texts(node.body)} ; {texts(node.orelse)}"
    return " "


def remedies() -> Iterator[tuple[str, int, str]]:
    """Module, line and text of every remedy in the product."""
    for room in ("groundstation", "probe", "shared", "sims"):
        for path in sorted((ROOT / room).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.keyword) and node.arg == "remedy":
                    yield module, node.value.lineno, texts(node.value)


FOUND = commands()
NAMED = [(m, n, t) for m, n, t in remedies() if OPTION.search(t)]


def test_there_are_some() -> None:
    assert len(NAMED) > 30


@pytest.mark.parametrize(("module", "line", "text"), NAMED, ids=[f"{m}:{n}" for m, n, _ in NAMED])
def test_the_option_exists(module: str, line: int, text: str) -> None:  # noqa: ARG001
    text = OTHERS.sub("", text)
    for quoted in QUOTED.findall(text):
        names = [name for name in FOUND if f"{name} " in f"{quoted} "]
        if names:
            name = max(names, key=len)
            assert set(OPTION.findall(quoted)) <= FOUND[name][1], quoted
            text = text.replace(quoted, "")
    here = [options for where, options in FOUND.values() if where == module]
    room = module.partition(".")[0]
    program = {"groundstation": "groundstation", "probe": "probe", "sims": "linksim"}.get(room, "")
    known = here or [options for name, (_, options) in FOUND.items() if name.startswith(program)]
    for option in OPTION.findall(text):
        assert any(option in options for options in known), (option, text)
