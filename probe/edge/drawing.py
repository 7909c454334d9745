"""Records to pixels, on any thread; what is drawn is checked every time."""

from __future__ import annotations

import threading
from collections import OrderedDict

from probe.edge.stores.store import Store
from shared.errors import RegenerationError, WrongPin
from shared.media.batch import Batch
from shared.media.fixed import U8
from shared.media.generator import read_generator
from shared.media.message import Record, decode_record, regenerate_record
from shared.media.prompt import decode_prompt
from shared.media.render import Renderer


class Renderers:
    """Generators ready to draw, the last ones used.

    Args:
        store: where their files are.
        most: how many are kept; each takes some 20 MB at 512 x 512 pixels.
    """

    def __init__(self, store: Store, most: int = 16) -> None:
        self._store, self._most = store, most
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, Renderer] = OrderedDict()

    def ready(self, digest: bytes) -> Renderer | None:
        """A renderer that is there already; does not wait."""
        return self._kept.get(digest)

    def get(self, digest: bytes) -> Renderer:
        """A renderer, decoded from the store's file if need be: some 0.1 s.

        Raises:
            WrongPin: the store does not have this generator, or another under its name.
            PinError: its file is damaged.
            StoreError: the store fails.
        """
        with self._lock:
            found = self._kept.pop(digest, None) or self._opened(digest)
            self._kept[digest] = found
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return found

    def _opened(self, digest: bytes) -> Renderer:
        data = self._store.generator(digest)
        loaded = None if data is None else read_generator(data)
        if loaded is None or loaded.digest != digest:
            raise WrongPin(
                f"the store has no generator {digest.hex()[:16]}...",
                expected="the one that the record was made for",
                remedy="publish the family again, with its generator",
            )
        return Renderer(loaded.generator)


def drawn(renderer: Renderer, record: bytes) -> U8:
    """The pixels of a prompt's record, whose digest is as recorded.

    Raises:
        Refusal: the record is damaged or not this generator's, or other pixels come out.
    """
    return regenerate_record(decode_record(record), renderer)


def check_prompts(batch: Batch, renderer: Renderer) -> None:
    """Looks whether a generator understands all prompts of a batch; draws nothing.

    Raises:
        RegenerationError: one is not of its grammar.
    """
    grammar = renderer.generator.grammar
    for name, data in batch.records.items():
        record = decode_record(data) if data else Record(b"")
        if data and not record.image:
            try:
                decode_prompt(grammar, record.stream)
            except RegenerationError as error:
                raise RegenerationError(
                    f"{name}: {error.found}", expected=error.expected, remedy=error.remedy
                ) from None
