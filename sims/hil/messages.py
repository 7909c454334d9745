"""What benches send: a chain of valid messages, hostile ones of every kind between them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.auth.keys import key_id
from shared.auth.rotation import DOMAIN_1
from shared.digest import sha256
from shared.message.envelope import Limits, sign
from shared.message.wire import encode_message
from shared.prompts.language_model.model import LanguageModel
from shared.tree import Entry, Mode, Tree
from sims.hil.recipes import written

VALID = "valid"
LIMITS = Limits(max_envelope_bytes=2048, max_counter_jump=1000)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(60, 92)))
"""The ground's."""
STEP = 3
"""From the counter of one valid message to that of the next; 0 counts as used up."""
BY_MODEL = 4
"""One valid message in so many is written by the model."""


@dataclass(frozen=True)
class Item:
    """Something to send.

    Attributes:
        kind: ``VALID``, or what is wrong with it.
        data: its bytes.
        target: of a valid one, the tree that it brings.
    """

    kind: str
    data: bytes
    target: Tree | None = None

    @property
    def digest(self) -> bytes:
        """What telemetry calls it."""
        return sha256(self.data)[:8]


@dataclass(frozen=True)
class Moment:
    """What a forger knows when he makes a message.

    Attributes:
        valid: the valid message that comes next.
        counter: its counter.
        base: the tree on board before it.
        earlier: valid messages before it, oldest first.
        model: the pinned model.
        choose: his dice.
    """

    valid: bytes
    counter: int
    base: Tree
    earlier: Sequence[bytes]
    model: LanguageModel
    choose: random.Random


def first_tree() -> Tree:
    """What is on board at the start."""
    lines = b"".join(b"%d: %d\n" % (n, n * n % 997) for n in range(60))
    return Tree(
        {
            "app/main.c": Entry(Mode.REGULAR, b"int main(void)\n{\n    return 0;\n}\n"),
            "app/table.txt": Entry(Mode.REGULAR, lines),
            "app/run.sh": Entry(Mode.EXECUTABLE, b"#!/bin/sh\nexec ./app\n"),
            "lib/image.bin": Entry(Mode.REGULAR, random.Random(5).randbytes(3000)),
        }
    )


def next_tree(tree: Tree, turn: int) -> Tree:
    """The tree after one more patch; no two are alike."""
    main = b"int main(void)\n{\n    return %d;\n}\n" % turn
    match turn % 5:
        case 1:
            lines = tree["app/table.txt"].data.splitlines(keepends=True)
            lines[turn % len(lines)] = b"turn %d\n" % turn
            return tree.replace({"app/table.txt": Entry(Mode.REGULAR, b"".join(lines))})
        case 2:
            new = {f"new/{turn % 30}.txt": Entry(Mode.REGULAR, b"made in turn %d\n" % turn)}
            return tree.replace({**new, "app/main.c": Entry(Mode.REGULAR, main)})
        case 3:
            data = bytearray(tree["lib/image.bin"].data)
            data[turn % 3000] ^= turn % 255 + 1
            tag = Entry(Mode.REGULAR, b"%d\n" % turn)
            return tree.replace({"lib/image.bin": Entry(Mode.REGULAR, bytes(data)), "tag": tag})
        case _:
            return tree.replace({"app/main.c": Entry(Mode.REGULAR, main)})


def _noise(moment: Moment) -> bytes:
    return moment.choose.randbytes(moment.choose.randint(1, 300))


def _truncated(moment: Moment) -> bytes:
    return moment.valid[: moment.choose.randrange(1, len(moment.valid))]


def _flipped(moment: Moment) -> bytes:
    data = bytearray(moment.valid)
    data[moment.choose.randrange(len(data))] ^= 1 << moment.choose.randrange(8)
    return bytes(data)


def _lengthened(moment: Moment) -> bytes:
    return moment.valid + moment.choose.randbytes(3)


def _too_long(moment: Moment) -> bytes:
    return moment.valid + moment.choose.randbytes(LIMITS.max_envelope_bytes)


def _unknown_key(moment: Moment) -> bytes:
    return _signed(moment, key=_stranger(moment))


def _forged(moment: Moment) -> bytes:
    """A stranger's signature under the name of the ground's key."""
    data = _signed(moment, key=_stranger(moment))
    return bytes([key_id(KEY.public_key())]) + data[1:]


def _replayed(moment: Moment) -> bytes:
    return moment.choose.choice(moment.earlier or [b"\x00"])


def _stale(moment: Moment) -> bytes:
    """New, signed, for the tree on board, but with a counter that is used up."""
    return _signed(moment, counter=moment.choose.randrange(moment.counter - STEP + 1))


def _too_far(moment: Moment) -> bytes:
    return _signed(moment, counter=moment.counter + LIMITS.max_counter_jump + 500)


def _elsewhere(moment: Moment) -> bytes:
    """Signed, for a tree that never was on board."""
    other = moment.base.replace({"other": Entry(Mode.REGULAR, moment.choose.randbytes(9))})
    return _signed(moment, base=other)


def _wrong_patch(moment: Moment) -> bytes:
    """Signed, for the tree on board, but it does not lead where it says."""
    recipe = written(moment.base, _mischief(moment.base), moment.model, by_model=False)
    wrong = replace(recipe, patch_digest=moment.choose.randbytes(8))
    return sign(encode_message(wrong, moment.counter), wrong.pin, wrong.baseline, KEY)


def _leads_nowhere(moment: Moment) -> bytes:
    """Signed, but its decisions are noise."""
    recipe = written(moment.base, _mischief(moment.base), moment.model, by_model=False)
    wrong = replace(recipe, stream=moment.choose.randbytes(19) + b"\x01", blobs=b"")
    return sign(encode_message(wrong, moment.counter), wrong.pin, wrong.baseline, KEY)


def _other_model(moment: Moment) -> bytes:
    return _signed(moment, pin=moment.choose.randbytes(32))


def _forged_keys(moment: Moment) -> bytes:
    """A change of trusted keys that a stranger signed, of version 1: what boards may still know."""
    stranger = _stranger(moment)
    size = (moment.counter.bit_length() + 7) // 8
    body = bytes([key_id(stranger.public_key()), size - 1]) + moment.counter.to_bytes(size, "big")
    body += b"\0" + stranger.public_key().public_bytes_raw()
    return bytes([key_id(KEY.public_key())]) + (body + stranger.sign(DOMAIN_1 + body))[1:]


def _forged_disclosure(moment: Moment) -> bytes:
    """As long as the key of an interval, and nothing else like it."""
    return moment.choose.randbytes(19)


HOSTILE: Mapping[str, Callable[[Moment], bytes]] = {
    "noise": _noise,
    "cut short": _truncated,
    "one bit flipped": _flipped,
    "bytes appended": _lengthened,
    "longer than allowed": _too_long,
    "signed by a stranger": _unknown_key,
    "signed by a stranger in the ground's name": _forged,
    "an earlier message again": _replayed,
    "signed, counter used up": _stale,
    "signed, counter too far ahead": _too_far,
    "signed, for a tree that never was": _elsewhere,
    "signed, for another model": _other_model,
    "signed, another patch than it says": _wrong_patch,
    "signed, decisions that lead nowhere": _leads_nowhere,
    "change of keys by a stranger": _forged_keys,
    "disclosed key of no chain": _forged_disclosure,
}


def items(count: int, valid: int, model: LanguageModel, choose: random.Random) -> Iterator[Item]:
    """So many messages, so many of them valid; the last one is.

    Args:
        count: of all.
        valid: of the valid ones, at most ``count``.
        model: the pinned model.
        choose: draws what is hostile and where it stands.
    """
    tree, earlier = first_tree(), list[bytes]()
    places = {count - 1, *choose.sample(range(count - 1), valid - 1)}
    kinds: list[str] = []
    data, target, counter = _next(tree, 1, model)
    for place in range(count):
        if place in places:
            yield Item(VALID, data, target)
            earlier.append(data)
            tree = target
            data, target, counter = _next(tree, len(earlier) + 1, model)
            continue
        if not kinds:  # every kind before any comes again
            kinds = choose.sample(list(HOSTILE), len(HOSTILE))
        kind = kinds.pop()
        moment = Moment(data, counter, tree, earlier, model, choose)
        yield Item(kind, HOSTILE[kind](moment))


def _next(tree: Tree, turn: int, model: LanguageModel) -> tuple[bytes, Tree, int]:
    target, counter = next_tree(tree, turn), STEP * turn
    recipe = written(tree, target, model, by_model=turn % BY_MODEL == 0)
    return sign(encode_message(recipe, counter), recipe.pin, tree.digest, KEY), target, counter


def _stranger(moment: Moment) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(moment.choose.randbytes(32))


def _mischief(base: Tree) -> Tree:
    return base.replace({"hostile": Entry(Mode.REGULAR, b"must never be on board\n")})


def _signed(
    moment: Moment,
    *,
    key: Ed25519PrivateKey = KEY,
    counter: int | None = None,
    base: Tree | None = None,
    pin: bytes | None = None,
) -> bytes:
    """A message that would do mischief, made as a valid one but for what is named."""
    base = moment.base if base is None else base
    recipe = written(base, _mischief(base), moment.model, by_model=False)
    recipe = replace(recipe, pin=pin or recipe.pin)
    named = moment.counter if counter is None else counter
    return sign(encode_message(recipe, named), recipe.pin, base.digest, key)
