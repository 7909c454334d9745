"""A probe under test: whatever answers at the other end of a line, of which only the line is known.

with started(folder, ["ssh", "board"]) as probe:       # or attached("udp", "10.0.0.7:4000")
    probe.send(envelope)
    probe.expect(Event.APPLIED)
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final

from probe.listen.telemetry import Event
from shared.digest import sha256
from shared.errors import InputError, RehydrationError
from sims.hil import proxy
from sims.hil.ground import Ear, Framer, Said
from sims.hil.impairments import Datagrams, Stream, Weather
from sims.mission.udp import address_of

PATIENCE_S: Final = 10.0
POLL_S: Final = 0.2
CLEAR: Final = Weather()
SHOWN: Final = 5


class ProbeFailed(RehydrationError):  # noqa: N818 - named for what happened
    """The probe under test did not do what was expected."""

    exit_code = 3
    kind = "probe"


@dataclass
class ProbeUnderTest:
    """The ground's end of a line to a probe.

    Attributes:
        line: connected socket; datagrams or a stream.
        framer: makes frames of messages.
        ear: reads telemetry.
        heard: all that was said so far, oldest first.
    """

    line: socket.socket
    framer: Framer
    ear: Ear
    heard: list[Said] = field(default_factory=list)

    def send(self, message: bytes) -> bytes:
        """Send a message once; the digest by which telemetry calls it."""
        for unit in self.framer.frame(message):
            self.line.sendall(unit)
        return sha256(message)[:8]

    def listen(self, timeout_s: float = POLL_S) -> list[Said]:
        """What is said within a time; it is kept in ``heard`` as well."""
        self.line.settimeout(timeout_s)
        try:
            data = self.line.recv(65_536)
        except (TimeoutError, ConnectionRefusedError):
            return []
        said = self.ear.hear(data, datagram=self.framer.datagrams)
        self.heard += said
        return said

    def wait(self, fits: Callable[[Said], bool], what: str, timeout_s: float = PATIENCE_S) -> Said:
        """The first thing said from now on that fits.

        Raises:
            ProbeFailed: nothing did in time.
        """
        begun, before = time.monotonic(), len(self.heard)
        while time.monotonic() - begun < timeout_s:
            for said in self.listen():
                if fits(said):
                    return said
        shown = [_shown(said) for said in self.heard[before:][-SHOWN:]] or ["nothing"]
        raise ProbeFailed(
            f"within {timeout_s:g} s the probe said: {'; '.join(shown)}",
            expected=what,
            remedy="see the probe's own log; raise the timeout if it is slow",
        )

    def expect(
        self,
        event: Event,
        *,
        digest: bytes | None = None,
        exit_code: int | None = None,
        step: int | None = None,
        timeout_s: float = PATIENCE_S,
    ) -> Said:
        """Wait for an event, of a message or tree, with a refusal's code and step.

        Raises:
            ProbeFailed: it did not come in time; the error has what came instead.
        """
        wanted = {"digest": digest, "exit_code": exit_code, "step": step}
        given = {name: value for name, value in wanted.items() if value is not None}

        def fits(said: Said) -> bool:
            return said.event is event and all(
                getattr(said, name) == value for name, value in given.items()
            )

        words = [f"{name} {v.hex() if isinstance(v, bytes) else v}" for name, v in given.items()]
        return self.wait(fits, ", ".join([event.name.lower(), *words]), timeout_s)

    def deliver(
        self, message: bytes, fits: Callable[[Said], bool], what: str, *, tries: int = 30
    ) -> Said:
        """Send again and again, over a line that loses, until something fits.

        Raises:
            ProbeFailed: nothing did, however often it was sent.
        """
        for left in range(tries, 0, -1):
            self.send(message)
            try:
                return self.wait(fits, what, PATIENCE_S if left == 1 else 1.0)
            except ProbeFailed:
                if left == 1:
                    raise
        raise AssertionError("unreachable")

    def question(self, number: int) -> None:
        """Wait until the probe answers at all: it refuses these bytes.

        Raises:
            ProbeFailed: it is silent.
        """
        data = b"is anybody there? %d" % number
        self.deliver(
            data, lambda said: said.digest == sha256(data)[:8], "an answer to a message of noise"
        )


@contextmanager
def on_line(
    kind: str,
    framing: str,
    telemetry: str,
    weather: Weather = CLEAR,
    seed: int = 1,
) -> Iterator[tuple[ProbeUnderTest, list[str]]]:
    """A line of this machine, and the options by which a probe takes its other end.

    Args:
        kind: ``udp`` or ``serial`` (a pseudoterminal).
        framing: ``bare`` or ``ccsds``.
        telemetry: ``json`` or ``packet``.
        weather: on it, both ways.
        seed: of the weather.
    """
    choose = Random(seed)
    make = Datagrams if kind == "udp" else Stream
    up, down = (make(weather, Random(choose.random())) for _ in range(2))
    with (proxy.udp if kind == "udp" else proxy.serial)(up, down) as line:
        under_test = ProbeUnderTest(line.ground, Framer(framing, kind == "udp"), Ear(telemetry))
        told = ["--telemetry-to", line.telemetry] if line.telemetry else []
        yield under_test, [f"--{kind}", line.device, *told]


@contextmanager
def started(
    words: Sequence[str],
    *,
    kind: str = "udp",
    framing: str = "bare",
    telemetry: str = "json",
    weather: Weather = CLEAR,
    seed: int = 1,
) -> Iterator[ProbeUnderTest]:
    """Starts ``probe listen`` on this machine or behind a prefix, and ends it.

    Args:
        words: the command up to the line's options, as ``[*prefix, "probe", "listen", "--state",
            DIR]``; ``--udp ADDRESS --telemetry-to ADDRESS`` or ``--serial DEVICE`` and the forms
            are put behind it.

    Raises:
        ProbeFailed: it does not answer, or does not end as it should.
    """
    with on_line(kind, framing, telemetry, weather, seed) as (under_test, options):
        command = [*words, *options, "--framing", framing, "--telemetry", telemetry]
        try:
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ
            )
        except OSError as error:
            raise InputError(
                f"cannot start {words[0]}: {error.strerror}",
                remedy="name the program with its path, and see that it can be run",
            ) from error
        try:
            under_test.question(0)
            yield under_test
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
            if process.returncode:
                text = said.decode(errors="replace").strip()
                raise ProbeFailed(f"the probe ended with {process.returncode}: {text}")
        finally:
            process.kill()
            process.communicate()


def own_probe() -> list[str]:
    """The words that start this package's probe."""
    return [sys.executable, "-m", "probe", "listen"]


@contextmanager
def attached(
    kind: str,
    where: str,
    *,
    framing: str = "bare",
    telemetry: str = "json",
    baud: int = 115_200,
    here: str = "",
) -> Iterator[ProbeUnderTest]:
    """A probe that runs already: at ``HOST:PORT``, or at the other end of a serial device.

    Args:
        kind: ``udp`` or ``serial``.
        where: address or device.
        framing: ``bare`` or ``ccsds``.
        telemetry: ``json`` or ``packet``.
        baud: of a serial line.
        here: udp: the address of this end, which the probe names with ``--telemetry-to``; "" for
            any, if the probe answers senders.

    Raises:
        InputError: the address or device is none.
    """
    if kind == "udp":
        address = address_of(where)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            try:
                if here:
                    line.bind(address_of(here))
                line.connect(address)
            except OSError as error:
                raise InputError(
                    f"{where!r}: {error.strerror}", remedy="check the name and the network"
                ) from error
            yield ProbeUnderTest(line, Framer(framing, datagrams=True), Ear(telemetry))
        return
    with proxy.device(where, baud) as ground:
        yield ProbeUnderTest(ground, Framer(framing, datagrams=False), Ear(telemetry))


def _shown(said: Said) -> str:
    refusal = f" {said.exit_code} in step {said.step}" if said.event is Event.REFUSED else ""
    return f"{said.event.name.lower()}{refusal} {said.digest.hex()} {said.reason}".strip()
