"""Pictures that no walk passes over: closed folders, and names that are no text."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner, Result
from unprivileged import USER, as_user, give, need_root, public_folder

from groundstation.cli import app
from groundstation.media.walk import PICTURES, is_text, walk
from shared.errors import InputError

ODD = os.fsdecode(b"tone-\xff\xfe.png")
"""A name that is no UTF-8."""


def run(*words: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["media", *map(str, words)])
    assert result.exit_code == code, result.output
    return result


def picture(path: Path, number: int) -> None:
    pixels = np.full((24, 32, 3), 40 * number, np.uint8)
    pixels[4:12, 6:20] = (200, 10 * number, 30)
    Image.fromarray(pixels).save(path, "PNG")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All that the commands import: another user may not be able to read this interpreter."""
    place = tmp_path_factory.mktemp("loaded") / "in"
    place.mkdir()
    for number in range(3):
        picture(place / f"tone-{number}.png", number)
    (place / "tone-broken.png").touch()
    run("survey", place, "--json")
    run("lean", place, "--out", place.parent / "g", "--even-if-larger", "--json")
    (place / "tone-broken.png").unlink()
    run("archive", place, "--out", place.parent / "a", "--json")


@pytest.fixture
def reachable(loaded: None) -> Iterator[Path]:
    """A folder of a user without rights, with three pictures and two closed folders."""
    del loaded
    need_root()
    with public_folder() as folder:
        place = folder / "in"
        place.mkdir()
        for number in range(3):
            picture(place / f"tone-{number}.png", number)
        for name in ("locked", "unsearchable"):
            (place / name).mkdir()
            picture(place / name / "tone-9.png", 5)
        give(folder, USER)
        (place / "locked").chmod(0)
        (place / "unsearchable").chmod(0o444)
        yield place


def told_as_user(*words: object, code: int = 0) -> Any:
    return as_user(lambda: json.loads(run(*words, "--json", code=code).stdout))


def test_a_survey_names_closed_folders(reachable: Path) -> None:
    told = told_as_user("survey", reachable)
    assert told["pictures"] == 3
    assert told["unreadable"] == ["locked/", "unsearchable/tone-9.png"]
    assert "Permission denied" in told["reasons"]["locked/"]


def test_an_archive_names_them_and_keeps_the_rest(reachable: Path) -> None:
    told = told_as_user("archive", reachable, "--out", reachable.parent / "a", code=3)
    assert told["pictures"] == 3
    assert list(told["left_out"]) == ["locked/", "unsearchable/tone-9.png"]


def test_originals_that_could_not_be_seen_are_not_deleted(reachable: Path) -> None:
    """Even by one who could see them, when the archive is there already."""
    words = ("archive", reachable, "--out", reachable.parent / "a")
    told_as_user(*words, code=3)
    told = json.loads(run(*words, "--delete-originals", "--json").stdout)
    assert told["originals_removed"] == 3
    assert (reachable / "locked" / "tone-9.png").is_file()
    assert (reachable / "unsearchable" / "tone-9.png").is_file()


def test_a_folder_that_is_closed_itself_is_an_error(reachable: Path) -> None:
    with pytest.raises(InputError, match="cannot be listed: Permission denied"):
        as_user(lambda: walk(reachable / "locked", below=True))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_picture_is_found_or_its_folder_named(seed: int) -> None:
    """Over drawn trees of folders, some closed: what is not found lies in what is named."""
    need_root()
    draw = random.Random(seed)
    with public_folder() as top:
        folders, made = [top], set[Path]()
        for number in range(draw.randrange(1, 12)):
            folder = draw.choice(folders) / f"d{number}"
            folder.mkdir()
            folders.append(folder)
        for number in range(draw.randrange(1, 15)):
            path = draw.choice(folders) / f"{number}{draw.choice(sorted(PICTURES)).upper()}"
            path.touch()
            made.add(path)
        give(top, USER)
        for folder in draw.sample(folders[1:], draw.randrange(len(folders))):
            folder.chmod(draw.choice([0, 0o111, 0o333]))
        found = as_user(lambda: walk(top, below=True))
        named = tuple(str(top / name) + "/" for name in found.closed)
        assert set(found.paths) <= made
        missed = made - set(found.paths)
        assert all(str(path).startswith(named) for path in missed)
        assert not any(str(path).startswith(named) for path in found.paths)


# --- names that are no text -----------------------------------------------------------------------


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Three pictures, and one whose name is no UTF-8."""
    place = tmp_path / "in"
    place.mkdir()
    for number in range(3):
        picture(place / f"tone-{number}.png", number)
    picture(place / ODD, 4)
    return place


def test_an_archive_leaves_them_where_they_are(odd: Path) -> None:
    (odd / "sub").mkdir()
    picture(odd / "sub" / "new\nline.png", 5)
    archive, back = odd.parent / "a", odd.parent / "back"
    told = json.loads(
        run("archive", odd, "--out", archive, "--delete-originals", "--json", code=3).stdout
    )
    assert (told["pictures"], told["originals_removed"]) == (3, 3)
    assert set(told["left_out"]) == {ODD, "sub/new\nline.png"}
    assert sorted(path.name for path in odd.iterdir()) == sorted(["sub", ODD])
    run("restore", archive, "--out", back)
    assert len(list(back.iterdir())) == 3
    assert "Traceback" not in run("archive", odd, "--out", odd.parent / "b", code=4).output


def test_a_report_for_people_shows_them(odd: Path) -> None:
    for words, code, wanted in (
        (["archive", odd, "--out", odd.parent / "a"], 3, "cannot be archived under its name"),
        (["survey", odd], 0, "4 pictures"),
        (["lean", odd, "--out", odd.parent / "g", "--even-if-larger"], 0, "is no UTF-8"),
    ):
        command = [sys.executable, "-c", "from groundstation.entry import main; main()", "media"]
        done = subprocess.run([*command, *words], capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        assert wanted in done.stdout
        assert "Traceback" not in done.stderr


def test_what_learns_from_names_leaves_them_out(odd: Path) -> None:
    made, book = odd.parent / "g", odd.parent / "book"
    told = json.loads(run("lean", odd, "--out", made, "--even-if-larger", "--json").stdout)
    assert (told["pictures"], list(told["left_out"])) == (3, [ODD])
    words = ("encode", odd, "--generator", made, "--out", book, "--json")
    assert list(json.loads(run(*words, code=3).stdout)["left_out"]) == [ODD]
    words = ("archive", odd, "--generator", made, "--out", odd.parent / "a", "--json")
    assert list(json.loads(run(*words, code=3).stdout)["left_out"]) == [ODD]


def test_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    place = tmp_path / os.fsdecode(b"jar\xff")
    place.mkdir()
    for number in range(3):
        picture(place / f"tone-{number}.png", number)
    run("survey", place)
    run("lean", place, "--out", tmp_path / "g", "--even-if-larger")
    run("archive", place, "--out", tmp_path / "a")
    run("archive", place, "--generator", tmp_path / "g", "--out", tmp_path / "b")
    run("encode", place, "--generator", tmp_path / "g", "--out", tmp_path / "book")
    told = json.loads(run("restore", tmp_path / "a", "--check", "--json").stdout)
    assert told["family"].startswith("jar\\")


@given(st.binary(min_size=1, max_size=12))
def test_what_counts_as_text(raw: bytes) -> None:
    """A judge of its own: the strict decoder."""
    try:
        raw.decode("utf-8")
        assert is_text(os.fsdecode(raw))
    except UnicodeDecodeError:
        assert not is_text(os.fsdecode(raw))
