"""What a target costs: the one place that asks ``author``, and what the model would have written.

Candidates for one patch differ in few tokens.  So the model's answers are kept by all the tokens
that lead to them, and only what follows a difference is computed again; the numbers are exact, so
it does not show.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from groundstation.author import Effort, author
from shared.digest import sha256
from shared.errors import RehydrationError
from shared.prompts.model import LanguageModel, Session
from shared.prompts.vocabulary import Vocabulary
from shared.tree import Tree

MAX_KEPT_BYTES = 384 << 20
"""Answers kept at most."""

_LOOKED_AHEAD = 64
"""Fewer tokens than this are forgotten within a text: what was read ahead."""

_BEAM = 6
_DEPTH = 5
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
    _keeping: KeepingModel = field(init=False)
    _texts: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._keeping = KeepingModel(self.model)

    def cost(self, target: Tree) -> Cost:
        """What a target costs; free where it is the baseline."""
        if target == self.base:
            return Cost(0.0, 0)
        self._keeping.texts.clear()
        effort = Effort(max_seconds=float("inf"), max_candidates=self.trials, check=False)
        authored = author(self.base, target, self._keeping, effort=effort)
        self.scored += 1
        self._texts = [*self._keeping.texts, *(each.tokens for each in self._keeping.started[-1:])]
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
        session = self._keeping.session()
        session.feed(tokens)
        self._keeping.started.clear()  # what is tried here is no text
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


@dataclass
class KeepingModel:
    """A language model that keeps what it answered, by all tokens before the answer."""

    model: LanguageModel
    started: list[_KeepingSession] = field(default_factory=list)
    texts: list[list[int]] = field(default_factory=list)
    _real: Session | None = None
    _read: list[int] = field(default_factory=list)
    _answers: dict[bytes, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def digest(self) -> bytes:
        return self.model.digest

    @property
    def vocabulary(self) -> Vocabulary:
        return self.model.vocabulary

    @property
    def max_positions(self) -> int:
        return self.model.max_positions

    def frequencies(
        self,
        logits: NDArray[np.float64],
        legal: NDArray[np.bool_],
        inverse_temperature: float,
    ) -> NDArray[np.int64]:
        return self.model.frequencies(logits, legal, inverse_temperature)

    def session(self) -> Session:
        """A session of its own; all share one cache."""
        session = _KeepingSession(self)
        self.started[:] = [session]
        return session

    def answers(self, tokens: Sequence[int], keys: Sequence[bytes]) -> list[NDArray[np.float64]]:
        """Logits after each of the last ``len(keys)`` tokens; ``keys`` name what leads to them."""
        rows = [self._answers.get(key) for key in keys]
        if all(row is not None for row in rows):
            return [row for row in rows if row is not None]
        first = len(tokens) - len(keys)
        missing = first + next(k for k, row in enumerate(rows) if row is None)
        real = self._rewound(tokens, missing)
        at = len(self._read)
        if at < missing:
            real.feed(tokens[at:missing])
        fresh = real.feed_scored(list(tokens[missing:]))
        self._read = list(tokens)
        for k, row in enumerate(fresh):
            self._keep(keys[missing - first + k], row)
        return [row for row in rows[: missing - first] if row is not None] + list(fresh)

    def _rewound(self, tokens: Sequence[int], at_most: int) -> Session:
        """The one real session, with a beginning of ``tokens`` read."""
        if self._real is None:
            self._real = self.model.session()
        common = 0
        for one, two in zip(self._read, tokens[:at_most], strict=False):
            if one != two:
                break
            common += 1
        self._real.truncate(common)
        self._read = self._read[:common]
        return self._real

    def _keep(self, key: bytes, row: NDArray[np.float64]) -> None:
        self._answers[key] = row.copy()
        while len(self._answers) * row.nbytes > MAX_KEPT_BYTES:
            del self._answers[next(iter(self._answers))]


@dataclass
class _KeepingSession:
    """Reads nothing until it is asked."""

    owner: KeepingModel
    tokens: list[int] = field(default_factory=list)
    _keys: list[bytes] = field(default_factory=lambda: [b""])

    @property
    def length(self) -> int:
        return len(self.tokens)

    def feed(self, token_ids: Sequence[int]) -> None:
        if self.length + len(token_ids) > self.owner.max_positions:
            raise ValueError("the text is longer than the model can read")
        for token in token_ids:
            self.tokens.append(int(token))
            self._keys.append(sha256(self._keys[-1], int(token).to_bytes(4, "big"))[:16])

    def logits(self) -> NDArray[np.float64]:
        if not self.tokens:
            raise ValueError("nothing was read yet")
        return self.owner.answers(self.tokens, self._keys[-1:])[0]

    def feed_scored(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        self.feed(token_ids)
        return np.stack(self.owner.answers(self.tokens, self._keys[-len(token_ids) :]))

    def truncate(self, length: int) -> None:
        if self.length - length > _LOOKED_AHEAD:
            self.owner.texts.append(list(self.tokens))  # a text that ends, another begins
        del self.tokens[length:]
        del self._keys[length + 1 :]
