"""Which prompts might draw a picture: what its attributes say, and what is fitted to it."""

from __future__ import annotations

from collections.abc import Iterator

from groundstation.media.family import Member
from groundstation.media.learn.diffusion.search import searched
from groundstation.media.learn.network.latents import fitted_latents
from shared.errors import InputError
from shared.media.fixed import U8
from shared.media.kinds.diffusion import Diffusion
from shared.media.kinds.network import Network
from shared.media.prompt import Prompt
from shared.media.render import Renderer


def prompts_for(member: Member, pixels: U8, renderer: Renderer) -> Iterator[tuple[Prompt, bool]]:
    """Prompts to try, the shortest first, and whether they say what the picture shows.

    Where all values were learned these are its attributes alone, then those with what the
    generator takes beside them.  With one value that was not, each value is tried in its place.
    Nothing for a picture of another size.
    """
    generator = renderer.generator
    grammar = generator.grammar
    if pixels.shape != (generator.height, generator.width, generator.channels):
        return
    try:
        choices = grammar.choose(member.values)
    except InputError:
        unknown = [a for a in grammar.attributes if member.values.get(a.name) not in a.values]
        if len(unknown) != 1 or set(member.values) - {a.name for a in grammar.attributes}:
            return
        for value in unknown[0].values:
            values = {**member.values, unknown[0].name: value}
            yield grammar.plain(grammar.choose(values)), False
        return
    yield from ((prompt, True) for prompt in fitted_prompts(choices, pixels, renderer))


def fitted_prompts(choices: tuple[int, ...], pixels: U8, renderer: Renderer) -> Iterator[Prompt]:
    """Prompts of known attributes, the shortest first: without and with what is fitted."""
    generator = renderer.generator
    if isinstance(generator, Diffusion):
        yield searched(generator, choices, pixels)
        return
    yield generator.grammar.plain(choices)
    if isinstance(generator, Network) and generator.grammar.decays:
        yield fitted_latents(renderer, choices, pixels)
