"""Why a receiver drops what came over the link."""

from __future__ import annotations

from typing import ClassVar

from shared.errors import MalformedMessage


class FrameError(MalformedMessage):
    """A packet, segment, frame or codeblock is damaged, incomplete or not for this receiver.

    On a link this is an everyday event: a receiver counts it and listens on.
    """

    kind: ClassVar[str] = "frame"
