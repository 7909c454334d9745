"""The commands as a user runs them, one after the other, on files."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("ssimulacra2")
from groundstation.cli import app
from groundstation.media.images import read_picture

RUNNER = CliRunner()


def run(*arguments: object, code: int = 0) -> Any:
    """What a command reports with ``--json``."""
    result = RUNNER.invoke(app, ["media", *map(str, arguments), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def table(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of every fourth picture: 16 of 64."""
    path = tmp_path_factory.mktemp("table") / "t.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "lid", "body", "foot"])
        for number, picture in enumerate(sorted(folder.iterdir())):
            if number % 5 != 0:
                values = [pair.split("-")[1] for pair in picture.stem.split("_")]
                writer.writerow([picture.name, *values])
    return path


@pytest.fixture(scope="module")
def trained(folder: Path, table: Path) -> tuple[Path, Any]:
    out = table.with_name("jars.gen")
    found = run(
        *("train", folder, "--table", table, "--rows", "1-40", "--out", out, "--name", "jars"),
        *("--score", 91, "--least-score", 85, "--note", "licence=CC0"),
    )
    return out, found


def test_train_encode_qa_decode(
    folder: Path, table: Path, trained: tuple[Path, Any], tmp_path: Path
) -> None:
    generator, found = trained
    assert found["generator_bytes"] == generator.stat().st_size
    assert found["target_reached"] is True
    assert found["tier"] == "T0"
    assert found["note licence"] == "CC0"

    book, page = tmp_path / "jars.book", tmp_path / "qa.html"
    made = run(
        *("encode", folder, "--table", table, "--rows", "41-", "--generator", generator),
        *("--out", book),
    )
    assert made["pictures"] == made["by_prompt"] == 11
    assert made["record_bytes"] <= 11 * 6

    judged = run(
        "qa", folder, "--generator", generator, "--book", book, "--html", page, "--shown", 2
    )
    assert judged["failed"] == []
    assert judged["mean_ssimulacra2"] == made["mean_ssimulacra2"]
    text = page.read_text()
    assert text.count("<figure>") == 8
    assert "http" not in text

    strict = run(
        *("qa", folder, "--generator", generator, "--book", book, "--score", 99.99), code=3
    )
    assert len(strict["failed"]) == 11

    pictures = tmp_path / "pictures"
    run("decode", "--generator", generator, "--book", book, "--out", pictures)
    drawn = sorted(pictures.iterdir())
    assert len(drawn) == 11
    values = dict(pair.split("-") for pair in drawn[0].stem.split("_"))
    one = tmp_path / "one.webp"
    report = run(
        *("draw", "--generator", generator, "--out", one),
        *(word for part, value in values.items() for word in ("--set", f"{part}={value}")),
    )
    assert report["prompt_bytes"] <= 1
    assert (read_picture(one) == read_picture(drawn[0])).all()


def test_kernels_draw_the_same(trained: tuple[Path, Any], tmp_path: Path) -> None:
    digests = set()
    for options in (["--kernel", "numpy"], ["--kernel", "auto"], ["--threads", "2"]):
        report = run(
            *("draw", "--generator", trained[0], "--out", tmp_path / "x.png", *options),
            *("--set", "lid=red", "--set", "body=sky", "--set", "foot=cream"),
        )
        digests.add(report["pixels_sha256"])
    assert len(digests) == 1


def test_info_lists_what_can_be_drawn(trained: tuple[Path, Any]) -> None:
    found = run("info", trained[0])
    assert found["attributes"]["lid"] == ["black", "cream", "red", "sky"]
    assert (found["width"], found["height"], found["channels"]) == (72, 56, 3)


def test_a_book_of_another_generator_is_refused(
    folder: Path, table: Path, trained: tuple[Path, Any], tmp_path: Path
) -> None:
    generator, _ = trained
    book, other = tmp_path / "b", tmp_path / "other.gen"
    run(
        *("encode", folder, "--table", table, "--rows", "1", "--generator", generator),
        *("--out", book),
    )
    run(
        *("train", folder, "--table", table, "--rows", "1-40", "--out", other, "--linear"),
        *("--score", 50, "--least-score", 10),
    )
    error = run("qa", folder, "--generator", other, "--book", book, code=4)
    assert "generator" in error["found"]
    # a record that was tampered with does not give its pixels
    text = json.loads(book.read_text())
    record = bytearray(base64.b64decode(text["entries"][0]["record"]))
    record[3] ^= 4
    text["entries"][0]["record"] = base64.b64encode(record).decode()
    book.write_text(json.dumps(text))
    assert run("qa", folder, "--generator", generator, "--book", book, code=21)["expected"]


def test_errors_say_what_to_do(folder: Path, trained: tuple[Path, Any], tmp_path: Path) -> None:
    generator, _ = trained
    picture = next(folder.iterdir())
    for arguments, code in [
        (["info", picture], 7),
        (["info", tmp_path / "none"], 4),
        (["train", tmp_path, "--out", tmp_path / "g"], 4),
        (["train", folder, "--out", tmp_path / "no" / "g"], 4),
        (["train", folder, "--out", tmp_path / "g", "--rows", "60-90"], 4),
        (["train", folder, "--out", tmp_path / "g", "--note", "x"], 4),
        (["draw", "--generator", generator, "--out", tmp_path / "x.png", "--set", "lid=red"], 4),
        (["draw", "--generator", generator, "--out", tmp_path / "x.doc", "--set", "lid"], 4),
        (["qa", folder, "--generator", generator, "--book", picture], 4),
    ]:
        error = run(*arguments, code=code)
        assert error["found"]
        assert error["expected"] or error["remedy"]
