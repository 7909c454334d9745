"""Engines that run the page of a bundle: a browser without a window, and Node."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from groundstation.media.records import bundle

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
NODE = next(filter(None, map(shutil.which, ("node", "nodejs"))), None)
SCRIPT = Path(bundle.__file__).parents[1] / "viewer" / "rehydrate.js"

in_browser = pytest.mark.skipif(
    BROWSER is None, reason="chromium is not installed: no browser draws from a bundle here"
)
in_node = pytest.mark.skipif(
    NODE is None, reason="nodejs is not installed: the arithmetic of the page is not run by it"
)


def browse(page: Path, *options: str) -> str:
    """The document of a page once its scripts have run."""
    assert BROWSER is not None
    always = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    always += [f"--user-data-dir={page.parent / 'profile'}", "--no-first-run", "--dump-dom"]
    always += ["--virtual-time-budget=600000"]
    done = subprocess.run(
        [BROWSER, *always, *options, page.as_uri() + "#report"],
        cwd=page.parent,
        capture_output=True,
        check=True,
        timeout=300,
    )
    return done.stdout.decode("utf-8")


def element(document: str, name: str) -> str:
    """The text of the element with this id; it has no elements in it."""
    found = re.search(rf'<(\w+) id="{name}"[^>]*>(.*?)</\1>', document, re.DOTALL)
    assert found is not None, name
    return html.unescape(found[2])


def browser_digests(page: Path) -> dict[str, str]:
    """What the page of a bundle says that its records draw."""
    document = browse(page)
    error = element(document, "error")
    assert error == "", error
    digests: dict[str, str] = json.loads(element(document, "report"))
    return digests


def node(program: str, *arguments: object) -> Any:
    """What a program for Node that has ``Rehydrate`` and ``bytes(path)`` says in JSON."""
    assert NODE is not None
    text = (
        f"const Rehydrate = require({json.dumps(str(SCRIPT))});"
        "const bytes = (path) => new Uint8Array(require('fs').readFileSync(path));"
        f"(async () => {{ {program} }})().then((found) => console.log(JSON.stringify(found)))"
        ".catch((error) => { console.error(error.message); process.exit(3); });"
    )
    done = subprocess.run(
        [NODE, "-e", text, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout)


DIGESTS = (
    "const found = {};"
    "for (const path of process.argv.slice(1)) {"
    "  const { generator, records } = await Rehydrate.readBundle(bytes(path));"
    "  for (const record of records.filter((one) => one.stream))"
    "    found[record.name] = Rehydrate.drawRecord(generator, record).digest;"
    "} return found;"
)


def node_digests(bundles: Sequence[Path]) -> dict[str, str]:
    """What the records of bundles draw in Node."""
    digests: dict[str, str] = node(DIGESTS, *bundles)
    return digests
