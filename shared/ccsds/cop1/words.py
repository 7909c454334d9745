"""COP-1: frames arrive once and in order, or the ground is told that they may not have.

    ground  Fop  -- AD, BD, BC frames -->  Farm  probe
    ground  Fop  <-------- CLCW ---------  Farm  probe

Both ends are values whose events are methods; neither reads a clock, sends or stores anything.
The parts: ``fop`` and its words in ``fop_words``, ``farm``, ``clcw``.

Source: CCSDS 232.1-B-2.  docs/decisions/0011-cop1.md says why it is written here.
"""

from __future__ import annotations

from shared.ccsds.cop1.clcw import Clcw, decode_clcw, encode_clcw
from shared.ccsds.cop1.farm import UNLOCK, Farm, FarmState, set_vr
from shared.ccsds.cop1.fop import Fop, Outcome
from shared.ccsds.cop1.fop_words import Alert, FopState, Frame, Notice, Parameters, Service, What

__all__ = [
    "Farm",
    "FarmState",
    "Fop",
    "FopState",
    "Outcome",
    "Parameters",
    "Frame",
    "Service",
    "Notice",
    "What",
    "Alert",
    "Clcw",
    "encode_clcw",
    "decode_clcw",
    "UNLOCK",
    "set_vr",
]
