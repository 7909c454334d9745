"""A sweep's figures as SVG files, the same bytes each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.errors import InputError
from shared.files import replacing
from sims.campaign.break_even import LARGEST_PAYLOAD, MESSAGE_BYTES, PROFILES, link_bytes
from sims.campaign.report import Row
from sims.campaign.versus import Flown
from sims.mission.payload import OURS
from sims.scenario.scenario import stack_of, strategy_of
from sims.scenario.schema import Settings

NAMES = {
    OURS: "prompt + seed",
    "diff": "raw diff",
    "zstd-dict": "zstd, raw dictionary",
    "zstd-dict-frame": "zstd, raw dictionary",
    "hdiffpatch-tuz": "hdiffpatch",
    "hdiffpatch-tamp": "hdiffpatch, tamp",
}
"""Of encodings, in figures."""

_LINES = ("-", "--", "-.", ":", (0, (1, 4)))


def draw(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Draws what the sweep has to show.

    Args:
        rows: at least one.
        folder: exists.

    Returns:
        The files.

    Raises:
        InputError: matplotlib is not installed.
    """
    _prepare()
    made = [_times(rows, folder), _authentication(rows, folder)]
    if len({row.settings["up_ber"] for row in rows}) > 1:
        made.append(_success(rows, folder))
    if len({row.settings["encoding"] for row in rows}) > 1:
        made.append(_encodings(rows, folder))
    return made


def draw_run(preset: str, settings: Settings, flown: Sequence[Flown], folder: Path) -> Path:
    """Draws what each form of a patch took in one history.

    Raises:
        InputError: matplotlib is not installed.
    """
    _prepare()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.9 + 0.5 * len(flown)), layout="constrained")
    sizes, times = figure.subplots(1, 2, sharey=True)
    names = [NAMES.get(each.encoding, each.encoding) for each in flown]
    colors = ["C0" if each.encoding == OURS else "C7" for each in flown]
    framed = sizes.barh(names, [each.link_bytes for each in flown], color="0.88")
    inner = sizes.barh(names, [each.envelope_bytes for each in flown], color=colors)
    sizes.bar_label(inner, label_type="center", color="white", fontsize=8)
    sizes.bar_label(framed, padding=3, fontsize=8)
    sizes.set_xlabel("bytes: envelope, and framed once")
    strategy = strategy_of(settings)
    station = times.barh(names, [each.result.station_s for each in flown], color=colors)
    labels = [f"{each.result.station_s:,.0f} s, {_applied(each)}" for each in flown]
    times.bar_label(station, labels, padding=3, fontsize=8)
    times.set_xlabel(f"station seconds, {preset}, {settings['up_bps']:g} bit/s, {strategy.name}")
    for axes, widest in ((sizes, 1.15), (times, 2.1)):
        axes.set_xlim(right=widest * axes.get_xlim()[1] / 1.05)
        axes.grid(visible=False, axis="y")
        axes.spines[["top", "right"]].set_visible(False)
    sizes.invert_yaxis()
    return _written(figure, folder / "run.svg")


def _applied(each: Flown) -> str:
    if each.result.applied_s < 0:
        return "not applied"
    return f"applied after {each.result.applied_s / 3600:.2f} h"


def _prepare() -> None:
    """The look of all figures, and no screen.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise InputError(
            "figures need matplotlib", remedy="pip install 'rehydration-uplink[sims]'"
        ) from error
    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {"svg.hashsalt": "linksim", "svg.fonttype": "none", "axes.grid": True, "grid.alpha": 0.3}
    )


def _success(rows: Sequence[Row], folder: Path) -> Path:
    figure, axes = _axes()
    for name, group in grouped(rows, "up_ber").items():
        group.sort(key=lambda row: row.settings["up_ber"])
        values = [row.applied.value for row in group]
        limits = [
            [row.applied.value - row.applied.low for row in group],
            [row.applied.high - row.applied.value for row in group],
        ]
        bers = [row.settings["up_ber"] for row in group]
        axes.errorbar(bers, values, limits, marker="o", markersize=3, capsize=2, label=name)
    axes.set_xscale("log")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("bit error rate before the decoder")
    axes.set_ylabel("share applied")
    return _save(figure, axes, folder / "success.svg")


def _times(rows: Sequence[Row], folder: Path) -> Path:
    figure, axes = _axes()
    bers = sorted({row.settings["up_ber"] for row in rows})
    groups = list(grouped(rows, "up_ber"))
    for row in rows:
        if row.times_s:
            light = row.settings["one_way_light_s"]
            shares = [(number + 1) / row.runs for number in range(len(row.times_s))]
            times = [time - light for time in row.times_s]
            # a colour for what is sent, and how, and a kind of line for the noise
            color = f"C{groups.index(_name(row, 'up_ber')) % 10}"
            line = _LINES[bers.index(row.settings["up_ber"]) % len(_LINES)]
            axes.step(times, shares, linestyle=line, where="post", color=color)
    # what colours and lines stand for, each said once
    for number, name in enumerate(groups):
        axes.plot([], [], color=f"C{number % 10}", label=name)
    if len(bers) > 1:
        for number, ber in enumerate(bers):
            axes.plot([], [], linestyle=_LINES[number % len(_LINES)], color="0.3", label=f"{ber:g}")
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("seconds from the decision to send to applied, one light time taken off")
    axes.set_ylabel("share of runs")
    return _save(figure, axes, folder / "times.svg")


def _encodings(rows: Sequence[Row], folder: Path) -> Path:
    from matplotlib.figure import Figure

    groups = grouped(rows, "encoding")
    first = next(iter(groups.values()))
    figure = Figure(figsize=(8, 4), layout="constrained")
    sizes, minutes = figure.subplots(1, 2)
    names = [NAMES.get(row.settings["encoding"], row.settings["encoding"]) for row in first]
    sizes.barh(names, [row.link_bytes for row in first], color="0.75", label="framed and coded")
    sizes.barh(names, [row.envelope_bytes for row in first], color="C0", label="envelope")
    sizes.set_xlabel("bytes")
    sizes.legend(frameon=False)
    minutes.barh(names, [row.station_s.value / 60 for row in first], color="C1")
    minutes.set_xlabel("station minutes, mean of the runs")
    minutes.set_yticklabels([])
    for axes in (sizes, minutes):
        axes.invert_yaxis()
    return _written(figure, folder / "encodings.svg")


def _authentication(rows: Sequence[Row], folder: Path) -> Path:
    row = rows[0]
    stack, rate = stack_of(row.settings), row.settings["up_bps"]
    figure, axes = _axes()
    payloads = range(1, LARGEST_PAYLOAD + 1)
    for name, (tail, later) in PROFILES.items():
        seconds = [8 * link_bytes(name, payload, stack) / rate for payload in payloads]
        axes.step(payloads, seconds, where="post", label=f"{name}, {tail + later} B")
    for each in grouped(rows, "encoding").popitem()[1]:
        payload = each.envelope_bytes - MESSAGE_BYTES - PROFILES[each.settings["authentication"]][0]
        if 0 < payload <= LARGEST_PAYLOAD:
            axes.axvline(payload, color="0.6", linewidth=0.8)
            form = NAMES.get(each.settings["encoding"], each.settings["encoding"])
            axes.annotate(form, (payload + 2, 3), rotation=90, fontsize=7, va="bottom")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("payload bytes")
    axes.set_ylabel(f"seconds to send once at {rate:g} bit/s")
    return _save(figure, axes, folder / "authentication.svg")


def _name(row: Row, but: str = "") -> str:
    parts = []
    for name, value in row.changed.items():
        if name == but:
            continue
        if name == "strategy":
            parts.append(strategy_of(row.settings).name)
        elif name == "encoding":
            parts.append(NAMES.get(str(value), str(value)))
        else:
            parts.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(parts) or "all runs"


def grouped(rows: Sequence[Row], axis: str) -> dict[str, list[Row]]:
    """Rows that differ in one setting alone, by what they have in common."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_name(row, axis), []).append(row)
    return groups


def _axes() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    return figure, figure.subplots()


def _save(figure: Any, axes: Any, path: Path) -> Path:
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8)
    return _written(figure, path)


def _written(figure: Any, path: Path) -> Path:
    with replacing(path, durable=False) as file:
        figure.savefig(file, format=path.suffix[1:], metadata={"Date": None})
    return path
