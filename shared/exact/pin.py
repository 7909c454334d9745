"""The pinned model in a folder: finding it, checking it, mapping it into memory.

A pin is ``manifest.json``, ``model.safetensors`` and ``tokenizer.json``.  Nothing is unpacked: the
arrays of a loaded pin are read-only views of the file, so that loading costs little more than one
SHA-256 over it, and processes share the memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from shared.errors import PinError
from shared.exact.bounds import EXP_ONE, TURN_ONE, Shape
from shared.exact.manifest import MAX_MANIFEST_BYTES, Manifest, Source, layout
from shared.exact.tensorfile import map_tensors

__all__ = ["Pin", "Manifest", "Shape", "Source", "load_pin", "pins_home", "resolve_pin"]

MANIFEST_NAME = "manifest.json"
MODEL_NAME = "model.safetensors"
TOKENIZER_NAME = "tokenizer.json"

_RESTORE = "copy the pin again, or pin the model again"


@dataclass(frozen=True, eq=False)
class Pin:
    """A model frozen as an exact artefact.

    Attributes:
        folder: where it lies; not part of its identity.
        facts: what it is.
        digest: SHA-256 of the manifest's bytes (32 bytes), the name of the pin.
        tensors: read-only arrays by name, see ``manifest.layout``.
        tokenizer_path: the tokenizer of the ``tokenizers`` library.
    """

    folder: Path
    facts: Manifest
    digest: bytes
    tensors: Mapping[str, NDArray[Any]]
    tokenizer_path: Path

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The facts as the JSON object of the manifest."""
        return MappingProxyType(self.facts.as_json())

    def tokenizer(self) -> Tokenizer:
        """The tokenizer, read once, shared by all callers.

        Text that looks like a special token is encoded as ordinary text: a file that contains
        ``<|endoftext|>`` must not steer the model.
        """
        return self._tokenizer

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        try:
            tokenizer = Tokenizer.from_str(self.tokenizer_path.read_text("ascii"))
        except Exception as error:  # the library raises nothing narrower
            raise PinError(
                f"{self.tokenizer_path} is not a tokenizer: {error}", remedy=_RESTORE
            ) from error
        tokenizer.encode_special_tokens = True
        return tokenizer


def load_pin(folder: Path, *, verify: bool = True, expected: bytes | None = None) -> Pin:
    """Open a pinned model.

    Args:
        folder: the pin.
        verify: compare the SHA-256 of both data files with the manifest (about a second for
            each gigabyte).  Names, types, shapes and lengths are always compared.
        expected: the digest that the manifest must have, where the caller knows it.

    Raises:
        PinError: a file is missing, truncated or damaged, the pin is of another format or
            arithmetic version or beyond the bounds of exact sums, or is not the expected one.
    """
    folder = Path(folder)
    data = _manifest_bytes(folder)
    digest = hashlib.sha256(data).digest()
    if expected is not None and digest != expected:
        raise PinError(
            f"{folder} is the pin {digest.hex()}",
            expected=expected.hex(),
            remedy="use the pin that the other end uses, or initialise again with this one",
        )
    facts = Manifest.from_bytes(data)
    tensors = map_tensors(folder / MODEL_NAME, layout(facts))
    tokenizer_path = folder / TOKENIZER_NAME
    if not tokenizer_path.is_file():
        raise PinError(f"{tokenizer_path} is missing", remedy=_RESTORE)
    if verify:
        _verify({folder / MODEL_NAME: facts.model_sha256, tokenizer_path: facts.tokenizer_sha256})
        _check_values(tensors)
    return Pin(folder, facts, digest, MappingProxyType(tensors), tokenizer_path)


def pins_home() -> Path:
    """The folder of pins known by name: ``$XDG_CACHE_HOME`` or ``~/.cache``, then our own."""
    return cache_home() / "pins"


def cache_home() -> Path:
    """This project's folder for what can be made again (XDG Base Directory Specification 0.8)."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path is to be ignored.
    base = Path(configured) if Path(configured).is_absolute() else Path.home() / ".cache"
    return base / "rehydration-uplink"


def resolve_pin(name_or_folder: str | Path) -> Path:
    """The folder of a pin that was given as a folder or by the name it was fetched under.

    Raises:
        PinError: there is neither; lists the names that are there.
    """
    folder = Path(name_or_folder)
    if (folder / MANIFEST_NAME).is_file():
        return folder
    named = pins_home() / folder
    if len(folder.parts) == 1 and (named / MANIFEST_NAME).is_file():
        return named
    known = sorted(path.parent.name for path in pins_home().glob(f"*/{MANIFEST_NAME}"))
    raise PinError(
        f"{name_or_folder} is neither a folder with a pin nor the name of a fetched one",
        expected=f"a folder with {MANIFEST_NAME}, or one of: {', '.join(known) or 'none yet'}",
        remedy="run `groundstation model fetch smollm2-135m-patch`, or name a folder made by "
        "`groundstation model pin`",
    )


def _manifest_bytes(folder: Path) -> bytes:
    path = folder / MANIFEST_NAME
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise PinError(
            f"{path} cannot be read: {error.strerror}",
            expected="a folder made by `groundstation model pin` or `groundstation model fetch`",
        ) from error
    if len(data) > MAX_MANIFEST_BYTES:
        raise PinError(f"{path} is larger than {MAX_MANIFEST_BYTES} bytes", remedy=_RESTORE)
    return data


def _verify(wanted: Mapping[Path, str]) -> None:
    """Compare digests; hashing releases the interpreter lock, so the files share the cores."""
    with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
        found = list(pool.map(file_sha256, wanted))
    for (path, digest), actual in zip(wanted.items(), found, strict=True):
        if actual != digest:
            raise PinError(
                f"{path} is damaged: its sha256 is {actual}", expected=digest, remedy=_RESTORE
            )


def _check_values(tensors: Mapping[str, NDArray[Any]]) -> None:
    """Refuse numbers with which a sum could leave its range or an operation be undefined.

    The bounds of exact arithmetic hold for every weight that can be spelled; of the other numbers a
    digest only says that they are those that somebody pinned.
    """
    for name, values in tensors.items():
        if name.endswith((".q", ".r")):
            continue
        if name == "tables.exp":
            sound = bool(values.min() >= 1 and values.max() <= EXP_ONE)
        elif name in ("rope.cos", "rope.sin"):
            sound = bool(values.min() >= -TURN_ONE and values.max() <= TURN_ONE)
        else:
            sound = bool(np.isfinite(values).all())
            sound = sound and (not name.endswith(".s") or bool((values > 0).all()))
        if not sound:
            raise PinError(
                f"the tensor {name} holds numbers out of range",
                expected="numbers as docs/pin-format.md describes them",
                remedy="pin the model again",
            )


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file.

    Raises:
        PinError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PinError(f"{path} cannot be read: {error.strerror}") from error
