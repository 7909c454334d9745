"""What comes from the origin: how long it is kept, what it may do in a browser, whether a client
wants it, and how often it is asked for what it has not."""

from __future__ import annotations

import email.utils
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_world import Origin, ask, batch, origin, records, trust_file
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.edge.stack import Running, edge_server, nginx
from probe.edge.active_content import PICTURES, SVG, picture_type
from probe.edge.formats import Quality, goes_as_it_is, liking, ranges
from probe.edge.http.freshness import DEFAULT_S, MOST_S, cache_control
from probe.edge.http.missing import Missing
from probe.edge.http.request import upstream_accept

NOW_S = 1_800_000_000.0
FORMATS = Quality().formats()
SCRIPT = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def picture(kind: str = "WEBP") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def source() -> Iterator[Origin]:
    with origin() as made:
        yield made


@pytest.fixture(scope="module")
def backed(folder: Path, source: Origin) -> Iterator[Running]:
    options = ("--trust", trust_file(folder), "--upstream", source.url)
    with edge_server(str(folder / "backed"), *options) as running:
        assert ask(running.url, "/batches", method="POST", body=batch()).status == 200
        yield running


def put(source: Origin, name: str, fields: dict[str, str], body: bytes = b"") -> None:
    source.pages[f"/originals/{name}"] = (200, fields, body or picture())


def asked(source: Origin, name: str) -> int:
    return [path for path, _ in source.asked].count(f"/originals/{name}")


# --- how long it is kept --------------------------------------------------------------------------


def ago(days: float) -> str:
    return email.utils.formatdate(NOW_S - days * 86_400, usegmt=True)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, f"max-age={DEFAULT_S}"),
        ({"last-modified": ago(1)}, "max-age=8640"),
        ({"last-modified": ago(4000)}, f"max-age={MOST_S}"),
        ({"last-modified": ago(-1)}, f"max-age={DEFAULT_S}"),
        ({"last-modified": "yesterday"}, f"max-age={DEFAULT_S}"),
        ({"cache-control": "public"}, f"public, max-age={DEFAULT_S}"),
        ({"cache-control": "max-age=5"}, "max-age=5"),
        ({"cache-control": "Private, x=1"}, "Private, x=1"),
        ({"cache-control": "no-store"}, "no-store"),
        ({"cache-control": "S-MaxAge=9"}, "S-MaxAge=9"),
        ({"expires": ago(-1)}, ""),
        ({"expires": "0"}, ""),
        ({"vary": "*"}, "no-cache"),
        ({"vary": "*", "cache-control": "max-age=60"}, "no-cache"),
        ({"vary": "*", "cache-control": "no-store"}, "no-store"),
        ({"vary": "Cookie"}, f"max-age={DEFAULT_S}"),
    ],
)
def test_an_origin_that_says_nothing_is_kept_for_a_while(
    fields: dict[str, str], wanted: str
) -> None:
    assert cache_control(fields, NOW_S) == wanted


@given(
    st.dictionaries(st.sampled_from(["last-modified", "cache-control", "vary"]), st.text()),
    st.integers(0, 1000),
)
def test_what_the_origin_says_is_never_made_longer(fields: dict[str, str], default_s: int) -> None:
    said = fields.get("cache-control", "")
    made = cache_control(fields, NOW_S, default_s)
    assert made == "no-cache" or made.startswith(said.strip())
    for word in ("no-store", "private", "no-cache", "max-age=3"):
        forbidden = {**fields, "cache-control": word}
        assert cache_control(forbidden, NOW_S, default_s) in (word, "no-cache")


def test_its_pictures_say_how_long(source: Origin, backed: Running) -> None:
    put(source, "plain.webp", {"Content-Type": "image/webp"})
    reply = ask(backed.url, "/plain.webp", "image/webp")
    assert reply.fields["cache-control"] == f"max-age={DEFAULT_S}"
    old = {"Content-Type": "image/webp", "Expires": "Fri, 01 Jan 2100 00:00:00 GMT", "Age": "7"}
    put(source, "expires.webp", old)
    reply = ask(backed.url, "/expires.webp", "image/webp")
    assert "cache-control" not in reply.fields
    assert reply.fields["expires"] == old["Expires"]
    assert reply.fields["age"] == "7"


def test_a_cache_keeps_them_and_tells_of_the_fetching_once(
    source: Origin, backed: Running, tmp_path: Path
) -> None:
    from edge_world import needed

    needed("nginx")
    put(source, "kept.webp", {"Content-Type": "image/webp"})
    with nginx(tmp_path / "nginx", [backed.url]) as url:
        for name in ("kept.webp", "jars/07.webp"):
            first, second = (ask(url, f"/{name}", "image/webp") for _ in range(2))
            assert (first.fields["x-cache"], second.fields["x-cache"]) == ("MISS", "HIT")
            assert first.body == second.body
            assert ";dur=" in first.fields["server-timing"]
            assert "server-timing" not in second.fields
        refusing = ask(url, "/jars/08.webp", "image/avif;q=0, image/webp;q=0.5, */*;q=0.1")
        assert refusing.fields["content-type"] == "image/webp"
    assert asked(source, "kept.webp") == 1


# --- what it has not ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 410])
def test_a_missing_name_is_asked_for_once(source: Origin, backed: Running, status: int) -> None:
    name = f"missing-{status}.webp"
    source.pages[f"/originals/{name}"] = (status, {}, b"no")
    replies = [ask(backed.url, f"/{name}") for _ in range(5)]
    assert [reply.status for reply in replies] == [404] * 5
    assert asked(source, name) == 1
    assert replies[0].fields["cache-status"].endswith("fwd-status=" + str(status))
    assert replies[4].fields["cache-status"] == "rehydration-edge; hit; detail=missing"
    assert json.loads(replies[4].body)["found"] == json.loads(replies[0].body)["found"]
    # what is published meanwhile is served at once
    counter = json.loads(ask(backed.url, "/status").body)["counter"]
    more = batch(counter + 1, {name: records()["jars/00.webp"]}, file=b"")
    assert ask(backed.url, "/batches", method="POST", body=more).status == 200
    assert ask(backed.url, f"/{name}").status == 200


def test_an_origin_that_fails_is_asked_again(source: Origin, backed: Running) -> None:
    source.pages["/originals/later.webp"] = (503, {}, b"")
    assert ask(backed.url, "/later.webp", "image/webp").status == 502
    put(source, "later.webp", {"Content-Type": "image/webp"})
    assert ask(backed.url, "/later.webp", "image/webp").status == 200


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 3)), max_size=80), st.integers(1, 6))
def test_the_memory_of_what_is_missing_is_bounded(
    steps: list[tuple[int, float]], most: int
) -> None:
    now_s = 0.0
    missing = Missing(lambda: now_s, 5.0, most)
    last: dict[str, float] = {}
    for number, pause_s in steps:
        now_s += pause_s
        name = str(number)
        if name in missing:
            assert now_s < last[name] + 5.0
        else:
            missing.add(name)
            last[name] = now_s
        assert len(missing) <= most
        assert name in missing


def test_nothing_is_remembered_for_no_time() -> None:
    missing = Missing(lambda: 0.0, 0.0)
    missing.add("a")
    assert "a" not in missing


# --- what it may do -------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["image/svg+xml", "Image/SVG+XML; charset=utf-8"])
def test_svg_is_sandboxed(source: Origin, backed: Running, spelling: str) -> None:
    name = f"logo-{len(spelling)}.svg"
    put(source, name, {"Content-Type": spelling}, SCRIPT)
    reply = ask(backed.url, f"/{name}", "*/*")
    assert (reply.status, reply.fields["content-type"]) == (200, SVG)
    policy = reply.fields["content-security-policy"].split("; ")
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert reply.fields["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "spelling",
    [
        *("image/svg", "image/xml", "image/svg-xml", "image/vnd.x+xml", "image/", "image"),
        *("image/png, text/html", "text/html;a=image/png", "image/png\ttext/html", "image/*"),
        *("application/pdf", "application/xhtml+xml", "multipart/x-mixed-replace;boundary=a"),
    ],
)
def test_what_else_is_active_does_not_pass(source: Origin, backed: Running, spelling: str) -> None:
    name = f"active-{spelling.encode().hex()}"
    put(source, name, {"Content-Type": spelling}, SCRIPT)
    reply = ask(backed.url, f"/{name}", "*/*")
    assert reply.status == 502
    assert json.loads(reply.body)["remedy"]


@given(st.text(st.sampled_from('image/pngsvtxhl+,; ="\t'), max_size=40))
def test_a_field_is_one_known_type_or_nothing(field: str) -> None:
    found = picture_type(field)
    assert found is None or (found in PICTURES and "," not in field)


def test_every_answer_is_guarded(source: Origin, backed: Running) -> None:
    put(source, "guarded.png", {"Content-Type": "image/png"}, SCRIPT)  # lies about itself
    for path in (
        "/guarded.png",
        "/jars/00.webp",
        "/none",
        "/healthz",
        "/status",
        "/metrics",
        "/%0",
    ):
        fields = ask(backed.url, path, "*/*").fields
        assert fields["x-content-type-options"] == "nosniff", path
        assert "sandbox" in fields["content-security-policy"], path


# --- whether a client wants it --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, "image/*"),
        ("*/*", "image/*"),
        ("image/webp;q=0.1, image/png", "image/png, image/webp;q=0.9"),
        ("image/avif;q=0, */*", "image/*, image/avif;q=0"),
        (
            "image/*;q=0.3, image/webp;q=0.2, image/png;q=0",
            "image/*, image/webp;q=0.9, image/png;q=0",
        ),
        ("*/*;q=0.9, image/*;q=0", ""),
        ("image/*;q=0", ""),
        ("text/html, image/webp;level=1", ""),
        ('x/y;a="b, image/png", image/webp', "image/webp"),
        ("*; q=.2", "image/*"),
    ],
)
def test_weights_travel_to_the_origin(accept: str | None, wanted: str) -> None:
    assert upstream_accept(accept, FORMATS) == wanted


RANGES = st.sampled_from(["image/avif", "image/webp", "image/png", "image/jpeg", "image/*", "*/*"])
WEIGHTS = st.sampled_from(["", ";q=0", ";q=0.0", ";q=1", ";q=0.25", ";q=0.251", "; Q=0.9"])


@given(st.dictionaries(RANGES, WEIGHTS, min_size=1))
def test_the_one_spelling_orders_as_the_client_did(members: dict[str, str]) -> None:
    accept = ",".join(key + weight for key, weight in members.items())
    sent = upstream_accept(accept, FORMATS)
    theirs = ranges(accept)
    if not sent:
        assert all(liking(one.media_type, theirs)[0] == 0 for one in FORMATS)
        return
    ours = ranges(sent)
    kinds = [one.media_type for one in FORMATS]
    before = [liking(kind, theirs)[0] for kind in kinds]
    after = [liking(kind, ours)[0] for kind in kinds]
    for one in range(len(kinds)):
        assert (before[one] == 0) == (after[one] == 0)
        for other in range(len(kinds)):
            assert (before[one] < before[other]) == (after[one] < after[other])
    assert upstream_accept(sent, FORMATS) == sent


def test_what_a_client_refuses_is_not_sent(source: Origin, backed: Running) -> None:
    put(source, "refused.webp", {"Content-Type": "image/webp"})
    assert ask(backed.url, "/refused.webp", "image/webp;q=0, */*").status == 406
    assert ask(backed.url, "/refused.webp", "image/*;q=0.1").status == 200
    count = asked(source, "refused.webp")
    assert ask(backed.url, "/refused.webp", "image/*;q=0, text/html").status == 406
    assert asked(source, "refused.webp") == count
    source.pages["/originals/none.webp"] = (406, {}, b"")
    assert ask(backed.url, "/none.webp", "image/webp").status == 406


@pytest.mark.parametrize(
    ("media_type", "accept", "as_it_is"),
    [
        ("image/webp", "image/webp;q=0.1, image/png", False),
        ("image/webp", "image/webp, image/png", True),
        ("image/webp", "image/webp;q=0.1", True),
        ("image/webp", "image/webp;q=0, */*", False),
        ("image/webp", "*/*", True),
        ("image/jxl", "image/avif, */*;q=0.1", False),
        ("image/jxl", "image/jxl;q=0.2, text/html", True),
    ],
)
def test_a_file_goes_unchanged_only_if_nothing_is_liked_better(
    media_type: str, accept: str, as_it_is: bool
) -> None:
    assert goes_as_it_is(media_type, accept, FORMATS, alpha=False) == as_it_is
