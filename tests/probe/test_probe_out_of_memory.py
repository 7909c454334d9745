"""A lack of memory is never the message's fault: own code, nothing changed, tried again."""

from __future__ import annotations

import errno
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from listening import FIRST, SECOND, Line, events, listen
from powercut import Quick
from typer.testing import CliRunner
from world import BASE, TARGET, World, classical, envelope, regenerator

import probe.cli
from probe.listen.telemetry import Event
from probe.messages.apply import apply
from probe.trees.onboard import open_probe
from shared.errors import OutOfMemory, PinError, RegenerationError, RehydrationError
from shared.message.wire import Message
from shared.regenerate import Regenerated
from shared.system.memory import blaming_memory, came_of_lack
from shared.tree import Tree

LIMITED = """
import resource, sys
from pathlib import Path
from shared.diff import zstd_delta as delta
from shared.errors import RehydrationError

old = bytes(range(256)) * 4096
new = old[:700_000] + b"changed" + old[700_000:]
frame = delta.encode_frame(old, new)
assert delta.decode_frame(old, frame) == new
found = set()
for mebibytes in (0, 1, 2, 4, 8, 16, 32, 64, 100, 120, 130, 140, 160, 200, 400):
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + (mebibytes << 20), -1))
    try:
        found.add("right" if delta.decode_frame(old, frame) == new else "wrong")
    except BaseException as error:
        found.add(type(error).__name__)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
print(*sorted(found))
"""


def test_a_decoder_without_memory_does_not_blame_the_payload() -> None:
    """With real limits, from none to plenty: the file, or a lack of memory; no third."""
    words = [sys.executable, "-c", LIMITED]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert out.split() == ["MemoryError", "right"]


class Starved:
    """Regenerates once memory is there again."""

    def __init__(self, error: Exception, times: int = 1) -> None:
        self.error, self.left = error, times

    def __call__(self, message: Message, tree: Tree) -> Regenerated:
        if self.left:
            self.left -= 1
            raise self.error
        return regenerator(message, tree)


LACKS = [
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    zstandard.ZstdError("zstd decompressor error: Allocation error : not enough memory"),
    RuntimeError("can't start new thread"),
]


@pytest.mark.parametrize("error", LACKS, ids=lambda error: type(error).__name__)
def test_apply_says_that_memory_is_short_and_changes_nothing(
    world: World, error: Exception
) -> None:
    with open_probe(world.state, Quick()) as probe:
        with pytest.raises(OutOfMemory) as raised:
            apply(probe, FIRST, Starved(error), lambda: 2.0)
        assert raised.value.exit_code == 31
        assert world.tree() == BASE
        assert probe.store.ledger().history[-1].operation.value == "init"
        apply(probe, FIRST, Starved(error, 0), lambda: 3.0)
    assert world.tree() == TARGET


@pytest.mark.parametrize("error", LACKS, ids=lambda error: type(error).__name__)
def test_a_listener_keeps_the_message_and_tries_again(
    world: World, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe.listen.parking.DISK_S", 0.0)
    monkeypatch.setattr("listening.regenerator", Starved(error))
    said = listen(world, Line([FIRST]))
    assert events(said) == ["ready", "parked", "applied"]
    assert (said[1].exit_code, said[1].step) == (31, 10)
    assert world.tree() == TARGET


def test_a_command_without_memory_ends_with_its_code(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "message"
    file.write_bytes(FIRST)

    def starved(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(probe.cli, "verify", starved)
    done = CliRunner().invoke(
        probe.cli.app, ["verify", str(file), "--state", str(world.state), "--json"]
    )
    assert done.exit_code == 31
    assert '"error": "memory"' in done.stdout


FAMILIES = [RegenerationError("x"), PinError("y"), ValueError("z"), zlib.error("w")]
OTHERS = [
    OSError(errno.ENOSPC, "No space left"),
    zstandard.ZstdError("Data corruption detected"),
    RuntimeError("generator raised StopIteration"),
    KeyError(1),
]


@given(
    st.lists(st.sampled_from(range(4)), max_size=4),
    st.one_of(st.none(), st.sampled_from(range(4))),
    st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_any_error_that_came_of_a_lack_is_one(
    layers: list[int], lack: int | None, hidden: list[bool]
) -> None:
    """Whatever libraries made of it on the way up, ``from`` or ``from None``."""

    def raised() -> None:
        chain = [OTHERS[0] if lack is None else LACKS[lack], *(FAMILIES[n] for n in layers)]
        chain = [type(error)(*error.args) for error in chain]
        try:
            raise chain[0]
        except Exception as first:
            error: Exception = first
        for at, layer in enumerate(chain[1:]):
            try:
                try:
                    raise error
                except Exception as cause:
                    raise layer from (None if hidden[at] else cause)
            except Exception as next_error:
                error = next_error
        raise error

    expected = OSError if not layers else type(FAMILIES[layers[-1]])
    with pytest.raises(expected if lack is None else OutOfMemory), blaming_memory():  # type: ignore[arg-type]
        raised()


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: type(error).__name__)
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    assert not came_of_lack(error)
    with pytest.raises(type(error)), blaming_memory():
        raise error


def test_a_damaged_payload_is_still_the_messages_fault(world: World) -> None:
    recipe = classical(BASE, TARGET)
    blobs = bytes(reversed(recipe.blobs))
    bad = envelope(classical(BASE, TARGET, blobs=blobs), 5)
    with open_probe(world.state, Quick()) as probe, pytest.raises(RehydrationError) as raised:
        apply(probe, bad, regenerator, lambda: 2.0)
    assert not isinstance(raised.value, OutOfMemory)
    said = listen(world, Line([bad, FIRST, SECOND]))
    assert [one.event for one in said].count(Event.APPLIED) == 2
