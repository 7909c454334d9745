"""A message under another key, counter or interval: the recipe is not searched for again."""

from __future__ import annotations

from dataclasses import replace

from groundstation.signing.given_envelope import taken_apart
from shared.auth.keys import SigningKey
from shared.auth.profiles import Profile
from shared.message.envelope import check_baseline, check_pin, sign
from shared.message.wire import pieces


def resign(
    data: bytes,
    key: SigningKey,
    *,
    was: Profile,
    counter: int,
    pin: bytes,
    baseline: bytes,
    identity: str = "",
) -> bytes:
    """The envelope of the same recipe, signed anew; the old tail is not looked at.

    Args:
        data: an envelope.
        key: signs now.
        was: the profile under which it was signed before.
        counter: the new one.
        pin: digest of the model it was authored for, 32 bytes.
        baseline: digest of the tree it was authored for, 32 bytes.
        identity: of the probe that it is for now; "" if that has none.

    Raises:
        MalformedMessage: this is no envelope of that profile.
        UnsupportedVersion: one of another program.
        WrongPin: it was authored for another model or codec.
        WrongBaseline: it was authored for another tree.
    """
    message = replace(taken_apart(data, was).message, counter=counter)
    check_pin(message, pin)
    check_baseline(message, baseline)
    return sign(b"".join(part for _, part in pieces(message)), pin, baseline, key, identity)
