"""What a run that was stopped or killed goes on from: one file, there whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from shared.errors import InputError, words_of
from shared.files import replace_file

NAME: Final = "checkpoint.pt"


def write_checkpoint(folder: Path, identity: str, state: Mapping[str, Any]) -> None:
    """Replaces the folder's checkpoint.

    Args:
        folder: of the run.
        identity: what the run depends on besides its state: plan, weights, patches.
        state: tensors and plain values.
    """
    import torch

    buffer = io.BytesIO()
    torch.save({"identity": identity, **state}, buffer)
    replace_file(folder / NAME, buffer.getvalue(), durable=True)


def read_checkpoint(folder: Path, identity: str) -> Mapping[str, Any] | None:
    """The folder's checkpoint; None if it has none.

    Raises:
        InputError: it cannot be read, or belongs to a run with another identity.
    """
    import pickle

    import torch

    path = folder / NAME
    if not path.exists():
        return None
    try:
        state: Mapping[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        found = state["identity"]
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(
            f"{path} cannot be read: {words_of(error)}", remedy="begin in another folder"
        ) from error
    if found != identity:
        raise InputError(
            f"{folder} has a run that was begun with {found}",
            expected=identity,
            remedy="go on with the same options, or begin in another folder",
        )
    return state
