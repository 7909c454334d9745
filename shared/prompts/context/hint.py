"""A few words that the message spells before a file, as the subject line of a commit would.

The same model writes them as writes the file, so a likely word is cheap.  They are decisions about
the prompt: with greedy and drawn seeds they are coded all the same, since what steers the model
must not depend on what the model would say by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared.errors import RegenerationError
from shared.prompts.context.span import Span
from shared.prompts.context.transcript import Transcript
from shared.seeds.decisions import Decisions
from shared.seeds.sampler import Frequencies

LEAD = b"Subject:"
CLOSING = b"\n\n"
MAX_TOKENS = 24
LABEL = "hint"

_TOKEN_WEIGHTS = np.array([(1 << 10) // (n + 2) for n in range(MAX_TOKENS)], dtype=np.int64)


def transcribe_hint(decisions: Decisions, transcript: Transcript, wanted: bytes | None) -> bytes:
    """Writes or reads a hint and what stands around it.

    Args:
        decisions: takes what is wanted, or yields what was.
        transcript: takes the text.
        wanted: what follows ``LEAD``, usually a blank first; None on the probe.

    Raises:
        RegenerationError: on the ground, the hint has no tokens, too many, or cannot be spelled.
    """
    count = None
    if wanted is not None:
        count = len(transcript.model.vocabulary.encode(wanted) or ()) - 1
        if not 0 <= count < MAX_TOKENS:
            raise RegenerationError(
                f"a hint of {len(wanted)} bytes is not 1 to {MAX_TOKENS} tokens of this vocabulary"
            )
    tokens = 1 + decisions.prompt(_TOKEN_WEIGHTS, count, LABEL)
    transcript.give(LEAD)
    text = transcript.write(_AsPrompts(decisions), Span(CLOSING, tokens=tokens), wanted)
    transcript.give(CLOSING)
    return text


@dataclass
class _AsPrompts:
    """Decisions about tokens, taken as decisions about the prompt."""

    decisions: Decisions

    def prompt(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        return self.decisions.prompt(frequencies, wanted, label)

    def uniform(self, total: int, wanted: int | None = None, label: str = "") -> int:
        return self.decisions.uniform(total, wanted, label)

    def token(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:  # noqa: ARG002
        return self.decisions.prompt(frequencies, wanted, LABEL)
