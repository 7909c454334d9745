"""``python -m benchmarks.soak``: five hundred messages over each of four bad lines; SOAK.md."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from benchmarks.soak.bench import KINDS, SoakError, soak
from benchmarks.soak.page import page, title
from shared.terminal import progress

RESULT: Final = Path(__file__).parents[1] / "SOAK.md"
MESSAGES: Final = 500
VALID: Final = 200
SINCE: Final = 100
BOUND_KIB: Final = 4 << 10

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULT,
    seed: Annotated[int, typer.Option(help="Of messages and lines.")] = 1,
    messages: Annotated[int, typer.Option(min=SINCE, help="On each line.")] = MESSAGES,
    valid: Annotated[int, typer.Option(min=1, max=250, help="Of them.")] = VALID,
) -> None:
    """Soak a listening probe on four lines. Exit code 1: it applied other messages, or grew."""
    marks = (*range(SINCE, messages, SINCE),)
    done = []
    with progress() as report:
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as folder:

                def tell(count: int, kind: str = title(kind)) -> None:
                    report(kind, count, messages)

                try:
                    one = soak(
                        kind,
                        Path(folder),
                        messages=messages,
                        valid=valid,
                        seed=seed,
                        marks=marks,
                        tell=tell,
                    )
                except SoakError as error:
                    typer.echo(f"{title(kind)}: {error}", err=True)
                    raise typer.Exit(1) from error
                done.append(one)
    grown = [one for one in done if one.grown_kib(SINCE) > BOUND_KIB]
    for one in grown:
        typer.echo(f"{title(one.kind)}: grew by {one.grown_kib(SINCE)} KiB", err=True)
    if grown:
        raise typer.Exit(1)
    out.write_text(page(done, seed, SINCE, BOUND_KIB), "utf-8")
    typer.echo(out.read_text("utf-8"))


if __name__ == "__main__":
    app()
