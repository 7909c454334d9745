"""A correction of the last layer's output, fitted to text of the kind that the model shall write.

The pinned weights stay as they are.  Beside the logits of the head, each row gets those of a small
layer: the normalised output of the last block goes down to a few numbers, is clipped, goes up
again, and through the same head.  All sums are of integers and exact in binary64 whatever their
order, so every machine corrects alike; the numbers belong to the version of the codec.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.digest import DIGEST_BYTES
from shared.errors import PinError
from shared.exact.arithmetic import F64, joined_weights, quantise
from shared.exact.bounds import activation_limit

MAX_RANK: Final = 64
LIMIT: Final = 127
"""Of the integers ``down``, ``up`` and ``shift``."""

CLIPPED: Final = 4095
"""The integer that stands for 1.0 after the clip."""

_ROWS: Final = 4096


@dataclass(frozen=True, eq=False)
class Calibration:
    """The small layer, as integers and scales.

    Attributes:
        pin: digest of the pin that it was fitted to.
        down: int8 ``[rank, dim]``; one step of it is worth ``down_scale``.
        up: int8 ``[rank, dim]``; one step is worth ``up_scale``.
        shift: int8 ``[dim]``, added whatever the text; one step is worth ``shift_scale``.
    """

    pin: bytes
    down: NDArray[np.int8]
    down_scale: float
    up: NDArray[np.int8]
    up_scale: float
    shift: NDArray[np.int8]
    shift_scale: float

    def as_json(self) -> str:
        """The text of a calibration file: integers in base64, scales as hexadecimal floats."""
        numbers: dict[str, Any] = {"pin": self.pin.hex(), "rank": len(self.down)}
        for name in ("down", "up", "shift"):
            numbers[name] = base64.b64encode(getattr(self, name).tobytes()).decode("ascii")
            numbers[name + "_scale"] = float(getattr(self, name + "_scale")).hex()
        return json.dumps(numbers, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, dim: int) -> Calibration:
        """Reads a calibration file.

        Raises:
            PinError: it is none, or not of a model with ``dim`` numbers a token.
        """
        try:
            numbers = json.loads(text)
            rank = int(numbers["rank"])
            shapes = {"down": (rank, dim), "up": (rank, dim), "shift": (dim,)}
            arrays = {
                name: np.frombuffer(
                    base64.b64decode(numbers[name], validate=True), np.int8
                ).reshape(shape)
                for name, shape in shapes.items()
            }
            scales = {name: float.fromhex(numbers[name + "_scale"]) for name in shapes}
            pin = bytes.fromhex(numbers["pin"])
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            raise PinError(
                f"a calibration file that cannot be read: {error}",
                remedy="install the program again: the file belongs to it",
            ) from error
        bounded = 0 < rank <= MAX_RANK and all(0.0 < scale < 1.0 for scale in scales.values())
        if not bounded or any(array.min() < -LIMIT for array in arrays.values()):
            raise PinError("a calibration whose numbers are out of bounds")
        if len(pin) != DIGEST_BYTES:
            raise PinError(f"a calibration of a pin whose digest has {len(pin)} bytes")
        return cls(
            pin,
            arrays["down"],
            scales["down"],
            arrays["up"],
            scales["up"],
            arrays["shift"],
            scales["shift"],
        )


class Corrector:
    """A calibration, ready to correct the logits of one model.

    Args:
        calibration: the small layer.
        tensors: those of the pin that it was fitted to.
    """

    def __init__(self, calibration: Calibration, tensors: Mapping[str, NDArray[Any]]) -> None:
        head = "head" if "head.q" in tensors else "embed"
        self._calibration = calibration
        self._limit = activation_limit(calibration.down.shape[1])
        self._down: F64 = calibration.down.T.astype(np.float64)
        up = np.concatenate((calibration.up, calibration.shift[None]))
        self._up: F64 = _through_head(up.astype(np.float64), tensors, head)
        self._scales: F64 = tensors[head + ".s"]

    def correct(self, logits: F64, normed: F64) -> F64:
        """The logits with those of the small layer added.

        Args:
            logits: ``[rows, vocab]``.
            normed: ``[rows, dim]``, what the head has read.

        Returns:
            ``[rows, vocab]``.
        """
        calibration = self._calibration
        integers, scale = quantise(normed, self._limit)
        low = (integers @ self._down) * (scale * calibration.down_scale)
        clipped = np.rint(np.clip(low, -1.0, 1.0) * float(CLIPPED))
        # of integers below 2**12, 2**9, 2**7 and at most 2**16 columns times 2**6 of rank: exact
        raised = clipped @ self._up[:-1]
        step = calibration.up_scale / float(CLIPPED)
        added: F64 = raised * step + self._up[-1] * calibration.shift_scale
        return logits + added * self._scales


def _through_head(up: F64, tensors: Mapping[str, NDArray[Any]], head: str) -> F64:
    """What each row of ``up`` adds to the sums of the head: integers, float64 ``[n, vocab]``."""
    high, rests = tensors[head + ".q"], tensors[head + ".r"]
    out = np.empty((len(up), len(high)))
    for top in range(0, len(high), _ROWS):
        block = slice(top, top + _ROWS)
        np.matmul(up, joined_weights(high[block], rests[block]).T, out=out[:, block])
    return out


def calibration_of(pin: bytes, dim: int, folder: Path | None = None) -> Calibration | None:
    """The calibration that the program has for a pin; None where it has none.

    Raises:
        PinError: the file is damaged.
    """
    folder = folder or Path(__file__).with_name("calibrations")
    path = folder / f"{pin.hex()[:16]}.json"
    if not path.is_file():
        return None
    found = Calibration.from_json(path.read_text(encoding="ascii"), dim)
    if found.pin != pin:
        raise PinError(f"{path.name} is the calibration of another pin")
    return found
