"""One digest for a prompt: one thread and two, both kernels, the definition, browser and Node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from engines import browser_digests, in_browser, in_node, node_digests
from test_render import by_definition

from groundstation.media.records.bundle import viewer_page, write_bundle
from shared.media.coding.residual import Residual, encode_residual, step_count
from shared.media.generator import Loaded, read_generator, write_generator
from shared.media.kinds.basis import Basis
from shared.media.kinds.network import Dense, Network
from shared.media.kinds.planes import Planes
from shared.media.kinds.planes_drawing import compiled_library
from shared.media.message import prompt_record
from shared.media.pixels import pixel_digest
from shared.media.prompt import Attribute, Grammar, Prompt
from shared.media.render import Renderer

KERNELS = ("numpy", "c") if compiled_library() else ("numpy",)
VALUES = ("xyz", "qrstu", "o")


def wild(seed: int, channels: int, *, extreme: bool) -> Basis:
    """A generator of random numbers; extreme ones go to the limits that the format has."""
    rng = np.random.default_rng(seed)
    terms = ((), (0,), (1,), (0, 2), (1, 2, 3), (3, 3, 3), (4,), (0, 4, 5), (5, 5))
    coded = rng.random((len(terms), 35)) < 0.5
    waves = np.rint(rng.laplace(0, 40, (int(coded.sum()), 64)) / (1 + np.arange(64) / 4))
    waves[:, 0] += 700
    bound = 32767 if extreme else 9000
    if extreme:  # coefficients of +-2**26, of which one wave alone fills a plane
        waves[:] = 0
        waves[np.arange(len(waves)), rng.integers(0, 64, len(waves))] = rng.choice(
            [-2200, 2200], len(waves)
        )
    thresholds = np.sort(rng.integers(0, 2**20, (channels, 255)), axis=1)
    return Basis(
        name=f"wild {seed}",
        width=50,
        height=37,
        grammar=Grammar(
            (
                Attribute("a", ("x", "y", "z")),
                Attribute("b", tuple("qrstu")),
                Attribute("c", ("o",)),
            ),
            (200, 17),
        ),
        tables=tuple(
            rng.integers(-bound, bound + 1, shape).astype(np.int16)
            for shape in ((3, 2, channels), (5, 1, channels), (1, 1, channels))
        ),
        gains=rng.integers(-400, 401, (2, channels)).astype(np.int16),
        terms=terms,
        steps=tuple(1000 if extreme else int(v) for v in rng.integers(5, 200, len(terms))),
        coded=coded,
        waves=waves.astype(np.int16),
        curves=thresholds.astype(np.int32),
        notes={"licence": "none <needed> & </script>"},
    )


def wild_network(seed: int, channels: int, *, extreme: bool) -> Network:
    """The planes of a wild basis, weighted by a network of random numbers."""
    base, rng = wild(seed, channels, extreme=extreme), np.random.default_rng(seed)

    def layer(outputs: int, inputs: int) -> Dense:
        return Dense(
            rng.integers(-128, 128, (outputs, inputs)).astype(np.int8),
            rng.integers(0, 32768 if extreme else 900, outputs).astype(np.int32),
            rng.integers(-9000, 9000, outputs).astype(np.int32),
            3 if extreme else 17,
        )

    shared = {field.name: getattr(base, field.name) for field in fields(Planes)}
    inputs, planes = base.factors, len(base.steps)
    hidden = (layer(5, inputs), layer(3, inputs + 5))
    return Network(hidden=hidden, output=layer(planes, inputs + 8), **shared)


GENERATORS: dict[str, Basis | Network] = {
    f"{channels} channels{', extreme' if extreme else ''}": wild(n, channels, extreme=extreme)
    for n, (channels, extreme) in enumerate(
        [(3, False), (1, False), (4, False), (3, True), (4, True)]
    )
} | {
    f"network, {channels} channels{', extreme' if extreme else ''}": wild_network(
        n, channels, extreme=extreme
    )
    for n, (channels, extreme) in enumerate([(3, False), (4, False), (3, True)], 5)
}


def with_residual(generator: Basis | Network, prompt: Prompt, seed: int) -> Prompt:
    """The prompt with a random residual, dense enough to reach every kind of context."""
    rng = np.random.default_rng(seed)
    drawn = Renderer(generator, kernel="numpy")(prompt)
    blocks = {}
    for plane in range(generator.channels):
        for block in np.flatnonzero(rng.random(35) < 0.4).tolist():
            waves = np.rint(rng.laplace(0, 2, 64) * (rng.random(64) < rng.random())).astype(int)
            waves[rng.integers(64)] = rng.choice([-9000, -16, 15, 1, 300])
            blocks[plane, block] = waves.tolist()
    codes = tuple(int(code) for code in rng.integers(0, 30, step_count(generator.channels)))
    return replace(prompt, residual=encode_residual(drawn, Residual(codes, blocks)))


def asked(name: str) -> list[Prompt]:
    """Prompts of a generator; the last three with residuals."""
    plain = prompts(len(name))
    return plain + [
        with_residual(GENERATORS[name], prompt, n) for n, prompt in enumerate(plain[:3])
    ]


def prompts(seed: int) -> list[Prompt]:
    rng = np.random.default_rng(seed)
    ends = [Prompt((0, 0, 0), (0, 0)), Prompt((2, 4, 0), (127, -127)), Prompt((1, 3, 0), (-127, 1))]
    return ends + [
        Prompt(
            (int(rng.integers(3)), int(rng.integers(5)), 0),
            (int(rng.integers(-127, 128)), int(rng.laplace(0, 3))),
        )
        for _ in range(5)
    ]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A bundle of each generator; the names of the pictures tell which prompt they are."""
    place = tmp_path_factory.mktemp("bundles")
    found: dict[str, Path] = {}
    for name, generator in GENERATORS.items():
        loaded, renderer = loaded_of(generator), Renderer(generator, kernel="numpy")
        records = {
            f"{name}: {number} ä &": prompt_record(generator, prompt, renderer(prompt))
            for number, prompt in enumerate(asked(name))
        }
        path = place / f"{len(found)}.rhmb"
        path.write_bytes(write_bundle(loaded, records))
        found[name] = path
    return found


@pytest.fixture(scope="module")
def defined() -> Mapping[str, str]:
    """Digests by the definition in Python's integers."""
    return {
        f"{name}: {number} ä &": pixel_digest(by_definition(generator, prompt)).hex()
        for name, generator in GENERATORS.items()
        for number, prompt in enumerate(prompts(len(name))[:4])
    }


def loaded_of(generator: Basis | Network) -> Loaded:
    return read_generator(write_generator(generator))


def in_python(kernel: str, threads: int) -> dict[str, str]:
    found = {}
    for name, generator in GENERATORS.items():
        renderer = Renderer(generator, kernel=kernel, threads=threads)
        for number, prompt in enumerate(asked(name)):
            found[f"{name}: {number} ä &"] = pixel_digest(renderer(prompt)).hex()
    return found


@pytest.fixture(scope="module")
def digests() -> Mapping[str, str]:
    """Of numpy with one thread, which the others are compared with."""
    found = in_python("numpy", 1)
    assert len(set(found.values())) > 30
    return found


def test_numpy_is_the_definition(digests: Mapping[str, str], defined: Mapping[str, str]) -> None:
    assert {name: digests[name] for name in defined} == defined


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_and_threads(kernel: str, threads: int, digests: Mapping[str, str]) -> None:
    assert in_python(kernel, threads) == digests


@in_browser
def test_browser(bundles: Mapping[str, Path], digests: Mapping[str, str], tmp_path: Path) -> None:
    found: dict[str, str] = {}
    for path in bundles.values():
        page = tmp_path / "page.html"
        page.write_text(viewer_page(path.read_bytes()), "utf-8")
        found |= browser_digests(page)
    assert found == digests


@in_node
def test_node(bundles: Mapping[str, Path], digests: Mapping[str, str]) -> None:
    assert node_digests(list(bundles.values())) == digests
