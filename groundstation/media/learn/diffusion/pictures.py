"""Pictures of a family at the size at which they are learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from groundstation.media.family import Member
from groundstation.media.images import opaque, pillow
from groundstation.media.learn.diffusion.plan import Plan
from groundstation.media.learn.learnable import read_learnable
from shared.errors import InputError
from shared.media.fixed import U8
from shared.terminal import Report

_BOX = 4  # Pillow's number of means over boxes


def scaled(pixels: U8, width: int, height: int) -> U8:
    """A picture on white at this size, each pixel the mean of those it stands for."""
    flat = opaque(pixels)
    if flat.shape[:2] == (height, width):
        return flat
    return np.asarray(pillow().fromarray(flat).resize((width, height), _BOX))


def read_scaled(members: Sequence[Member], plan: Plan, report: Report) -> U8:
    """The pictures as a network learns them, ``[pictures, height, width, 3]``.

    Raises:
        InputError: one cannot be read, or they have several sizes.
    """
    found: list[U8] = []
    first = None
    for number, member in enumerate(members):
        report("reading", number, len(members))
        pixels = read_learnable(member.path)
        first = first or pixels.shape[:2]
        if pixels.shape[:2] != first:
            raise InputError(
                f"{member.path} has {pixels.shape[1]} x {pixels.shape[0]} pixels",
                expected=f"{first[1]} x {first[0]}, as the first picture",
                remedy="leave it out, or put pictures of one size into a folder of their own",
            )
        found.append(scaled(pixels, *plan.size_of(pixels.shape[1], pixels.shape[0])))
    report("reading", len(members), len(members))
    return np.stack(found)
