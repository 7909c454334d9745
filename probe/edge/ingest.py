"""A batch from the ground: verified, then stored, all of it or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from probe.edge.drawing import Renderers, check_prompts
from probe.edge.stores.store import Change, Store, number_of
from shared.auth.keys import TrustedKey
from shared.errors import PinError, RegenerationError
from shared.media.batch import Batch, open_batch
from shared.media.generator import read_generator
from shared.media.names import DEFAULT_SITE, MAX_BATCH_BYTES
from shared.media.render import Renderer
from shared.message.envelope import Limits, check_number


@dataclass(frozen=True)
class Policy:
    """Whom an edge obeys.

    Attributes:
        keys: that it trusts; none and it takes no batches.
        site: for which batches must be signed.
        limits: how far counters may jump.
        max_bytes: of a batch.
    """

    keys: Sequence[TrustedKey] = ()
    site: str = DEFAULT_SITE
    limits: Limits = field(default_factory=Limits)
    max_bytes: int = MAX_BATCH_BYTES


@dataclass(frozen=True)
class Accepted:
    """A batch that was stored.

    Attributes:
        batch: what it was.
        size_bytes: as it came.
        change: what it did.
    """

    batch: Batch
    size_bytes: int
    change: Change

    def as_dict(self) -> dict[str, object]:
        """For answers and ``--json``."""
        return {
            "accepted": True,
            "counter": self.batch.counter,
            "generator": self.batch.generator.hex(),
            "batch_bytes": self.size_bytes,
            "generator_bytes": len(self.batch.file),
            "records": len(self.batch.records),
            "added": self.change.added,
            "replaced": self.change.replaced,
            "removed": self.change.removed,
            "same": self.change.same,
        }


def accept(store: Store, data: bytes, policy: Policy, renderers: Renderers) -> Accepted:
    """Verifies and stores a batch.

    After size, key, signature, counter and form (``open_batch``) the generator must be known, or
    come along whole, and must understand every prompt.  The counter is looked at once more in the
    transaction that stores.

    Raises:
        Refusal: the family member of the step that failed; the store is as before.
        StoreError: the store fails, and is as before.
    """
    last = store.facts().counter
    batch = open_batch(
        data,
        policy.keys,
        policy.site,
        last_counter=last,
        limits=policy.limits,
        max_bytes=policy.max_bytes,
    )
    check_prompts(batch, _renderer(batch, store, renderers))

    def check(counter: int) -> None:
        check_number(batch.counter, counter, policy.limits)

    return Accepted(batch, len(data), store.accept(batch, len(data), check))


def _renderer(batch: Batch, store: Store, renderers: Renderers) -> Renderer:
    _, is_new = number_of(batch, {digest: n for n, digest in enumerate(store.digests())})
    if not is_new:
        return renderers.get(batch.generator)
    try:
        return Renderer(read_generator(batch.file).generator)
    except PinError as error:
        raise RegenerationError(
            f"the generator in the batch is none: {error.found}",
            expected=error.expected,
            remedy=error.remedy,
        ) from None
