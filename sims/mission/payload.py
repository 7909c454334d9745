"""What crosses the link: an envelope, and the baseline that it was written for.

All encodings travel in the same envelope: authentication, counter, pin and baseline prefix and the
digest of the patch, checked by the probe's own code.  Only what makes the new tree of the
payload differs: the message's recipe for ours, a classical decoder for the others.
"""

from __future__ import annotations

from dataclasses import dataclass

from groundstation.peers import PEERS, container
from shared.auth.keys import TrustedKey, to_text
from shared.diff import unified_diff
from shared.digest import sha256
from shared.errors import InputError
from shared.message.recipe import PATCH_DIGEST_BYTES, Recipe
from shared.message.wire import encode_message
from shared.seeds.coins import SeedSource
from shared.tree import Tree
from sims.mission.authentication import DEFAULT, Later, Origin, trust_of

OURS = "ours"
ENCODINGS = (OURS, *PEERS)
"""What a scenario may name as encodings."""
DEFAULT_PEERS = ("diff", "zstd-dict-frame", "hdiffpatch-tuz")
"""The canonical patch as it is, zstd with the old file as raw dictionary, an HPatchLite delta."""

COUNTER = 7
"""Of every simulated message; the probe has used none before."""


@dataclass(frozen=True)
class Cargo:
    """One way to send one patch.

    Attributes:
        encoding: ``ours``, or the name of a peer.
        envelope: the bytes that travel, signature included.
        patch: the canonical patch that must come of it.
        model: name or folder of the pin on board; "" where none is needed.
        pin: its digest.
        peer: the decoder's name; "" for the probe's own regeneration.
        sole_path: the one file that is changed, which a peer's payload does not name.
        origin: how it is authenticated.
        later: what has to follow the envelope, and when; with TESLA.
    """

    encoding: str
    envelope: bytes
    patch: bytes
    model: str
    pin: bytes
    peer: str = ""
    sole_path: str | None = None
    origin: Origin = DEFAULT
    later: Later | None = None

    @property
    def messages(self) -> tuple[bytes, ...]:
        """All that has to get across."""
        return (self.envelope,) if self.later is None else (self.envelope, self.later.data)

    def punctually(self) -> tuple[tuple[bytes, float], ...]:
        """Each message, and a time in seconds from the start at which it may arrive."""
        if self.later is None:
            return ((self.envelope, 0.0),)
        return ((self.envelope, self.later.arrives_s), (self.later.data, self.later.follows_s))

    @property
    def trust(self) -> TrustedKey:
        """What the probe has to trust."""
        return trust_of(self.origin, self.later)

    @property
    def name(self) -> bytes:
        """Tells cargoes apart, and the probes that are made for them."""
        if self.later is None:
            return self.envelope
        return self.envelope + self.later.data + to_text(self.later.trust).encode()


def signed(recipe: Recipe, origin: Origin = DEFAULT) -> tuple[bytes, Later | None]:
    """The envelope of a recipe, and what has to follow it."""
    return origin.sign(encode_message(recipe, COUNTER), recipe.pin, recipe.baseline)


def own_cargo(recipe: Recipe, patch: bytes, origin: Origin, model: str = "") -> Cargo:
    """A message of this project."""
    envelope, later = signed(recipe, origin)
    return Cargo(OURS, envelope, patch, model, recipe.pin, origin=origin, later=later)


def peer_cargo(
    name: str, base: Tree, target: Tree, origin: Origin, model: str, pin: bytes
) -> Cargo:
    """A classical payload in the same envelope.

    Raises:
        InputError: there is no such peer, or it does not decode to the target.
    """
    peer = PEERS.get(name)
    if peer is None:
        raise InputError(
            f"no encoding is called {name!r}", expected=f"{OURS}, or one of {', '.join(PEERS)}"
        )
    try:
        payload = peer.encode(base, target)
        decoded = peer.decode(base, payload, container.sole_path(base, target))
    except ImportError as error:
        raise InputError(
            f"the encoding {name} needs a package that is not installed: {error.name}",
            remedy="pip install 'rehydration-uplink[compare]', or leave it out of encodings",
        ) from error
    if decoded != target:
        raise InputError(f"the encoding {name} does not carry this patch", expected="the target")
    patch = unified_diff(base, target)
    recipe = Recipe(
        pin=pin,
        baseline=base.digest,
        patch_digest=sha256(patch)[:PATCH_DIGEST_BYTES],
        seed_source=SeedSource.CODED,
        stream=b"",
        blobs=payload,
    )
    sole = container.sole_path(base, target)
    envelope, later = signed(recipe, origin)
    return Cargo(name, envelope, patch, model, pin, name, sole, origin, later)
