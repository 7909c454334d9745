"""``make media-demo``: a family found among thousands of pictures, learned, judged and served.

Every command shown is run as shown.  On a terminal the edge goes on serving until it is
interrupted, so that one can look; elsewhere the demo ends when everything has held.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from demo.emoji import PACKAGE, catalogue, fetch_inventory, licence_note
from demo.media_picture import side_by_side
from demo.stage import Place, Stage
from shared.errors import RehydrationError
from shared.terminal import print_error

RESULTS = Path("demo-run") / "media"
PREFIX = "emoji/"


def main() -> int:
    """Run the demo; returns 0 only if everything was as it must be."""
    started = time.monotonic()
    stage = Stage(Console(width=None if sys.stdout.isatty() else 100))
    try:
        play(stage, fetch_inventory(), started)
    except RehydrationError as error:
        print_error(error)
        return error.exit_code
    return 0


def play(stage: Stage, inventory: Path, started: float) -> None:
    """Every step in order."""
    shutil.rmtree(RESULTS, ignore_errors=True)
    place = Place("ground", RESULTS.resolve(), Path(sys.executable).parent)
    place.folder.mkdir(parents=True)
    (place.folder / "inventory").symlink_to(inventory)
    names = survey(stage, place)
    learn(stage, place, names)
    keep(stage, place)
    stage.heading("At the edge: prompts instead of pictures, drawn when they are asked for")
    stage.run(place, "groundstation keygen --out keys")
    with serving(stage, place) as url:
        publish(stage, place, url, names)
        taken = time.monotonic() - started
        stage.console.print(f"\neverything held; {taken:.1f} s in all", highlight=False)
        look(stage, place, url, names)


def survey(stage: Stage, place: Place) -> list[str]:
    """Which family is worth most; names of its pictures."""
    stage.heading(f"An inventory: {PACKAGE} from npm")
    command = "groundstation media survey inventory --top 5"
    stage.run(place, f"{command} --html survey.html")
    best = stage.facts(place, command)["families"][0]
    names = [str(name) for name in best["files"]]
    stage.remark(f"the first of them: {len(names)} pictures, found by shape; no name was read")
    (place.folder / "family").mkdir()
    for name in names:
        shutil.copy2(place.folder / "inventory" / name, place.folder / "family" / name)
    (place.folder / "family" / "catalogue.csv").write_text(catalogue(names), "utf-8")
    stage.run(place, "cat family/catalogue.csv")
    return names


def learn(stage: Stage, place: Place, names: list[str]) -> None:
    """From pictures to a generator and prompts, judged."""
    stage.heading("Learn the family once")
    stage.run(
        place,
        "groundstation media train family --out family.gen --score 86 --least-score 85 "
        f"--note '{licence_note()}'",
    )
    stage.heading("Each picture becomes a prompt, and is judged beside its original")
    stage.run(place, "groundstation media encode family --generator family.gen --out family.book")
    gate = "groundstation media qa family --generator family.gen --book family.book"
    stage.run(place, f"{gate} --html quality.html --shown {len(names)}")
    stage.run(
        place,
        "groundstation media decode --generator family.gen --book family.book --out drawn",
    )
    side_by_side(place.folder / "family", place.folder / "drawn", place.folder / "pictures.webp")


def keep(stage: Stage, place: Place) -> None:
    """Cold storage and a device."""
    stage.heading("Cold storage, and a page that draws without a network")
    stage.run(place, "groundstation media archive family --generator family.gen --out family.rhma")
    stage.run(place, "groundstation media restore family.rhma --check")
    stage.run(
        place,
        "groundstation media bundle family.book --generator family.gen --out family.rhmb "
        "--html draw.html",
    )


def publish(stage: Stage, place: Place, url: str, names: list[str]) -> None:
    """One signed batch; then every picture over HTTP, drawn once."""
    command = (
        "groundstation media publish family.book --generator family.gen --key keys/ground.key "
        f"--prefix {PREFIX} --to {url}"
    )
    stage.run(place, command)
    stage.run(place, f"{command} --counter 0", exit_code=6)
    stage.run(place, "probe edge check --store store")
    first, second = ([_status(url, name) for name in names] for _ in range(2))
    stage.remark(f"GET {PREFIX}{names[0]}: {first[0]}")
    stage.remark(f"the same again: {second[0]}")
    stage.hold("every picture was drawn once", all("fwd=miss" in said for said in first))
    stage.hold("and came from memory after that", all("hit" in said for said in second))
    same = [_png(url, name) == _digest(place.folder / "drawn", name) for name in names]
    stage.hold("what the edge draws is what was judged, to the last bit", all(same))


def look(stage: Stage, place: Place, url: str, names: list[str]) -> None:
    """Where to see it all; on a terminal the edge waits until it is interrupted."""
    pages = {
        "the hitlist, with contact sheets": (place.folder / "survey.html").as_uri(),
        "original and drawing, side by side and flickering": (
            place.folder / "quality.html"
        ).as_uri(),
        "a page that draws from prompts, offline": (place.folder / "draw.html").as_uri(),
        "originals above, drawings below": (place.folder / "pictures.webp").as_uri(),
    }
    stage.heading("To look at")
    for what, where in pages.items():
        stage.console.print(f"{what}:\n  {where}", markup=False, highlight=False, soft_wrap=True)
    if not sys.stdout.isatty():
        return
    stage.console.print(f"served now, until you press Ctrl-C:\n  {url}/{PREFIX}{names[0]}")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return


@contextmanager
def serving(stage: Stage, place: Place) -> Iterator[str]:
    """An edge, and its URL.

    Raises:
        RehydrationError: it does not start.
    """
    command = "probe edge serve --store store --trust keys/ground.pub --port 0"
    stage.console.print(f"[bold]{place.name}$[/] {command} &", highlight=False)
    with (place.folder / "edge.log").open("w") as log:
        edge = subprocess.Popen(
            [*command.split(), "--json"],
            cwd=place.folder,
            env=place.environment(100),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        said = "" if edge.stdout is None else _first_object(edge)
        if not said:
            raise RehydrationError(
                "the edge did not start", remedy=f"read {place.folder / 'edge.log'}"
            )
        url = str(json.loads(said)["listening"])
        stage.remark(f"listening at {url}")
        yield url
    finally:
        edge.terminate()
        edge.wait()


def _first_object(edge: subprocess.Popen[str]) -> str:
    text = ""
    for line in edge.stdout or ():
        text += line
        if text.count("{") == text.count("}"):
            return text
    return ""


def _status(url: str, name: str) -> str:
    request = urllib.request.Request(f"{url}/{PREFIX}{name}", headers={"Accept": "image/png"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
        said = answer.headers
    return f"{said['Content-Type']}, Cache-Status: {said['Cache-Status']}"


def _png(url: str, name: str) -> str:
    request = urllib.request.Request(f"{url}/{PREFIX}{name}", headers={"Accept": "image/png"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return _pixels(answer.read())


def _digest(folder: Path, name: str) -> str:
    return _pixels((folder / f"{Path(name).stem}.png").read_bytes())


def _pixels(file: bytes) -> str:
    from groundstation.media.images import decode_picture

    return hashlib.sha256(decode_picture(file).tobytes()).hexdigest()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
