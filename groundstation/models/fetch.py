"""Fetch a known model: download its weights, add the adapter that it has, pin the result."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from groundstation.models.adapter import Adapter, read_adapter
from groundstation.models.catalogue import KnownModel, known_model
from groundstation.models.download import fetch_weights
from groundstation.models.gguf import gguf_reader
from groundstation.models.pin import read_source, write_pin
from groundstation.models.source import SourceModel
from shared.errors import InputError, PinError
from shared.exact.manifest import ARITHMETIC, FORMAT, MAX_MANIFEST_BYTES
from shared.exact.pin import MANIFEST_NAME, Pin, cache_home, load_pin, pins_home
from shared.terminal import Report, silent
from shared.untrusted import json_value, read_at_most

ADAPTERS = Path(__file__).parents[1] / "adapters"


def fetch_model(
    model: KnownModel,
    out: Path | None = None,
    *,
    downloads: Path | None = None,
    report: Report = silent,
) -> tuple[Pin, bool]:
    """Make sure that a known model is pinned.

    Args:
        model: from the catalogue.
        out: where to pin it; by default the folder in which commands look for its name.
        downloads: where weights are kept; by default a folder of the cache.
        report: told about the progress.

    A pin of this name that another version of the program made is kept under another name.

    Returns:
        The pin, and whether it was there already.

    Raises:
        DownloadError: a part cannot be downloaded or has other bytes.
        PinError: ``out`` holds something else, or the pin came out other than expected.
    """
    folder = pins_home() / model.name if out is None else out
    if out is None and (old := _older_version(folder)):
        _set_aside(folder, folder.with_name(f"{model.name}-{old}"))
    if (folder / MANIFEST_NAME).exists():
        return _already_pinned(model, folder), True
    gguf_reader()  # to know before a long download whether its result can be read
    weights = fetch_weights(model, downloads or cache_home() / "downloads", report=report)
    report("reading the weights", 0, 0)
    source = read_source(weights)
    if model.adapter is not None:
        source = shipped_adapter(model).applied(source)
    pin = write_pin(source, folder, name=model.name, licence=model.licence, report=report)
    _check_digest(model, pin)
    return pin, False


def shipped_adapter(model: KnownModel) -> Adapter:
    """The adapter that comes with this program.

    Raises:
        PinError: the file is missing, or not the one of the catalogue.
    """
    path = ADAPTERS / str(model.adapter)
    adapter = read_adapter(path)
    if adapter.digest != model.adapter_sha256:
        raise PinError(
            f"{path} has sha256 {adapter.digest}",
            expected=str(model.adapter_sha256),
            remedy="restore the file, or install the program again",
        )
    return adapter


def open_adapter(name_or_path: str) -> Adapter:
    """An adapter: a file, or that of a specialised model of the catalogue.

    Raises:
        InputError: neither a file nor the name of a specialised model.
        PinError: the file is no adapter.
    """
    path = Path(name_or_path)
    if path.exists():
        return read_adapter(path)
    model = known_model(name_or_path)
    if model.adapter is None:
        raise InputError(
            f"{model.name} is not specialised: it has no adapter",
            expected="a file that `groundstation specialise` has written",
        )
    return shipped_adapter(model)


def open_source(name_or_path: str, *, report: Report = silent) -> SourceModel:
    """A model before it is pinned: one of the catalogue, downloaded if need be, or a user's own.

    Raises:
        InputError: neither a file, a folder nor a known name.
        DownloadError, PinError: as ``fetch_weights`` and ``read_source``.
    """
    path = Path(name_or_path)
    if path.exists():
        return read_source(path)
    model = known_model(name_or_path)
    source = read_source(fetch_weights(model, cache_home() / "downloads", report=report))
    return source if model.adapter is None else shipped_adapter(model).applied(source)


def _older_version(folder: Path) -> str | None:
    """The beginning of the digest of a pin that another version of this program made.

    Such a pin stays, under a name with its digest: a probe that has not been updated needs it.
    """
    try:
        data = read_at_most(folder / MANIFEST_NAME, MAX_MANIFEST_BYTES)
        facts = json_value(data)
    except (OSError, ValueError):
        return None
    if not isinstance(facts, dict) or (facts.get("format"), facts.get("arithmetic")) == (
        FORMAT,
        ARITHMETIC,
    ):
        return None
    return hashlib.sha256(data).hexdigest()[:12]


def _set_aside(folder: Path, kept: Path) -> None:
    """Renames a folder; one that was kept before has the same digest and is as good."""
    try:
        if kept.exists():
            shutil.rmtree(folder)
        else:
            folder.rename(kept)
    except OSError as error:
        raise PinError(
            f"{folder} was made by another version and cannot be moved: {error.strerror}",
            expected=f"to keep it as {kept.name}",
            remedy="move it yourself, or fetch into another folder with --out",
        ) from error


def _already_pinned(model: KnownModel, folder: Path) -> Pin:
    """The pin in a folder, if it is the one that would be made."""
    pin = load_pin(folder)
    _check_digest(model, pin)
    return pin


def _check_digest(model: KnownModel, pin: Pin) -> None:
    """Both ends need the same pin, so one that came out otherwise must not go unnoticed."""
    if pin.digest.hex() != model.pin_digest:
        raise PinError(
            f"{pin.folder} is the pin {pin.digest.hex()}",
            expected=f"{model.pin_digest}, which this version makes of {model.name}",
            remedy="delete the folder and fetch again; if it stays so, this installation pins "
            "differently (report it), and both ends need a copy of one and the same pin",
        )
