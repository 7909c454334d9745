"""``linksim conformance``."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import InputError, words_of
from shared.files import replace_file
from shared.terminal import print_json, reports_errors
from sims.hil.certify import certify
from sims.hil.device import ProbeUnderTest, attached, own_probe, started
from sims.hil.suite import FOLDER, Suite, initialised, load_suite, write_setup

FAILED = 3


@reports_errors
def conformance(
    udp: Annotated[
        str | None, typer.Option(help="HOST:PORT of a probe that listens already.")
    ] = None,
    here: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="HOST:PORT",
            help="udp: address of this end, which that probe names with --telemetry-to.",
        ),
    ] = "",
    serial: Annotated[str | None, typer.Option(help="Serial device with such a probe.")] = None,
    baud: Annotated[int, typer.Option(min=1, help="Bits a second of the serial line.")] = 115_200,
    command: Annotated[
        str | None,
        typer.Option(
            help="Starts a probe on a line of this machine; `--udp HOST:PORT`, `--telemetry-to "
            "HOST:PORT`, `--framing` and `--telemetry` are put behind it. Ends it with SIGTERM."
        ),
    ] = None,
    framing: Annotated[str, typer.Option(help="bare or ccsds.")] = "bare",
    telemetry: Annotated[str, typer.Option(help="json or packet.")] = "json",
    suite: Annotated[Path, typer.Option(help="Folder of another suite.")] = FOLDER,
    files: Annotated[
        Path | None,
        typer.Option(help="Only write what a probe has to start with into this new folder."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Certify a probe: send the suite's messages, compare what it says of each.

    Without an address or a command this package's own probe is started and judged. Any other, in
    whatever language, begins with what --files writes. Exit code 3 if a case does not hold.
    """
    if files is not None:
        _write_files(files, load_suite(suite), as_json)
        return
    if sum(each is not None for each in (udp, serial, command)) > 1:
        raise typer.BadParameter("name one of --udp, --serial and --command")
    if framing not in ("bare", "ccsds") or telemetry not in ("json", "packet"):
        raise typer.BadParameter("--framing is bare or ccsds, --telemetry json or packet")
    loaded, findings = load_suite(suite), []
    with _probe(udp, here, serial, baud, command, framing, telemetry) as probe:
        for finding in certify(probe, loaded):
            findings.append(finding)
            if not as_json:
                mark = f"NO: {finding.fault}" if finding.fault else "yes"
                typer.echo(f"{finding.case.name:46} {mark}")
    failed = sum(bool(finding.fault) for finding in findings)
    if as_json:
        cases = [finding.as_dict() for finding in findings]
        print_json({"cases": cases, "held": len(findings) - failed, "failed": failed})
    else:
        typer.echo(f"{len(findings) - failed} of {len(findings)} cases hold")
    if failed:
        raise typer.Exit(FAILED)


@contextmanager
def _probe(
    udp: str | None,
    here: str,
    serial: str | None,
    baud: int,
    command: str | None,
    framing: str,
    telemetry: str,
) -> Iterator[ProbeUnderTest]:
    if udp is not None or serial is not None:
        kind, where = ("udp", udp) if udp is not None else ("serial", serial)
        forms = {"framing": framing, "telemetry": telemetry}
        with attached(kind, str(where), **forms, baud=baud, here=here) as probe:
            yield probe
        return
    with tempfile.TemporaryDirectory() as folder:
        words = shlex.split(command) if command is not None else []
        if not words:
            initialised(Path(folder))
            words = [*own_probe(), "--state", f"{folder}/state"]
        with started(words, framing=framing, telemetry=telemetry) as probe:
            yield probe


def _write_files(folder: Path, suite: Suite, as_json: bool) -> None:
    if folder.exists():
        raise InputError(f"{folder} is there already", expected="a new folder")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {words_of(error)}") from error
    write_setup(folder)
    (folder / "messages").mkdir()
    for case in suite.cases:
        replace_file(folder / "messages" / case.file, suite.message(case), durable=False)
    manifest = (suite.folder / "manifest.json").read_bytes()
    replace_file(folder / "messages" / "manifest.json", manifest, durable=False)
    written = sorted(path.name for path in folder.iterdir())
    if as_json:
        print_json({"folder": str(folder), "written": written})
    else:
        typer.echo(f"written to {folder}: {', '.join(written)}")
