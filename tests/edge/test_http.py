"""The edge as clients see it: a real server on loopback, asked over sockets."""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from edge_world import BROWSER, KEY, STRANGER, Reply, ask, batch, jars, records, trust_file
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.edge.stack import Running, catalogue, edge_server, family, samples
from groundstation.media.judge.residual import codes_of, quantised, waves_of
from shared.media.batch import MAX_BATCH_BYTES, Batch, sign_batch
from shared.media.coding.residual import encode_residual
from shared.media.message import encode_record, image_record, prompt_record


def shown(reply: Reply, mode: str = "RGB") -> np.ndarray:
    with Image.open(io.BytesIO(reply.body)) as image:
        return np.asarray(image.convert(mode))


def post(edge: Running, data: bytes) -> Reply:
    return ask(edge.url, "/batches", method="POST", body=data)


def counter_of(edge: Running) -> int:
    return int(json.loads(ask(edge.url, "/status").body)["counter"])


def test_every_picture_is_the_one_that_was_published(edge: Running) -> None:
    """Bit for bit in PNG, against the numpy kernel of this process."""
    jar = jars()
    for name, prompt in jar.prompts.items():
        reply = ask(edge.url, f"/{name}")
        assert reply.status == 200
        assert (shown(reply) == jar.renderer(prompt)).all()


def test_a_corrected_picture_is_served(folder: Path) -> None:
    jar = jars()
    name, prompt = next(iter(jar.prompts.items()))
    plain = jar.renderer(prompt)
    wanted = plain.copy()
    wanted[8:20, 10:30] = (250, 30, 60)
    residual = encode_residual(
        plain, quantised(waves_of(wanted, plain), codes_of(16, (4, 4), plain.shape[2]))
    )
    whole = replace(prompt, residual=residual)
    made = jar.renderer(whole)
    assert (made != plain).any()
    record = encode_record(prompt_record(jar.loaded.generator, whole, made))
    trust = trust_file(folder)
    with edge_server(str(folder / "corrected"), "--trust", trust) as running:
        assert post(running, batch(content={name: record})).status == 200
        assert (shown(ask(running.url, f"/{name}")) == made).all()


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (BROWSER, "image/avif"),
        ("image/webp", "image/webp"),
        ("*/*", "image/jpeg"),
        (None, "image/jpeg"),
        ("image/png", "image/png"),
    ],
)
def test_header_of_a_picture(edge: Running, accept: str | None, media_type: str) -> None:
    began = time.time()
    first = ask(edge.url, "/jars/01.webp", accept)
    second = ask(edge.url, "/jars/%301.webp?utm_source=x", accept)
    assert first.body == second.body
    assert first.fields["content-type"] == media_type
    assert first.fields["cache-control"] == "public, max-age=31536000, immutable"
    assert first.fields["vary"] == "Accept"
    assert first.fields["x-content-type-options"] == "nosniff"
    assert first.fields["content-length"] == str(len(first.body))
    assert first.fields["etag"] == second.fields["etag"]
    assert not first.fields["etag"].startswith("W/")
    assert second.fields["cache-status"] == "rehydration-edge; hit"
    steps = dict(step.split(";dur=") for step in second.fields["server-timing"].split(", "))
    assert set(steps) == {"store"}
    assert 0 <= float(steps["store"]) < 1000 * (time.time() - began)
    original = jars().renderer(jars().prompts["jars/01.webp"])
    assert np.abs(shown(first).astype(int) - original).mean() < 4


def test_first_drawing_says_how_long_each_step_took(edge: Running) -> None:
    reply = ask(edge.url, "/jars/59.webp", "image/webp;q=0.9")
    assert reply.fields["cache-status"] == "rehydration-edge; hit; detail=rehydrated"
    steps = dict(step.split(";dur=") for step in reply.fields["server-timing"].split(", "))
    assert list(steps) == ["store", "queue", "draw", "encode"]
    assert float(steps["draw"]) > 0
    assert float(steps["encode"]) > 0


def test_conditional_requests_and_head(edge: Running) -> None:
    full = ask(edge.url, "/jars/02.webp", BROWSER)
    tag = full.fields["etag"]
    drawn = samples(edge.url)['edge_generations_total{result="verified"}']
    for wanted in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        reply = ask(edge.url, "/jars/02.webp", BROWSER, if_none_match=wanted)
        assert (reply.status, reply.body) == (304, b"")
        assert reply.fields["etag"] == tag
        assert reply.fields["cache-control"] == full.fields["cache-control"]
        assert reply.fields["vary"] == "Accept"
    # the tag of one format is not that of another
    other = ask(edge.url, "/jars/02.webp", "image/webp", if_none_match=tag)
    assert other.status == 200
    assert other.fields["etag"] != tag
    head = ask(edge.url, "/jars/02.webp", BROWSER, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    for key in ("etag", "content-length", "content-type", "cache-control"):
        assert head.fields[key] == full.fields[key]
    assert samples(edge.url)['edge_generations_total{result="verified"}'] == drawn + 1  # the WebP


def test_a_304_needs_no_drawing(edge: Running) -> None:
    """The tag is known beforehand: a client with the right one costs a look into the store."""
    from probe.edge.formats import Quality, entity_tag

    name = "jars/58.webp"
    tag = entity_tag(jars().loaded.digest, records()[name], Quality().formats()[0])
    before = samples(edge.url)['edge_generations_total{result="verified"}']
    assert ask(edge.url, f"/{name}", BROWSER, if_none_match=tag).status == 304
    assert samples(edge.url)['edge_generations_total{result="verified"}'] == before
    assert ask(edge.url, f"/{name}", BROWSER).fields["etag"] == tag


@pytest.mark.parametrize(
    ("path", "accept", "method", "status"),
    [
        ("/jars/none.webp", "*/*", "GET", 404),
        ("/", "*/*", "GET", 400),
        ("/jars/../status", "*/*", "GET", 400),
        ("/jars/%2e%2e/01.webp", "*/*", "GET", 400),
        ("/jars//01.webp", "*/*", "GET", 400),
        ("/jars/%00", "*/*", "GET", 400),
        ("/jars/%ff", "*/*", "GET", 400),
        ("/http://127.0.0.1/x", "*/*", "GET", 400),
        ("http://127.0.0.1:1/x", "*/*", "GET", 404),
        ("/x?lid=a&lid=b", "*/*", "GET", 400),
        ("/jars/01.webp", "text/html", "GET", 406),
        ("/jars/01.webp", "*/*", "POST", 405),
        ("/jars/01.webp", "*/*", "DELETE", 405),
        ("/batches", "*/*", "GET", 405),
    ],
)
def test_problems(edge: Running, path: str, accept: str, method: str, status: int) -> None:
    reply = ask(edge.url, path, accept, method=method)
    assert reply.status == status
    assert reply.fields["content-type"] == "application/problem+json"
    assert reply.fields["cache-control"] == "no-store"
    problem = json.loads(reply.body)
    assert problem["status"] == status
    assert problem["found"]
    assert problem["expected"] or problem["remedy"]


def test_parameters_are_part_of_a_name(edge: Running) -> None:
    content = {"x": b"", "x?body=c01&lid=c02": records()["jars/05.webp"]}
    assert post(edge, batch(counter_of(edge) + 1, content, file=b"")).status == 200
    want = ask(edge.url, "/jars/05.webp").body
    for query in ("lid=c02&body=c01", "body=c01&zoom=2&lid=c02", "%6cid=c02&body=c0%31"):
        assert ask(edge.url, f"/x?{query}").body == want
    for query in ("", "?lid=c02", "?lid=c02&body=c1"):
        assert ask(edge.url, f"/x{query}").status == 404


def test_alpha(edge: Running) -> None:
    cut = catalogue(family(24, 2, channels=4), 2, "cut/{}.png")
    data = sign_batch(
        Batch(cut.loaded.digest, counter_of(edge) + 1, cut.records(), cut.file),
        "default",
        KEY,
    )
    assert post(edge, data).status == 200
    for name, prompt in cut.prompts.items():
        for accept in ("image/png", "*/*"):
            reply = ask(edge.url, f"/{name}", accept)
            assert reply.fields["content-type"] == "image/png"
            assert (shown(reply, "RGBA") == cut.renderer(prompt)).all()
        assert ask(edge.url, f"/{name}", "image/jpeg").status == 406


def test_picture_files(edge: Running) -> None:
    """What no prompt draws: as it is to who accepts it, written anew for others."""
    pixels = jars().renderer(jars().prompts["jars/07.webp"])
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", lossless=True)
    content = {"file.webp": encode_record(image_record(out.getvalue()))}
    assert post(edge, batch(counter_of(edge) + 1, content, file=b"")).status == 200
    for accept in ("image/webp", BROWSER, "*/*"):
        reply = ask(edge.url, "/file.webp", accept)
        assert reply.body == out.getvalue()
        assert reply.fields["content-type"] == "image/webp"
        assert reply.fields["cache-status"] == "rehydration-edge; hit; detail=file"
        tag = reply.fields["etag"]
        assert ask(edge.url, "/file.webp", accept, if_none_match=tag).status == 304
    other = ask(edge.url, "/file.webp", "image/png")
    assert other.fields["content-type"] == "image/png"
    assert (shown(other) == pixels).all()
    assert ask(edge.url, "/file.webp", "text/css").status == 406


def test_what_moves_is_never_made_a_still(edge: Running) -> None:
    frames = [Image.fromarray(jars().renderer(p)) for p in list(jars().prompts.values())[:3]]
    for form, wanted in (("GIF", "image/gif"), ("WEBP", "image/webp"), ("PNG", "image/png")):
        out = io.BytesIO()
        frames[0].save(out, form, save_all=True, append_images=frames[1:])
        content = {"moving": encode_record(image_record(out.getvalue()))}
        assert post(edge, batch(counter_of(edge) + 1, content, file=b"")).status == 200
        for accept in ("image/avif", "image/jpeg", BROWSER):
            reply = ask(edge.url, "/moving", accept)
            assert (reply.body, reply.fields["content-type"]) == (out.getvalue(), wanted)


def test_what_is_written_anew_is_upright(edge: Running) -> None:
    pixels = jars().renderer(jars().prompts["jars/07.webp"])[..., :3]
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x112] = 6
    Image.fromarray(pixels).save(out, "WEBP", lossless=True, exif=exif)
    content = {"turned.webp": encode_record(image_record(out.getvalue()))}
    assert post(edge, batch(counter_of(edge) + 1, content, file=b"")).status == 200
    reply = ask(edge.url, "/turned.webp", "image/png")
    assert (shown(reply) == pixels[::-1].transpose(1, 0, 2)).all()


@pytest.mark.parametrize("wrong", ["replay", "forged", "flipped", "site", "short", "unknown"])
def test_batches_that_are_refused_change_nothing(edge: Running, wrong: str) -> None:
    last = counter_of(edge)
    content = {"evil.webp": records()["jars/00.webp"]}
    good = batch(last + 1, content, file=b"")
    flipped = bytearray(good)
    flipped[60] ^= 1
    other = catalogue(family(24, 2, seed=9), 1)
    unknown = Batch(other.loaded.digest, last + 1, other.records())
    data, status, kind = {
        "replay": (batch(last, content, file=b""), 409, "counter"),
        "forged": (batch(last + 1, content, file=b"", key=STRANGER), 403, "unknown-key"),
        "flipped": (bytes(flipped), 403, "signature"),
        "site": (batch(last + 1, content, file=b"", site="rehearsal"), 403, "signature"),
        "short": (good[:40], 400, "malformed"),
        "unknown": (sign_batch(unknown, "default", KEY), 422, "wrong-pin"),
    }[wrong]
    before = samples(edge.url)
    reply = post(edge, data)
    problem = json.loads(reply.body)
    assert (reply.status, problem["title"]) == (status, kind)
    assert problem["found"]
    assert problem["expected"]
    assert problem["remedy"] or wrong == "short"
    assert counter_of(edge) == last
    assert ask(edge.url, "/evil.webp").status == 404
    after = samples(edge.url)
    assert after['edge_records{kind="prompt"}'] == before['edge_records{kind="prompt"}']
    name = f'edge_batches_total{{result="{kind}"}}'
    assert after[name] == before.get(name, 0) + 1


def test_a_batch_that_is_too_large_is_not_read_to_its_end(folder: Path) -> None:
    store = str(folder / "other")
    with edge_server(store, "--trust", trust_file(folder), "--max-batch-bytes", 2000) as small:
        assert len(batch()) > 2000
        assert post(small, batch()).status == 413
        assert MAX_BATCH_BYTES > 2000


def test_without_a_trust_file_no_batch_is_taken(tmp_path: Path) -> None:
    with edge_server(str(tmp_path / "store")) as closed:
        assert post(closed, batch()).status == 403


def test_a_new_record_is_served_at_once(edge: Running) -> None:
    """Nothing in memory is by name, so nothing old can be under a name."""
    a, b = records()["jars/08.webp"], records()["jars/09.webp"]
    pictures = [ask(edge.url, f"/jars/0{n}.webp").body for n in (8, 9)]
    assert pictures[0] != pictures[1]
    for number, record in enumerate([a, b, a, b""]):
        reply = post(edge, batch(counter_of(edge) + 1, {"now.webp": record}, file=b""))
        assert json.loads(reply.body)["replaced"] == (number in (1, 2))
        got = ask(edge.url, "/now.webp")
        assert got.status == (200 if record else 404)
        if record:
            assert got.body == pictures[record == b]


def test_health_and_metrics(edge: Running) -> None:
    ask(edge.url, "/jars/10.webp")
    ask(edge.url, "/jars/10.webp")
    health = ask(edge.url, "/healthz")
    assert json.loads(health.body)["status"] == "ok"
    text = ask(edge.url, "/metrics").body.decode()
    families = {found.name: found for found in text_string_to_metric_families(text)}
    for name in (
        *("edge_requests", "edge_request_seconds", "edge_response_bytes", "edge_generations"),
        *("edge_origin_offload_ratio", "edge_hit_ratio", "edge_qa_pass_ratio", "edge_records"),
        *("edge_synced_bytes", "edge_batches", "edge_memory_bytes", "edge_queue"),
    ):
        assert name in families, name
    found = samples(edge.url)
    assert found['edge_synced_bytes_total{what="generators"}'] >= len(jars().file)
    assert found["edge_origin_offload_ratio"] == 1
    assert found["edge_hit_ratio"] == 1
    prompts, images = (found[f'edge_records{{kind="{kind}"}}'] for kind in ("prompt", "image"))
    assert found["edge_qa_pass_ratio"] == pytest.approx(prompts / (prompts + images))
    for outcome in ("hit", "rehydrated"):
        count = found[f'edge_requests_total{{outcome="{outcome}"}}']
        assert count > 0
        assert found[f'edge_request_seconds_count{{outcome="{outcome}"}}'] == count
        assert found[f'edge_request_seconds_bucket{{le="+Inf",outcome="{outcome}"}}'] == count


def test_heads_send_no_bytes_and_are_counted_so(edge: Running) -> None:
    ask(edge.url, "/jars/11.webp")
    before = samples(edge.url)['edge_response_bytes_total{source="edge"}']
    ask(edge.url, "/jars/11.webp", method="HEAD")
    assert samples(edge.url)['edge_response_bytes_total{source="edge"}'] == before
    size = len(ask(edge.url, "/jars/11.webp").body)
    assert samples(edge.url)['edge_response_bytes_total{source="edge"}'] == before + size


def test_after_a_restart_everything_is_there(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    options = ("--trust", trust_file(tmp_path))
    with edge_server(store, *options) as first:
        assert post(first, batch(41)).status == 200
        reply = ask(first.url, "/jars/03.webp", BROWSER)
        assert first.stop() == 0
    with edge_server(store, *options) as second:
        again = ask(second.url, "/jars/03.webp", BROWSER)
        assert (again.body, again.fields["etag"]) == (reply.body, reply.fields["etag"])
        assert post(second, batch(41)).status == 409
        assert counter_of(second) == 41
        synced = samples(second.url)['edge_synced_bytes_total{what="records"}']
        assert synced == len(batch(41)) - len(jars().file)
