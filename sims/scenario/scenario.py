"""Scenarios: a TOML file to checked values, with errors that say where and what instead."""

from __future__ import annotations

import difflib
import itertools
import math
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.auth.profiles import Profile
from shared.ccsds.stack import Stack
from shared.digest import sha256
from shared.errors import InputError, words_of
from sims.channel.faults import Faults
from sims.channel.link import LinkProfile
from sims.channel.noise import Noise
from sims.channel.passes import OutageRates, Passes
from sims.mission.authentication import Origin, Timing
from sims.mission.payload import ENCODINGS, OURS
from sims.mission.strategies import Order, Strategy
from sims.scenario.consistency import problem
from sims.scenario.presets import BY_NAME
from sims.scenario.schema import CODINGS, KEYS, PATCH_KEYS, SECTIONS, SWEPT, Settings

MOST_CELLS = 100_000
_SETTING_SECTIONS = ("link", "frames", "tesla", "message")


@dataclass(frozen=True)
class Patch:
    """What shall be on board afterwards.

    Attributes:
        base: folder of the tree on board.
        target: folder of the tree that shall be there.
        model: name or folder of the pin on board.
        trials: prompts that are tried.
        encodings: ways to send it; ``ours`` and names of peers.
    """

    base: Path
    target: Path
    model: str
    trials: int
    encodings: tuple[str, ...]


@dataclass(frozen=True)
class Scenario:
    """A checked scenario.

    Attributes:
        preset: name of the link.
        settings: of every cell, but for what the axes change.
        axes: keys that a sweep varies, and their values.
        patch: what is sent; None where only sizes count.
    """

    preset: str
    settings: Settings
    axes: tuple[tuple[str, tuple[Any, ...]], ...]
    patch: Patch | None

    def cells(self) -> Iterator[tuple[dict[str, Any], Settings]]:
        """What each cell of the sweep changes, and all its settings."""
        axes = self.axes
        if self.patch is not None:
            axes = (*axes, ("encoding", self.patch.encodings))
        names = [name for name, _ in axes]
        for values in itertools.product(*(values for _, values in axes)):
            changed = dict(zip(names, values, strict=True))
            yield changed, {**self.settings, **changed}

    def digest(self, cargo: bytes) -> str:
        """Names scenario and cargo, for journals."""
        text = repr((self.preset, sorted(self.settings.items()), self.axes))
        return sha256(text.encode(), b"\0", cargo).hex()


def read_scenario(path: Path) -> Scenario:
    """Reads and checks a scenario.

    Raises:
        InputError: the file cannot be read, is no TOML, or something in it is wrong.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot read {path}: {words_of(error)}", expected="a TOML file"
        ) from error
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers and tables beyond measure
        raise InputError(
            f"{path}: {error}", expected="TOML", remedy="see examples in sims/scenarios"
        ) from error
    return _Reader(path, text).scenario(table)


def profile_of(settings: Settings) -> LinkProfile:
    """The link that settings describe."""
    get = settings.__getitem__
    return LinkProfile(
        up_bps=get("up_bps"),
        down_bps=get("down_bps"),
        one_way_light_s=get("one_way_light_s"),
        up_noise=Noise(get("up_ber"), get("burst_ber"), get("good_bits"), get("burst_bits")),
        down_ber=get("down_ber"),
        passes=Passes(get("pass_period_s"), get("pass_length_s"), get("pass_first_s")),
        up_outages=OutageRates(get("up_outage_between_s"), get("up_outage_length_s")),
        down_outages=OutageRates(get("down_outage_between_s"), get("down_outage_length_s")),
        faults=Faults(
            get("truncate"), get("lose_lock"), get("duplicate"), get("delay"), get("delay_s")
        ),
        report_bytes=get("report_bytes"),
        report_every_s=get("report_every_s"),
    )


def stack_of(settings: Settings) -> Stack:
    """The layers that settings describe."""
    channel = CODINGS[settings["coding"]]
    return Stack(channel=channel, max_frame_bytes=settings["max_frame_bytes"])


def strategy_of(settings: Settings) -> Strategy:
    """The strategy that settings describe."""
    return Strategy(Order(settings["strategy"]), settings["copies"])


def origin_of(settings: Settings) -> Origin:
    """How messages are authenticated; with TESLA, the chain's times as the link wants them."""
    profile = settings["authentication"]
    if profile != Profile.TESLA.value:
        return Origin(profile)
    begins = profile_of(settings).passes.earliest(0.0, 0.0)
    timing = Timing(
        begins or 0.0,
        settings["one_way_light_s"],
        settings["interval_s"],
        settings["disclosure_delay"],
        settings["clock_error_s"],
    )
    return Origin(profile, timing)


class _Reader:
    """Checks one file's tables."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._lines = path, text.splitlines()

    def scenario(self, table: dict[str, Any]) -> Scenario:
        preset = table.get("preset")
        if not isinstance(preset, str) or preset not in BY_NAME:
            raise self._error(
                "",
                "preset",
                f"preset {_short(preset)}",
                f"one of {', '.join(BY_NAME)}",
                "name a link",
            )
        settings = _defaults(preset)
        for name, value in table.items():
            if isinstance(value, dict) and name not in KEYS and name != "preset":
                if name not in SECTIONS:
                    raise self._unknown("", name, SECTIONS)
            elif name in SECTIONS:
                raise self._error(
                    "", name, f"{name} = {_short(value)}", "a table", f"write it below [{name}]"
                )
            elif name != "preset":
                settings[name] = self._value("", name, value)
        for section in _SETTING_SECTIONS:
            for name, value in table.get(section, {}).items():
                settings[name] = self._value(section, name, value)
        patch = self._patch(table["patch"]) if "patch" in table else None
        axes = tuple(self._axis(*item) for item in table.get("sweep", {}).items())
        scenario = Scenario(preset, settings, axes, patch)
        self._check_whole(scenario, table)
        return scenario

    def _value(self, section: str, name: str, value: Any) -> Any:
        known = [key for key, each in KEYS.items() if each.section == section]
        if name not in known:
            extra = ("preset", *SECTIONS) if not section else ()
            raise self._unknown(section, name, (*known, *extra))
        key = KEYS[name]
        if name == "encoding" or key.problem(value):
            raise self._error(section, name, f"{name} = {_short(value)}", key.expected, key.meaning)
        return float(value) if key.kind is float else value

    def _axis(self, name: str, values: Any) -> tuple[str, tuple[Any, ...]]:
        if name not in SWEPT:
            raise self._unknown("sweep", name, SWEPT)
        if not isinstance(values, list) or not values:
            raise self._error(
                "sweep", name, f"{name} = {_short(values)}", "a list of values", "write [a, b, c]"
            )
        key = KEYS[name]
        for value in values:
            if name == "encoding" or key.problem(value):
                found = f"{_short(value)} in {name}"
                raise self._error("sweep", name, found, key.expected, key.meaning)
        if len(set(values)) != len(values):
            raise self._error("sweep", name, f"{name} names a value twice", "each once", "")
        return name, tuple(float(value) if key.kind is float else value for value in values)

    def _patch(self, table: dict[str, Any]) -> Patch:
        for name in table:
            if name not in PATCH_KEYS:
                raise self._unknown("patch", name, PATCH_KEYS)
        folders = []
        for name in ("base", "target"):
            folder = self._path.parent / self._text("patch", table, name)
            if not folder.is_dir():
                raise self._error(
                    "patch", name, f"{folder} is no folder", "a software tree", "name its folder"
                )
            folders.append(folder)
        encodings = table.get("encodings", [OURS])
        if not isinstance(encodings, list) or not encodings:
            raise self._error(
                "patch", "encodings", f"encodings = {_short(encodings)}", "a list of names", ""
            )
        for each in encodings:
            if not isinstance(each, str) or each not in ENCODINGS or encodings.count(each) > 1:
                raise self._error(
                    "patch",
                    "encodings",
                    f"{_short(each)} in encodings",
                    f"each once of {', '.join(ENCODINGS)}",
                    "",
                )
        trials = table.get("trials", 4)
        if type(trials) is not int or not 1 <= trials <= 100_000:
            raise self._error("patch", "trials", f"trials = {_short(trials)}", "1 to 100000", "")
        model = self._text("patch", table, "model")
        return Patch(folders[0], folders[1], model, trials, tuple(encodings))

    def _text(self, section: str, table: dict[str, Any], name: str) -> str:
        value = table.get(name)
        if not isinstance(value, str) or not value:
            raise self._error(
                section, name, f"{name} = {_short(value)}", "a text", f"add {name} = ..."
            )
        return value

    def _check_whole(self, scenario: Scenario, table: dict[str, Any]) -> None:
        """What no key shows by itself."""
        swept = {name for name, _ in scenario.axes}
        count = math.prod(len(values) for _, values in scenario.axes)
        if count > MOST_CELLS:
            raise self._error(
                "", "sweep", f"{count} cells", f"at most {MOST_CELLS}", "name fewer values"
            )
        sized = "bytes" in swept or "bytes" in table.get("message", {})
        if sized == (scenario.patch is not None):
            found = "both [patch] and bytes" if sized else "neither [patch] nor bytes"
            raise self._error(
                "", "patch", found, "one of them", "add [message] with bytes, or [patch]"
            )
        given = {*swept, *table}.union(*(table.get(name, {}) for name in _SETTING_SECTIONS))
        wrong = problem([settings for _, settings in scenario.cells()], given)
        if wrong is not None:
            section = "sweep" if wrong.name in swept else KEYS[wrong.name].section
            raise self._error(section, wrong.name, wrong.found, wrong.expected, wrong.remedy)

    # --- errors ----------------------------------------------------------------------------------

    def _unknown(self, section: str, name: str, known: tuple[str, ...]) -> InputError:
        near = difflib.get_close_matches(name, known, 1)
        remedy = f"did you mean {near[0]}?" if near else ""
        return self._error(section, name, f"no setting is called {name}", ", ".join(known), remedy)

    def _error(self, section: str, name: str, found: str, expected: str, remedy: str) -> InputError:
        where = f"[{section}] {name}" if section else name
        line = self._line(section, name)
        place = f"{self._path}, line {line}" if line else f"{self._path}"
        return InputError(f"{place}, {where}: {found}", expected=expected, remedy=remedy or None)

    def _line(self, section: str, name: str) -> int | None:
        """Where a key stands; None where it does not."""
        here = ""
        for number, line in enumerate(self._lines, start=1):
            if header := re.match(r"\s*\[+\s*([^\]\s]+)\s*\]", line):
                here = header[1]
                if not section and here == name:
                    return number
            elif here == section and re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=", line):
                return number
        return next(
            (
                number
                for number, line in enumerate(self._lines, start=1)
                if section and re.match(rf"\s*{re.escape(section)}\s*[.=]", line)
            ),
            None,
        )


def _short(value: Any) -> str:
    """A value as errors show it; of a number of a thousand digits nobody reads the last ones."""
    try:
        text = repr(value)
    except ValueError:  # more digits than Python writes
        return "a number beyond measure"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _defaults(preset: str) -> dict[str, Any]:
    """Every setting as the preset and the schema have it."""
    link = BY_NAME[preset]
    return {
        **{name: key.default for name, key in KEYS.items()},
        "strategy": link.advice.strategy.order.value,
        "copies": link.advice.strategy.copies,
        "up_bps": link.uplink_bps.value,
        "down_bps": link.downlink_bps.value,
        "one_way_light_s": link.one_way_light_s.value,
        "up_ber": link.uplink_ber.value,
        "pass_period_s": link.pass_period_s.value,
        "pass_length_s": link.pass_length_s.value,
    }
