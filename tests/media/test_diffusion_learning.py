"""Learning by diffusion: training that goes on, integers that are the network, seeds that help."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drops import made
from typer.testing import CliRunner

pytest.importorskip("ssimulacra2")
pytest.importorskip("diffusers")
pytest.importorskip("torch")

from groundstation.cli import app
from groundstation.media.family import Family, Member, read_family
from groundstation.media.images import encode_picture, read_picture
from groundstation.media.learn.diffusion.export import exported, layer_names, norm_names, path
from groundstation.media.learn.diffusion.network import build, schedule
from groundstation.media.learn.diffusion.pictures import read_scaled, scaled
from groundstation.media.learn.diffusion.plan import Plan
from groundstation.media.learn.diffusion.search import (
    best_pick,
    best_picks,
    best_seed,
    levels_of,
    searched,
)
from groundstation.media.learn.diffusion.train import Progress, train
from groundstation.media.records.bundle import write_bundle
from shared.errors import InputError
from shared.media.generator import read_generator, write_generator
from shared.media.kinds.diffusion import Diffusion
from shared.media.kinds.diffusion_drawing import (
    DiffusionDrawer,
    from_squares,
    noise_pictures,
    pixels_of,
    to_squares,
)
from shared.media.prompt import Attribute, Prompt
from shared.media.render import Renderer
from shared.terminal import silent

torch = pytest.importorskip("torch")
RUNNER = CliRunner()
REFUSED = 4
TINY = Plan(side=16, steps=6, book=16, updates=12, widths=(8, 12), groups=4, canvas=3, batch=4)
ATTRIBUTES = (Attribute("lid", ("ash", "bay", "elm")), Attribute("foot", ("in", "out")))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """A lid of three colours over a foot of two, with a little grain."""
    colours = np.array([[230, 40, 50], [40, 220, 60], [50, 60, 230], [240, 240, 240], [20, 20, 20]])
    grain = np.random.default_rng(2).integers(-12, 13, (16, 16, 1))
    made_ = np.empty((6, 16, 16, 3), np.uint8)
    for place, (lid, foot) in enumerate(CHOICES):
        made_[place, :8] = colours[lid] + grain[:8]
        made_[place, 8:] = colours[3 + foot] + grain[8:]
    return made_


CHOICES = [[n % 3, n // 3] for n in range(6)]


def trained(plan: Plan, pictures: np.ndarray, work: Path, **options: Any) -> tuple[Any, Progress]:
    return train(plan, pictures, CHOICES, [3, 2], work, silent, **options)


# --- integers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [(8,), (8, 12), (8, 12, 16)])
def test_the_integers_are_the_network(widths: tuple[int, ...]) -> None:
    """The velocity is within 5 % of its size of what diffusers computes: weights have 8 bits."""
    plan = dataclasses.replace(TINY, widths=widths, steps=20)
    torch.manual_seed(7)
    network = build(plan, (24, 16), [3, 2]).eval()
    with torch.no_grad():  # normalisations that are not 1 and 0, tables that matter
        for name, values in network.named_parameters():
            if "norm" in name or name.startswith("tables"):
                values += 0.3 * torch.randn(values.shape)
    generator = exported(network, plan, (24, 16), "t", ATTRIBUTES, {})
    drawer = DiffusionDrawer(generator)
    for step, choices in ((0, (0, 0)), (7, (2, 1)), (19, (1, 0))):
        state = drawer.noise(step, 3)
        told = drawer.told(choices) + generator.times[step]
        found = (
            from_squares(drawer._network(to_squares(state, plan.patch), told), plan.patch) / 4096
        )
        with torch.no_grad():
            wanted = network(
                torch.from_numpy(state / 4096).float()[None],
                torch.tensor([19 - step]),
                torch.tensor([choices]),
            )[0].numpy()
        assert np.abs(found - wanted).mean() < 0.02 * wanted.std()
        assert np.abs(found - wanted).max() < 0.15 * wanted.std()


def test_the_path_is_that_of_the_scheduler() -> None:
    steps = 9
    scheduler = schedule(steps)
    constants = path(steps) / 2**15
    rng = np.random.default_rng(1)
    state, velocity = rng.normal(size=(2, 1, 4)).astype(np.float32)
    for number, row in enumerate(constants):
        time = steps - 1 - number
        told = scheduler.step(torch.tensor(velocity), time, torch.tensor(state), generator=None)
        clean = np.clip(row[0] * state - row[1] * velocity, -1, 1)
        assert told.pred_original_sample.numpy() == pytest.approx(clean, abs=2e-3)
        variance = float(scheduler._get_variance(time)) if time else 0.0
        assert row[4] == pytest.approx(variance**0.5, abs=1e-3)
        if time == 0:
            assert told.prev_sample.numpy() == pytest.approx(row[2] * clean, abs=2e-3)


def test_every_tensor_of_the_network_is_exported() -> None:
    plan = dataclasses.replace(TINY, widths=(8, 12, 16))
    names = set(build(plan, (16, 16), [3, 2]).unet.state_dict())
    ours = {*layer_names(plan.shape), *norm_names(plan.shape)}
    taken = {f"{name}.{part}" for name in ours for part in ("weight", "bias")}
    assert taken <= names
    assert {name.split(".")[0] for name in names - taken} == {"time_embedding"}


# --- training ------------------------------------------------------------------------------------


def test_a_stopped_run_ends_as_one_that_was_not(pictures: np.ndarray, tmp_path: Path) -> None:
    whole, told = trained(TINY, pictures, tmp_path / "whole")
    assert told.updates == TINY.updates
    ticks = iter(range(0, 100_000, 7))  # seven seconds each time the clock is looked at
    _, first = trained(
        TINY, pictures, tmp_path / "parts", minutes=1.0, clock=lambda: float(next(ticks))
    )
    assert 0 < first.updates < TINY.updates
    stages: list[int] = []
    parts, second = train(
        *(TINY, pictures, CHOICES, [3, 2], tmp_path / "parts"),
        lambda _stage, done, _total: stages.append(done),
    )
    assert (stages[0], second.updates) == (first.updates, TINY.updates)
    for name, values in whole.state_dict().items():
        assert torch.equal(values, parts.state_dict()[name]), name


def test_a_killed_run_goes_on(pictures: np.ndarray, tmp_path: Path) -> None:
    ticks = iter(range(0, 100_000, 61))  # a checkpoint after each update

    class KilledError(Exception):
        """As if the process had been."""

    def kill(_stage: str, done: int, _total: int) -> None:
        if done == 5:
            raise KilledError

    with pytest.raises(KilledError):
        train(
            *(TINY, pictures, CHOICES, [3, 2], tmp_path / "killed", kill),
            clock=lambda: float(next(ticks)),
        )
    again, _ = trained(TINY, pictures, tmp_path / "killed")
    whole, _ = trained(TINY, pictures, tmp_path / "whole")
    for name, values in whole.state_dict().items():
        assert torch.equal(values, again.state_dict()[name]), name


def test_a_finished_run_is_not_trained_again(pictures: np.ndarray, tmp_path: Path) -> None:
    first, _ = trained(TINY, pictures, tmp_path)
    again, told = trained(TINY, pictures, tmp_path)
    assert told.updates == TINY.updates
    assert np.isnan(told.loss)
    for name, values in first.state_dict().items():
        assert torch.equal(values, again.state_dict()[name]), name


def test_a_folder_of_another_run_is_refused(pictures: np.ndarray, tmp_path: Path) -> None:
    trained(dataclasses.replace(TINY, updates=1), pictures, tmp_path)
    with pytest.raises(InputError) as caught:
        trained(TINY, pictures, tmp_path)
    assert caught.value.remedy


def test_it_learns(pictures: np.ndarray, tmp_path: Path) -> None:
    _, begun = trained(dataclasses.replace(TINY, updates=20), pictures, tmp_path / "begun")
    network, done = trained(dataclasses.replace(TINY, updates=400), pictures, tmp_path / "done")
    assert done.loss < begun.loss
    generator = exported(network.eval(), TINY, (16, 16), "t", ATTRIBUTES, {})
    errors = np.array(
        [
            [
                np.abs(
                    Renderer(generator)(generator.grammar.plain(tuple(row))) - other.astype(int)
                ).mean()
                for other in pictures
            ]
            for row in CHOICES
        ]
    )
    own = errors.diagonal().mean()  # each prompt draws its own picture
    assert own < 0.8 * (errors.sum() - errors.trace()) / 30


# --- search --------------------------------------------------------------------------------------


def target_of(generator: Diffusion) -> np.ndarray:
    return (
        np.random.default_rng(4)
        .integers(0, 256, (generator.height, generator.width, 3))
        .astype(np.uint8)
    )


def test_picks_that_were_searched_draw_nearer_than_others(
    pictures: np.ndarray, tmp_path: Path
) -> None:
    network, _ = trained(dataclasses.replace(TINY, updates=150), pictures, tmp_path)
    generator = exported(network.eval(), TINY, (16, 16), "t", ATTRIBUTES, {})
    drawer = DiffusionDrawer(generator)
    wanted = pictures[4]
    prompt, pixels = best_picks(drawer, tuple(CHOICES[4]), wanted)
    assert generator.grammar.holds(prompt)
    assert (Renderer(generator)(prompt) == pixels).all()  # what is judged is what is drawn
    assert searched(generator, tuple(CHOICES[4]), wanted) == prompt

    def error(made_: np.ndarray) -> float:
        return float(((made_.astype(int) - wanted) ** 2).mean())

    rng = np.random.default_rng(0)
    others = [
        error(drawer(Prompt(prompt.choices, (), tuple(map(int, rng.integers(0, 16, 5))))))
        for _ in range(12)
    ]
    assert error(pixels) < min(others)


def test_a_pick_is_the_entry_that_points_most_to_the_target() -> None:
    generator = made(book=70, size=(8, 4))
    entries = noise_pictures(generator, 2, range(70))
    for wanted in (0, 31, 32, 69):
        assert best_pick(generator, 2, entries[wanted]) == wanted
    opposite = [-(entry * entries[5]).sum() for entry in entries]
    assert best_pick(generator, 2, -entries[5]) == int(np.argmax(opposite))


def test_the_best_of_several_numbers_is_taken() -> None:
    generator = made(seeds=50)
    drawer = DiffusionDrawer(generator)
    wanted = drawer(Prompt((1, 0), (), (9,)))
    prompt, pixels = best_seed(drawer, (1, 0), wanted, range(4, 12))
    assert (prompt.picks, pixels.tolist()) == ((9,), wanted.tolist())
    assert searched(generator, (1, 0), wanted) == prompt


def test_levels_are_those_of_the_bytes() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert (pixels_of(levels_of(pixels)) == pixels).all()


# --- pictures and plans --------------------------------------------------------------------------


def test_pictures_are_scaled_to_what_the_network_halves(tmp_path: Path) -> None:
    assert Plan(side=64).size_of(512, 512) == (64, 64)
    assert Plan(side=64).size_of(72, 56) == (64, 48)
    assert Plan(side=64).size_of(20, 12) == (20, 12)
    flat = np.full((8, 8, 4), 255, np.uint8)
    flat[:, :, 3] = 0
    assert (scaled(flat, 4, 4) == 255).all()  # on white
    halves = np.zeros((8, 8, 3), np.uint8)
    halves[:, ::2] = 100
    assert (scaled(halves, 4, 4) == 50).all()
    paths = [tmp_path / f"a-{n}.png" for n in range(2)]
    for place, (path_, size) in enumerate(zip(paths, ((8, 8), (12, 8)), strict=True)):
        path_.write_bytes(encode_picture(np.full((*size, 3), place, np.uint8), "PNG"))
    members = [Member(each, {"a": "1"}) for each in paths]
    with pytest.raises(InputError, match="8 x 12"):
        read_scaled(members, TINY, silent)


@pytest.mark.parametrize(
    "change",
    [{"side": 4}, {"side": 600}, {"steps": 1}, {"book": 0}, {"book": 5000}, {"updates": 0}],
)
def test_plans_out_of_range_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(InputError) as caught:
        Plan(**change)  # type: ignore[arg-type]
    assert caught.value.expected
    assert caught.value.remedy


def test_bundles_refuse_what_their_page_cannot_draw() -> None:
    with pytest.raises(InputError) as caught:
        write_bundle(read_generator(write_generator(made())), {})
    assert caught.value.expected
    assert "media train" in str(caught.value.remedy)


# --- commands ------------------------------------------------------------------------------------


def run(*arguments: object, code: int = 0) -> Any:
    result = RUNNER.invoke(app, ["media", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture(scope="module")
def small(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The family of three parts at 16 x 12 pixels."""
    place = tmp_path_factory.mktemp("small")
    family: Family = read_family(folder)
    for member in family.members[::4]:
        picture = scaled(read_picture(member.path), 16, 12)
        (place / f"{member.name}.png").write_bytes(encode_picture(picture, "PNG"))
    return place


@pytest.fixture(scope="module")
def learned(small: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    out = tmp_path_factory.mktemp("learned") / "jars.gen"
    options = ("--side", 16, "--steps", 4, "--book", 8, "--updates", 3, "--note", "licence=CC0")
    options = (*options, "--even-if-larger")
    result = run("diffuse", small, "--out", out, *options, "--json")
    return out, json.loads(result.stdout)


def test_diffuse_writes_a_generator(learned: tuple[Path, Any], small: Path) -> None:
    out, found = learned
    assert found["generator_bytes"] == out.stat().st_size
    assert (found["width"], found["height"], found["channels"]) == (16, 12, 3)
    assert (found["kind"], found["steps"], found["book"]) == ("diffusion", 4, 8)
    assert (found["updates"], found["updates_wanted"]) == (3, 3)
    assert found["note licence"] == "CC0"
    assert found["pictures"] == len(list(small.iterdir())) == 16
    previews = list((out.parent / "jars.gen.work" / "previews").iterdir())
    assert read_picture(previews[0]).shape == (12, 16, 3)
    told = json.loads(run("info", out, "--json").stdout)
    assert told["digest"] == found["digest"]
    assert "kind" in run("info", out).stdout


def test_its_pictures_are_encoded_and_come_back(
    learned: tuple[Path, Any], small: Path, tmp_path: Path
) -> None:
    out, _ = learned
    book = tmp_path / "jars.book"
    lenient = ("--score", -10000, "--block", 255)
    encoded = ("encode", small, "--generator", out, "--out", book, "--rows", "1-3")
    with_gate = json.loads(run(*encoded, "--json").stdout)
    assert with_gate["by_prompt"] == 0  # three updates draw nothing: files
    found = json.loads(run(*encoded, *lenient, "--json").stdout)
    assert found["by_prompt"] == found["pictures"] == 3
    run("decode", "--generator", out, "--book", book, "--out", tmp_path / "back")
    assert len(list((tmp_path / "back").iterdir())) == 3
    run("qa", small, "--generator", out, "--book", book, *lenient)


def test_pictures_of_another_size_become_files(
    learned: tuple[Path, Any], folder: Path, tmp_path: Path
) -> None:
    out, _ = learned
    found = json.loads(
        run(
            *("encode", folder, "--generator", out, "--out", tmp_path / "b", "--rows", "1-2"),
            *("--score", -10000, "--block", 255, "--json"),
        ).stdout
    )
    assert found["by_prompt"] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--side", 3), "a number from 8"),
        (("--book", 0), "a number from 1"),
        (("--rows", "9-99"), "1-16"),
        (("--note", "licence"), "NAME=VALUE"),
    ],
)
def test_errors_say_what_was_expected(
    small: Path, tmp_path: Path, options: tuple[object, ...], said: str
) -> None:
    result = run("diffuse", small, "--out", tmp_path / "g", *options, code=REFUSED)
    assert "expected:" in result.output
    assert said in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "g").exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    result = run("diffuse", tmp_path / "none", "--out", tmp_path / "g", code=REFUSED)
    assert "to do:" in result.output


def test_a_run_with_other_options_is_refused(small: Path, learned: tuple[Path, Any]) -> None:
    out, _ = learned
    options = ("--side", 16, "--steps", 5, "--book", 8, "--updates", 3)
    result = run("diffuse", small, "--out", out, *options, code=REFUSED)
    assert "another folder" in result.output


def test_a_missing_package_is_named(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    result = RUNNER.invoke(app, ["media", "diffuse", str(small), "--out", str(tmp_path / "g")])
    assert result.exit_code not in (0, 1)
    assert "diffusers" in result.output
    assert "ground,diffusion" in result.output


def test_a_short_time_stops_it_and_a_rerun_goes_on(small: Path, tmp_path: Path) -> None:
    options = ("--side", 16, "--steps", 4, "--book", 8, "--updates", 2, "--json")
    options = (*options, "--even-if-larger")
    first = run("diffuse", small, "--out", tmp_path / "g", *options, "--minutes", 0)
    assert json.loads(first.stdout)["updates"] == 0
    again = run("diffuse", small, "--out", tmp_path / "g", *options)
    assert json.loads(again.stdout)["updates"] == 2
