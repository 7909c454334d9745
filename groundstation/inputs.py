"""What commands that work on a patch begin with: two trees and an opened model."""

from __future__ import annotations

from pathlib import Path

from groundstation.second_reading import disagreement
from shared.diff import apply_patch
from shared.diff.reading.cursor import patch_error
from shared.diff.reading.reader import read_patch
from shared.errors import InputError
from shared.exact.pin import load_pin, resolve_pin
from shared.prompts.language_model.pinned import PinnedModel
from shared.tree import Tree, read_tree


def read_trees(
    base: Path, target: Path | None, patch: Path | None, strip: int | None = None
) -> tuple[Tree, Tree]:
    """Read baseline and target, the latter as a folder or as a patch to the baseline.

    Args:
        base: folder of the baseline.
        target: folder of the target.
        patch: file of a patch, instead of ``target``.
        strip: with ``patch``: folders to leave away before each path (see ``apply_patch``).

    Raises:
        InputError: both or neither is named, or something cannot be read.
        PatchError: the patch is malformed, does not apply, or another program reads it otherwise.
    """
    if (target is None) == (patch is None):
        raise InputError(
            "--target and --patch are both missing"
            if target is None
            else "both --target and --patch are there",
            expected="one of them",
            remedy="name the changed tree with --target, or a git diff with --patch",
        )
    if patch is None and strip is not None:
        raise InputError(
            "--strip without --patch",
            expected="a patch whose paths have a prefix",
            remedy="leave out --strip",
        )
    baseline = read_tree(base)
    if target is not None:
        return baseline, read_tree(target)
    if patch is None:
        raise InputError("no patch")
    return baseline, _patched(baseline, read_file(patch), strip)


def _patched(baseline: Tree, patch: bytes, strip: int | None) -> Tree:
    """What a patch makes of the baseline, if another program says the same."""
    made = apply_patch(baseline, patch, strip)
    if not patch:
        return made
    other = disagreement(baseline, patch, made, 1 if strip is None else strip)
    if other is None:
        return made
    found = (
        f"{other.tool} makes other files of it: {', '.join(map(repr, other.paths[:3]))}"
        if other.paths
        else f"{other.tool} does not take it: {other.words}"
    )
    section = next((each for each in read_patch(patch, strip) if each.path in other.paths), None)
    raise patch_error(
        1 if section is None else section.line_number,
        None,
        found,
        expected="a patch that can be read in one way",
        remedy="name the changed tree with --target, or make the patch with git diff --binary",
    )


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
