"""What goes wrong beside the messages: a defect in reading, a line that fails, foreign files."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listening import FIRST, SECOND, STACK, Line, cltus, events, listen
from powercut import Quick
from world import BASE, TARGET, THIRD, World

from probe.inbox.inbox import open_inbox
from probe.listen.telemetry import Event
from probe.reception.framing import Ccsds, Datagrams, Units
from probe.state.store import open_store
from shared.errors import Defect, InputError, StoreError

ROOM_BYTES = 10**6


class Trap(Datagrams):
    """A framing with a defect."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def feed(self, data: bytes) -> Units:
        if data.startswith(b"trap"):
            raise self.error
        return super().feed(data)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("planted"), "a defect in this program: ZeroDivisionError"),
        (IndexError("planted"), "a defect in this program: IndexError"),
        (MemoryError(), "too little memory"),
        (StoreError("planted"), "planted"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_defect_in_reading_costs_its_input_alone(
    world: World, error: Exception, said: str
) -> None:
    told = listen(world, Line([b"trap", FIRST, b"trap 2", SECOND]), Trap(error))
    reasons = [one.reason for one in told if one.event is Event.FRAMES]
    assert reasons
    assert all(said in reason for reason in reasons)
    assert "(2 times)" in reasons[0] or len(reasons) == 2
    assert world.tree() == THIRD


class Failing(Line):
    """A line that fails when its pieces are used up."""

    def __init__(self, pieces: list[bytes], error: Exception) -> None:
        super().__init__(pieces)
        self.error = error

    def receive(self, timeout_s: float) -> bytes:
        if not self.pieces:
            raise self.error
        return super().receive(timeout_s)


@pytest.mark.parametrize(
    ("error", "family"),
    [
        (OSError(5, "Input/output error"), InputError),
        (ValueError("filedescriptor out of range in select()"), Defect),
        (InputError("the line is gone"), InputError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_a_line_that_fails_ends_the_service_with_a_report(
    world: World, error: Exception, family: type[Exception]
) -> None:
    """What came before is dealt with first."""
    with pytest.raises(family):
        listen(world, Failing([FIRST, SECOND], error))
    assert world.tree() == THIRD


def test_a_process_whose_line_fails_does_not_end_with_0(world: World) -> None:
    """Standard input can only be written to: reading it is an error, not an end."""
    closed = os.open(os.devnull, os.O_WRONLY)
    words = [sys.executable, "-m", "probe", "listen", "--stdin", "--state", str(world.state)]
    done = subprocess.run(
        words, stdin=closed, capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    os.close(closed)
    assert done.returncode == InputError.exit_code, done.stderr
    assert "the line has failed" in done.stdout
    assert "Traceback" not in done.stderr
    assert "Bad file descriptor" in done.stderr


# --- foreign files in the inbox -------------------------------------------------------------------

NAMES = st.one_of(
    st.sampled_from(
        [
            *("x.message", ".message", "-1.message", "1.5.message", "1 .message", "1e3.message"),
            *("1.segment", "1.2.segment", "a.b.c.d.segment", "1.2.3.9.segment", "1.2.x.1.segment"),
            *("99999999999999999999999.message", "١.message", "7.message.new", "x.new", "9.batch"),
            *("lock.message", "notes.txt", "core"),
        ]
    ),
    st.text("0123456789.-xesgmnta", min_size=1, max_size=20).filter(lambda n: n.strip(".")),
)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(
        NAMES, st.sampled_from(["file", "folder", "link", "pipe", "socketless"]), max_size=6
    ),
    st.integers(0, 2**32),
)
def test_foreign_files_are_passed_over(world: World, files: dict[str, str], seed: int) -> None:
    """Whatever lies there, a listener starts and finds its own."""
    inbox = world.state / "inbox"
    choose = random.Random(seed)
    with open_inbox(world.state, Quick()):
        pass
    made = []
    for name, kind in files.items():
        path = inbox / name
        if os.path.lexists(path):
            continue
        made.append(path)
        if kind == "folder":
            path.mkdir()
            (path / "1.message").write_bytes(FIRST)
        elif kind == "link":
            path.symlink_to(choose.choice(["/dev/zero", "nowhere", "lock"]))
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.write_bytes(choose.randbytes(choose.randint(0, 30)))
    try:
        with open_inbox(world.state, Quick()) as found:
            plain = {path.read_bytes() for path in made if path.is_file() and not path.is_symlink()}
            assert all(one.data in plain for one in found.messages())
            assert all(one.piece.segment.data in plain for one in found.segments())
    finally:
        for path in made:
            if path.is_dir() and not path.is_symlink():
                (path / "1.message").unlink()
                path.rmdir()
            elif os.path.lexists(path):
                path.unlink()


def test_a_listener_works_beside_foreign_files(world: World) -> None:
    inbox = world.state / "inbox"
    inbox.mkdir(0o700)
    (inbox / "5.message").mkdir()
    (inbox / "6.message").symlink_to("/dev/zero")
    os.mkfifo(inbox / "7.message")
    (inbox / "half.message.new").mkdir()
    (inbox / "1.2.segment").write_bytes(b"x")
    (inbox / "8.message").write_bytes(FIRST)
    (inbox / "8.message").chmod(0)
    said = listen(world, Line([*cltus(FIRST, 3), *cltus(SECOND, 90)]), Ccsds(STACK))
    assert events(said).count("applied") == 2
    assert world.tree() == THIRD


# --- a stat that fails ----------------------------------------------------------------------------


def test_a_stat_that_fails_is_a_store_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.exists

    def failing(path: Path, **options: bool) -> bool:
        if path.name in ("journal.json", "pending.json"):
            raise OSError(5, "Input/output error", str(path))
        return real(path, **options)

    with open_store(world.state, Quick()) as store, monkeypatch.context() as amid:
        amid.setattr(Path, "exists", failing)
        with pytest.raises(StoreError, match="Input/output error"):
            store.journal()
        with pytest.raises(StoreError, match="Input/output error"):
            store.pending()
    monkeypatch.setattr(Path, "exists", failing)
    with pytest.raises(StoreError, match="Input/output error"), open_store(world.state, Quick()):
        pass


def test_a_disk_error_that_nobody_named_parks_the_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the disk's fault: the message is tried again, not refused."""
    import probe.listen.parking
    import probe.listen.service

    real = probe.listen.service.deal
    left = [1]

    def deal(*arguments: object) -> object:
        if left and left.pop():
            raise OSError(5, "Input/output error")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(probe.listen.service, "deal", deal)
    monkeypatch.setattr(probe.listen.parking, "DISK_S", 0.0)
    said = listen(world, Line([FIRST]))
    assert events(said) == ["ready", "parked", "applied"]
    assert (said[1].exit_code, world.tree()) == (StoreError.exit_code, TARGET)


def test_a_signal_still_ends_it_with_0(world: World) -> None:
    words = [sys.executable, "-m", "probe", "listen", "--udp", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*words, "--state", str(world.state)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert b'"ready"' in process.stdout.readline()  # with nobody named, telemetry is printed
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 0
    assert world.tree() == BASE
