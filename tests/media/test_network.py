"""The kind network: its file, its arithmetic, and how it is learned."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Shown
from typer.testing import CliRunner

from groundstation.cli import app
from groundstation.media.family import read_family
from groundstation.media.images import read_picture
from groundstation.media.judge.gate import Gate, judge
from groundstation.media.learn.basis import samples_of, stored
from groundstation.media.learn.fits import models_of
from groundstation.media.learn.network.fit import Plan, fit_network
from groundstation.media.learn.network.latents import fitted_latents
from groundstation.media.learn.network.quantise import quantised
from groundstation.media.learn.network.style import train_style
from groundstation.media.learn.train import Target, train
from groundstation.media.records.encode import encode_original
from shared.errors import InputError, PinError, RehydrationError
from shared.media.generator import Loaded, read_generator, write_generator
from shared.media.kinds.basis import Basis
from shared.media.kinds.network import Dense, Network, plane_weights
from shared.media.kinds.planes import Planes
from shared.media.prompt import Attribute, Prompt, decode_prompt, encode_prompt
from shared.media.render import Renderer
from shared.terminal import silent

PLAN = Plan(planes=4, hidden=(8,), latents=1, updates=1500)


def layer(weights: list[list[int]], scales: list[int], biases: list[int], shift: int) -> Dense:
    return Dense(
        np.array(weights, np.int8), np.array(scales, np.int32), np.array(biases, np.int32), shift
    )


@pytest.fixture(scope="module")
def small(pocket: Basis) -> Network:
    """The planes of ``pocket`` behind a network with one hidden number."""
    shared = {field.name: getattr(pocket, field.name) for field in dataclasses.fields(Planes)}
    return Network(
        hidden=(layer([[64, -32, 5, 1, 0]], [128], [409], 13),),
        output=layer([[1, 2, 3, 4, 5, n - 2] for n in range(5)], [64, 32, 16, 8, 4], [7] * 5, 9),
        **shared,
    )


def test_weights_by_hand(small: Network) -> None:
    prompt = Prompt((2, 1), (3, -5))
    table = [*small.tables[0][2].tolist(), *small.tables[1][1].tolist()]
    latents = [[3 * int(v) for v in small.gains[0]], [-5 * int(v) for v in small.gains[1]]]
    red = [row[0] for row in (*table, *latents)]
    hidden = (64 * red[0] - 32 * red[1] + 5 * red[2] + red[3]) * 128
    square = ((hidden + 4096) // 8192 + 409) ** 2
    square = min(32767, (square + 2048) // 4096)
    wanted = []
    for n, scale in enumerate([64, 32, 16, 8, 4]):
        total = sum(w * v for w, v in zip([1, 2, 3, 4, 5, n - 2], [*red, square], strict=True))
        wanted.append(max(-32767, min(32767, (total * scale + 256) // 512 + 7)))
    assert plane_weights(small, prompt)[:, 0].tolist() == wanted


def test_a_file_gives_the_same_pixels(small: Network) -> None:
    data = write_generator(small)
    again = read_generator(data)
    assert isinstance(again.generator, Network)
    assert write_generator(again.generator) == data
    prompt = Prompt((1, 0), (4, -2))
    assert np.array_equal(Renderer(again.generator)(prompt), Renderer(small)(prompt))
    stream = encode_prompt(small.grammar, prompt)
    assert decode_prompt(small.grammar, stream) == prompt
    for size in range(len(data)):
        with pytest.raises(PinError):
            read_generator(data[:size])


@pytest.mark.parametrize(
    "change",
    [
        lambda _: {"hidden": ()},
        lambda n: {"hidden": n.hidden * 9},
        lambda n: {"output": dataclasses.replace(n.output, shift=41)},
        lambda n: {"output": dataclasses.replace(n.output, shift=-1)},
        lambda n: {"output": dataclasses.replace(n.output, weights=n.output.weights[:, 1:])},
        lambda n: {"output": dataclasses.replace(n.output, weights=n.output.weights[1:])},
        lambda n: {"output": dataclasses.replace(n.output, scales=n.output.scales - 40)},
        lambda n: {"output": dataclasses.replace(n.output, scales=n.output.scales + 32767)},
        lambda n: {"output": dataclasses.replace(n.output, biases=n.output.biases[1:])},
        lambda n: {"steps": n.steps[1:]},
    ],
)
def test_parts_that_do_not_fit_are_refused(small: Network, change: Any) -> None:
    with pytest.raises(PinError):
        dataclasses.replace(small, **change(small))


def test_a_quantised_layer_is_near_the_real_one() -> None:
    rng = np.random.default_rng(3)
    weights, biases = rng.normal(0, 0.3, (6, 20)), rng.normal(0, 1, 6)
    weights[2] = 0
    made = quantised(weights, biases)
    assert made.fits(20)
    assert not made.weights[2].any()
    real = made.weights * made.scales[:, None] * 2.0**-made.shift
    assert np.abs(real - weights).max() <= 0.51 * np.abs(weights).max(axis=1).max() / 127
    assert np.abs(made.biases / 4096 - biases).max() <= 0.5 / 4096


class StoppedError(Exception):
    """Somebody pressed Ctrl-C."""


def test_training_that_was_stopped_goes_on_to_the_same_network(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    inputs, wanted = rng.normal(0, 1, (40, 3)), rng.normal(0, 1, (40, 2))
    arguments = (inputs, wanted, np.array([1.0, 0.3]), (5,), 2000)
    whole = train_style(*arguments, tmp_path / "whole", silent)

    def stop(_stage: str, done: int, _total: int) -> None:
        if done == 1500:
            raise StoppedError

    with pytest.raises(StoppedError):
        train_style(*arguments, tmp_path / "parts", stop)
    assert (tmp_path / "parts").is_file()
    seen: list[int] = []
    again = train_style(*arguments, tmp_path / "parts", lambda _s, done, _t: seen.append(done))
    assert seen == [1500, 2000]
    for one, other in zip(
        (*whole.hidden, whole.output), (*again.hidden, again.output), strict=True
    ):
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1], other[1])
    assert not list(tmp_path.iterdir())
    (tmp_path / "damaged").write_bytes(b"no checkpoint")
    anew = train_style(*arguments, tmp_path / "damaged", silent)
    assert np.array_equal(anew.output[0], whole.output[0])


@pytest.fixture(scope="module")
def fitted(shown: tuple[Shown, ...], tmp_path_factory: pytest.TempPathFactory) -> Network:
    """A network that learned 48 of the 64 pictures."""
    attributes = attributes_of(shown)
    choices = np.array([[a.values.index(p.values[a.name]) for a in attributes] for p in shown[:48]])
    samples = samples_of(
        [p.pixels for p in shown[:48]], choices, [len(a.values) for a in attributes]
    )
    place = tmp_path_factory.mktemp("network") / "training"
    fit = fit_network("toy", (72, 56), attributes, samples, {}, silent, PLAN, place)
    generator = stored(fit, 0.002)
    assert isinstance(generator, Network)
    return generator


def attributes_of(shown: tuple[Shown, ...]) -> tuple[Attribute, ...]:
    return tuple(
        Attribute(name, tuple(sorted({p.values[name] for p in shown}))) for name in shown[0].values
    )


def prompt_of(network: Network, picture: Shown) -> Prompt:
    return network.grammar.plain(network.grammar.choose(picture.values))


def test_unseen_pictures_are_drawn(fitted: Network, shown: tuple[Shown, ...]) -> None:
    renderer = Renderer(fitted)
    verdicts = [judge(p.pixels, renderer(prompt_of(fitted, p))) for p in shown[48:]]
    # the light between two parts is learned: without it the mean is 33 dB
    assert np.mean([verdict.psnr_db for verdict in verdicts]) > 40


def test_latents_come_nearer_and_are_found_again(fitted: Network, shown: tuple[Shown, ...]) -> None:
    renderer = Renderer(fitted)
    picture = shown[50]
    plain = prompt_of(fitted, picture)
    wanted = dataclasses.replace(plain, latents=(11, -7, 4))
    target = renderer(wanted)
    found = fitted_latents(renderer, plain.choices, target)
    before = (renderer(plain).astype(float) - target) ** 2
    after = (renderer(found).astype(float) - target) ** 2
    assert after.sum() < 0.05 * before.sum()
    assert np.abs(np.array(found.latents) - wanted.latents).max() <= 1
    assert encode_prompt(fitted.grammar, found) != encode_prompt(fitted.grammar, plain)
    exact = fitted_latents(renderer, plain.choices, renderer(plain))
    assert exact == plain


def test_records_of_a_network_are_of_tier_t1(
    fitted: Network, folder: Path, shown: tuple[Shown, ...]
) -> None:
    del shown
    renderer = Renderer(fitted)
    member = read_family(folder).members[3]
    generous = Gate(score=20.0, block_levels=60.0)
    entry = encode_original(member, member.path.read_bytes(), renderer, generous)
    assert entry.tier == "T1"
    prompt = decode_prompt(fitted.grammar, entry.record.stream)
    made = renderer(prompt)
    assert generous.passes(judge(read_picture(member.path), made))


def test_when_networks_are_tried(folder: Path) -> None:
    family = read_family(folder)
    names = {
        network: [model.tier for model in models_of(family, 2, network)]
        for network in ("never", "auto", "always", "alone")
    }
    assert names == {
        "never": ["T0"],
        "auto": ["T0", "T1"],
        "always": ["T0", "T1"],
        "alone": ["T1"],
    }
    single = dataclasses.replace(family, attributes=family.attributes[:1])
    assert all(model.tier == "T0" for model in models_of(single, 2, "always"))
    with pytest.raises(InputError, match="one attribute"):
        train(single, family.members, Target(network="alone"), folder, {}, silent)


@pytest.mark.slow
def test_the_smaller_of_both_is_kept(folder: Path, tmp_path: Path) -> None:
    family = read_family(folder)
    target = Target(mean_score=70, least_score=50, checked=4, network="always")
    trained = train(family, family.members[:48], target, tmp_path, {}, silent)
    sizes = {}
    for trial in trained.trials:
        if trial.reaches(target):
            size = sizes.get(trial.model, trial.size_bytes)
            sizes[trial.model] = min(size, trial.size_bytes)
    assert set(sizes) == {"quadratic", "network"}
    assert trained.model == min(sizes, key=lambda name: sizes[name])


def test_the_command(folder: Path, fitted: Network, tmp_path: Path) -> None:
    runner = CliRunner()
    out = tmp_path / "toy.gen"
    wrong = runner.invoke(app, ["media", "train", str(folder), "--out", str(out), "--network", "x"])
    assert wrong.exit_code != 0
    assert "auto, always, never, alone" in wrong.output
    out.write_bytes(write_generator(fitted))
    told = runner.invoke(app, ["media", "info", str(out), "--json"])
    assert told.exit_code == 0
    found = json.loads(told.output)
    assert (found["kind"], found["planes"], found["hidden"]) == ("network", 10, [8])
    assert isinstance(read_generator(out.read_bytes()), Loaded)
    with pytest.raises(RehydrationError):
        Renderer(fitted)(Prompt((0, 0, 0), ()))
