"""Looking through a whole store: does every record give what was signed?"""

from __future__ import annotations

from probe.edge.drawing import Renderers, drawn
from probe.edge.stores.store import PROMPT_HEAD, Store
from shared.errors import RehydrationError
from shared.media.message import decode_record
from shared.terminal import Report


def bad_records(store: Store, report: Report) -> tuple[int, dict[str, str]]:
    """How many records there are, and what is wrong with those that are not as they were signed.

    Raises:
        StoreError: the store fails.
    """
    renderers = Renderers(store)
    facts = store.facts()
    total = facts.prompts + facts.images
    count, bad = 0, {}
    for name in list(store.names()):
        report("records", count, total)
        stored = store.get(name)
        if stored is None:  # taken away meanwhile
            continue
        count += 1
        try:
            if stored.record[:1] == bytes([PROMPT_HEAD]):
                drawn(renderers.get(stored.generator), stored.record)
            else:
                decode_record(stored.record)
        except RehydrationError as error:
            bad[name] = str(error)
    return count, bad
