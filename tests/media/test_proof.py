"""What is archived, learned and deleted of pictures that say more than their pixels."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pillow_jxl")
from files_that_say_more import drawing, exchanged_profile, files_that_say_more, png, saved
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from groundstation.cli import app
from groundstation.media.archive.decode_entry import Restored
from groundstation.media.archive.index import Keep, Kind, Picture
from groundstation.media.archive.proof import reason_to_stay
from groundstation.media.judge.gate import Gate
from shared.media.png import write_png

RUNNER = CliRunner()
GATE = Gate()


def run(*arguments: object, code: int = 0) -> Any:
    result = RUNNER.invoke(app, ["media", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def came_back(data: bytes) -> Restored:
    """A file that an archive gave back."""
    picture = Picture("p", "p", Kind.FILE, b"", 0, len(data), b"", b"", b"", 0, 100.0, 0.0)
    return Restored(picture, data)


def broken_files() -> Mapping[str, bytes]:
    """Files with names of pictures that no decoder opens, each for a reason of its own."""
    image = Image.fromarray(drawing())
    huge = bytearray(png([b"\0"], 1, 8, 0))
    huge[16:24] = (60000).to_bytes(4, "big") * 2
    jxl = saved(image, "JXL", lossless=True)
    return {
        "empty.png": b"",
        "huge.png": bytes(huge),
        "cut.png": saved(image, "PNG")[:60],
        "cut.jpg": saved(image, "JPEG")[:200],
        "cut.webp": saved(image, "WEBP")[:40],
        "cut.tif": saved(image, "TIFF")[:100],
        "cut.gif": saved(image, "GIF")[:80],
        "cut.avif": saved(image, "AVIF")[:300],
        "cut.jxl": jxl[: len(jxl) // 2],
        "text.bmp": b"BM, said the picture, and was none; it had no header and went on like this",
        "page.tiff": b"<html>404</html>",
    }


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Plain pictures, some that say more, some that are broken."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number in range(3):
        image = Image.fromarray(drawing(number))
        (folder / f"plain-{number}.png").write_bytes(saved(image, "PNG"))
    for name, data in {**files_that_say_more(), **broken_files()}.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("keep", ["quality", "pixels"])
def test_an_archive_has_the_files_whose_pixels_do_not_say_all(
    keep: str, mixed: Path, tmp_path: Path
) -> None:
    """And with --delete-originals nothing of them is lost: neither here nor there."""
    before = {path.name: path.read_bytes() for path in mixed.iterdir()}
    out, back = tmp_path / "out.rhma", tmp_path / "back"
    told = run(
        *("archive", mixed, "--out", out, "--keep", keep, "--delete-originals", "--json"), code=3
    )
    facts = json.loads(told.stdout)
    run("restore", out, "--out", back)
    special = set(files_that_say_more()) | set(broken_files())
    assert set(facts["kept_whole"]) == special == set(facts["originals_kept"])
    assert {path.name for path in mixed.iterdir()} == special
    for name in special:
        assert (back / name).read_bytes() == before[name] == (mixed / name).read_bytes()
    assert facts["originals_removed"] == 3


def test_exact_files_go_whatever_they_are(mixed: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in mixed.iterdir()}
    out, back = tmp_path / "out.rhma", tmp_path / "back"
    run("archive", mixed, "--out", out, "--keep", "exact", "--delete-originals")
    run("restore", out, "--out", back)
    assert {path.name: path.read_bytes() for path in back.iterdir()} == before
    assert not list(mixed.iterdir())


def test_metadata_goes_only_when_it_is_told_to(tmp_path: Path) -> None:
    folder, exif = tmp_path / "in", Image.Exif()
    folder.mkdir()
    exif[0x8298] = "(c) somebody"
    for number in range(2):
        image = Image.fromarray(drawing(number, 64))
        (folder / f"{number}.png").write_bytes(saved(image, "PNG", exif=exif, compress_level=0))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run("archive", folder, "--out", tmp_path / "a", "--keep", "pixels", "--delete-originals")
    run("restore", tmp_path / "a", "--out", folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    asked = ("--keep", "pixels", "--drop-metadata", "--delete-originals", "--json")
    facts = json.loads(run("archive", folder, "--out", tmp_path / "b", *asked).stdout)
    assert facts["originals_removed"] == 2 and "kept_whole" not in facts


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_what_a_first_reader_dropped_is_seen_by_the_second(data: st.DataObject) -> None:
    """The archive gives back what a decoder without care would make of a file: it must stay."""
    more = files_that_say_more()
    name = data.draw(st.sampled_from(sorted(more)))
    keep = data.draw(st.sampled_from((Keep.PIXELS, Keep.QUALITY)))
    made = write_png(drawing())
    assert reason_to_stay(more[name], came_back(made), keep, GATE, drop_metadata=True)
    assert reason_to_stay(more[name], came_back(more[name]), keep, GATE, drop_metadata=True)
    assert not reason_to_stay(
        more[name], came_back(more[name]), Keep.EXACT, GATE, drop_metadata=False
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(1, 8),
    st.sampled_from(("plain", "exchanged")),
    st.sampled_from(("PNG", "TIFF", "WEBP")),
    st.sampled_from((Keep.PIXELS, Keep.QUALITY)),
)
def test_turned_and_recoloured_files_stay(
    orientation: int, profile: str, form: str, keep: Keep
) -> None:
    """The judge compares with the stored samples, as a reader without care would have read."""
    exif = Image.Exif()
    exif[0x112] = orientation
    options: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    icc = exchanged_profile() if profile == "exchanged" else None
    image = Image.fromarray(drawing())
    original = saved(image, form, exif=exif, icc_profile=icc, **options)
    reason = reason_to_stay(
        original, came_back(write_png(drawing())), keep, GATE, drop_metadata=False
    )
    assert bool(reason) == (orientation != 1 or profile == "exchanged"), reason


def test_another_picture_is_not_the_original() -> None:
    original = saved(Image.fromarray(drawing()), "PNG")
    wrong = drawing().copy()
    wrong[3, 5, 1] ^= 1
    for keep, pixels in ((Keep.PIXELS, wrong), (Keep.QUALITY, drawing(7))):
        found = came_back(write_png(pixels))
        assert reason_to_stay(original, found, keep, GATE, drop_metadata=False)
    clear = np.dstack([drawing(), np.full((40, 40), 99, np.uint8)])
    found = came_back(write_png(clear))
    assert reason_to_stay(original, found, Keep.PIXELS, GATE, drop_metadata=False)


# --- generators and surveys -----------------------------------------------------------------------


@pytest.fixture
def family(tmp_path: Path, folder: Path) -> Path:
    """Pictures of a family, of which one cannot be opened and one is of 16 bits."""
    place = tmp_path / "family"
    place.mkdir()
    for path in sorted(folder.iterdir())[:12]:
        shutil.copy(path, place / path.name)
    first, second = sorted(place.iterdir())[:2]
    pixels = np.asarray(Image.open(second).convert("RGB")).astype(">u2") * 257
    rows = [row.astype(">u2").tobytes() for row in pixels]
    second.write_bytes(png(rows, pixels.shape[1], 16, 2))
    first.write_bytes(broken_files()["huge.png"])
    return place


def test_generators_learn_from_what_they_can_give_back(family: Path, tmp_path: Path) -> None:
    names = [path.name for path in sorted(family.iterdir())][:2]
    made, book = tmp_path / "g", tmp_path / "book"
    asked = ("--out", made, "--network", "never", "--even-if-larger", "--json")
    told = json.loads(run("train", family, *asked).stdout)
    assert sorted(told["left_out"]) == names and told["pictures"] == 10
    told = json.loads(
        run(*("encode", family, "--generator", made, "--out", book, "--json"), code=3).stdout
    )
    assert list(told["left_out"]) == names[:1] and list(told["kept_as_files"]) == names[1:]
    assert told["pictures"] == 11
    (family / names[1]).write_bytes(broken_files()["cut.png"])
    result = run("qa", family, "--generator", made, "--book", book, "--json", code=3)
    assert list(json.loads(result.stdout)["left_out"]) == names[1:]


def test_what_moves_comes_out_of_a_book_as_it_went_in(tmp_path: Path) -> None:
    place, made, book = tmp_path / "in", tmp_path / "g", tmp_path / "book"
    place.mkdir()
    for number in range(3):
        image = Image.fromarray(drawing(number, 24))
        (place / f"tone-{number}.png").write_bytes(saved(image, "PNG"))
    moving = files_that_say_more()["frames.gif"]
    (place / "tone-9.gif").write_bytes(moving)
    run("lean", place, "--out", made, "--even-if-larger")
    run("encode", place, "--generator", made, "--out", book)
    run("decode", "--generator", made, "--book", book, "--out", tmp_path / "out")
    assert (tmp_path / "out" / "tone-9.gif").read_bytes() == moving
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_shapes_that_a_format_does_not_hold_end_no_run(tmp_path: Path) -> None:
    """AVIF holds no 65,537 pixels a side; a picture of one pixel has no scales to score."""
    place, back = tmp_path / "in", tmp_path / "back"
    place.mkdir()
    for name, sides in {"wide": (1, 65537), "one": (1, 1), "two": (2, 3), "tall": (300, 1)}.items():
        pixels = np.random.default_rng(3).integers(0, 256, (*sides, 3)).astype(np.uint8)
        (place / f"{name}.png").write_bytes(saved(Image.fromarray(pixels), "PNG"))
    for keep in ("quality", "pixels"):
        run("archive", place, "--out", tmp_path / keep, "--keep", keep)
        run("restore", tmp_path / keep, "--out", back / keep)
        assert len(list((back / keep).iterdir())) == 4


def test_what_only_bears_the_name_of_a_picture_is_named(tmp_path: Path) -> None:
    place, made = tmp_path / "in", tmp_path / "g"
    place.mkdir()
    for number in range(2):
        image = Image.fromarray(drawing(number))
        (place / f"tone-{number}.png").write_bytes(saved(image, "PNG"))
    os.mkfifo(place / "tone-pipe.png")
    (place / "tone-link.png").symlink_to("nowhere.png")
    (place / "tone-folder.png").mkdir()
    odd = ["tone-link.png", "tone-pipe.png"]
    told = json.loads(run("survey", place, "--json").stdout)
    assert (told["pictures"], told["unreadable"]) == (2, odd)
    told = json.loads(run("lean", place, "--out", made, "--even-if-larger", "--json").stdout)
    assert (told["pictures"], list(told["left_out"])) == (2, odd)
    book, archive = tmp_path / "b", tmp_path / "a"
    told = run("encode", place, "--generator", made, "--out", book, "--json", code=3)
    assert list(json.loads(told.stdout)["left_out"]) == odd
    told = run("archive", place, "--out", archive, "--json", code=3)
    assert list(json.loads(told.stdout)["left_out"]) == odd


def test_a_record_never_passes_for_a_file_that_shows_more(family: Path, tmp_path: Path) -> None:
    """A book that was made before the original became one of 16 bits."""
    deep = sorted(family.iterdir())[1]
    rows = deep.read_bytes()
    Image.fromarray(np.asarray(Image.open(deep).convert("RGB"))).save(deep)
    made, book = tmp_path / "g", tmp_path / "book"
    run("train", family, "--out", made, "--network", "never", "--even-if-larger")
    run("encode", family, "--generator", made, "--out", book, code=3)
    deep.write_bytes(rows)
    result = run("qa", family, "--generator", made, "--book", book, "--json", code=3)
    assert json.loads(result.stdout)["failed"] == [deep.name]


def test_a_survey_names_what_it_cannot_use(mixed: Path) -> None:
    found = json.loads(run("survey", mixed, "--json").stdout)
    assert sorted(found["unreadable"]) == sorted(
        {*broken_files(), "float.tif", "whole-32.tif", "clear-rgb-16.png"}
    )
    assert found["pictures"] == 3
    assert set(found["beyond_generators"]) == set(files_that_say_more()) - set(found["unreadable"])
    shown = run("survey", mixed).stdout
    assert all(name in shown for name in broken_files())


def test_a_generator_larger_than_its_pictures_is_an_error(tmp_path: Path) -> None:
    place = tmp_path / "few"
    place.mkdir()
    for number in range(3):
        image = Image.fromarray(drawing(number, 24))
        (place / f"tone-{number}.png").write_bytes(saved(image, "PNG"))
    command, out = ("train", place, "--network", "never"), tmp_path / "g"
    told = run(*command, "--out", out, code=4)
    assert "larger" in told.output and not out.exists()
    run(*command, "--out", out, "--even-if-larger")
    assert out.exists()
