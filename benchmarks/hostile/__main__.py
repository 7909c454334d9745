"""``python -m benchmarks.hostile``: every attack in turn; writes HOSTILE.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks.hostile.bench import ROUNDS, Bench, Row
from benchmarks.hostile.cargo import prepare
from benchmarks.hostile.cases import CASES, SETTINGS
from benchmarks.hostile.edge import EdgeRow, Edges
from benchmarks.hostile.edge_attacks import ATTACKS
from benchmarks.hostile.page import EDGE_HEAD, LISTENER_HEAD, edge_row, listener_row, page

PAGE = Path(__file__).parents[1] / "HOSTILE.md"


def main() -> int:
    """Run all attacks, or those on some lines; say 1 where one costs more than it may."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("lines", nargs="*", choices=[*SETTINGS, "edge", []], help="all by default")
    options.add_argument("--model", default="smollm2-135m-patch")
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--no-page", action="store_true")
    given = options.parse_args()
    lines = given.lines or [*SETTINGS, "edge"]
    rows: list[Row] = []
    edges: list[EdgeRow] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = [case for case in CASES if case[0] in lines]
        if chosen:
            (folder / "made").mkdir()
            cargo = prepare(folder / "made", given.model)
            print(LISTENER_HEAD)
            with closing(Bench(cargo, folder)) as bench:
                for line, attack_name, attack in chosen:
                    rows.append(bench.row(SETTINGS[line], attack_name, attack, given.rounds))
                    print(listener_row(rows[-1]), flush=True)
        if "edge" in lines:
            print(EDGE_HEAD)
            for row in Edges(folder).rows(list(ATTACKS), given.rounds):
                edges.append(row)
                print(edge_row(row), flush=True)
    if not given.no_page:
        PAGE.write_text(page(rows, edges), encoding="utf-8")
    return int(not all([*map(Row.holds, rows), *map(EdgeRow.holds, edges)]))


if __name__ == "__main__":
    sys.exit(main())
