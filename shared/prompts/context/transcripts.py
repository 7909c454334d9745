"""Where transcripts come from: one model, its sessions, and the budget that reading them costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shared.errors import RegenerationError
from shared.prompts.context.transcript import Transcript
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.language_model.ngrams import Recall
from shared.prompts.settings import Settings
from shared.prompts.text.blocks import text_lines
from shared.prompts.text.file_similarity import near_files
from shared.tree import Tree

RECALLED_BYTES = 1 << 18
"""Of other files than the changed one that are recalled, those first that are nearest to it."""

CARRIED_SHARE = 4
"""A transcript longer than one in so many of the model's positions is not carried on."""


@dataclass
class Desk:
    """Hands out the transcript that a file is written in.

    Files of one patch share a transcript while it is short, so that later ones see what was
    changed in the earlier ones.

    Attributes:
        open_model: opens the pinned model; not called before a file needs it.
        settings: of the message.
        spend: called with a number of tokens before the model reads them.
        prefaces: of each file that the model wrote so far, whether it had a preface.
    """

    open_model: Callable[[], LanguageModel]
    settings: Settings
    spend: Callable[[int], None]
    prefaces: list[bool] = field(default_factory=list)
    _current: Transcript | None = field(default=None)
    _unread: list[bytes] = field(default_factory=list)
    _noted: set[bytes] = field(default_factory=set)

    def read(self, text: bytes) -> None:
        """Notes an old text, so that what is written later may recall it; the same one once."""
        if text not in self._noted:
            self._noted.add(text)
            self._unread.append(text)

    def read_near(self, tree: Tree, path: str, own: str | None) -> None:
        """Notes the files on board that are nearest to the first one that is written.

        Args:
            tree: the tree on board.
            path: of the file that is to be written.
            own: its old path; None of a new file.
        """
        if self._noted or self.settings.recall_shift is None:
            return
        limit = RECALLED_BYTES + (0 if own is None else len(tree[own].data))
        for name, _ in near_files(tree, path, own, limit):
            if name != own:
                self.read(b"".join(text_lines(tree[name].data) or ()))

    def transcript(self) -> Transcript:
        """The transcript for the next text."""
        current = self._current
        if current is None or CARRIED_SHARE * current.tokens > current.model.max_positions:
            model = self.open_model()
            current = Transcript(
                model,
                model.session(),
                self.settings.inverse_temperature,
                self._guarded(model),
                self.new_recall(model) if current is None else current.recall,
            )
            self._current = current
        while self._unread:
            current.recall.read(self._unread.pop(0))
        return current

    def new_recall(self, model: LanguageModel) -> Recall:
        """What old texts are read into."""
        return Recall(model.vocabulary, self.settings.recall_shift)

    def _guarded(self, model: LanguageModel) -> Callable[[int], None]:
        limit = model.max_positions

        def spend(tokens: int) -> None:
            current = self._current
            if current is not None and current.session.length + tokens > limit:
                raise RegenerationError(
                    f"a text needs more than the {limit} tokens that the model can read",
                    remedy="author with fewer lines around the hunks",
                )
            self.spend(tokens)

        return spend
