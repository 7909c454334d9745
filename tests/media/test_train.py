"""Learning a family whose truth is known: colours are discovered, unseen pictures are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from groundstation.media.learn.factors import Samples, discover_factors
from groundstation.media.learn.linear_light import colour_curve, linear_table, to_linear
from shared.errors import InputError
from shared.media.generator import Loaded, read_generator
from shared.media.kinds.basis import Basis
from shared.media.prompt import Prompt, encode_prompt
from shared.media.render import Renderer
from shared.terminal import silent

pytest.importorskip("ssimulacra2")
from groundstation.media.family import Family, Member, read_family
from groundstation.media.images import encode_picture, read_picture
from groundstation.media.judge.gate import Gate, judge
from groundstation.media.learn.basis import Fit, samples_of, stored
from groundstation.media.learn.train import COARSER, Target, coarsest_step, finest_step, train
from groundstation.media.records.encode import check_entry, encode_pictures, totals
from tests.media.conftest import COLOURS, Shown

TARGET = Target(mean_score=93.0, least_score=88.0, checked=4)


def parts(family: Family) -> tuple[tuple[Member, ...], tuple[Member, ...]]:
    """48 to learn from and 16 to test with."""
    chosen = np.random.default_rng(1).permutation(len(family.members))
    members = [family.members[n] for n in chosen]
    return tuple(members[:48]), tuple(members[48:])


@pytest.fixture(scope="module")
def learned(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Loaded, Path]:
    work = tmp_path_factory.mktemp("work")
    family = read_family(folder)
    trained = train(family, parts(family)[0], TARGET, work, {"licence": "CC0"}, silent)
    assert trained.reached
    return read_generator(trained.data), work


def test_unseen_pictures_are_drawn_well(learned: tuple[Loaded, Path], folder: Path) -> None:
    loaded, _ = learned
    family = read_family(folder)
    renderer = Renderer(loaded.generator)
    verdicts = []
    for member in parts(family)[1]:
        prompt = Prompt(loaded.generator.grammar.choose(member.values))
        assert len(encode_prompt(loaded.generator.grammar, prompt)) <= 1
        verdicts.append(judge(read_picture(member.path), renderer(prompt)))
    assert min(v.score for v in verdicts) > 85
    assert max(v.block_levels for v in verdicts) < 8
    assert loaded.size_bytes < 72 * 56 * 3


def test_colours_are_discovered_up_to_scale_and_offset(shown: tuple[Shown, ...]) -> None:
    names = list(COLOURS)
    choices = np.array([[names.index(v) for v in picture.values.values()] for picture in shown])
    samples = samples_of([picture.pixels for picture in shown], choices, [4, 4, 4])
    truth = np.array(list(COLOURS.values())).ravel()
    for table in discover_factors(samples, silent):
        line = np.stack([np.ones(12), truth], axis=1)
        fitted, *_ = np.linalg.lstsq(line, table.ravel(), rcond=None)
        assert fitted[1] > 0
        assert np.abs(table.ravel() - line @ fitted).max() < 0.03 * fitted[1]


def test_light_between_parts_needs_the_quadratic_terms(
    learned: tuple[Loaded, Path], folder: Path, tmp_path: Path
) -> None:
    family = read_family(folder)
    learn, test = parts(family)
    linear = train(family, learn, Target(degree=1, checked=4), tmp_path, {}, silent)
    generators = [learned[0].generator, read_generator(linear.data).generator]
    errors = []
    for generator in generators:
        renderer = Renderer(generator)
        made = [renderer(Prompt(generator.grammar.choose(m.values))) for m in test]
        errors.append(
            np.mean(
                [judge(read_picture(m.path), p).psnr_db for m, p in zip(test, made, strict=True)]
            )
        )
    assert errors[0] > errors[1] + 3


def test_a_second_run_uses_the_fits_of_the_first(
    learned: tuple[Loaded, Path], folder: Path
) -> None:
    loaded, work = learned
    stages: list[str] = []
    family = read_family(folder)
    again = train(
        family,
        parts(family)[0],
        TARGET,
        work,
        {"licence": "CC0"},
        lambda stage, _done, _total: stages.append(stage),
    )
    assert read_generator(again.data).digest == loaded.digest
    assert "planes" not in stages
    damaged = sorted(work.glob("*.fit"))
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-1000])
    train(
        family,
        parts(family)[0],
        TARGET,
        work,
        {"licence": "CC0"},
        lambda stage, _done, _total: stages.append(stage),
    )
    assert "planes" in stages
    assert len(list((work / "previews").glob("*.png"))) > 0


def test_what_cannot_be_drawn_is_corrected(
    learned: tuple[Loaded, Path], folder: Path, tmp_path: Path
) -> None:
    loaded, _ = learned
    good = read_family(folder).members[0]
    odd = read_picture(good.path).copy()
    odd[20:36, 20:40] = (10, 240, 10)  # the same attributes, but somebody put a leaf on it
    (tmp_path / "leaf.png").write_bytes(encode_picture(odd, "PNG"))
    (tmp_path / "new.png").write_bytes(good.path.read_bytes())
    members = [
        good,
        Member(tmp_path / "leaf.png", good.values),
        Member(tmp_path / "new.png", {**good.values, "lid": "gold"}),
    ]
    gate = Gate(score=85, block_levels=12)
    book = encode_pictures(members, loaded, gate, silent)
    tiers = [entry.tier for entry in book.entries.values()]
    assert tiers == ["T0", "T2", "T2"]
    renderer = Renderer(loaded.generator)
    for member, entry in zip(members, book.entries.values(), strict=True):
        checked = check_entry(entry, read_picture(member.path), renderer, gate)
        assert checked.passed
        assert entry.size_bytes <= 5 + entry.original_bytes
    summed = totals(list(book.entries.values()))
    assert (summed.pictures, summed.by_prompt, summed.corrected) == (3, 3, 2)


def test_pictures_of_other_sizes_are_refused() -> None:
    with pytest.raises(InputError):
        samples_of(
            [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)],
            np.zeros((2, 1), int),
            [1],
        )


def test_alpha_is_kept(tmp_path: Path) -> None:
    y, x = np.mgrid[0:48, 0:48]
    alpha = np.clip(600 - 30 * np.hypot(x - 23.5, y - 21), 0, 255)
    for n, tone in enumerate([(250, 210, 160), (190, 130, 80), (90, 60, 45), (220, 180, 120)]):
        shade = 0.6 + 0.3 * np.sin(x / 9) * np.cos(y / 7)
        picture = np.dstack([*(shade * c for c in tone), alpha]).astype(np.uint8)
        (tmp_path / f"tone-{n}.png").write_bytes(encode_picture(picture, "PNG"))
    family = read_family(tmp_path)
    trained = train(family, family.members, TARGET, tmp_path / "w", {}, silent)
    generator: Basis = read_generator(trained.data).generator
    assert generator.channels == 4
    for member, choice in zip(family.members, family.choices(family.members), strict=True):
        original, made = read_picture(member.path), Renderer(generator)(Prompt(tuple(choice)))
        assert np.abs(original[..., 3].astype(int) - made[..., 3]).max() <= 12
        assert judge(original, made).score > 85


def test_one_attribute_gives_components(tmp_path: Path) -> None:
    """Pictures that differ in two directions, which no single colour explains."""
    y, x = np.mgrid[0:64, 0:64]
    base = np.dstack([90 + 60 * np.sin(x / 7), 120 + 50 * np.cos(y / 9), 100 + 0.0 * x])
    hat, coat = (y < 24)[..., None], (y > 36)[..., None]
    rng = np.random.default_rng(3)
    for name in ("ash", "bay", "elm", "fir", "oak"):
        hues = rng.uniform(-70, 70, (2, 3))
        picture = np.clip(base + hat * hues[0] + coat * hues[1], 0, 255).astype(np.uint8)
        (tmp_path / f"kind-{name}.png").write_bytes(encode_picture(picture, "PNG"))
    family = read_family(tmp_path)
    target = Target(mean_score=90, least_score=86)
    trained = train(family, family.members, target, tmp_path / "w", {}, silent)
    assert trained.reached
    assert trained.model.endswith("components")
    renderer = Renderer(read_generator(trained.data).generator)
    for member, choice in zip(family.members, family.choices(family.members), strict=True):
        verdict = judge(read_picture(member.path), renderer(Prompt(tuple(choice))))
        assert verdict.score >= 86
        assert verdict.block_levels < 12


@pytest.mark.parametrize("limit", [0.0007, 0.003, 0.012])
def test_the_step_is_found_by_halving(limit: float) -> None:
    step, found = coarsest_step(lambda tried: tried <= limit, 0.0005, 0.016)
    assert found
    assert limit / 1.06 < step <= limit
    assert coarsest_step(lambda _: False, 0.0005, 0.016) == (0.0005, False)
    assert 0.016 / 1.06 < coarsest_step(lambda _: True, 0.0005, 0.016)[0] < 0.016


def test_light_follows_the_standard() -> None:
    # IEC 61966-2-1: 0.04045 is where the line meets the curve; 50 % grey is 21.4 % light
    assert to_linear(np.array([127.5])).item() == pytest.approx(0.21404, abs=1e-5)
    assert to_linear(np.array([255 * 0.04])).item() == pytest.approx(0.04 / 12.92)
    curve, table = colour_curve(), linear_table()
    found = np.searchsorted(curve, np.rint(table * 65536), side="right")
    assert found.tolist() == list(range(256))


def test_values_that_no_picture_shows_get_a_middle_colour() -> None:
    rng = np.random.default_rng(8)
    light = rng.random((6, 90, 3)).astype(np.float32)
    choices = np.array([[0], [1], [0], [1], [0], [1]])
    samples = Samples(light, np.ones_like(light, bool), choices, (3,))
    (table,) = discover_factors(samples, silent)
    assert np.isfinite(table).all()


def test_a_step_too_fine_for_16_bits_is_made_coarser(learned: tuple[Loaded, Path]) -> None:
    """Five times white: 8 * 5 / 0.0005 is 80,000 steps, and 32,767 is the most."""
    blank = learned[0].generator
    planes = np.full((len(blank.terms), blank.height, blank.width), 5.0, np.float32)
    fit = Fit(blank, planes, (1.0,) * len(blank.terms))
    with pytest.raises(ValueError, match="too small"):
        stored(fit, 0.0005)
    step = finest_step(fit, 0.0005)
    assert 0.0005 * 80_000 / 32_768 < step <= 0.0005 * 80_000 / 32_768 * COARSER * 1.001
    assert stored(fit, step).waves.max() > 2**15 / COARSER - 1
    assert finest_step(fit, 0.1) == 0.1


def test_a_model_that_no_generator_can_hold_is_passed_over(tmp_path: Path) -> None:
    """Two pictures of noise: the quadratic fit of one attribute leaves the range of planes."""
    rng = np.random.default_rng(2)
    for number in range(2):
        pixels = rng.integers(0, 256, (56, 72, 3)).astype(np.uint8)
        (tmp_path / f"p-{number}.png").write_bytes(encode_picture(pixels, "PNG"))
    family = read_family(tmp_path)
    trained = train(family, family.members, Target(86.0, 85.0), tmp_path / "work", {}, silent)
    assert trained.model == "1 components"
    assert {trial.model for trial in trained.trials} == {"1 components"}
    Renderer(read_generator(trained.data).generator)
