"""An adapter: small integers that turn one model into another, the same on every machine.

For each matrix W of a model it holds two thin ones, so that the specialised matrix is
``W + scale * (up @ down)`` (Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021).
The product is of integers and exact; what follows is elementwise, one rounding after another in a
fixed order.  So base weights and adapter give one pin, byte for byte, wherever it is made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groundstation.models.source import SourceModel
from shared.errors import PinError
from shared.exact.manifest import Source
from shared.untrusted import PARSING_FAULTS, json_value

FORMAT: Final = "rehydration-adapter/1"
LIMIT: Final = 127
MAX_RANK: Final = 256
_MAGIC: Final = b"RHAD"
_ROWS: Final = 4096


@dataclass(frozen=True, eq=False)
class LowRank:
    """What is added to one matrix.

    Attributes:
        down: int8 [rank, in].
        up: int8 [out, rank].
        scale: worth of one step of their product.
    """

    down: NDArray[np.int8]
    up: NDArray[np.int8]
    scale: float

    def added_to(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """The specialised matrix.

        Raises:
            PinError: the matrix has another shape.
        """
        shape = (self.up.shape[0], self.down.shape[1])
        if weights.shape != shape:
            raise PinError(f"an adapter of {shape} for a matrix of {weights.shape}")
        result = np.empty_like(weights)
        down = self.down.astype(np.float64)
        for top in range(0, shape[0], _ROWS):
            rows = slice(top, top + _ROWS)
            # of integers up to 127 * 127 * 256: exact in any order
            product = self.up[rows].astype(np.float64) @ down
            result[rows] = weights[rows].astype(np.float64) + product * self.scale
        return result

    @classmethod
    def rounded(cls, down: NDArray[np.float32], up: NDArray[np.float32]) -> LowRank:
        """The nearest integers; both matrices are first made equally large, rank by rank.

        Args:
            down: [rank, in], in real numbers.
            up: [out, rank].
        """
        sizes = np.abs(down).max(axis=1).astype(np.float64)
        other = np.abs(up).max(axis=0).astype(np.float64)
        balance = np.sqrt(np.where(sizes * other > 0, other / np.maximum(sizes, 1e-30), 1.0))
        down64, up64 = down * balance[:, None], up / balance[None, :]
        steps = [float(np.abs(each).max()) / LIMIT or 1.0 for each in (down64, up64)]
        return cls(
            np.rint(down64 / steps[0]).astype(np.int8),
            np.rint(up64 / steps[1]).astype(np.int8),
            steps[0] * steps[1],
        )


@dataclass(frozen=True, eq=False)
class Adapter:
    """Everything that specialises one model.

    Attributes:
        name: of the specialised model.
        base_sha256: of the weights file that it was trained on.
        matrices: by the names of the matrices in a pin.
        facts: what else its manifest says: how it was made, on what, licence; JSON values.
    """

    name: str
    base_sha256: str
    matrices: Mapping[str, LowRank]
    facts: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """The file: magic, length of the head, head in JSON, then the integers in a row."""
        entries = {
            name: {
                "rank": len(each.down),
                "in": each.down.shape[1],
                "out": each.up.shape[0],
                "scale": each.scale.hex(),
            }
            for name, each in sorted(self.matrices.items())
        }
        head = {
            "format": FORMAT,
            "name": self.name,
            "base_sha256": self.base_sha256,
            "facts": dict(self.facts),
            "matrices": entries,
        }
        text = json.dumps(head, sort_keys=True, indent=1).encode("utf-8")
        integers = b"".join(
            self.matrices[name].down.tobytes() + self.matrices[name].up.tobytes()
            for name in sorted(self.matrices)
        )
        return _MAGIC + len(text).to_bytes(4, "big") + text + integers

    @property
    def digest(self) -> str:
        """sha256 of the file, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, data: bytes) -> Adapter:
        """Reads the file.

        Raises:
            PinError: it is none, damaged, or of another version.
        """
        try:
            size = int.from_bytes(data[4:8], "big")
            if data[:4] != _MAGIC or len(data) < 8 + size:
                raise ValueError("it does not begin as an adapter does")
            head = json_value(data[8 : 8 + size])
            if head["format"] != FORMAT:
                raise ValueError(f"its format is {head['format']!r}, not {FORMAT!r}")
            place, matrices = 8 + size, {}
            for name, entry in sorted(head["matrices"].items()):
                matrices[name], place = _matrix(data, place, entry)
            if place != len(data):
                raise ValueError(f"{len(data) - place} bytes follow its end")
            found = cls(head["name"], head["base_sha256"], matrices, head["facts"])
            if found.to_bytes() != data:
                raise ValueError("its head is not in canonical form")
            return found
        except PARSING_FAULTS as error:
            raise PinError(
                f"this file is no adapter: {error}",
                expected="a file that `groundstation specialise` has written",
            ) from error

    @property
    def rank(self) -> int:
        """Of its matrices; the largest where they differ."""
        return max((len(each.down) for each in self.matrices.values()), default=0)

    @property
    def first_layer(self) -> int:
        """The first layer that it changes."""
        return min((int(name.split(".")[1]) for name in self.matrices), default=0)

    def check_base(self, source: SourceModel) -> None:
        """Finds out whether it was trained on these weights.

        Raises:
            PinError: it was not.
        """
        if source.source.sha256 != self.base_sha256:
            raise PinError(
                f"the weights have sha256 {source.source.sha256}",
                expected=f"{self.base_sha256}, on which the adapter {self.name} was trained",
            )

    def applied(self, source: SourceModel) -> SourceModel:
        """The specialised model; its source is the adapter's file, which names the base weights.

        Raises:
            PinError: it was trained on other weights, or names a matrix that there is not.
        """
        self.check_base(source)

        def weight(name: str) -> NDArray[np.float32]:
            weights = source.weight(name)
            added = self.matrices.get(name)
            return weights if added is None else added.added_to(weights)

        named = Source(f"{source.source.name} with {self.name}", self.digest)
        return replace(source, name=self.name, source=named, weight=weight)


def _matrix(data: bytes, place: int, entry: Mapping[str, Any]) -> tuple[LowRank, int]:
    rank, columns, rows = (int(entry[name]) for name in ("rank", "in", "out"))
    scale = float.fromhex(entry["scale"])
    if not (0 < rank <= MAX_RANK and columns > 0 and rows > 0 and 0.0 < scale < 1.0):
        raise ValueError("a matrix whose sizes or scale are out of bounds")
    sizes = (rank * columns, rows * rank)
    if place + sum(sizes) > len(data):
        raise ValueError("it ends too early")
    down = np.frombuffer(data, np.int8, sizes[0], place).reshape(rank, columns)
    up = np.frombuffer(data, np.int8, sizes[1], place + sizes[0]).reshape(rows, rank)
    if min(down.min(), up.min()) < -LIMIT:
        raise ValueError("a number is out of bounds")
    return LowRank(down, up, scale), place + sum(sizes)


def read_adapter(path: Path) -> Adapter:
    """Reads a file.

    Raises:
        PinError: it cannot be read or is no adapter.
    """
    try:
        return Adapter.from_bytes(path.read_bytes())
    except OSError as error:
        raise PinError(f"cannot read {path}: {error.strerror}") from error
