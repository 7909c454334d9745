"""What crosses the link: an envelope, and the baseline that it was written for.

All encodings travel in the same envelope: authentication, counter, pin and baseline prefix and the
digest of the patch, checked by the probe's own code.  Only what makes the new tree of the
payload differs: the message's recipe for ours, a classical decoder for the others.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from groundstation.peers import PEERS, container
from shared.auth.keys import SharedKey
from shared.auth.profiles import Profile
from shared.diff import unified_diff
from shared.digest import sha256
from shared.envelope import sign
from shared.errors import InputError
from shared.recipe import PATCH_DIGEST_BYTES, Recipe
from shared.seeds.coins import SeedSource
from shared.tree import Tree
from shared.wire import encode_message

OURS = "ours"
DEFAULT_PEERS = ("diff", "zstd-dict-frame", "hdiffpatch-tuz")
"""The canonical patch as it is, zstd with the old file as raw dictionary, an HPatchLite delta."""

COUNTER = 7
"""Of every simulated message; the probe has used none before."""

_SECRET = sha256(b"the ground's key in simulations")

GROUND_KEYS: dict[str, Ed25519PrivateKey | SharedKey] = {
    Profile.ED25519.value: Ed25519PrivateKey.from_private_bytes(_SECRET),
    Profile.CMAC16.value: SharedKey(Profile.CMAC16, _SECRET),
    Profile.CMAC8.value: SharedKey(Profile.CMAC8, _SECRET),
}
"""By profile.  Fixed, so that the same scenario gives the same bytes; worthless to anybody else.
TESLA needs a second message and a clock on board, and is not among them (docs/linksim.md)."""

DEFAULT_PROFILE = Profile.ED25519.value


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
        profile: how it is authenticated; of ``GROUND_KEYS``.
    """

    encoding: str
    envelope: bytes
    patch: bytes
    model: str
    pin: bytes
    peer: str = ""
    sole_path: str | None = None
    profile: str = DEFAULT_PROFILE


def signed(recipe: Recipe, profile: str = DEFAULT_PROFILE) -> bytes:
    """The envelope of a recipe."""
    message = encode_message(recipe, COUNTER)
    return sign(message, recipe.pin, recipe.baseline, GROUND_KEYS[profile])


def own_cargo(recipe: Recipe, patch: bytes, profile: str, model: str = "") -> Cargo:
    """A message of this project."""
    return Cargo(OURS, signed(recipe, profile), patch, model, recipe.pin, profile=profile)


def peer_cargo(name: str, base: Tree, target: Tree, profile: str, model: str, pin: bytes) -> Cargo:
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
    return Cargo(name, signed(recipe, profile), patch, model, pin, name, sole, profile)
