"""The prompt of an image: what of a family it is, in a few bytes.

Attributes are choices among listed values; latents are small integers that a generator may ask for
beside them.  Both go into one interval code (``shared.seeds.interval``), so that there is one
rounding to whole bytes an image: eight parts in twelve colours are 28.7 bits, four bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import contains
from typing import Final

from shared.errors import InputError, RegenerationError
from shared.seeds.interval import IntervalDecoder, IntervalEncoder

LATENT_LIMIT: Final = 127
RESIDUAL_MARK: Final = 0
"""Last byte of a prompt with a residual; the code of one without never ends in it."""
_MOST_CODE: Final = 255
_PEAK: Final = 1 << 20


@dataclass(frozen=True)
class Attribute:
    """A property in which the images of a family differ.

    Attributes:
        name: as users write it.
        values: what it can be.
    """

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Prompt:
    """What a generator is told.

    Attributes:
        choices: for each attribute the position of its value.
        latents: for each latent an integer within ``LATENT_LIMIT``.
        picks: for each draw of a generator that draws, the position in its codebook: the seed.
        residual: what is added to the drawing (``shared.media.coding``); empty for nothing.
    """

    choices: tuple[int, ...]
    latents: tuple[int, ...] = ()
    picks: tuple[int, ...] = ()
    residual: bytes = b""


@dataclass(frozen=True)
class Grammar:
    """What prompts a generator understands.

    Attributes:
        attributes: in the order in which they are coded.
        decays: for each latent how fast frequencies fall with magnitude, 1 to 255 in 256ths.
        books: for each draw the size of its codebook, all alike likely.
    """

    attributes: tuple[Attribute, ...]
    decays: tuple[int, ...] = ()
    books: tuple[int, ...] = ()

    def plain(self, choices: tuple[int, ...]) -> Prompt:
        """The prompt that says no more than these choices."""
        return Prompt(choices, (0,) * len(self.decays), (0,) * len(self.books))

    def holds(self, prompt: Prompt) -> bool:
        """Whether a prompt is one of this grammar."""
        sizes = [len(attribute.values) for attribute in self.attributes]
        return (
            _within(prompt.choices, [range(size) for size in sizes])
            and _within(prompt.latents, [range(-LATENT_LIMIT, LATENT_LIMIT + 1)] * len(self.decays))
            and _within(prompt.picks, [range(size) for size in self.books])
        )

    def choose(self, values: Mapping[str, str]) -> tuple[int, ...]:
        """The choices of named values.

        Raises:
            InputError: an attribute is missing, or unknown, or has no such value.
        """
        names = [attribute.name for attribute in self.attributes]
        unknown = sorted(set(values) - set(names))
        if unknown or len(values) < len(names):
            missing = [name for name in names if name not in values]
            raise InputError(
                f"the attribute {(unknown or missing)[0]!r} is "
                + ("none of this family" if unknown else "not given"),
                expected=f"a value for each of {', '.join(names)}",
                remedy="name every attribute once, as `media info` lists them",
            )
        return tuple(_position(attribute, values[attribute.name]) for attribute in self.attributes)

    def named(self, prompt: Prompt) -> dict[str, str]:
        """The values that a prompt chooses, by the names of their attributes."""
        pairs = zip(self.attributes, prompt.choices, strict=True)
        return {attribute.name: attribute.values[choice] for attribute, choice in pairs}


def encode_prompt(grammar: Grammar, prompt: Prompt) -> bytes:
    """The shortest bytes of a prompt.

    They end in a zero byte only with a residual: code | residual | size of the code | 0.

    Raises:
        ValueError: the prompt is not of this grammar, or too long to take a residual.
    """
    code = _code_of(grammar, prompt)
    if not prompt.residual:
        return code
    if len(code) > _MOST_CODE:
        raise ValueError(f"a prompt of {len(code)} bytes takes no residual")
    return code + prompt.residual + bytes([len(code), RESIDUAL_MARK])


def _code_of(grammar: Grammar, prompt: Prompt) -> bytes:
    encoder = IntervalEncoder()
    for attribute, choice in zip(grammar.attributes, prompt.choices, strict=True):
        encoder.encode(choice, 1, len(attribute.values))
    for decay, latent in zip(grammar.decays, prompt.latents, strict=True):
        starts = _cumulative(decay)
        position = latent + LATENT_LIMIT
        if not 0 <= position < len(starts) - 1:
            raise ValueError(f"a latent of {latent}")
        start = starts[position]
        encoder.encode(start, starts[position + 1] - start, starts[-1])
    for size, pick in zip(grammar.books, prompt.picks, strict=True):
        encoder.encode(pick, 1, size)
    return encoder.finish()


def decode_prompt(grammar: Grammar, stream: bytes) -> Prompt:
    """Reads a prompt that must be in its one encoding.

    Raises:
        RegenerationError: the bytes are not what ``encode_prompt`` gives for any prompt.
    """
    code, residual = _split(stream)
    decoder = IntervalDecoder(code)
    choices = []
    for attribute in grammar.attributes:
        choice = decoder.target(len(attribute.values))
        decoder.consume(choice, 1, len(attribute.values))
        choices.append(choice)
    latents = []
    for decay in grammar.decays:
        starts = _cumulative(decay)
        target = decoder.target(starts[-1])
        position = next(i for i in range(len(starts) - 1) if target < starts[i + 1])
        decoder.consume(starts[position], starts[position + 1] - starts[position], starts[-1])
        latents.append(position - LATENT_LIMIT)
    picks = []
    for size in grammar.books:
        picks.append(decoder.target(size))
        decoder.consume(picks[-1], 1, size)
    if not decoder.is_whole():
        raise RegenerationError(
            f"the prompt {stream.hex() or '(empty)'} is not in its shortest form",
            remedy="encode it again with this generator",
        )
    return Prompt(tuple(choices), tuple(latents), tuple(picks), residual)


def _split(stream: bytes) -> tuple[bytes, bytes]:
    """The code and the residual of a prompt; the residual is not empty if there is a mark."""
    if stream[-1:] != bytes([RESIDUAL_MARK]):
        return stream, b""
    size = stream[-2] if len(stream) > 1 else 0
    code, residual = stream[:size], stream[size:-2]
    if not residual:
        raise RegenerationError(
            f"a prompt of {len(stream)} bytes ends in the mark of a residual and has none",
            remedy="encode it again with this generator",
        )
    return code, residual


def latent_frequencies(decay: int) -> tuple[int, ...]:
    """Frequencies of the latents -127 to 127, which fall by ``decay / 256`` a step, at least 1."""
    side = [_PEAK]
    for _ in range(LATENT_LIMIT):
        side.append(max(1, side[-1] * decay >> 8))
    return tuple(side[:0:-1] + side)


def _cumulative(decay: int) -> Sequence[int]:
    starts = [0]
    for frequency in latent_frequencies(decay):
        starts.append(starts[-1] + frequency)
    return starts


def _within(numbers: Sequence[int], ranges: Sequence[range]) -> bool:
    return len(numbers) == len(ranges) and all(map(contains, ranges, numbers))


def _position(attribute: Attribute, value: str) -> int:
    if value not in attribute.values:
        raise InputError(
            f"{attribute.name} has no value {value!r}",
            expected=f"one of {', '.join(attribute.values)}",
            remedy="choose a value that the family was trained with, or train it anew with more",
        )
    return attribute.values.index(value)
