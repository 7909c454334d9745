"""The picture in docs/explain.md: the page of ``groundstation explain`` for the demo's release.

    python -m demo.explain_picture docs/images/explain.png

needs chromium (on Debian the package of that name) and the fetched model.  The same releases as in
``make demo``; the prompts tried are limited by number, so that the same bytes come of it anywhere.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from demo.run import MODEL
from groundstation.authoring.author import Effort, author
from groundstation.authoring.signed import send
from groundstation.corpus.sources.release_trees import fetch_releases
from groundstation.explain.account import explain
from groundstation.explain.dearest import dearest
from groundstation.explain.html import as_page
from groundstation.inputs import open_model
from shared.errors import InputError, RehydrationError
from shared.terminal import print_error

SIZE = (1200, 1700)
"""Width and height in pixels: the totals, the dearest, and the first changed lines."""

DEAREST = 8
PROMPTS = 14


def main() -> int:
    """Makes the page and photographs it; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo.explain_picture")
    parser.add_argument("picture", type=Path, help="the PNG file to write")
    picture = parser.parse_args().picture
    try:
        photograph(make_page(), picture, find_browser())
    except RehydrationError as error:
        print_error(error)
        return error.exit_code
    print(f"{picture}: {picture.stat().st_size} bytes")
    return 0


def find_browser() -> str:
    """The browser's program.

    Raises:
        InputError: there is none.
    """
    for name in ("chromium", "chromium-browser"):
        if found := shutil.which(name):
            return found
    raise InputError("chromium is not installed", remedy="install it: apt-get install chromium")


def make_page() -> str:
    """The page for the demo's patch; the key is made up."""
    releases = fetch_releases()
    model = open_model(MODEL)
    effort = Effort(max_seconds=3600.0, max_candidates=PROMPTS, check=False)
    authored = author(releases.old, releases.new, model, effort=effort)
    sent = send(authored, 1, Ed25519PrivateKey.generate())
    found = explain(sent.envelope, releases.old, model)
    return as_page(found, dearest(found, DEAREST))


def photograph(page: str, picture: Path, browser: str) -> None:
    """Writes what a browser shows of a page.

    Raises:
        InputError: the browser fails, or the picture cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(page, encoding="utf-8")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={Path(folder) / 'profile'}", "--no-first-run"]
        command += ["--disable-background-networking", "--blink-settings=preferredColorScheme=1"]
        command += [f"--window-size={SIZE[0]},{SIZE[1]}", f"--screenshot={picture.resolve()}"]
        done = subprocess.run([*command, source.as_uri()], capture_output=True, check=False)
    if done.returncode or not picture.is_file():
        raise InputError(
            f"{browser} made no picture: {done.stderr.decode(errors='replace')[-200:]}"
        )


if __name__ == "__main__":
    sys.exit(main())
