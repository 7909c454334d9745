"""The pinned model, opened only when a verified message needs it.

The imports inside the functions keep numpy, the tokenizer library and the weights away from
commands that merely check, report or roll back.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from probe.budget import limited_memory
from probe.records import Config
from shared.terminal import Report
from shared.tree import Tree
from shared.wire import Message

if TYPE_CHECKING:
    from probe.update import Regenerator
    from shared.prompts.model import LanguageModel
    from shared.regenerate import Budget, Regenerated


def check_model(name_or_folder: str) -> tuple[Path, bytes]:
    """Folder and digest of a pinned model whose files are all in order.

    Raises:
        PinError: there is none of that name, or it is damaged.
    """
    from shared.exact.pin import load_pin, resolve_pin

    folder = resolve_pin(name_or_folder)
    return folder, load_pin(folder).digest


def budget_of(max_tokens: int, max_seconds: float, max_memory_mib: int) -> Budget:
    """The budget that the options of a command describe."""
    from shared.regenerate import Budget

    return Budget(max_tokens, max_seconds, max_memory_mib << 20)


def regenerator(
    config: Config, budget: Budget, report: Report, *, low_memory: bool = False
) -> Regenerator:
    """What ``update`` calls to follow a message: the shared regeneration, within a budget.

    The pin's files are checked in full when the model is opened, that is, when the first token is
    needed; a message of classical deltas alone opens none.
    """

    def follow(message: Message, baseline: Tree) -> Regenerated:
        from shared.regenerate import regenerate

        with limited_memory(budget.max_memory_bytes):
            return regenerate(message, baseline, open_model, budget, report)

    def open_model() -> LanguageModel:
        from shared.exact.pin import load_pin
        from shared.prompts.pinned import PinnedModel

        return PinnedModel.open(
            load_pin(Path(config.model), expected=bytes.fromhex(config.pin)),
        )

    return follow
