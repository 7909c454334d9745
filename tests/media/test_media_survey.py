"""Families are found by shape, and their worth is the arithmetic of the user's prices."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("faiss")
from groundstation.cli import app
from groundstation.media.images import encode_picture
from groundstation.media.survey import grouping
from groundstation.media.survey.describe import (
    EQUAL,
    Shapes,
    descriptors,
    edges,
    mismatches,
    outline,
    thumbnail,
    unlikeness,
)
from groundstation.media.survey.grouping import Likeness, candidate_pairs, group
from groundstation.media.survey.survey import agreement, read_requests
from groundstation.media.survey.worth import Prices, QuickFit, quick_fit, worth
from shared.errors import InputError
from shared.terminal import silent


def shape(seed: int) -> np.ndarray:
    """Which of five parts each pixel belongs to: a figure of its own for each seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:96, 0:96] / 96
    parts = np.zeros((96, 96), int)
    for part in range(1, 5):
        cx, cy, rx, ry = rng.uniform(0.2, 0.8, 2).tolist() + rng.uniform(0.12, 0.3, 2).tolist()
        parts[((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1] = part
    return parts


def coloured(parts: np.ndarray, seed: int) -> np.ndarray:
    """The figure in random colours, no two alike, on white."""
    rng = np.random.default_rng(seed)
    palette = rng.permutation(np.linspace(20, 235, 15)).reshape(5, 3)
    palette[0] = 255
    return palette[parts].astype(np.uint8)


FIGURES = 12
COLOURS = 5


def full(maps: np.ndarray) -> Shapes:
    """Shapes of pictures without alpha."""
    return Shapes(maps, np.full(maps.shape, 255, np.uint8))


@pytest.fixture(scope="module")
def zoo() -> tuple[np.ndarray, list[int]]:
    """Maps of edges of 12 figures in 5 colourings, mixed, and the figure of each."""
    order = np.random.default_rng(9).permutation(FIGURES * COLOURS)
    truth = [int(n) // COLOURS for n in order]
    pictures = [coloured(shape(int(n) // COLOURS), 1000 + int(n)) for n in order]
    return np.stack([edges(thumbnail(picture)) for picture in pictures]), truth


def test_recoloured_figures_are_found(zoo: tuple[np.ndarray, list[int]]) -> None:
    maps, truth = zoo
    numbers = group(full(maps), Likeness(cosine=0.7, mismatch=0.5), silent)
    groups: dict[int, list[str]] = {}
    for place, number in enumerate(numbers):
        groups.setdefault(int(number), []).append(str(place))
    names = {str(place): str(figure) for place, figure in enumerate(truth)}
    precision, recall = agreement(list(groups.values()), names)
    assert precision > 0.95
    assert recall > 0.8


def test_the_index_proposes_what_looking_at_all_pairs_does(
    zoo: tuple[np.ndarray, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    described = descriptors(zoo[0])
    every = set(
        zip(*(side.tolist() for side in candidate_pairs(described, 0.7, silent)), strict=True)
    )
    monkeypatch.setattr(grouping, "SMALL", 10)
    found = set(
        zip(*(side.tolist() for side in candidate_pairs(described, 0.7, silent)), strict=True)
    )
    assert len(every) > 40
    assert all(left < right for left, right in found)
    assert found <= every
    assert len(found) >= 0.98 * len(every)


def test_a_family_too_large_to_be_looked_at_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Larger than a neighbourhood, too: 200 equal pictures, three neighbours each."""
    maps = np.repeat(edges(thumbnail(coloured(shape(3), 1)))[None], 200, axis=0)
    monkeypatch.setattr(grouping, "SMALL", 10)
    monkeypatch.setattr(grouping, "NEIGHBOURS", 4)
    monkeypatch.setattr(grouping, "WHOLE", 20)
    numbers = group(full(maps), Likeness(), silent)
    assert len(set(numbers.tolist())) <= 10


def test_both_ways_of_grouping_find_the_zoo(
    zoo: tuple[np.ndarray, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    maps, truth = zoo
    names = {str(place): str(figure) for place, figure in enumerate(truth)}
    found = []
    for whole in (300, 2):
        monkeypatch.setattr(grouping, "WHOLE", whole)
        numbers = group(full(maps), Likeness(cosine=0.7, mismatch=0.5), silent)
        assert (numbers[numbers] == numbers).all()  # a group is named by one of its members
        groups: dict[int, list[str]] = {}
        for place, number in enumerate(numbers):
            groups.setdefault(int(number), []).append(str(place))
        found.append(agreement(list(groups.values()), names))
    assert min(precision for precision, _ in found) > 0.95
    assert found[0][1] >= found[1][1] > 0.8


def test_an_outline_tells_what_edges_do_not() -> None:
    """Grey on a grey ground: a man and a taller one."""
    figures = np.full((2, 128, 128, 4), 128, np.uint8)
    figures[..., 3] = 0
    figures[0, 40:100, 40:80, 3] = 255
    figures[1, 24:100, 40:80, 3] = 255
    outlines = np.stack([outline(figure) for figure in figures])
    assert outlines[0, 20, 20] == 255 and outlines[0, 19, 20] == 0 and outlines[1, 12, 20] == 255
    assert (outline(figures[0, :, :, :3]) == 255).all()
    shapes = Shapes(np.zeros((2, 64, 64), np.uint8), outlines)
    one, two = shapes[np.array([0])], shapes[np.array([1])]
    assert unlikeness(one, one)[0] == pytest.approx(EQUAL)
    # the worst block of 8 x 8 is 255 levels off all over
    assert unlikeness(one, two)[0] == pytest.approx(EQUAL * (1 + 255) ** 0.3)
    assert len(set(group(shapes, Likeness(cosine=-1), silent).tolist())) == 1
    near = outlines[0] - (outlines[0] > 0)
    assert unlikeness(one, Shapes(one.edges, near[None]))[0] == pytest.approx(EQUAL * 2**0.3)


def test_a_chain_of_small_steps_does_not_join_its_ends() -> None:
    """Each like the next; the mean over all pairs is what counts."""
    base = edges(thumbnail(coloured(shape(2), 7))).astype(int)
    other = edges(thumbnail(coloured(shape(4), 8))).astype(int)
    steps = [(base * (8 - n) + other * n) // 8 for n in range(9)]
    shapes = full(np.stack(steps).astype(np.uint8))
    numbers = group(shapes, Likeness(cosine=-1), silent)
    assert numbers[0] != numbers[-1]
    assert 1 < len(set(numbers.tolist())) < 9


def test_a_new_mouth_is_seen_where_means_are_not_changed() -> None:
    face = coloured(shape(5), 4)
    other = face.copy()
    other[60:66, 40:56] = (250, 0, 0)
    maps = np.stack([edges(thumbnail(face)), edges(thumbnail(other))])
    described = descriptors(maps)
    assert described[0] @ described[1] > 0.85
    assert mismatches(maps[:1], maps[1:])[0] > 0.5
    assert mismatches(maps[:1], maps[:1])[0] == 0


def test_plain_pictures_are_alike_to_nothing() -> None:
    maps = np.stack([edges(np.full((64, 64, 3), level, np.uint8)) for level in (0, 90, 255)])
    assert np.abs(descriptors(maps)).max() == 0
    assert len(set(group(full(maps), Likeness(), silent).tolist())) == 3


def test_precision_and_recall_count_pairs() -> None:
    truth = {"a": "x", "b": "x", "c": "x", "d": "y", "e": "y"}
    # pairs found: ab, ad, bd, ce; right: ab.  pairs wanted: ab, ac, bc, de
    assert agreement([["a", "b", "d"], ["c", "e"]], truth) == (0.25, 0.25)
    assert agreement([], truth) == (1.0, 0.0)


def test_thumbnails_tell_how_many_components() -> None:
    y, x = np.mgrid[0:64, 0:64]
    base = (100 + 0.5 * x)[..., None].repeat(3, 2)
    first, second = (y < 30)[..., None] * 40.0, (x > 40)[..., None] * np.array([60.0, 0, -50])
    mixes = [(0, 0), (1, 0), (0, 1), (1, 1), (-1, 0.5), (0.5, -1)]
    pictures = np.stack([base + a * first + b * second for a, b in mixes])
    assert quick_fit(pictures.astype(np.uint8)) == QuickFit(2, 1.0)
    assert quick_fit(np.repeat(base[None], 4, axis=0).astype(np.uint8)) == QuickFit(0, 1.0)


def test_worth_is_the_users_arithmetic() -> None:
    prices = Prices(
        wire_gib=0.5,
        storage_gib_month=0.25,
        core_hour=3.6,
        regions=4,
        months=10,
        draw_seconds=0.1,
        requests=0,
    )
    gib = 2**30
    found = worth([gib, 3 * gib], [10.0, 2.0], QuickFit(1, 0.5), prices)
    generator = round(2 * gib * 1.7)
    assert found.generator_bytes == generator
    assert found.wire_bytes_month == 16 * gib
    assert found.saved_bytes == 4 * gib - generator - 18
    wire = (16 - 9 * 12 / gib) * 0.5
    storage = found.saved_bytes / gib * 0.25 * 4
    drawing = 12 * 0.1 / 3600 * 3.6
    assert found.saved_month == pytest.approx((wire + storage - drawing) * 0.5)
    assert found.once == pytest.approx((generator + 18) / gib * 0.5 * 4)
    assert found.total == pytest.approx(found.saved_month * 10 - found.once)
    assert found.break_even_months == pytest.approx(found.once / found.saved_month)
    none = worth([10, 10], [0.0, 0.0], QuickFit(8, 1.0), prices)
    assert none.saved_month < 0
    assert none.break_even_months == math.inf


def test_the_command_lists_families_by_worth(tmp_path: Path) -> None:
    for figure in range(3):
        (tmp_path / str(figure)).mkdir()
        for colour in range(4 + figure):
            data = encode_picture(coloured(shape(figure), 50 * figure + colour), "PNG")
            (tmp_path / str(figure) / f"{colour}.png").write_bytes(data)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    (tmp_path / "log.csv").write_text(
        "file,requests\n" + "".join(f"0/{n}.png,1e9\n" for n in range(4))
    )
    page = tmp_path / "survey.html"
    arguments = ["media", "survey", str(tmp_path), "--mismatch", "0.5", "--html", str(page)]
    arguments += ["--core", "0"]  # drawing these tiny pictures costs more than sending them
    result = CliRunner().invoke(app, [*arguments, "--log", str(tmp_path / "log.csv"), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["pictures"] == 15
    assert found["unreadable"] == ["broken.png"]
    assert {name[0] for name in found["families"][0]["files"]} == {"0"}
    totals = [family["total"] for family in found["families"]]
    assert totals == sorted(totals, reverse=True)
    for family in found["families"]:
        assert len({name[0] for name in family["files"]}) == 1
    assert page.read_text().count("<img") == len(found["families"])
    assert CliRunner().invoke(app, arguments).exit_code == 0


@pytest.mark.parametrize("text", ["", "file\na\n", "file,requests\na,x\n", "file,requests\na,-1\n"])
def test_wrong_logs_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.csv").write_text(text or "a,b\n1,2\n")
    with pytest.raises(InputError):
        read_requests(tmp_path / "log.csv")
