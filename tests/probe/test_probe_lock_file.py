"""The lock of what flies: exact, whole, with digests, and of the releases that were tested."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements-probe.txt"


def locked() -> dict[str, tuple[Requirement, list[str]]]:
    """Each line's requirement and its digests, by name."""
    text = LOCK.read_text("ascii").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        written, *digests = line.split(" --hash=")
        requirement = Requirement(written.strip())
        found[canonicalize_name(requirement.name)] = (requirement, digests)
    return found


def needed() -> dict[str, str]:
    """What the probe needs here, with all that this needs in turn, and the releases installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    waiting = [Requirement(text) for text in project["dependencies"]]
    found: dict[str, str] = {}
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        extras = one.extras or {""}
        if name in found and not one.extras:
            continue
        found[name] = version(one.name)
        for text in requires(one.name) or ():
            below = Requirement(text)
            environments = [{**default_environment(), "extra": extra} for extra in {*extras, ""}]
            if below.marker is None or any(map(below.marker.evaluate, environments)):
                waiting.append(below)
    return found


def test_every_line_is_exact_and_has_digests() -> None:
    found = locked()
    assert len(found) >= 6
    for requirement, digests in found.values():
        (only,) = requirement.specifier
        assert (only.operator, requirement.url) == ("==", None)
        assert digests
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", digest) for digest in digests)


def test_all_that_the_probe_needs_is_there_in_the_release_that_was_tested() -> None:
    """Walks the installed packages' own metadata: nothing of the tool that wrote the lock."""
    lock = locked()
    for name, release in needed().items():
        requirement, _ = lock[name]
        assert requirement.specifier.contains(release), f"{name} {release}"
    extra = {
        name
        for name, (requirement, _) in lock.items()
        if requirement.marker is None or requirement.marker.evaluate()
    } - needed().keys()
    assert not extra


def test_it_agrees_with_the_tested_set() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    tested = {
        canonicalize_name(one.name): one
        for one in (Requirement(line) for line in lines if line and not line.startswith("#"))
    }
    for name, (requirement, _) in locked().items():
        if name in tested:
            assert requirement.specifier == tested[name].specifier, name


def test_it_names_no_place_and_says_how_it_was_made() -> None:
    text = LOCK.read_text("ascii")
    assert not re.search(r"://|index-url|find-links|trusted-host", text)
    assert "make lock" in text.split("\n\n")[0]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(r"^lock:.*\n(\t.*\n)*\t.*--generate-hashes", makefile, re.MULTILINE)
    assert "--require-hashes -r requirements-probe.txt" in makefile
