"""What commands that work on a patch begin with: two trees and an opened model."""

from __future__ import annotations

from pathlib import Path

from shared.diff import apply_patch
from shared.errors import InputError
from shared.exact.pin import load_pin, resolve_pin
from shared.prompts.pinned import PinnedModel
from shared.tree import Tree, read_tree


def read_trees(base: Path, target: Path | None, patch: Path | None) -> tuple[Tree, Tree]:
    """Baseline and target, the latter as a folder or as a patch to the baseline.

    Raises:
        InputError: both or neither is named, or something cannot be read.
        PatchError: the patch is malformed or does not apply.
    """
    if (target is None) == (patch is None):
        raise InputError(
            "--target and --patch are both missing"
            if target is None
            else "both --target and --patch are there",
            expected="one of them",
            remedy="name the changed tree with --target, or a git diff with --patch",
        )
    baseline = read_tree(base)
    if target is not None:
        return baseline, read_tree(target)
    if patch is None:
        raise InputError("no patch")
    return baseline, apply_patch(baseline, read_file(patch))


def read_file(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def open_model(name_or_folder: str) -> PinnedModel:
    """Opens a pin by name or folder.

    Raises:
        PinError: there is no such pin, or it is damaged.
    """
    return PinnedModel.open(load_pin(resolve_pin(name_or_folder)))
