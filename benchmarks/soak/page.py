"""SOAK.md: what a soak's lines, messages and memory were."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Final

from benchmarks.soak.bench import COPIES, WINDOW, Kind, Soak
from sims.hil.messages import BY_MODEL, HOSTILE, VALID

LINES: Final = {"udp": "UDP", "serial": "serial line"}
FORMS: Final = {
    ("udp", "bare"): "a datagram each",
    ("serial", "bare"): "SLIP",
    ("udp", "ccsds"): "CLTUs, a datagram each",
    ("serial", "ccsds"): "CLTUs",
}


def page(soaks: Sequence[Soak], seed: int, since: int, bound_kib: int) -> str:
    """The report."""
    return "\n".join(
        [
            *_head(soaks, seed),
            *_weather(soaks),
            *_sent(soaks),
            *_kinds(soaks),
            *_memory(soaks, since, bound_kib),
            "",
        ]
    )


def title(kind: Kind) -> str:
    """A line in words."""
    return f"{LINES[kind.line]}, {FORMS[kind.line, kind.form]}"


def _head(soaks: Sequence[Soak], seed: int) -> list[str]:
    valid = soaks[0].kinds[VALID]
    return [
        "# The listening probe under load",
        "",
        "Written by `python -m benchmarks.soak`; do not edit. `probe listen` in a process of its",
        "own, on a UDP socket and on a pseudoterminal as serial line, behind a proxy that loses,",
        "damages, doubles and reorders what passes, both ways, by a seed. The ground sends what is",
        f"valid, {WINDOW} messages under way at once, until telemetry says that it was applied,",
        f"now or before; what is hostile it sends {COPIES} times. Bytes without any frame come in",
        f"between. One valid message in {BY_MODEL} is written by a model (a very small one), the",
        "others are classical deltas. At the end the probe's history must hold exactly the valid",
        "messages, in order, and the root the last tree; else this page is not written.",
        "",
        f"Seed {seed}; {platform.machine()}, Python {platform.python_version()}. How often a",
        "message is sent again depends on times, which no seed gives.",
        "",
        f"**{sum(soak.applied for soak in soaks)} of {valid * len(soaks)} valid messages were"
        f" applied, in order; of {sum(map(_hostile, soaks))} hostile ones none.**",
        "",
    ]


def _hostile(soak: Soak) -> int:
    return sum(soak.kinds.values()) - soak.kinds[VALID]


def _weather(soaks: Sequence[Soak]) -> list[str]:
    lines = [
        "| line | chances, each way |",
        "|---|---|",
    ]
    for kind in {soak.kind.line: soak.kind for soak in soaks}.values():
        some = kind.weather
        if kind.line == "udp":
            told = (
                f"a datagram: lost {some.lose:.0%}, 1 to 3 bits flipped {some.damage:.0%},"
                f" doubled {some.double:.0%}, overtaken by 1 to 3 others {some.overtake:.0%}"
            )
        else:
            told = f"a byte: left out {some.drop_byte:.1%}, a bit flipped {some.flip_byte:.1%}"
        lines.append(f"| {LINES[kind.line]} | {told} |")
    return [*lines, ""]


def _sent(soaks: Sequence[Soak]) -> list[str]:
    lines = [
        "| line | telemetry | messages | sent | of them again | up: passed | lost | damaged |"
        " doubled | overtaken | telemetry understood | applied |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for soak in soaks:
        up = soak.up
        lines.append(
            f"| {title(soak.kind)} | {soak.kind.telemetry} | {sum(soak.kinds.values())} |"
            f" {soak.sent:,} | {soak.repeated:,} | {up.passed:,} | {up.lost:,} | {up.damaged:,} |"
            f" {up.doubled:,} | {up.overtaken:,} | {soak.heard:,} | {soak.applied} |"
        )
    return [*lines, "", "Passed, lost and damaged: datagrams on UDP, bytes on a serial line.", ""]


def _kinds(soaks: Sequence[Soak]) -> list[str]:
    lines = [
        "| message, all lines together | different ones | applied |",
        "|---|---:|---:|",
    ]
    for kind in (VALID, *HOSTILE):
        count = sum(soak.kinds.get(kind, 0) for soak in soaks)
        applied = sum(soak.applied for soak in soaks) if kind == VALID else 0
        lines.append(f"| {kind} | {count} | {applied} |")
    return [*lines, ""]


def _memory(soaks: Sequence[Soak], since: int, bound_kib: int) -> list[str]:
    marks = [each.messages for each in soaks[0].memory]
    lines = [
        "Resident memory of the probe's process (VmRSS), MiB, after so many messages:",
        "",
        f"| line | {' | '.join(map(str, marks))} | grown since {since} | highest | processor, s |",
        "|---|" + "---:|" * (len(marks) + 3),
    ]
    for soak in soaks:
        cells = " | ".join(f"{each.resident_kib / 1024:.1f}" for each in soak.memory)
        last = soak.memory[-1]
        lines.append(
            f"| {title(soak.kind)} | {cells} | {soak.grown_kib(since) / 1024:+.1f} |"
            f" {last.highest_kib / 1024:.1f} | {last.cpu_s:.1f} |"
        )
    return [*lines, "", f"More than {bound_kib / 1024:g} MiB since {since} would fail the run."]
