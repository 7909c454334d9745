"""Broken scenarios: refused with their place, whatever is wrong; nothing in them is passed over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from shared.errors import InputError
from sims.cli import app
from sims.scenario.consistency import HALVES
from sims.scenario.scenario import (
    Scenario,
    origin_of,
    profile_of,
    read_scenario,
    stack_of,
    strategy_of,
)
from sims.scenario.schema import KEYS, SECTIONS, SWEPT

SIZED = "[message]\nbytes = 115\n"
HEAD = 'preset = "voyager-1"\n'
RUNNER = CliRunner()


def read(text: str) -> Scenario:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "case.toml"
        path.write_text(text, "utf-8")
        return read_scenario(path)


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        # a preset that is no text
        ('preset = ["voyager-1"]\n' + SIZED, "line 1, preset", "['voyager-1']"),
        ("preset = 3\n" + SIZED, "line 1, preset", "3"),
        ("preset = {name = 'voyager-1'}\n" + SIZED, "line 1, preset", "name"),
        ("[preset]\nname = 'voyager-1'\n" + SIZED, "line 1, preset", "name"),
        # passes longer than their period, of the file alone or with the preset's
        (
            HEAD + SIZED + "[link]\npass_period_s = 60\npass_length_s = 61\n",
            "line 6, [link] pass_length_s",
            "61 s, one every 60 s",
        ),
        (HEAD + SIZED + "[link]\npass_period_s = 60\n", "pass_length_s", "one every 60 s"),
        (HEAD + SIZED + "[sweep]\npass_length_s = [60, 1e6]\n", "pass_length_s", "1e+06 s"),
        # bursts by half
        (HEAD + SIZED + "[link]\nburst_bits = 30\n", "line 5, [link] burst_bits", "without good"),
        (HEAD + SIZED + "[link]\nburst_ber = 0.2\n", "line 5, [link] burst_ber", "without good"),
        (HEAD + SIZED + "[link]\ngood_bits = 30\n", "line 5, [link] good_bits", "bursts of 0"),
        (
            HEAD + SIZED + "[link]\ngood_bits = 30\nburst_bits = 3\nburst_ber = 0\n",
            "line 5, [link] good_bits",
            "burst_ber is 0",
        ),
        (HEAD + SIZED + "[sweep]\ngood_bits = [0, 30]\n", "line 5, [sweep] good_bits", "bursts of"),
        # outages by half
        *(
            (HEAD + SIZED + f"[link]\n{name} = 9\n", f"line 5, [link] {name}", name)
            for way in ("up", "down")
            for name in (f"{way}_outage_between_s", f"{way}_outage_length_s")
        ),
        # of the same kind
        (HEAD + SIZED + "[link]\ndelay = 0.1\n", "line 5, [link] delay", "delay_s is 0"),
        (HEAD + SIZED + "[link]\ndelay_s = 9\n", "line 5, [link] delay_s", "without delay"),
        (HEAD + SIZED + "[tesla]\ninterval_s = 9\n", "line 5, [tesla] interval_s", "TESLA"),
        (HEAD + 'strategy = "once"\ncopies = 2\n' + SIZED, "line 3, copies", "one time"),
        (
            HEAD + SIZED + "[link]\npass_length_s = 86400\npass_first_s = 9\n",
            "line 6, [link] pass_first_s",
            "always in view",
        ),
        # tables that are none, values that are too much
        (HEAD + "link = 3\n" + SIZED, "line 2, link", "link = 3"),
        (HEAD + SIZED + "[[link]]\nup_ber = 0\n", "line 4, link", "[{"),
        (HEAD + SIZED + "[link]\nup_bps = {a = 1}\n", "line 5, [link] up_bps", "{'a': 1}"),
        (HEAD + SIZED + f"[link]\nup_bps = 1{'0' * 400}\n", "line 5, [link] up_bps", "1000"),
        (HEAD + SIZED + f"[link]\nup_bps = 1{'0' * 9000}\n", "case.toml", "digits"),
        (HEAD + SIZED + f"[link]\nup_bps = {'[' * 9000}\n", "case.toml", "recursion"),
        (HEAD + SIZED + "[link]\nup_bps = 1979-05-27\n", "line 5, [link] up_bps", "date"),
        (HEAD + "link.up_bps = -1\n" + SIZED, "line 2, [link] up_bps", "-1"),
        (
            HEAD
            + SIZED
            + "[sweep]\n"
            + "".join(
                f"{name} = {[n / 1000 for n in range(1, 101)]}\n"
                for name in ("up_ber", "down_ber", "truncate")
            ),
            "line 4, sweep",
            "1000000 cells",
        ),
        (HEAD + '[patch]\nbase = "."\ntarget = "a\\u0000b"\n', "line 4", "no folder"),
        (
            HEAD + '[patch]\nbase = "."\ntarget = "."\nencodings = ["ours", "zap"]\n',
            "line 5",
            "zap",
        ),
        (
            HEAD + '[patch]\nbase = "."\ntarget = "."\nencodings = ["ours", ["a"]]\n',
            "line 5",
            "'a'",
        ),
        (HEAD + '[patch]\nbase = "."\ntarget = "."\nencodings = []\n', "line 5", "[]"),
        (HEAD + '[patch]\nbase = "."\ntarget = "."\ntrials = true\n', "line 5", "True"),
    ],
)
def test_it_is_refused_at_its_place(text: str, place: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read(text)
    assert place in caught.value.found
    assert says in caught.value.found
    assert caught.value.expected
    assert len(caught.value.found) < 700


@pytest.mark.parametrize(
    "text",
    [
        "[link]\nup_outage_between_s = 900\nup_outage_length_s = 9\n",
        "[link]\nburst_bits = 30\n[sweep]\ngood_bits = [0, 3000]\n",
        "[link]\npass_period_s = 60\npass_length_s = 60\n",
        "[tesla]\ninterval_s = 60\n[sweep]\nauthentication = ['ed25519', 'tesla']\n",
        "[link]\ndelay = 0.1\ndelay_s = 4\n",
    ],
)
def test_what_is_whole_is_taken(text: str) -> None:
    assert list(read(HEAD + SIZED + text).cells())


def test_linksim_tells_so(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text("preset = ['a']\n")
    for command in (["run"], ["sweep"], ["plan"], ["audit"]):
        result = RUNNER.invoke(app, [*command, str(path)])
        assert result.exit_code == InputError.exit_code, result.output
        assert "line 1, preset" in result.output
        assert "Traceback" not in result.output


# --- drawn ---------------------------------------------------------------------------------------


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return repr(value)


def written(top: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [f"{json.dumps(name)} = {toml(value)}" for name, value in top.items()]
    for table, values in tables.items():
        lines.append(f"[{json.dumps(table)}]")
        lines += [f"{json.dumps(name)} = {toml(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


TEXTS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(10**400), 10**400),
    st.integers(0, 100),
    st.floats(),
    st.floats(0, 1),
    st.sampled_from(
        ["voyager-1", "once", "cop-1", "AAABBB", "bch", "ldpc-128-64", "bits", "tesla"]
    ),
    TEXTS,
)
VALUES = st.recursive(
    SCALARS,
    lambda one: st.lists(one, max_size=4) | st.dictionaries(TEXTS, one, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([*KEYS, "preset", *SECTIONS]) | TEXTS


@given(
    st.dictionaries(NAMES, VALUES, max_size=4),
    st.dictionaries(
        st.sampled_from(SECTIONS) | TEXTS, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4
    ),
    st.booleans(),
)
def test_whatever_stands_in_it_is_taken_or_refused(
    top: dict[str, Any], tables: dict[str, dict[str, Any]], named: bool
) -> None:
    if named:
        top["preset"] = "mars-direct"
    tables = {name: table for name, table in tables.items() if name not in top}
    understood(written(top, tables))


@given(st.data())
def test_settings_of_the_right_kind_are_taken_or_refused(data: st.DataObject) -> None:
    """Deeper: every value would do by itself, and only some of them do together."""
    tables: dict[str, dict[str, Any]] = {"message": {"bytes": 115}}
    top: dict[str, Any] = {"preset": "mars-direct"}
    for name in data.draw(st.lists(st.sampled_from(SWEPT), max_size=6, unique=True)):
        key = KEYS[name]
        if name == "encoding":
            continue
        value = data.draw(valid(name))
        if data.draw(st.booleans()):
            tables.setdefault("sweep", {})[name] = [value]
        elif key.section:
            tables.setdefault(key.section, {})[name] = value
        else:
            top[name] = value
    understood(written(top, tables))


def valid(name: str) -> st.SearchStrategy[Any]:
    key = KEYS[name]
    if key.kind is str:
        return st.sampled_from(key.expected.removeprefix("one of ").split(", "))
    numbers = st.integers(0, 2000) if key.kind is int else st.floats(0, 1) | st.floats(0, 1e6)
    return numbers.filter(lambda value: not key.problem(value))


def understood(text: str) -> None:
    """Refused with the file's name, or taken: then all of it is there and can be flown."""
    try:
        scenario = read(text)
    except InputError as error:
        assert "case.toml" in error.found
        assert error.expected
        return
    for _, settings in list(scenario.cells())[:4]:
        assert not any(half.wrong(settings) for half in HALVES)
        assert settings["pass_length_s"] <= settings["pass_period_s"]
        profile_of(settings), stack_of(settings), strategy_of(settings), origin_of(settings)
