"""Each check has its own refusal, the first that fails speaks, and nothing is spent before."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from powercut import Quick
from world import (
    BASE,
    KEY,
    PIN,
    TARGET,
    THIRD,
    World,
    another_pin,
    classical,
    envelope,
    regenerator,
)

from probe.messages.apply import apply, verify
from probe.trees.onboard import Probe, open_probe
from shared.diff import unified_diff
from shared.errors import (
    BadSignature,
    MalformedMessage,
    OversizedMessage,
    Refusal,
    Replayed,
    UnknownKey,
    UnsupportedVersion,
    WrongBaseline,
    WrongPin,
)
from shared.message import checks
from shared.message.checks import Record
from shared.message.envelope import Limits
from shared.message.recipe import Kind
from shared.message.wire import Message
from shared.tree import Entry, Mode

OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(7, 39)))
RECIPE = classical(BASE, TARGET)
TWIN = another_pin(PIN, same_prefix=True)
GOOD = envelope(RECIPE, 5)
RECORD = Record(
    keys=(KEY.public_key(),), limits=Limits(4096, 50), counter=4, pin=PIN, tree=BASE.digest
)


def test_a_good_envelope_passes() -> None:
    message = checks.authenticate(GOOD, RECORD)
    assert (message.counter, message.blobs) == (5, RECIPE.blobs)
    checks.check_pin(message, RECORD, PIN)
    checks.check_baseline(message, RECORD, BASE.digest)
    assert checks.check_patch(message, unified_diff(BASE, TARGET))
    assert not checks.check_patch(message, unified_diff(BASE, TARGET) + b"\n")


@pytest.mark.parametrize(
    ("data", "record", "error"),
    [
        (GOOD, replace(RECORD, limits=Limits(len(GOOD), 50)), None),
        (GOOD, replace(RECORD, limits=Limits(len(GOOD) - 1, 50)), OversizedMessage),
        (b"", RECORD, MalformedMessage),
        (GOOD[:66], RECORD, MalformedMessage),
        (GOOD[:1] + bytes([GOOD[1] ^ 0xC0]) + GOOD[2:], RECORD, UnsupportedVersion),
        (envelope(replace(RECIPE, kind=Kind.MEDIA), 5), RECORD, UnsupportedVersion),
        (GOOD, replace(RECORD, keys=(OTHER_KEY.public_key(),)), UnknownKey),
        (GOOD, replace(RECORD, keys=()), UnknownKey),
        (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), RECORD, BadSignature),
        (envelope(RECIPE, 5, OTHER_KEY), RECORD, UnknownKey),
        (bytes([GOOD[0]]) + envelope(RECIPE, 5, OTHER_KEY)[1:], RECORD, BadSignature),
        (GOOD, replace(RECORD, counter=5), Replayed),
        (GOOD, replace(RECORD, counter=6), Replayed),
        (envelope(RECIPE, 54), RECORD, None),
        (envelope(RECIPE, 55), RECORD, Replayed),
        (envelope(RECIPE, 2**32 - 1), RECORD, Replayed),
        (envelope(classical(BASE, TARGET, pin=another_pin(PIN)), 5), RECORD, WrongPin),
        (envelope(classical(BASE, TARGET, pin=TWIN), 5), RECORD, BadSignature),
        (envelope(classical(THIRD, TARGET), 5), RECORD, WrongBaseline),
        (envelope(classical(THIRD, TARGET), 4), RECORD, Replayed),
    ],
)
def test_steps_1_to_5(data: bytes, record: Record, error: type[Refusal] | None) -> None:
    if error is None:
        checks.authenticate(data, record)
        return
    with pytest.raises(error) as caught:
        checks.authenticate(data, record)
    assert type(caught.value) is error


def test_an_applied_envelope_is_a_replay_whatever_its_prefix_says() -> None:
    """One tree in 256 has the same first byte as the next; the history tells them apart."""
    changed = replace(RECORD, counter=5, tree=BASE.digest[:1] + bytes(31))
    with pytest.raises(BadSignature):
        checks.authenticate(GOOD, changed)
    with pytest.raises(Replayed):
        checks.authenticate(GOOD, replace(changed, applied={checks.sha256(GOOD)}))


def test_steps_6_and_7_compare_the_record_with_what_is_on_board() -> None:
    message = checks.authenticate(GOOD, RECORD)
    with pytest.raises(WrongPin):
        checks.check_pin(message, RECORD, TWIN)
    with pytest.raises(WrongBaseline):
        checks.check_baseline(message, RECORD, BASE.digest[:1] + bytes(31))


def test_every_truncation_and_extension_is_refused() -> None:
    for size in range(len(GOOD)):
        with pytest.raises(Refusal):
            checks.authenticate(GOOD[:size], RECORD)
    for extra in (b"\0", b"\xff", GOOD):
        with pytest.raises(Refusal):
            checks.authenticate(GOOD + extra, RECORD)


def test_every_bit_flip_is_refused() -> None:
    for bit in range(8 * len(GOOD)):
        damaged = bytearray(GOOD)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Refusal):
            checks.authenticate(bytes(damaged), RECORD)


# --- on a real state folder ----------------------------------------------------------------------


# in the order of the checks
FAULTS: tuple[tuple[str, type[Refusal], int], ...] = (
    ("limit below the size", OversizedMessage, 12),
    ("other version", UnsupportedVersion, 13),
    ("distrusted key", UnknownKey, 14),
    ("damaged signature", BadSignature, 15),
    ("used counter", Replayed, 16),
    ("other model", WrongPin, 17),
    ("altered tree", WrongBaseline, 18),
)


def make_fault(name: str, world: World, probe: Probe, data: bytes) -> bytes:
    """Break one thing on board or in the envelope; returns the envelope to hand in."""
    store = probe.store
    match name:
        case "limit below the size":
            store.write(replace(store.config(), max_envelope_bytes=len(data) - 1))
        case "other version":
            return data[:1] + bytes([data[1] ^ 0xC0]) + data[2:]
        case "distrusted key":
            other = OTHER_KEY.public_key().public_bytes_raw().hex()
            store.write(replace(store.config(), keys=(other,)))
        case "damaged signature":
            return data[:-1] + bytes([data[-1] ^ 0x80])
        case "used counter":
            store.write(replace(store.ledger(), counter=5))
        case "other model":
            (world.folder / "model/manifest.json").write_bytes(b"another model\n")
        case "altered tree":
            (world.root / "lib/image.bin").write_bytes(b"altered in place")
    return data


@pytest.mark.parametrize("count", range(1, len(FAULTS) + 1))
def test_the_first_failing_check_speaks_and_nothing_is_opened(world: World, count: int) -> None:
    """Every set of faults at once: 127 of them."""
    copy = world.folder.with_name("copy")
    world.save(copy)
    calls: list[Message] = []
    for faults in combinations(FAULTS, count):
        world.restore(copy)
        data = GOOD
        with open_probe(world.state, Quick()) as probe:
            for name, _, _ in faults:
                data = make_fault(name, world, probe, data)
        before = (world.tree(), (world.state / "ledger.json").read_bytes())
        with open_probe(world.state, Quick()) as probe, pytest.raises(Refusal) as caught:
            apply(probe, data, lambda message, _: calls.append(message), lambda: 2.5)  # type: ignore[arg-type,return-value,func-returns-value]
        assert type(caught.value) is faults[0][1]
        assert caught.value.exit_code == faults[0][2]
        assert (world.tree(), (world.state / "ledger.json").read_bytes()) == before
        assert not any((world.state / "slots").iterdir())
    assert calls == []


def test_without_faults_it_passes(world: World) -> None:
    with open_probe(world.state, Quick()) as probe:
        assert verify(probe, GOOD).baseline == BASE
        apply(probe, GOOD, regenerator, lambda: 2.5)
    assert world.tree() == TARGET


def test_nothing_is_read_for_a_forger(world: World) -> None:
    """Before step 5 has passed neither model nor tree is looked at: here both are unreadable."""
    (world.folder / "model/manifest.json").unlink()
    world.root.rename(world.folder / "elsewhere")
    with open_probe(world.state, Quick()) as probe:
        for data, error in (
            (GOOD[:-1] + bytes([GOOD[-1] ^ 0x80]), BadSignature),
            (envelope(RECIPE, 2**31), Replayed),
            (envelope(RECIPE, 5, OTHER_KEY), UnknownKey),
        ):
            with pytest.raises(error):
                verify(probe, data)


def test_an_executable_bit_counts(world: World) -> None:
    (world.root / "app/boot.sh").chmod(0o644)
    assert world.tree()["app/boot.sh"] == Entry(Mode.REGULAR, BASE["app/boot.sh"].data)
    with open_probe(world.state, Quick()) as probe, pytest.raises(WrongBaseline):
        verify(probe, GOOD)
