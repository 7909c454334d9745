"""The pinned model, opened only when a verified message needs it.

The imports inside the functions keep numpy, the tokenizer library and the weights away from
commands that merely check, report or roll back.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from probe.resources.budget import limited_memory, limited_time
from probe.state.records import Config
from probe.trees.slots import Slots
from shared.message.wire import Message
from shared.terminal import Report
from shared.tree import Tree

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from probe.messages.apply import Regenerator
    from shared.prompts.language_model.model import LanguageModel
    from shared.prompts.language_model.pinned import PinnedModel
    from shared.regenerate import Budget, Regenerated


def check_model(name_or_folder: str) -> tuple[Path, bytes]:
    """Folder and digest of a pinned model whose files are all in order.

    Raises:
        PinError: there is none of that name, or it is damaged.
    """
    from shared.exact.pin import load_pin, resolve_pin

    folder = resolve_pin(name_or_folder)
    return folder, load_pin(folder).digest


def without_cache(tokenizer: Tokenizer) -> None:
    """Let a tokenizer remember no words; it finds the same tokens, a tenth slower.

    What it remembers belongs to the thread and outlives it (seen in tokenizers 0.23): a service
    that opens a model for each message would grow with every one.
    """
    resize = getattr(tokenizer.model, "_resize_cache", None)
    if resize is not None:
        resize(0)


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

    names = Slots.of(config).names()

    def follow(message: Message, baseline: Tree) -> Regenerated:
        from shared.prompts.caches import forget_kept
        from shared.prompts.language_model.metered import MeteredModel, Work
        from shared.regenerate import regenerate

        work, began_s = Work(), time.process_time()

        def opened(stack: ExitStack) -> LanguageModel:
            stack.callback(forget_kept)  # a service goes on, and opens the model again
            model = open_model(stack)
            return MeteredModel(model, model.transformer.shape, work)

        with (
            limited_memory(budget.max_memory_bytes),
            limited_time(budget.max_seconds),
            ExitStack() as stack,
        ):
            made = regenerate(
                message, baseline, lambda: opened(stack), budget, report, admit=names.check
            )
        used_s = time.process_time() - began_s
        return replace(made, cpu_seconds=used_s, operations=work.multiply_adds)

    def open_model(stack: ExitStack) -> PinnedModel:
        from shared.exact.pin import load_pin
        from shared.prompts.language_model.pinned import PinnedModel

        pin = load_pin(Path(config.model), expected=bytes.fromhex(config.pin))
        without_cache(pin.tokenizer())
        if not low_memory:
            return PinnedModel.open(pin)
        from probe.resources.low_memory import frugal, mapping_of

        # One thread: the other core, if there is one, is for giving pages back in time.
        model = PinnedModel.open(pin, threads=1)
        stack.enter_context(frugal(mapping_of(pin.tensors["final_norm"])))
        return model

    return follow
