"""Tensors in one file: the part of the safetensors format that a pin needs.

The file is an 8-byte little-endian length, a JSON header of that length that gives every tensor's
dtype, shape and byte range, then the row-major little-endian numbers without gaps
(README of the safetensors project, "Format").  Any safetensors library reads what is
written here; what is read here must be exactly what the caller expects.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from shared.errors import PinError
from shared.exact.manifest import TensorSpec
from shared.untrusted import PARSING_FAULTS, json_value

DTYPES = {"F64": "<f8", "I64": "<i8", "I32": "<i4", "I8": "|i1", "U8": "|u1"}
ALIGNMENT_BYTES = 64
"""The numbers start at a multiple of this: a cache line, and a vector of the widest units."""
MAX_HEADER_BYTES = 1 << 24
"""A damaged length must not make the reader swallow the whole file."""

_RESTORE = "copy the pin again, or pin the model again"


def encode_header(specs: Mapping[str, TensorSpec]) -> bytes:
    """Length and JSON header for tensors that follow in the order of ``specs``."""
    entries, start = {}, 0
    for name, spec in specs.items():
        end = start + size_bytes(spec)
        entries[name] = {
            "dtype": spec.dtype,
            "shape": list(spec.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    text += b" " * (-(8 + len(text)) % ALIGNMENT_BYTES)
    return len(text).to_bytes(8, "little") + text


def write_tensors(
    file: BinaryIO,
    specs: Mapping[str, TensorSpec],
    tensor: Callable[[str], NDArray[Any]],
    written: Callable[[bytes | memoryview], object],
) -> None:
    """Write a file, a tensor at a time.

    Args:
        file: opened for writing bytes.
        specs: what is promised, in the order of the file.
        tensor: gives the array of a name; must have the promised dtype and shape.
        written: is given every piece as well, e.g. to digest it.

    Raises:
        PinError: an array is not what its spec promises.
    """
    header = encode_header(specs)
    file.write(header)
    written(header)
    for name, spec in specs.items():
        array = tensor(name)
        dtype = np.dtype(DTYPES[spec.dtype])
        if array.shape != spec.shape or array.dtype != dtype.newbyteorder("="):
            raise PinError(
                f"the tensor {name} is {array.dtype} {array.shape}",
                expected=f"{dtype} {spec.shape}",
            )
        raw = np.ascontiguousarray(array, dtype=dtype).reshape(-1).view(np.uint8).data
        file.write(raw)
        written(raw)


def map_tensors(path: Path, specs: Mapping[str, TensorSpec]) -> dict[str, NDArray[Any]]:
    """Map a file into memory and give its tensors as read-only arrays that share it.

    Args:
        path: a file written by ``write_tensors``.
        specs: the tensors it must hold, no more, no less, in this order.

    Raises:
        PinError: the file is missing, truncated, has another length, or other tensors.
    """
    try:
        with path.open("rb") as file:
            actual_bytes = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            file.seek(0)
            header = file.read(8 + min(length, MAX_HEADER_BYTES))
            _compare(path, header, specs, actual_bytes)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise PinError(f"{path} cannot be read: {error.strerror}", remedy=_RESTORE) from error
    arrays, start = {}, len(header)
    for name, spec in specs.items():
        flat = np.frombuffer(mapped, DTYPES[spec.dtype], math.prod(spec.shape), start)
        arrays[name] = flat.reshape(spec.shape)
        start += size_bytes(spec)
    return arrays


def size_bytes(spec: TensorSpec) -> int:
    """Bytes of a tensor's numbers."""
    return math.prod(spec.shape) * np.dtype(DTYPES[spec.dtype]).itemsize


def _compare(path: Path, header: bytes, specs: Mapping[str, TensorSpec], actual_bytes: int) -> None:
    """Refuse any header but the one that ``write_tensors`` gives to these tensors."""
    wanted = encode_header(specs)
    total_bytes = len(wanted) + sum(size_bytes(spec) for spec in specs.values())
    if header != wanted:
        raise PinError(
            f"{path} does not hold the tensors of its manifest: {_difference(header, specs)}",
            expected=f"{len(specs)} tensors in {total_bytes} bytes",
            remedy=_RESTORE,
        )
    if actual_bytes != total_bytes:
        kind = "truncated" if actual_bytes < total_bytes else "too long"
        raise PinError(
            f"{path} is {kind}: {actual_bytes} bytes",
            expected=f"{total_bytes} bytes",
            remedy=_RESTORE,
        )


def _difference(header: bytes, specs: Mapping[str, TensorSpec]) -> str:
    """The first difference in words; the header may be anything."""
    try:
        entries = json_value(header[8:])
        found = {
            name: TensorSpec(entry["dtype"], tuple(entry["shape"]))
            for name, entry in entries.items()
            if name != "__metadata__"
        }
    except PARSING_FAULTS:
        return "the header is damaged or cut off"
    for name in sorted(found.keys() | specs.keys()):
        if found.get(name) != specs.get(name):
            return f"{name} is {_words(found.get(name))}, not {_words(specs.get(name))}"
    return "the tensors are laid out in another way"


def _words(spec: TensorSpec | None) -> str:
    return "absent" if spec is None else f"{spec.dtype} {list(spec.shape)}"
