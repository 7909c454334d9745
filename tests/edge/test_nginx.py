"""The edge behind the nginx of docs/edge-nginx.conf, on either store, while all sorts of things
happen: nothing is drawn twice, nothing wrong comes out, nothing is lost."""

from __future__ import annotations

import io
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from edge_world import BROWSER, KEY, Reply, ask, batch, jars, needed, records, trust_file
from PIL import Image

from benchmarks.edge.client import Ask, Seen, crowd
from benchmarks.edge.stack import nginx, samples, start_edge
from probe.edge.formats import Quality, encoded
from shared.digest import sha256
from shared.media.batch import Batch, sign_batch

VERIFIED = 'edge_generations_total{result="verified"}'


class Stack:
    """Two edges on one store, nginx before them."""

    def __init__(self, place: str, folder: Path) -> None:
        self.options = ("--trust", trust_file(folder), "--workers", 1)
        self.place = place
        self.edges = [start_edge(place, *self.options) for _ in range(2)]
        self.url = ""

    def again(self, number: int) -> None:
        """Starts an edge anew that has ended, at its port."""
        port = int(self.edges[number].url.rpartition(":")[2])
        self.edges[number] = start_edge(self.place, *self.options, port=port)

    def drawn(self) -> float:
        return sum(samples(edge.url)[VERIFIED] for edge in self.edges)


@contextmanager
def stacked(place: str, folder: Path) -> Iterator[Stack]:
    needed("nginx")
    made = Stack(place, folder)
    try:
        data = batch()
        assert ask(made.edges[0].url, "/batches", method="POST", body=data).status == 200
        with nginx(folder / "nginx", [edge.url for edge in made.edges]) as url:
            made.url = url
            yield made
    finally:
        for edge in made.edges:
            if edge.process.poll() is None:
                edge.stop()


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    with stacked(str(folder / "behind"), folder) as made:
        yield made


def right(seen: list[Seen], format_number: int) -> bool:
    """Every body is what this process draws (with numpy) and encodes."""
    jar, into = jars(), Quality().formats()[format_number]
    wanted = {name: encoded(jar.renderer(prompt), into) for name, prompt in jar.prompts.items()}
    return all(one.status == 200 and one.body == sha256(wanted[one.ask.name]) for one in seen)


def test_a_herd_is_one_drawing_and_the_rest_come_from_nginx(stack: Stack) -> None:
    names = list(records())[:12]
    before = stack.drawn()
    asks = [Ask(name, BROWSER) for name in names for _ in range(50)]
    bodies: dict[bytes, bytes] = {}
    seen = crowd(stack.url, asks, 50, bodies)
    assert len(seen) == 600
    assert right(seen, 0)
    assert len(bodies) == 12
    assert stack.drawn() == before + 12
    ways = Counter(one.way for one in seen)
    assert ways["rehydrated"] == 12
    # nginx's two workers may both ask in the moment in which a file gets into its place: then the
    # edge has it in memory
    assert ways["nginx"] + ways["hit"] == 600 - 12
    assert ways["nginx"] > 500
    # behind one that keeps nothing the edges themselves draw each picture once
    more = [Ask(name, BROWSER) for name in list(records())[12:24] for _ in range(50)]
    seen = crowd(stack.edges[0].url, more, 50, bodies)
    assert right(seen, 0)
    assert stack.drawn() == before + 24
    assert Counter(one.way for one in seen)["rehydrated"] == 12
    assert not {one.way for one in seen} - {"rehydrated", "coalesced", "hit"}


def from_nginx(stack: Stack, path: str, accept: str) -> Reply:
    """What nginx has kept; just after the first answer it may still be busy with keeping it."""
    for _ in range(20):
        reply = ask(stack.url, path, accept)
        if reply.fields["x-cache"] == "HIT":
            return reply
    raise AssertionError(f"{path} is not kept")


def test_three_spellings_of_accept_and_no_other_parameters(stack: Stack) -> None:
    name = "/jars/30.webp"
    first = ask(stack.url, name, BROWSER)
    assert (first.status, first.fields["x-cache"]) == (200, "MISS")
    assert first.fields["content-type"] == "image/avif"
    for path, accept in [
        (f"{name}?utm_source=x", "image/avif"),
        ("/jars/%330.webp", "text/html, image/avif;q=0.9, image/webp"),
    ]:
        assert from_nginx(stack, path, accept).body == first.body
    for accept, media_type in (("image/webp,*/*", "image/webp"), ("*/*", "image/jpeg")):
        fresh = ask(stack.url, name, accept)
        assert fresh.fields["x-cache"] == "MISS"
        for reply in (fresh, from_nginx(stack, name, accept)):
            assert reply.fields["content-type"] == media_type
            assert reply.fields["vary"] == "Accept"
            with Image.open(io.BytesIO(reply.body)) as image:
                got = np.asarray(image.convert("RGB")).astype(int)
            assert np.abs(got - jars().renderer(jars().prompts[name[1:]])).mean() < 4
    tag = first.fields["etag"]
    assert ask(stack.url, name, BROWSER, if_none_match=tag).status == 304


def test_the_world_can_neither_publish_nor_look_inside(stack: Stack) -> None:
    for path in ("/batches", "/status", "/metrics", "/healthz", "/%73tatus", "//status"):
        assert ask(stack.url, path).status in (400, 404)
    data = batch(2, {"new.webp": records()["jars/01.webp"]}, file=b"")
    assert ask(stack.url, "/batches", method="POST", body=data).status == 404
    assert ask(stack.url, "/jars/01.webp", method="POST", body=data).status == 403
    assert json.loads(ask(stack.edges[0].url, "/status").body)["counter"] == 1


def test_restarts_and_new_batches_during_load_lose_nothing(place: str, tmp_path: Path) -> None:
    """One edge is told to stop, the other killed, each starts again; records come meanwhile, and
    a batch comes that was there before.  All goes on beside the load, on either store."""
    jar, names = jars(), list(records())
    late = names[40:]
    back = sign_batch(
        Batch(jar.loaded.digest, 3, {name: records()[name] for name in late}), "default", KEY
    )
    rng = np.random.default_rng(3)
    asks = [Ask(str(name), BROWSER) for name in rng.choice(names, 3000)]
    begun = threading.Semaphore(0)
    said: list[int] = []
    there: list[float] = []

    def after(requests: int) -> None:
        for _ in range(requests):
            assert begun.acquire(timeout=60)

    with stacked(place, tmp_path) as stack:

        def publish(data: bytes) -> None:
            said.append(ask(stack.edges[0].url, "/batches", method="POST", body=data).status)

        def happens() -> None:
            after(60)
            assert stack.edges[0].stop() == 0
            after(300)
            stack.again(0)
            after(300)
            publish(back)
            there.append(time.perf_counter())
            after(300)
            stack.edges[1].process.kill()
            stack.edges[1].process.wait()
            after(300)
            stack.again(1)
            publish(back)

        publish(batch(2, dict.fromkeys(late, b""), file=b""))
        beside = threading.Thread(target=happens)
        beside.start()
        seen: list[Seen] = []
        # so long as something is to happen, and then all once more
        while beside.is_alive():
            seen += crowd(stack.url, asks, 50, {}, lambda _: begun.release())
        beside.join()
        seen += crowd(stack.url, [Ask(name, BROWSER) for name in names], 50, {})
        assert said == [200, 200, 409]
        counters = [json.loads(ask(edge.url, "/status").body)["counter"] for edge in stack.edges]
    assert counters == [3, 3]
    missing = [one for one in seen if one.status == 404]
    assert {one.ask.name for one in missing} <= set(late)
    assert all(one.began < there[0] for one in missing)
    found = [one for one in seen if one.status != 404]
    assert [one for one in found if one.status != 200] == []
    assert right(found, 0)
    assert {one.ask.name for one in found} == set(names)
    # of the answers that an edge drew for nginx there is one a picture
    drawings = Counter(one.ask.name for one in found if one.way == "rehydrated")
    assert set(drawings.values()) == {1}


def test_with_all_edges_away_nginx_goes_on_with_what_it_has(stack: Stack) -> None:
    kept = ask(stack.url, "/jars/32.webp", BROWSER)
    for edge in stack.edges:
        assert edge.stop() == 0
    again = ask(stack.url, "/jars/32.webp", BROWSER)
    assert (again.status, again.body, again.fields["x-cache"]) == (200, kept.body, "HIT")
    assert ask(stack.url, "/jars/33.webp", BROWSER).status == 502
    for number in range(2):
        stack.again(number)
    # the error is not kept
    assert ask(stack.url, "/jars/33.webp", BROWSER).status == 200
