"""What the probe's commands say: plain values for ``--json``, lines of text for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probe.messages.apply import Applied, Verified, pin_digest
from probe.messages.tesla import Closed, Disclosed
from probe.resources.disk import taken_bytes
from probe.resources.usage import peak_memory_kib
from probe.state.pending import Held, Pending, known_key
from probe.state.records import Entry, Ledger, Operation
from probe.trees.onboard import Probe
from probe.trees.selftest import Tested
from shared import errors
from shared.auth.keys import fingerprint, from_text, key_id, profile_of
from shared.auth.profiles import Profile
from shared.auth.tesla import Commitment
from shared.errors import RehydrationError
from shared.message.codec_version import CODEC, binding
from shared.message.envelope import NO_COUNTER
from shared.message.wire import PIN_PREFIX_BYTES

if TYPE_CHECKING:
    from probe.messages.picture import Drawn
    from shared.regenerate import Regenerated

Report = Mapping[str, Any]


def of_setup(ledger: Ledger, state: Path) -> Report:
    """A state folder made."""
    return {
        "initialised": True,
        "state": str(state),
        "tree": ledger.tree,
        "counter": _counter(ledger.counter),
    }


def of_verified(verified: Verified, envelope_bytes: int) -> Report:
    """A message that may be regenerated."""
    message = verified.message
    return {
        "verified": True,
        "counter": message.counter,
        "seed_source": message.seed_source.name.lower(),
        "envelope_bytes": envelope_bytes,
        "patch_digest": message.patch_digest.hex(),
        "baseline": verified.baseline.digest.hex(),
    }


def of_regenerated(regenerated: Regenerated) -> Report:
    """A patch, and the tree it would give."""
    return {
        "regenerated": True,
        "patch_bytes": len(regenerated.patch),
        "tokens": regenerated.tokens,
        "target": regenerated.target.digest.hex(),
    }


def of_applied(applied: Applied) -> Report:
    """A changed tree."""
    return {
        "applied": True,
        "counter": applied.entry.counter,
        "old_tree": applied.entry.old_tree,
        "new_tree": applied.entry.new_tree,
        "patch_bytes": len(applied.regenerated.patch),
        "tokens": applied.regenerated.tokens,
        "notes": list(applied.notes),
    }


def of_usage(applied: Applied) -> Report:
    """What a change of trees took: time and multiply-adds; memory of this process."""
    return {
        "seconds": round(applied.regenerated.seconds, 3),
        "cpu_seconds": round(applied.regenerated.cpu_seconds, 3),
        "operations": applied.regenerated.operations,
        "peak_memory_kib": peak_memory_kib(),
    }


def of_held(held: Held) -> Report:
    """A message that waits for its key."""
    return {
        "applied": False,
        "held": True,
        "counter": held.counter,
        "interval": held.interval,
        "envelope_bytes": len(held.data),
    }


def of_disclosed(disclosed: Disclosed) -> Report:
    """A key taken in, and what it closed."""
    return {
        "disclosed": True,
        "key_id": f"{disclosed.key_id:02x}",
        "interval": disclosed.latest.interval,
        "applied": sum(closed.applied is not None for closed in disclosed.closed),
        "messages": [_of_closed(closed) for closed in disclosed.closed],
    }


def _of_closed(closed: Closed) -> Report:
    outcome: Report = {"counter": closed.held.counter, "interval": closed.held.interval}
    if closed.applied:
        return {**outcome, **of_applied(closed.applied), "held": False}
    error = closed.refusal.as_dict() if closed.refusal else {}
    return {**outcome, "applied": False, "held": closed.kept, **error}


def of_rotated(probe: Probe) -> Report:
    """Other keys trusted."""
    pending = probe.store.pending()
    return {
        "rotated": True,
        "counter": _counter(probe.store.ledger().counter),
        "keys": [_key(key, pending) for key in probe.config.keys],
    }


def of_drawn(drawn: Drawn) -> Report:
    """A picture written."""
    message = drawn.message
    facts: dict[str, Any] = {"drawn": True, "out": str(drawn.out), "counter": message.counter}
    if drawn.shape:
        height, width, channels = drawn.shape
        facts |= {
            "prompt": message.stream.hex(),
            "prompt_bytes": len(message.stream),
            "width": width,
            "height": height,
            "channels": channels,
            "pixels_sha256": drawn.pixels_sha256.hex(),
        }
    return {**facts, "carried_file": not drawn.shape, "file_bytes": len(drawn.file)}


def of_trial(entry: Entry, tested: Tested | None) -> Report:
    """Whether a new tree is on trial, and how its self-test ended."""
    if not entry.trial_s or entry.old_tree == entry.new_tree:
        return {}
    if tested is None:
        return {"trial": f"until {_when(entry.time_s + entry.trial_s)}"}
    ended = tested.entry.operation.value if tested.entry else "undecided"
    return {"trial": ended, "self_test": tested.verdict}


def of_confirmed(entry: Entry) -> Report:
    """A tree that stays."""
    return {"confirmed": True, "tree": entry.new_tree, "counter": _counter(entry.counter)}


def of_rolled_back(entry: Entry, notes: Sequence[str] = ()) -> Report:
    """A tree put back."""
    return {
        "rolled_back": True,
        "counter": _counter(entry.counter),
        "old_tree": entry.old_tree,
        "new_tree": entry.new_tree,
        "notes": list(notes),
    }


def of_status(probe: Probe) -> Report:
    """What the probe has on record and what it finds; differences are facts here, not errors.

    ``pin_prefix`` is what messages for this pin and codec carry, as ``groundstation inspect`` shows
    it.  ``keys`` are the key id that envelopes show, a space and the public key in hex; of other
    profiles the profile and the key's fingerprint, since the key may be secret.
    """
    config, ledger, pending = probe.config, probe.store.ledger(), probe.store.pending()
    tree = _found(lambda: probe.slots.root_tree().digest)
    pin = _found(lambda: pin_digest(Path(config.model)))
    return {
        "root": config.root,
        "tree": ledger.tree,
        "tree_found": tree,
        "tree_intact": tree == ledger.tree,
        "model": config.model,
        "pin": config.pin,
        "pin_found": pin,
        "pin_intact": pin == config.pin,
        "codec": CODEC,
        "pin_prefix": binding(bytes.fromhex(config.pin))[:PIN_PREFIX_BYTES].hex(),
        "counter": _counter(ledger.counter),
        "max_counter_jump": config.max_counter_jump,
        "max_envelope_bytes": config.max_envelope_bytes,
        "keys": [_key(key, pending) for key in config.keys],
        "identity": config.identity or None,
        "rotation_threshold": config.threshold,
        "held": [
            f"counter {held.counter} for interval {held.interval}" for held in pending.messages
        ],
        "ignore": list(config.ignore),
        "swap": config.swap.value,
        "previous": ledger.previous or None,
        "aside": standing(probe),
        "trial_until": _when(ledger.trial_until_s) if ledger.trial_until_s else None,
        "history": [
            {**asdict(entry), "counter": _counter(entry.counter)} for entry in ledger.history
        ],
    }


def standing(probe: Probe) -> list[str]:
    """What takes room and could not be cleared: where it lies, what it takes, what is in it.

    The tree that a rollback has replaced stays whole until the next change; it is none of these.
    """
    ledger = probe.store.ledger()
    moves = [entry for entry in ledger.history if entry.old_tree != entry.new_tree]
    kept = bool(moves) and moves[-1].operation in (Operation.ROLLBACK, Operation.REVERT)
    places = [
        place
        for place in probe.slots.standing(ledger.previous_slot)
        if not kept or "aside-" in place.name
    ]
    return [f"{place}: {_content(place)}" for place in places]


def _content(folder: Path) -> str:
    try:
        names = sorted(path.name for path in folder.iterdir())
        return f"{taken_bytes(folder)} bytes, {', '.join(names[:4])}" + (
            f" and {len(names) - 4} more" if len(names) > 4 else ""
        )
    except OSError as error:
        return error.strerror or str(error)


def lines(report: Report) -> Iterator[str]:
    """A report as text, a line for each value."""
    for name, value in report.items():
        if name == "history":
            yield from map(_history_line, value)
        elif name == "messages":
            yield from map(_message_line, value)
        elif isinstance(value, list):
            yield from (f"{name:18} {item}" for item in value)
        elif isinstance(value, bool):
            yield f"{name:18} {'yes' if value else 'NO'}"
        else:
            yield f"{name:18} {_text(value)}"


def exit_codes() -> Iterator[tuple[int, str]]:
    """Every exit code of the probe and its meaning, ascending."""
    yield 0, "done"
    yield 1, "a defect in this program"
    yield 2, "wrong usage of the command line"
    families: tuple[type[RehydrationError], ...] = (
        errors.InputError,
        errors.PatchError,
        errors.PinError,
        errors.Refusal,
        *sorted(errors.Refusal.__subclasses__(), key=lambda family: family.exit_code),
        errors.StoreError,
        errors.OutOfMemory,
    )
    for family in families:
        yield family.exit_code, " ".join((family.__doc__ or "").split()).rstrip(".")


def _message_line(message: Mapping[str, Any]) -> str:
    outcome = "applied" if message["applied"] else f"{message['error']}: {message['found']}"
    held = " (held)" if message["held"] else ""
    return f"{'message':18} counter {message['counter']}: {outcome}{held}"


def _history_line(entry: Mapping[str, Any]) -> str:
    recovered = " (recovered)" if entry["recovered"] else ""
    return (
        f"{_when(entry['time_s'])}  {entry['operation']:9} counter {_text(entry['counter'])}  "
        f"{entry['old_tree'][:12] or '-':12} -> {entry['new_tree'][:12]}{recovered}"
    )


def _when(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _counter(number: int) -> int | None:
    """The last counter used, None where none was."""
    return None if number == NO_COUNTER else number


def _text(value: object) -> str:
    return "-" if value is None else str(value)


def _key(text: str, pending: Pending) -> str:
    key = from_text(text)
    if profile_of(key) is Profile.ED25519:
        return f"{key_id(key):02x} {text}"
    shown = f"{key_id(key):02x} {profile_of(key).value} {fingerprint(key).hex()[:16]}"
    if isinstance(key, Commitment):
        shown += f" disclosed {known_key(pending, key).interval} of {key.schedule.intervals}"
    return shown


def _found(look: Callable[[], bytes]) -> str | None:
    """A digest in hex, or None where there is nothing to take one of."""
    try:
        return look().hex()
    except RehydrationError:
        return None
