"""Freeze a model: weights to 10-bit rows, tables, tokenizer and manifest, in one folder.

Every number is made by elementwise IEEE-754 operations or by integers, so that the same source
gives the same pin, byte for byte, on every machine.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundstation.models.gguf import read_gguf
from groundstation.models.huggingface import read_folder
from groundstation.models.source import SourceModel
from shared.errors import InputError, PinError
from shared.exact.arithmetic import split_weights
from shared.exact.bounds import WEIGHT_LIMIT
from shared.exact.manifest import Manifest, layout
from shared.exact.pin import MANIFEST_NAME, MODEL_NAME, TOKENIZER_NAME, Pin, load_pin
from shared.exact.tables import exp_table, rope_tables
from shared.exact.tensorfile import write_tensors
from shared.files import replace_file, replacing, sync_folder
from shared.terminal import Report, silent

_BLOCK_ROWS = 4096
_PENDING_SHA256 = "0" * 64


def read_source(path: Path) -> SourceModel:
    """Open a GGUF file or a Hugging Face folder.

    Raises:
        PinError: neither, damaged, or a model that cannot be pinned.
    """
    if path.is_dir():
        return read_folder(path)
    if path.is_file():
        return read_gguf(path)
    raise PinError(
        f"{path} does not exist",
        expected="a GGUF file, or a folder with config.json, *.safetensors and tokenizer.json",
    )


def write_pin(
    model: SourceModel,
    out: Path,
    *,
    name: str | None = None,
    licence: str | None = None,
    report: Report = silent,
) -> Pin:
    """Pin a model into a new folder, all or nothing.

    Args:
        model: what to pin.
        out: the folder to create; it must not exist, or be empty.
        name: instead of the source's name; part of the digest.
        licence: instead of the source's licence; part of the digest.

    Raises:
        InputError: ``out`` holds something already.
        PinError: weights that are not finite or not of the promised shape.
    """
    manifest = Manifest(
        name=name or model.name,
        family=model.family,
        shape=model.shape,
        rms_eps=model.rms_eps,
        rope_theta=model.rope_theta,
        tied=model.tied,
        special_token_ids=model.tokenizer.special_token_ids,
        usable_vocab=model.tokenizer.usable_vocab,
        source=model.source,
        licence=licence or model.licence,
        model_sha256=_PENDING_SHA256,
        tokenizer_sha256=hashlib.sha256(model.tokenizer.data).hexdigest(),
    )
    with _new_folder(out) as folder:
        digest = hashlib.sha256()
        with replacing(folder / MODEL_NAME, durable=True) as file:
            specs = layout(manifest)
            write_tensors(file, specs, _Quantiser(model, manifest, report).get, digest.update)
        replace_file(folder / TOKENIZER_NAME, model.tokenizer.data, durable=True)
        facts = {field: getattr(manifest, field) for field in manifest.__dataclass_fields__}
        final = Manifest(**facts | {"model_sha256": digest.hexdigest()})
        replace_file(folder / MANIFEST_NAME, final.to_bytes(), durable=True)
    return load_pin(out, verify=False)


def quantise_rows(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Each row to 10-bit integers and a scale, so that row is close to integers * scale.

    The scale is ``max |row| / 511``; a row of zeros has scale 1.

    Args:
        matrix: [out, in].

    Returns:
        int16 [out, in] within -511 .. 511, and float64 [out].
    """
    integers = np.empty(matrix.shape, dtype=np.int16)
    scales = np.empty(matrix.shape[0], dtype=np.float64)
    for start in range(0, matrix.shape[0], _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        block = matrix[rows].astype(np.float64)
        peaks = np.max(np.abs(block), axis=1)
        scale = np.where(peaks > 0, peaks / WEIGHT_LIMIT, 1.0)
        ratio = np.rint(block / scale[:, None])
        integers[rows] = np.clip(ratio, -WEIGHT_LIMIT, WEIGHT_LIMIT)
        scales[rows] = scale
    return integers, scales


class _Quantiser:
    """The arrays of the pin by name, each matrix read and quantised when it is first needed.

    Scales come before integers in the file; keeping the integers until they are written costs
    the size of the pin in memory and saves reading every weight twice.
    """

    def __init__(self, model: SourceModel, manifest: Manifest, report: Report) -> None:
        self._model, self._report = model, report
        self._shapes = {name: spec.shape for name, spec in layout(manifest).items()}
        self._split: dict[str, NDArray[Any]] = {}
        self._total = sum(name.endswith(".q") for name in self._shapes)
        self._tables: dict[str, NDArray[Any]] = {}

    def get(self, name: str) -> NDArray[Any]:
        if name.startswith(("tables.", "rope.")):
            return self._table(name)
        stem, _, kind = name.rpartition(".")
        if kind in ("q", "r"):
            return self._split.pop(name)
        if kind != "s":
            return self._weight(name).astype(np.float64)
        integers, scales = quantise_rows(self._weight(stem))
        self._split[f"{stem}.q"], self._split[f"{stem}.r"] = split_weights(integers)
        self._report("quantising", len(self._split) // 2, self._total)
        return scales

    def _weight(self, name: str) -> NDArray[np.float32]:
        values = self._model.weight(name)
        wanted = self._shapes.get(name) or self._shapes[f"{name}.q"]
        if values.shape != wanted:
            raise PinError(f"the weight {name} has shape {values.shape}", expected=f"{wanted}")
        if not np.isfinite(values).all():
            raise PinError(
                f"the weight {name} has infinite or undefined numbers",
                expected="finite numbers",
                remedy="choose a checkpoint of another precision",
            )
        return values

    def _table(self, name: str) -> NDArray[Any]:
        if not self._tables:
            shape = self._model.shape
            cos, sin = rope_tables(shape.max_positions, shape.head_dim, self._model.rope_theta)
            self._tables = {"tables.exp": exp_table(), "rope.cos": cos, "rope.sin": sin}
        return self._tables[name]


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside ``out`` that takes its place if all goes well."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            f"{out} exists already",
            expected="a folder that does not exist yet",
            remedy="name another folder, or delete this one first",
        )
    folder: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        yield folder
        folder.chmod(0o755)
        sync_folder(folder)
        folder.replace(out)
        sync_folder(out.parent)
    except OSError as error:
        raise InputError(
            f"{out} cannot be written: {error.strerror}",
            remedy="check the space and the permissions there, or name another folder",
        ) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
