"""What is done to bytes before a parser gets them, and what it may do then.

Bytes are flipped, cut, put in and taken out; a text of JSON is changed where it hurts: numbers that
are huge, negative or none, lists for texts, nesting without end.
"""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import RehydrationError


@dataclass(frozen=True)
class Parser:
    """Something that reads bytes from outside, and valid samples.

    Attributes:
        read: takes the bytes.
        samples: that it takes.
        family: the errors that it may raise.
    """

    read: Callable[[bytes], object]
    samples: tuple[bytes, ...]
    family: type[Exception] | tuple[type[Exception], ...] = RehydrationError


def mutate(data: bytes, other: bytes, choose: random.Random) -> bytes:
    """One sample, changed in a few ways."""
    changed = bytearray(data)
    for _ in range(choose.choice([1, 1, 2, 5])):
        at = choose.randint(0, len(changed))
        match choose.randrange(7):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << choose.randrange(8)
            case 1 if changed:
                changed[at % len(changed)] = choose.choice([0, 1, 0x7F, 0x80, 0xFF])
            case 2:
                del changed[at : at + choose.randint(1, 9)]
            case 3:
                changed[at:at] = choose.randbytes(choose.randint(1, 9))
            case 4:
                del changed[at:]
            case 5:
                changed[at:at] = other[at : at + choose.randint(1, 30)]
            case _:
                changed[at : at + 4] = choose.choice([b"\xff" * 4, b"-1", b"99999999", b"../../"])
    return bytes(changed)


def attempt(parser: Parser, data: bytes) -> Exception | None:
    """What a parser does with bytes; None if that is what it promises."""
    try:
        parser.read(data)
    except parser.family:
        return None
    except Exception as error:
        return error
    return None


# --- JSON ---------------------------------------------------------------------------------------

_DEEP, _LONG = "nested without end", "a number without end"
ODD: tuple[object, ...] = (
    *(0, -1, 1, 255, 2**31, 2**53, 2**63, 2**64 - 1, -(2**63), 10**30, 10**400, 1 << 5000),
    *(
        1.5,
        -0.0,
        1e308,
        float("nan"),
        float("inf"),
        True,
        False,
        None,
        "",
        "x",
        "\udc80",
        "../../x",
    ),
    *([], {}, [[]], {"": 0}, [1, "x"], "9" * 9999, "00" * 32, _DEEP),
)
"""What stands in the place of something else."""


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a value: what holds it, and the key or number there."""
    keys = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in keys:
        found.append((value, key))
        if isinstance(item, dict | list):
            found += places(item)
    return found


def changed_json(text: bytes) -> st.SearchStrategy[bytes]:
    """Draw the text with one to three places of its value gone, doubled, or of another kind."""

    @st.composite
    def change(draw: st.DrawFn) -> bytes:
        value = json.loads(text)
        for _ in range(draw(st.integers(1, 3))):
            found = places(value)
            if not found:
                break
            holder, key = found[draw(st.integers(0, len(found) - 1))]
            match draw(st.integers(0, 9)):
                case 0:
                    del holder[key]
                case 1 if isinstance(holder, list):
                    holder.insert(key, deepcopy(holder[key]))
                case 1:
                    holder[f"{key}x"] = deepcopy(holder[key])
                case 2 if isinstance(holder[key], int | float):
                    holder[key] = holder[key] * draw(st.sampled_from([-1, 2, 1000, 10**6, 10**12]))
                case _:
                    holder[key] = deepcopy(draw(st.sampled_from(ODD)))
        return _dumped(value).replace(f'"{_DEEP}"', "[" * 5_000).encode()

    return change()


def _dumped(value: object) -> str:
    """JSON, also with a whole number that is longer than Python writes."""
    text = json.dumps(_marked(value))
    return text.replace(f'"{_LONG}"', "1" + "0" * 5000)


def _marked(value: object) -> object:
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked(item) for item in value]
    return _LONG if type(value) is int and value.bit_length() > 4000 else value


# --- checks -------------------------------------------------------------------------------------

MOST_MEMORY_BYTES = 64 << 20
"""That reading a sample of some kilobytes may take."""


def check_bytes(parser: Parser, name: str, times: int) -> None:
    """Mutate the samples of a parser so many times."""
    choose = random.Random(name)
    for sample in parser.samples:
        parser.read(sample)
    with bounded_memory():
        for _ in range(times):
            one, other = choose.choice(parser.samples), choose.choice(parser.samples)
            data = mutate(one, other, choose)
            error = attempt(parser, data)
            assert error is None, (error, data[:2000])


def check_texts(parser: Parser, times: int) -> None:
    """Change the JSON that a parser reads; hypothesis draws where and into what."""
    (sample,) = parser.samples
    parser.read(sample)

    @settings(max_examples=times)
    @given(changed_json(sample))
    def check(text: bytes) -> None:
        error = attempt(parser, text)
        assert error is None, error

    with bounded_memory():
        check()


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Check that what runs never holds more than ``MOST_MEMORY_BYTES`` of Python's and numpy's."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY_BYTES
    finally:
        tracemalloc.stop()
