"""OBSTACLES.md: what each obstacle did to a probe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol


class Played(Protocol):
    """A round, as ``benchmarks.obstacles`` plays it."""

    @property
    def obstacle(self) -> str: ...

    @property
    def code(self) -> int | None: ...

    @property
    def wrong(self) -> tuple[str, ...]: ...


Found = Mapping[tuple[str, str], Sequence[Played] | None]


def page(found: Found, count: int) -> str:
    """The page as Markdown."""
    return "\n".join(_lines(found, count)) + "\n"


def _lines(found: Found, count: int) -> Iterator[str]:
    played = {where: some for where, some in found.items() if some is not None}
    everything = [one for some in played.values() for one in some]
    stuck = sum(bool(one.wrong) for one in everything)
    yield "# Obstacles in a probe's way"
    yield ""
    yield "Written by `python -m benchmarks.obstacles`."
    yield ""
    yield (
        f"{count} rounds for each user and filesystem. A round: the obstacle is put there, `probe "
        "apply` comes; what it made impossible is taken away and a message comes again; `probe "
        "rollback`, `probe gc`, one more message, `probe status`. A round is right if every exit "
        "code is the documented one, the root holds the tree that the code says, and the last "
        "message is applied. Obstacles that make nothing impossible stay until the end."
    )
    yield ""
    yield f"**{stuck} of {len(everything)} rounds were wrong.**"
    yield ""
    names = list(dict.fromkeys(one.obstacle for one in everything))
    heads = [f"{kind}, {user}" for kind, user in played]
    yield "| exit code of `probe apply` while it lies there | " + " | ".join(heads) + " |"
    yield "|---|" + "---:|" * len(heads)
    for name in names:
        cells = [_cell([one for one in some if one.obstacle == name]) for some in played.values()]
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield ""
    for (kind, user), some in found.items():
        if some is None:
            yield f"Not tried: {kind}, {user}. This kernel mounts no such filesystem."
    wrong = [(where, one) for where, some in played.items() for one in some if one.wrong]
    for (kind, user), one in wrong:
        yield f"Wrong: {one.obstacle} on {kind} as {user}: {'; '.join(one.wrong)}."


def _cell(some: Sequence[Played]) -> str:
    codes = sorted({one.code for one in some if one.code is not None})
    if not codes:
        return "not there"
    return ", ".join(map(str, codes)) + f" ({len(some)})"
