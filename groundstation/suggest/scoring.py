"""What a target costs: the one place that asks ``author``; and what the model would write."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from groundstation.authoring.author import Effort, author
from groundstation.scoring.cached_model import ReusingModel, ReusingSession
from shared.errors import RehydrationError
from shared.prompts.language_model.model import LanguageModel, Session
from shared.tree import Tree

_BEAM = 6
_DEPTH = 5
_LOOKED_AHEAD = 64
"""Fewer tokens than this are forgotten within a text: what was read ahead."""
_IDENTIFIER = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Cost:
    """What ``author`` needs for a target.

    Attributes:
        bits: of prompt, tokens and deltas, the ideal length.
        payload_bytes: the same as it is sent: prompt, seed and deltas.
    """

    bits: float
    payload_bytes: int


@dataclass
class _Follower(ReusingModel):
    """A model that also knows which texts were read to their end.

    Attributes:
        ended: tokens of the texts after which another began.
        last: the session that was handed out last; its text may still go on.
    """

    ended: list[list[int]] = field(default_factory=list)
    last: _Followed | None = field(default=None)

    def session(self) -> Session:
        """See ``ReusingModel``."""
        self.last = _Followed(self)
        return self.last

    def texts(self) -> list[list[int]]:
        """The texts, the last one as far as it goes."""
        return [*self.ended, *([list(self.last.tokens)] if self.last else [])]


@dataclass
class _Followed(ReusingSession):
    owner: _Follower

    def truncate(self, length: int) -> None:
        """Notes a text that ends."""
        if self.length - length > _LOOKED_AHEAD:
            self.owner.ended.append(list(self.tokens))
        super().truncate(length)


@dataclass
class Scorer:
    """Counts targets against one baseline.

    Attributes:
        base: the tree on board.
        model: the model pinned on board.
        trials: prompts that ``author`` tries each time.
        scored: targets counted so far.
    """

    base: Tree
    model: LanguageModel
    trials: int = 1
    scored: int = 0
    _model: _Follower = field(init=False)
    _texts: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._model = _Follower(self.model)

    def cost(self, target: Tree) -> Cost:
        """What a target costs; free where it is the baseline."""
        if target == self.base:
            return Cost(0.0, 0)
        self._model.ended.clear()
        effort = Effort(max_seconds=float("inf"), max_candidates=self.trials, check=False)
        authored = author(self.base, target, self._model, effort=effort)
        self.scored += 1
        self._texts = self._model.texts()
        bits = authored.prompt_bits + authored.token_bits + 8 * authored.delta_bytes
        return Cost(bits, authored.payload_bytes)

    def expected_names(self, before: bytes) -> list[str]:
        """Identifiers that the model expects after ``before``, the likeliest first.

        Args:
            before: the text that was last counted, up to the place; its end is looked for.
        """
        found = self._context(before)
        if found is None:
            return []
        tokens, given = found
        try:
            return self._beam(tokens, given)
        except (RehydrationError, ValueError):  # no room for more tokens: no names
            return []

    def _context(self, before: bytes) -> tuple[list[int], bytes] | None:
        """The tokens read before a place, and the last bytes before it that are still to come."""
        vocabulary = self.model.vocabulary
        for lines in (4, 2, 1):
            tail = b"\n".join(before.rsplit(b"\n", lines)[-lines:])
            for tokens in self._texts:
                place = vocabulary.spell(tokens).rfind(tail)
                if place < 0 or not tail.strip():
                    continue
                end = place + len(tail) - before.endswith(b" ")
                kept, length = 0, 0
                while length + len(vocabulary.spelling[tokens[kept]]) <= end:
                    length += len(vocabulary.spelling[tokens[kept]])
                    kept += 1
                return tokens[:kept], vocabulary.spell(tokens)[length : place + len(tail)]
        return None

    def _beam(self, tokens: list[int], given: bytes) -> list[str]:
        session = ReusingSession(self._model)  # not followed: what is tried here is no text
        session.feed(tokens)
        start = session.length
        found: dict[bytes, float] = {}
        beam: list[tuple[float, list[int]]] = [(0.0, [])]
        for _ in range(_DEPTH):
            wider: list[tuple[float, list[int]]] = []
            for weight, path in beam:
                session.truncate(start)
                session.feed(path)
                spelled = self.model.vocabulary.spell(path)
                legal = self.model.vocabulary.legal(given[len(spelled) :])
                share = self.model.frequencies(session.logits(), legal, 1.0)
                total = float(np.log2(share.sum()))
                for token in np.argsort(-share, kind="stable")[: 2 * _BEAM]:
                    if share[token]:
                        chance = weight + float(np.log2(share[token])) - total
                        wider.append((chance, [*path, int(token)]))
            wider.sort(key=lambda each: -each[0])
            beam = []
            for weight, path in wider[: 3 * _BEAM]:
                text = self.model.vocabulary.spell(path)
                name = _IDENTIFIER.match(text, len(given))
                if name is not None and name.end() < len(text):
                    found.setdefault(name[0], weight)
                elif (name is not None or len(text) <= len(given)) and len(beam) < _BEAM:
                    beam.append((weight, path))
        best = sorted(found, key=lambda name: -found[name])
        return [name.decode("ascii") for name in best]
