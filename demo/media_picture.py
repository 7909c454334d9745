"""The README's picture: originals above, what was drawn from prompts below."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from groundstation.media.images import encode_picture, opaque, pillow, read_picture

SIDE = 96
GAP = 6
WHITE = 255


def side_by_side(originals: Path, drawn: Path, out: Path) -> None:
    """Writes a sheet of all pictures in two rows, lossless.

    Args:
        originals: folder.
        drawn: folder of PNG files with the same stems.
        out: a WebP file.
    """
    paths = sorted(path for path in originals.iterdir() if path.suffix != ".csv")
    columns = len(paths)
    sheet = np.full((2 * SIDE + GAP, columns * (SIDE + GAP) - GAP, 3), WHITE, np.uint8)
    for column, path in enumerate(paths):
        left = column * (SIDE + GAP)
        for row, shown in enumerate((path, drawn / f"{path.stem}.png")):
            image = pillow().fromarray(opaque(read_picture(shown), WHITE))
            small = np.asarray(image.resize((SIDE, SIDE), 3))  # 3: bicubic
            top = row * (SIDE + GAP)
            sheet[top : top + SIDE, left : left + SIDE] = small
    out.write_bytes(encode_picture(sheet, "WEBP", lossless=True, method=6))
