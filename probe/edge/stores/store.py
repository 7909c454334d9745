"""What an edge remembers: records by name, generators by digest, the last counter.

A store takes a batch whole or not at all, and looks at the counter in the same transaction in which
it raises it, so that several processes on one store cannot both accept one batch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Final, Protocol

from shared.errors import StoreError, WrongPin
from shared.media.batch import Batch
from shared.message.envelope import NO_COUNTER
from shared.untrusted import json_value

PROMPT_HEAD: Final = 0x10
"""First byte of a record that has a prompt (``shared.media.message``)."""
NUMBER_BYTES: Final = 2
"""Records name their generator by a number of the store's own."""
MAX_GENERATORS: Final = 1 << 8 * NUMBER_BYTES


@dataclass(frozen=True)
class Stored:
    """What lies under a name.

    Attributes:
        generator: digest of the one that it was made for, 32 bytes.
        record: bytes of ``shared.media.message.encode_record``.
    """

    generator: bytes
    record: bytes


@dataclass(frozen=True)
class Facts:
    """What a store has counted; it survives restarts.

    Attributes:
        counter: of the last batch.
        prompts, images: records of either kind that it holds.
        generators: how many it holds.
        batches: accepted so far.
        generator_bytes, record_bytes: that came in accepted batches: generators' files, the rest.
    """

    counter: int = NO_COUNTER
    prompts: int = 0
    images: int = 0
    generators: int = 0
    batches: int = 0
    generator_bytes: int = 0
    record_bytes: int = 0


@dataclass(frozen=True)
class Change:
    """What a batch did.

    Attributes:
        added: names that were not there.
        replaced: names that had another record; caches may still hold their pictures.
        removed: names taken away.
        same: records that were there already.
    """

    added: int = 0
    replaced: int = 0
    removed: int = 0
    same: int = 0


class Store(Protocol):
    """A key-value store of an edge.  Methods may be called from any thread.

    Attributes:
        remote: looking something up may wait for a network.
    """

    remote: bool

    def get(self, name: str) -> Stored | None:
        """What lies under a name.

        Raises:
            StoreError: the store fails.
        """
        ...

    def generator(self, digest: bytes) -> bytes | None:
        """A generator's file; errors as ``get``."""
        ...

    def digests(self) -> tuple[bytes, ...]:
        """Of the generators that are there; errors as ``get``."""
        ...

    def names(self) -> Iterator[str]:
        """All names; errors as ``get``."""
        ...

    def facts(self) -> Facts:
        """The counts; errors as ``get``."""
        ...

    def accept(self, batch: Batch, size_bytes: int, check: Callable[[int], None]) -> Change:
        """Stores a verified batch, all of it or nothing.

        Args:
            batch: what to store.
            size_bytes: as it came over the link.
            check: called with the last counter inside the transaction; what it raises ends that.

        Raises:
            WrongPin: the store has no such generator, and none came along.
            StoreError: the store fails.
        """
        ...

    def close(self) -> None:
        """Lets go of files and connections."""
        ...


# --- what the stores have in common -----------------------------------------------------------


def facts_to_bytes(facts: Facts) -> bytes:
    """As it is kept."""
    return json.dumps(asdict(facts), sort_keys=True).encode("ascii")


def facts_from_bytes(data: bytes | None) -> Facts:
    """What ``facts_to_bytes`` wrote.

    Raises:
        StoreError: it did not.
    """
    if data is None:
        return Facts()
    try:
        value = json_value(data)
        if all(type(value[field.name]) is int for field in fields(Facts)):
            return Facts(**value)
    except (ValueError, KeyError, TypeError):
        pass
    raise StoreError(
        "the counts of the edge's store are damaged",
        remedy="put back a copy of the store, or publish everything into a new one",
    )


def number_of(batch: Batch, numbers: Mapping[bytes, int]) -> tuple[int, bool]:
    """The number of a batch's generator, and whether it is a new one.

    Args:
        batch: to be stored.
        numbers: of the generators that are there, by digest.

    Raises:
        WrongPin: it is not there and did not come along.
        StoreError: there are too many.
    """
    if batch.generator in numbers:
        return numbers[batch.generator], False
    if not batch.file:
        raise WrongPin(
            f"the batch is for the generator {batch.generator.hex()[:16]}...",
            expected="one that the edge has: "
            + (", ".join(f"{digest.hex()[:16]}..." for digest in numbers) or "none yet"),
            remedy="send its file along: `groundstation media publish --with-generator`",
        )
    if len(numbers) >= MAX_GENERATORS:
        raise StoreError(f"the store has {len(numbers)} generators", expected="fewer")
    return len(numbers), True


def changed(
    facts: Facts,
    batch: Batch,
    size_bytes: int,
    old: Mapping[str, bytes | None],
    value: Callable[[bytes], bytes],
    new_generator: bool,
) -> tuple[Facts, Change]:
    """The counts after a batch, and what it does.

    Args:
        facts: before.
        batch: to be stored.
        size_bytes: of the batch on the link.
        old: what lies under each of its names, as stored.
        value: a record as it would be stored.
        new_generator: whether its generator is stored too.
    """
    prompts, images = facts.prompts, facts.images
    added = replaced = removed = same = 0
    for name, record in batch.records.items():
        before = old[name]
        if before is not None:
            if before[NUMBER_BYTES] == PROMPT_HEAD:
                prompts -= 1
            else:
                images -= 1
        if record and record[0] == PROMPT_HEAD:
            prompts += 1
        elif record:
            images += 1
        if not record:
            removed += before is not None
        elif before is None:
            added += 1
        else:
            equal = before == value(record)
            same += equal
            replaced += not equal
    after = Facts(
        counter=batch.counter,
        prompts=prompts,
        images=images,
        generators=facts.generators + new_generator,
        batches=facts.batches + 1,
        generator_bytes=facts.generator_bytes + len(batch.file),
        record_bytes=facts.record_bytes + size_bytes - len(batch.file),
    )
    return after, Change(added, replaced, removed, same)
