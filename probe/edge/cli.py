"""``probe edge``: serve pictures that are drawn from prompts; load batches; look into the store.

Everything that needs the extra ``edge`` is imported when a command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.auth.trust_file import load_trusted_keys
from shared.errors import InputError
from shared.media.names import DEFAULT_SITE, MAX_BATCH_BYTES
from shared.terminal import print_json, progress, reports_errors

if TYPE_CHECKING:
    from probe.edge.ingest import Policy
    from probe.edge.stores.store import Store

app = typer.Typer(
    help="Serve pictures over HTTP: drawn from prompts when they are asked for, and checked.",
    no_args_is_help=True,
)

MISMATCH = 21

StoreOption = Annotated[
    str, typer.Option("--store", help="Folder of the store (LMDB), or redis://HOST:PORT/NUMBER.")
]
TrustOption = Annotated[
    Path | None,
    typer.Option(help="File with the public keys whose batches are taken; none without it."),
]
SiteOption = Annotated[str, typer.Option(help="Text that batches must be signed for.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


@app.command()
@reports_errors
def serve(
    store: StoreOption,
    trust: TrustOption = None,
    site: SiteOption = DEFAULT_SITE,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    upstream: Annotated[
        str | None, typer.Option(help="URL of the origin for what the edge has not; one for good.")
    ] = None,
    upstream_max_bytes: Annotated[
        int, typer.Option(min=1, help="Largest picture taken from the origin.")
    ] = 32 << 20,
    upstream_seconds: Annotated[
        float, typer.Option(min=0.1, help="Longest time that the origin may take.")
    ] = 20.0,
    workers: Annotated[
        int, typer.Option(min=1, help="Pictures drawn at a time, a thread each.")
    ] = 2,
    queue: Annotated[
        int, typer.Option(min=0, help="More that may wait; the rest get 503 and Retry-After.")
    ] = 256,
    memory: Annotated[int, typer.Option(min=0, help="Encoded pictures kept in memory, MiB.")] = 256,
    max_age: Annotated[
        int, typer.Option(min=0, help="Seconds that caches may keep a picture.")
    ] = 31_536_000,
    upstream_max_age: Annotated[
        int,
        typer.Option(
            min=0, help="Seconds that caches may keep a picture whose origin does not say how long."
        ),
    ] = 300,
    missing_seconds: Annotated[
        float, typer.Option(min=0, help="Seconds for which the origin is not asked again: 404.")
    ] = 30.0,
    limit_concurrency: Annotated[
        int, typer.Option(min=1, help="Connections at a time; half requests go first.")
    ] = 1000,
    request_seconds: Annotated[
        float, typer.Option(min=0.1, help="Longest time for a request to come in: 1 KiB/s more.")
    ] = 10.0,
    answer_seconds: Annotated[
        float, typer.Option(min=0.1, help="Longest time for which nothing of an answer is read.")
    ] = 30.0,
    avif: Annotated[int, typer.Option(min=1, max=100, help="Quality of AVIF.")] = 80,
    webp: Annotated[int, typer.Option(min=1, max=100, help="Quality of WebP.")] = 90,
    jpeg: Annotated[int, typer.Option(min=1, max=100, help="Quality of JPEG.")] = 92,
    parameter: Annotated[
        list[str] | None,
        typer.Option(help="Parameter of URLs that is part of a picture's name; may be repeated."),
    ] = None,
    max_batch_bytes: Annotated[
        int, typer.Option(min=1, help="Largest batch that is taken.")
    ] = MAX_BATCH_BYTES,
    as_json: JsonOption = False,
) -> None:
    """Serve until stopped; behind nginx or any CDN, which this tells what to keep for how long.

    Batches come with POST /batches, or with probe edge load while this runs; no restart is needed.
    """
    with _extra():
        from probe.edge.app import application
        from probe.edge.formats import Quality
        from probe.edge.http.request import Options
        from probe.edge.http.upstream import Limits, Upstream
        from probe.edge.server.patience import Patience
        from probe.edge.server.serve import bound_socket
        from probe.edge.server.serve import serve as run
        from probe.edge.service import Edge
        from probe.edge.stores.open_store import open_store

    policy = _policy(trust, site, max_batch_bytes)
    patience = Patience(request_seconds, answer_seconds, connections=limit_concurrency)
    limits = Limits(max_bytes=upstream_max_bytes, seconds=upstream_seconds)
    origin = (
        None if upstream is None else Upstream(upstream, limits, default_max_age_s=upstream_max_age)
    )
    options = Options(
        workers=workers,
        queue=queue,
        memory_bytes=memory << 20,
        max_age_s=max_age,
        missing_s=missing_seconds,
        quality=Quality(avif, webp, jpeg),
        parameters=tuple(parameter or ()),
    )
    with _extra():
        opened = open_store(store, create=True)
    listening = bound_socket(host, port)
    edge = Edge(opened, policy, options, origin)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listening.getsockname()[1]}"

    def ready() -> None:
        if as_json:
            print_json({"listening": url})
        else:
            typer.echo(f"listening at {url}")
        sys.stdout.flush()  # whoever reads it through a pipe waits for it

    run(application(edge), listening, ready, patience, edge.metrics.closed)


@app.command()
@reports_errors
def load(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Signed batches.")],
    store: StoreOption,
    trust: Annotated[Path, typer.Option(help="File with the public keys whose batches are taken.")],
    site: SiteOption = DEFAULT_SITE,
    max_batch_bytes: Annotated[
        int, typer.Option(min=1, help="Largest batch that is taken.")
    ] = MAX_BATCH_BYTES,
    as_json: JsonOption = False,
) -> None:
    """Verify batches and store them, each whole or not at all; a running edge has them at once.

    Batches before the first that is refused stay stored.
    """
    with _extra():
        from probe.edge.drawing import Renderers
        from probe.edge.ingest import accept

    policy = _policy(trust, site, max_batch_bytes)
    done = []
    with _opened(store, create=True) as opened:
        renderers = Renderers(opened)
        for file in files:
            done.append(accept(opened, _read(file, max_batch_bytes), policy, renderers).as_dict())
            if not as_json:
                typer.echo(
                    "{file}: counter {counter}, {added} added, {replaced} replaced, "
                    "{removed} removed, {same} the same".format(file=file, **done[-1])
                )
    if as_json:
        print_json({"batches": done})


@app.command()
@reports_errors
def status(store: StoreOption, as_json: JsonOption = False) -> None:
    """What a store holds."""
    with _extra(), _opened(store) as opened:
        facts = opened.facts()
        found = {
            "counter": facts.counter,
            "prompts": facts.prompts,
            "images": facts.images,
            "batches": facts.batches,
            "generator_bytes_synced": facts.generator_bytes,
            "record_bytes_synced": facts.record_bytes,
            "generators": [digest.hex() for digest in opened.digests()],
        }
    if as_json:
        print_json(found)
        return
    for key, value in found.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        typer.echo(f"{key.replace('_', ' '):24}{shown}")


@app.command()
@reports_errors
def check(store: StoreOption, as_json: JsonOption = False) -> None:
    """Draw every record and compare its digest; exit code 21 if one is not as it was signed."""
    with _extra():
        from probe.edge.audit import bad_records

    with _opened(store) as opened, progress(quiet=as_json) as report:
        count, bad = bad_records(opened, report)
    if as_json:
        print_json({"records": count, "bad": bad})
    else:
        typer.echo(f"{count} records, {len(bad)} not as they were signed")
        for name, why in bad.items():
            typer.echo(f"  {name}: {why}")
    if bad:
        raise typer.Exit(MISMATCH)


@contextmanager
def _extra() -> Iterator[None]:
    """Says which extra is missing."""
    try:
        yield
    except ImportError as error:
        raise InputError(
            f"the edge cannot start: {error}",
            expected="the extra `edge` of this package",
            remedy="pip install 'rehydration-uplink[edge]'",
        ) from None


@contextmanager
def _opened(place: str, *, create: bool = False) -> Iterator[Store]:
    with _extra():
        from probe.edge.stores.open_store import open_store

        store = open_store(place, create=create)
    try:
        yield store
    finally:
        store.close()


def _policy(trust: Path | None, site: str, max_bytes: int) -> Policy:
    from probe.edge.ingest import Policy

    keys = () if trust is None else load_trusted_keys(_read(trust, 1 << 20))
    return Policy(keys=keys, site=site, max_bytes=max_bytes)


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", remedy="check the path") from None
    if len(data) > most:
        raise InputError(f"{path} has more than {most} bytes", expected=f"at most {most}")
    return data
