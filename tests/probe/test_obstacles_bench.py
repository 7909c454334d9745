"""The benchmark of obstacles, small: one round of some of them, and the page."""

from __future__ import annotations

import os
import subprocess

import pytest
from unprivileged import public_folder

from benchmarks.obstacles.__main__ import DONE, OBSTACLES, USER, Round, play, set_up
from benchmarks.obstacles.page import page

SOME = {
    "one that cannot be looked into",
    "an ignored file that cannot be read",
    "a root of another user",
    "a link in a slot",
    "drafts that cannot be removed",
    "a path that is ignored",
}


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TRIED: only root can give files away")
def test_no_probe_is_stuck() -> None:
    with public_folder() as folder:
        scene = set_up(folder / "probe", USER, folder)
        try:
            played = [play(scene, one) for one in OBSTACLES if one.name in SOME]
        finally:
            subprocess.run(["chattr", "-R", "-i", folder], capture_output=True)
    assert [(one.obstacle, one.wrong) for one in played if one.wrong] == []
    assert {one.code for one in played} >= {DONE, 24}


def test_the_page_says_what_was_wrong_and_what_was_not_tried() -> None:
    found = {
        ("ext4", "root"): [Round("a thing", 0), Round("a thing", 30), Round("another", None)],
        ("tmpfs", "root"): [Round("a thing", 0, ("gc: exit 30",))],
        ("case-folding", "root"): None,
    }
    text = page(found, 2)
    assert "**1 of 4 rounds were wrong.**" in text
    assert "| a thing | 0, 30 (2) | 0 (1) |" in text
    assert "Not tried: case-folding, root" in text
    assert "Wrong: a thing on tmpfs as root: gc: exit 30." in text
