"""``linksim send`` and ``linksim listen``: frames over UDP, for ground systems and tests."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from probe.listen.faults import told
from probe.messages.apply import read_envelope
from probe.messages.model import budget_of, regenerator
from probe.trees.onboard import open_probe
from shared.ccsds.stack import Stack
from shared.message.envelope import Limits
from shared.terminal import print_json, reports_errors, silent
from sims.mission.endpoints import BUDGET, take
from sims.mission.strategies import Order, Strategy
from sims.mission.udp import LARGEST_DATAGRAM, Receiver, address_of, datagrams, listening, transmit
from sims.scenario.schema import CODINGS

Coding = Annotated[str, typer.Option(help=f"One of {', '.join(CODINGS)}.")]
FrameBytes = Annotated[int, typer.Option(min=20, max=1024, help="Length of a frame at most.")]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


@reports_errors
def send(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An envelope.")],
    udp: Annotated[str, typer.Option(help="HOST:PORT of the modulator or of linksim listen.")],
    strategy: Annotated[str, typer.Option(help="once, AAABBB or ABCABC.")] = Order.ONCE.value,
    copies: Annotated[int, typer.Option(min=1, max=1000, help="Times a frame is sent.")] = 3,
    rate: Annotated[float, typer.Option(min=0.0, help="Bits a second; 0: at once.")] = 0.0,
    coding: Coding = "bch",
    max_frame_bytes: FrameBytes = 1024,
    as_json: Json = False,
) -> None:
    """Put an envelope on the air: one UDP datagram for each CLTU, idle bytes around it."""
    envelope = read_envelope(file, Limits().max_envelope_bytes)
    packets = datagrams(envelope, _stack(coding, max_frame_bytes), _strategy(strategy, copies))
    transmit(packets, address_of(udp), rate)
    facts = {"datagrams": len(packets), "bytes": sum(map(len, packets))}
    if as_json:
        print_json(facts)
    else:
        typer.echo(f"{facts['datagrams']} datagrams, {facts['bytes']} B to {udp}")


@reports_errors
def listen(
    udp: Annotated[str, typer.Option(help="HOST:PORT to hear datagrams at.")],
    state: Annotated[Path, typer.Option(help="The probe's state folder.")],
    seconds: Annotated[
        float | None, typer.Option(min=0.0, help="Stop after so long without a datagram.")
    ] = None,
    coding: Coding = "bch",
    max_frame_bytes: FrameBytes = 1024,
    as_json: Json = False,
) -> None:
    """Hear CLTUs as UDP datagrams and do what they hold, as probe apply and probe disclose do."""
    receiver = Receiver(_stack(coding, max_frame_bytes))
    with listening(address_of(udp)) as ears:
        ears.settimeout(seconds)
        _say({"what": "listening", "port": ears.getsockname()[1]}, as_json)
        while True:
            try:
                signal = ears.recv(LARGEST_DATAGRAM)
            except TimeoutError:
                return
            envelopes, faults = receiver.hear(signal)
            if faults:
                _say({"what": "dropped", "why": told(faults)}, as_json)
            for envelope in envelopes:
                _say(_given(state, envelope), as_json)


def _given(state: Path, envelope: bytes) -> dict[str, object]:
    """What the probe does with an envelope."""
    with open_probe(state) as probe:
        follow = regenerator(probe.config, budget_of(*BUDGET[:2], BUDGET[2]), silent)
        outcome = take(probe, envelope, follow, time.time)
    if outcome.applied or outcome.held:
        return {"what": "applied" if outcome.applied else "held", "bytes": len(envelope)}
    return {"what": "refused", "kind": outcome.refusal, "why": outcome.found}


def _say(facts: dict[str, object], as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        typer.echo(", ".join(f"{name} {value}" for name, value in facts.items()))


def _stack(coding: str, max_frame_bytes: int) -> Stack:
    if coding not in CODINGS:
        raise typer.BadParameter(f"--coding is one of {', '.join(CODINGS)}")
    return Stack(channel=CODINGS[coding], max_frame_bytes=max_frame_bytes)


def _strategy(name: str, copies: int) -> Strategy:
    if name not in [order.value for order in Order]:
        raise typer.BadParameter(f"--strategy is one of {', '.join(o.value for o in Order)}")
    return Strategy(Order(name), copies)
