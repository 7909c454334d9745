"""Butteraugli: how far a picture is from its original where the eye would see it most.

Source: J. Alakuijala and others, Guetzli and Butteraugli (2017), in the implementation of libjxl,
whose encoder aims at a distance of 1 for "visually lossless".  There is no maintained Python
package; the program ``butteraugli_main`` is in Debian's ``libjxl-devtools``.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from groundstation.media.images import encode_picture
from shared.errors import InputError
from shared.media.fixed import U8

PROGRAM: Final = "butteraugli_main"
LEAST_SIDE: Final = 8
"""Smaller pictures are never different, says the program; so they are continued by their edges."""


def butteraugli(original: U8, made: U8) -> float:
    """The distance of two pictures without alpha; 0 for equal ones, the larger the worse.

    Args:
        original: ``[height, width, 1 or 3]``, sRGB.
        made: the same size and channels.

    Raises:
        InputError: the program is not installed, or cannot compare the two.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "original.png", Path(folder) / "made.png"]
        for file, picture in zip(files, (original, made), strict=True):
            file.write_bytes(encode_picture(_large(picture), "PNG", compress_level=1))
        try:
            done = subprocess.run(
                [PROGRAM, *map(str, files)], capture_output=True, text=True, check=True
            )
            return float(done.stdout.split()[0])
        except FileNotFoundError:
            found = f"there is no program {PROGRAM}"
        except OSError as error:
            found = f"{PROGRAM} cannot be run: {error.strerror}"
        except (subprocess.CalledProcessError, ValueError, IndexError) as error:
            found = f"{PROGRAM} does not tell a distance: {error}"
    raise InputError(
        f"butteraugli cannot be measured: {found}",
        expected=f"{PROGRAM} of libjxl on the path",
        remedy="apt-get install libjxl-devtools, or do without --butteraugli",
    )


def _large(picture: U8) -> U8:
    height, width = (max(0, LEAST_SIDE - side) for side in picture.shape[:2])
    return np.pad(picture, ((0, height), (0, width), (0, 0)), "edge")
