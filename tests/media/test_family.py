"""Attributes from file names and from tables, and what is said where they cannot be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundstation.media.family import read_family, values_in_name
from groundstation.media.files import parse_rows
from shared.errors import InputError


def test_names_tell_attributes() -> None:
    assert values_in_name("lid-red_foot-sky-blue") == {"lid": "red", "foot": "sky-blue"}
    for wrong in ("lid", "lid-", "-red", "lid-red_lid-red", "lid-red_", ""):
        with pytest.raises(InputError):
            values_in_name(wrong)


def test_a_folder_of_names(tmp_path: Path) -> None:
    for name in ("lid-red_foot-b.png", "lid-ash_foot-b.webp", "lid-ash_foot-a.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    family = read_family(tmp_path, name="jars")
    assert [a.name for a in family.attributes] == ["lid", "foot"]
    assert [a.values for a in family.attributes] == [("ash", "red"), ("a", "b")]
    assert [m.path.name for m in family.members] == [
        *("lid-ash_foot-a.jpg", "lid-ash_foot-b.webp", "lid-red_foot-b.png")
    ]
    assert family.choices(family.members) == [[0, 0], [0, 1], [1, 1]]


def test_a_table_has_its_own_order(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "catalogue.csv").write_text("file,hue,sha256\n2.png,red,x\n1.png,ash,y\n")
    family = read_family(tmp_path)
    assert [m.path.name for m in family.members] == ["2.png", "1.png"]
    assert family.choices(family.members) == [[1], [0]]
    assert family.name == tmp_path.name


@pytest.mark.parametrize(
    "text",
    ["file,hue\n3.png,red\n", "file,hue\n1.png\n", "hue\nred\n", "file,hue\n1.png,a,b\n", ""],
)
def test_wrong_tables_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError):
        read_family(tmp_path, tmp_path / "t.csv")


def test_folders_without_a_family_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_family(tmp_path)
    with pytest.raises(InputError):
        read_family(tmp_path / "none")
    (tmp_path / "lid-a_foot-b.png").write_bytes(b"")
    (tmp_path / "lid-a_arm-b.png").write_bytes(b"")
    with pytest.raises(InputError, match="arm"):
        read_family(tmp_path)


def test_rows_are_counted_from_one() -> None:
    assert parse_rows("3-7", 9) == (3, 7)
    assert parse_rows("3-", 9) == (3, 9)
    assert parse_rows("9", 9) == (9, 9)
    for wrong in ("0-3", "7-3", "1-10", "a", "", "-3", "1-2-3"):
        with pytest.raises(InputError):
            parse_rows(wrong, 9)
