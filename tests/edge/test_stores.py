"""Both stores: a batch whole or not at all, and each only once, whoever tries."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from edge_world import KEY, ask, batch, jars, records, redis_server, trust_file

from benchmarks.edge.stack import environment, samples, start_edge
from probe.edge.drawing import Renderers
from probe.edge.ingest import Policy, accept
from probe.edge.stores.lmdb_store import LmdbStore
from probe.edge.stores.open_store import open_store
from probe.edge.stores.store import Change, Facts, Store, Stored
from shared.errors import (
    InputError,
    RegenerationError,
    Replayed,
    StoreError,
    WrongPin,
)
from shared.media.batch import Batch
from shared.media.message import encode_record, image_record

POLICY = Policy(keys=(KEY.public_key(),))
FILE = encode_record(image_record(b"a picture file"))


def take(store: Store, data: bytes) -> Change:
    return accept(store, data, POLICY, Renderers(store)).change


def contents(store: Store) -> dict[str, Stored | None]:
    return {name: store.get(name) for name in store.names()}


def test_what_was_stored_is_there_also_after_reopening(place: str) -> None:
    jar = jars()
    store = open_store(place, create=True)
    assert (store.facts(), store.digests(), list(store.names())) == (Facts(), (), [])
    assert store.get("jars/00.webp") is None
    data = batch()
    assert take(store, data) == Change(added=60)
    store.close()

    again = open_store(place)
    assert contents(again) == {
        name: Stored(jar.loaded.digest, record) for name, record in records().items()
    }
    assert again.generator(jar.loaded.digest) == jar.file
    assert again.generator(bytes(32)) is None
    assert again.facts() == Facts(
        counter=1,
        prompts=60,
        generators=1,
        batches=1,
        generator_bytes=len(jar.file),
        record_bytes=len(data) - len(jar.file),
    )
    again.close()


def test_replacing_and_removing(store: Store) -> None:
    take(store, batch())
    names = list(records())
    content = {
        names[0]: records()[names[1]],
        names[1]: records()[names[1]],
        names[2]: b"",
        names[3]: FILE,
        "none": b"",
        "new": FILE,
    }
    second = batch(5, content, file=b"")
    assert take(store, second) == Change(added=1, replaced=2, removed=1, same=1)
    facts = store.facts()
    assert (facts.counter, facts.prompts, facts.images, facts.batches) == (5, 58, 2, 2)
    assert store.get(names[2]) is None
    assert store.get("new") == Stored(jars().loaded.digest, FILE)
    assert take(store, batch(6, {"new": b"", names[3]: b""}, file=b"")) == Change(removed=2)
    assert (store.facts().prompts, store.facts().images) == (58, 0)


def test_replays_and_unknown_generators_change_nothing(store: Store) -> None:
    with pytest.raises(WrongPin, match="generator"):
        take(store, batch(file=b""))
    assert store.facts() == Facts()
    take(store, batch(3))
    before = contents(store), store.facts()
    for counter in (0, 1, 2, 3):
        with pytest.raises(Replayed):
            take(store, batch(counter, {"x": FILE}))
    with pytest.raises(RegenerationError, match="good/last"):
        take(store, batch(4, {"a": FILE, "good/last": b"\x10abcd" + b"\xff" * 9}))
    assert (contents(store), store.facts()) == before


def test_a_generator_that_is_none_is_refused(store: Store) -> None:
    from shared.media.batch import sign_batch
    from shared.media.container import generator_digest

    junk = b"RHMG" + bytes(40)
    data = sign_batch(Batch(generator_digest(junk), 1, {"a": FILE}, junk), "default", KEY)
    with pytest.raises(RegenerationError, match="generator"):
        take(store, data)
    assert store.facts() == Facts()


def test_what_fails_inside_the_transaction_leaves_nothing(store: Store) -> None:
    take(store, batch())
    before = contents(store), store.facts()

    class BoomError(Exception):
        pass

    def boom(counter: int) -> None:
        assert counter == 1
        raise BoomError

    with pytest.raises(BoomError):
        store.accept(Batch(jars().loaded.digest, 9, {"x": FILE}), 10, boom)
    assert (contents(store), store.facts()) == before
    # the transaction has let go: the next batch gets in
    assert take(store, batch(2, {"x": FILE}, file=b"")) == Change(added=1)


def test_of_many_who_bring_one_batch_one_gets_it_in(store: Store) -> None:
    """Threads on one store here; processes below."""
    data = batch()
    results: list[str] = []
    start = threading.Barrier(8)

    def bring() -> None:
        start.wait()
        try:
            take(store, data)
            results.append("in")
        except Replayed:
            results.append("replayed")

    threads = [threading.Thread(target=bring) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["in"] + ["replayed"] * 7
    assert store.facts().batches == 1
    assert store.facts().prompts == 60


def test_processes_share_a_store(place: str, tmp_path: Path) -> None:
    file = tmp_path / "batch"
    file.write_bytes(batch())
    command = [sys.executable, "-m", "probe", "edge", "load", str(file), "--store", place]
    command += ["--trust", str(trust_file(tmp_path)), "--json"]
    tries = [
        subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) for _ in range(3)
    ]
    assert sorted(process.wait(120) for process in tries) == [0, 16, 16]
    store = open_store(place)
    assert store.facts().batches == 1
    assert len(contents(store)) == 60
    store.close()


def test_places_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        open_store(str(tmp_path / "none"))
    with pytest.raises(StoreError):
        open_store(f"unix://{tmp_path}/none.sock")
    with pytest.raises(InputError):
        open_store("mysql://localhost/x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError):
        open_store(str(tmp_path / "full"))


def test_a_store_that_is_full_says_so_and_stays_as_it_was(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "small", create=True, map_bytes=1 << 20)
    take(store, batch())
    before = contents(store), store.facts()
    large = {f"p{n}": encode_record(image_record(bytes([n]) * 50_000)) for n in range(30)}
    with pytest.raises(StoreError, match="full"):
        take(store, batch(2, large, file=b""))
    assert (contents(store), store.facts()) == before
    store.close()


def test_a_redis_that_goes_and_comes_back() -> None:
    """Meanwhile there are errors that nobody keeps, never a 404 or another picture; afterwards
    everything is there (with an append-only file), and the edge was not touched."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        with redis_server(folder, durable=True) as url:
            edge = start_edge(url, "--trust", trust_file(folder))
            assert ask(edge.url, "/batches", method="POST", body=batch()).status == 200
            before = ask(edge.url, "/jars/07.webp")
            assert before.status == 200
        try:
            for path in ("/jars/07.webp", "/none.webp"):
                reply = ask(edge.url, path)
                assert (reply.status, reply.fields["cache-control"]) == (503, "no-store")
            assert ask(edge.url, "/healthz").status == 503
            assert ask(edge.url, "/status").status == 503
            assert ask(edge.url, "/batches", method="POST", body=batch(2)).status == 503
            assert samples(edge.url)["edge_store_up"] == 0
            with redis_server(folder, durable=True):
                assert ask(edge.url, "/jars/07.webp").body == before.body
                assert ask(edge.url, "/none.webp").status == 404
                assert ask(edge.url, "/batches", method="POST", body=batch()).status == 409
                assert samples(edge.url)["edge_store_up"] == 1
                assert samples(edge.url)['edge_requests_total{outcome="failed"}'] == 2
        finally:
            edge.stop()


def test_readers_that_were_killed_do_not_shut_the_store(tmp_path: Path) -> None:
    """LMDB has places for so many readers; who is killed while others go on leaves his taken, and
    when all are no process can open the file."""
    store = LmdbStore(tmp_path, create=True)
    take(store, batch())
    code = (
        "import lmdb, os, sys\n"
        "environment = lmdb.open(sys.argv[1], max_dbs=4)\n"
        "transactions = [environment.begin() for _ in range(600)]\n"
        "os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-m", "probe", "edge", "status", "--store", str(tmp_path), "--json"]
    for _ in range(3):
        killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
        assert killed.returncode == -9
        status = subprocess.run(
            command, env=environment(), capture_output=True, text=True, check=True
        )
        assert json.loads(status.stdout)["prompts"] == 60
    assert len(contents(store)) == 60
    store.close()
