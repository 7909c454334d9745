"""What the edge has not, or cannot vouch for, comes from the origin; and only pictures do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_world import Origin, Reply, ask, batch, origin, records, trust_file

from benchmarks.edge.stack import Running, edge_server, samples
from probe.edge.http.upstream import Upstream
from shared.errors import InputError

PICTURE = b"RIFF\x10\0\0\0WEBPVP8 original"
WEBP = {"Content-Type": "image/webp", "ETag": '"o1"', "Cache-Control": "max-age=60"}


@pytest.fixture(scope="module")
def source() -> Iterator[Origin]:
    with origin() as made:
        yield made


@pytest.fixture(scope="module")
def backed(folder: Path, source: Origin) -> Iterator[Running]:
    """An edge with an origin behind it."""
    options = ("--trust", trust_file(folder), "--upstream", source.url)
    limits = ("--upstream-max-bytes", 5000, "--upstream-seconds", 1.5)
    with edge_server(str(folder / "backed"), *options, *limits) as running:
        assert ask(running.url, "/batches", method="POST", body=batch()).status == 200
        yield running


def paths(source: Origin) -> list[str]:
    return [path for path, _ in source.asked]


def test_an_unknown_key_comes_from_the_origin_as_it_is(source: Origin, backed: Running) -> None:
    source.pages["/originals/hats/caf%C3%A9.webp"] = (200, {**WEBP, "Set-Cookie": "a=b"}, PICTURE)
    before = samples(backed.url)
    reply = ask(
        backed.url,
        "/hats/cafe%CC%81.webp?utm=1",
        "image/webp,image/avif;q=0.3",
        Cookie="secret=1",
        Authorization="Basic c2VjcmV0",
        X_Forwarded_For="10.1.2.3",
        Range="bytes=0-3",
    )
    assert (reply.status, reply.body) == (200, PICTURE)
    assert reply.fields["content-type"] == "image/webp"
    assert reply.fields["cache-control"] == "max-age=60"
    assert reply.fields["etag"] == '"o1"'
    assert reply.fields["vary"] == "Accept"
    assert reply.fields["cache-status"] == "rehydration-edge; fwd=uri-miss; fwd-status=200"
    assert "upstream;dur=" in reply.fields["server-timing"]
    assert "set-cookie" not in reply.fields
    path, header = source.asked[-1]
    assert path == "/originals/hats/caf%C3%A9.webp"
    assert not {"cookie", "authorization", "x-forwarded-for", "range"} & set(header)
    assert "secret" not in str(header)
    assert header["accept"] == "image/webp, image/avif;q=0.9"
    after = samples(backed.url)
    moved = 'edge_response_bytes_total{source="upstream"}'
    assert after[moved] == before[moved] + len(PICTURE)
    own = after['edge_response_bytes_total{source="edge"}']
    assert after["edge_origin_offload_ratio"] == pytest.approx(own / (own + after[moved]))


def test_a_known_key_does_not_bother_the_origin(source: Origin, backed: Running) -> None:
    source.pages["/originals/jars/04.webp"] = (200, WEBP, PICTURE)
    reply = ask(backed.url, "/jars/04.webp", "image/webp")
    assert reply.status == 200
    assert reply.body != PICTURE
    assert "/originals/jars/04.webp" not in paths(source)


def test_conditional_requests_by_the_origins_tag(source: Origin, backed: Running) -> None:
    source.pages["/originals/hats/tag.webp"] = (200, WEBP, PICTURE)
    reply = ask(backed.url, "/hats/tag.webp", "image/webp", if_none_match='"o1"')
    assert (reply.status, reply.body) == (304, b"")
    assert reply.fields["etag"] == '"o1"'
    assert ask(backed.url, "/hats/tag.webp", "image/webp", if_none_match='"o2"').status == 200


def test_what_draws_other_pixels_than_were_signed_is_never_served(
    source: Origin, backed: Running, tmp_path: Path
) -> None:
    """A record whose check is of another picture: the origin's instead, or an error."""
    right = records()["jars/00.webp"]
    wrong = right[:1] + bytes([right[1] ^ 0x40]) + right[2:]
    data = batch(2, {"bad.webp": wrong}, file=b"")
    source.pages["/originals/bad.webp"] = (200, WEBP, PICTURE)
    assert ask(backed.url, "/batches", method="POST", body=data).status == 200
    before = samples(backed.url)['edge_generations_total{result="mismatch"}']
    for _ in range(2):
        reply = ask(backed.url, "/bad.webp", "image/webp")
        assert reply.body == PICTURE
        assert reply.fields["cache-status"].startswith("rehydration-edge; fwd=miss; detail=")
    assert samples(backed.url)['edge_generations_total{result="mismatch"}'] == before + 2

    with edge_server(str(tmp_path / "alone"), "--trust", trust_file(tmp_path)) as alone:
        for content in (batch(1), data):
            assert ask(alone.url, "/batches", method="POST", body=content).status == 200
        reply = ask(alone.url, "/bad.webp", "image/webp")
        assert reply.status == 500
        assert reply.fields["cache-control"] == "no-store"
        assert json.loads(reply.body)["title"] == "digest"
        assert ask(alone.url, "/jars/00.webp", "image/webp").status == 200


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        ((404, {}, b"no"), 404, "neither"),
        ((410, {}, b"no"), 404, "neither"),
        ((500, WEBP, PICTURE), 502, "500"),
        ((206, WEBP, PICTURE), 502, "206"),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), 502, "302"),
        ((200, {"Content-Type": "text/html"}, b"<html>"), 502, "text/html"),
        ((200, {}, PICTURE), 502, "''"),
        ((200, {**WEBP, "Content-Encoding": "gzip"}, PICTURE), 502, "encoding"),
        ((200, WEBP, bytes(5001)), 502, "5000"),
        ((200, {**WEBP, "Content-Length": "9000"}, PICTURE), 504, "1.5 s"),
    ],
)
def test_what_is_no_picture_does_not_pass(
    source: Origin,
    backed: Running,
    answer: tuple[int, dict[str, str], bytes],
    status: int,
    says: str,
) -> None:
    name = f"odd-{answer[0]}-{hash(says)}.webp"  # a name that is missing is remembered
    source.pages[f"/originals/{name}"] = answer
    reply = ask(backed.url, f"/{name}", "image/webp")
    problem = json.loads(reply.body)
    assert (reply.status, problem["status"]) == (status, status)
    assert says in problem["found"]
    assert reply.fields["cache-control"] == "no-store"


def test_many_who_ask_are_one_request_to_the_origin(source: Origin, backed: Running) -> None:
    source.pages["/originals/herd.webp"] = (200, WEBP, PICTURE)
    source.hold_s = 0.5
    replies: list[Reply] = []
    start = threading.Barrier(20)

    def one() -> None:
        start.wait()
        replies.append(ask(backed.url, "/herd.webp", "image/webp"))

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source.hold_s = 0.0
    assert [reply.body for reply in replies] == [PICTURE] * 20
    assert paths(source).count("/originals/herd.webp") == 1


def test_an_origin_that_is_slow_or_away(source: Origin, backed: Running, tmp_path: Path) -> None:
    source.pages["/originals/slow.webp"] = (200, WEBP, PICTURE)
    source.hold_s = 2.5
    assert ask(backed.url, "/slow.webp", "image/webp").status == 504
    source.hold_s = 0.0
    assert ask(backed.url, "/slow.webp", "image/webp").status == 200
    with edge_server(str(tmp_path / "store"), "--upstream", "http://127.0.0.1:1") as lonely:
        reply = ask(lonely.url, "/x.webp", "image/webp")
        assert reply.status == 502
        assert "ConnectError" in json.loads(reply.body)["found"]


@pytest.mark.parametrize(
    "base",
    ["ftp://a/", "http:///x", "http://u:p@a/", "http://a/?b", "http://a/#b", "a", "http://a:0/"],
)
def test_origins_that_are_none(base: str) -> None:
    with pytest.raises(InputError, match="origin"):
        Upstream(base)
