"""What `--help` shows: all that was written, nothing taken for markup."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import typer
from rich.text import Text
from typer.main import get_command

from groundstation.cli import app as groundstation
from probe.cli import app as probe
from sims.cli import app as sims


def texts(app: typer.Typer) -> Iterator[tuple[str, str]]:
    """The help of each command and of each of its parameters, by where it stands."""
    waiting = [("", get_command(app))]
    while waiting:
        place, command = waiting.pop()
        yield place, command.help or ""
        for parameter in command.params:
            yield f"{place} {parameter.name}", getattr(parameter, "help", None) or ""
        commands = getattr(command, "commands", {})
        waiting += [(f"{place} {name}", each) for name, each in commands.items()]


@pytest.mark.parametrize(
    "app", [groundstation, probe, sims], ids=["groundstation", "probe", "sims"]
)
def test_nothing_in_a_help_text_is_markup(app: typer.Typer) -> None:
    found = dict(texts(app))
    assert len(found) > 20
    hidden = {place: text for place, text in found.items() if Text.from_markup(text).plain != text}
    assert not hidden
