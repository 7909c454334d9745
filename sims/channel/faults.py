"""What else happens to a CLTU on the way, decided before it is known what it carries."""

from __future__ import annotations

from dataclasses import dataclass

from sims.random_streams import Stream


@dataclass(frozen=True)
class Faults:
    """Chances for each CLTU.

    Attributes:
        truncate: the station stops sending in the middle of it.
        lose_lock: the probe's receiver loses bit lock somewhere in it, and finds it again in the
            idle sequence that follows.
        duplicate: what was received is handed on twice, as by a relay.
        delay: it is held up on the way by up to ``delay_s``, and may be overtaken.
        delay_s: by how much at most.
    """

    truncate: float = 0.0
    lose_lock: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    delay_s: float = 0.0


@dataclass(frozen=True)
class Fate:
    """What happens to one CLTU.

    Attributes:
        usable_bits: how many of its bits, from the first, reach the decoder.
        causes: why not all of them, and what else happens; for the trace.
        delays_s: one a copy that arrives, behind the light time.
    """

    usable_bits: int
    causes: tuple[str, ...] = ()
    delays_s: tuple[float, ...] = (0.0,)


def draw_fate(faults: Faults, bits: int, copy_s: float, stream: Stream) -> Fate:
    """Decides; always uses seven numbers, so that one chance changed moves no other event.

    Args:
        faults: the chances.
        bits: of the CLTU.
        copy_s: how long a copy follows behind.
        stream: of this CLTU alone.
    """
    truncated, cut = stream.happens(faults.truncate), stream.below(bits)
    unlocked, lost = stream.happens(faults.lose_lock), stream.below(bits)
    doubled = stream.happens(faults.duplicate)
    held, share = stream.happens(faults.delay), stream.uniform()
    causes, usable = [], bits
    if truncated:
        causes.append("truncated")
        usable = min(usable, cut)
    if unlocked:
        causes.append("lock lost")
        usable = min(usable, lost)
    first = share * faults.delay_s if held else 0.0
    if held:
        causes.append("delayed")
    delays = (first, copy_s) if doubled else (first,)
    if doubled:
        causes.append("duplicated")
    return Fate(usable, tuple(causes), delays)
