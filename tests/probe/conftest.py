"""A small onboard tree, the tree it becomes, and a probe that looks after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from world import BASE, TARGET, World

from shared.tree import write_tree


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An initialised probe over ``BASE``."""
    tmp_path = tmp_path / "world"
    tmp_path.mkdir()
    old = os.umask(0o022)
    write_tree(BASE, tmp_path / "root")
    made = World(tmp_path)
    made.initialise()
    yield made
    os.umask(old)


@pytest.fixture
def target() -> object:
    """The tree that messages of these tests bring."""
    return TARGET
