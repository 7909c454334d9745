"""For which probe something was signed: a name that both ends know and that does not travel.

Two probes may trust the same keys, have the same tree and stand at the same counter.  Then what was
signed for one would do for the other, unless its name is part of what is signed.  The name enters
as 32 bytes, so that no two names and rests of a message give the same bytes.
"""

from __future__ import annotations

import re

from shared.digest import sha256
from shared.errors import InputError

MAX_IDENTITY = 64
_FORM = re.compile(rf"[!-~]{{1,{MAX_IDENTITY}}}")


def check_identity(identity: str) -> None:
    """Whether a text may name a probe; "" stands for a probe without a name.

    Raises:
        InputError: it is longer than 64 characters, or has some that two people may write in two
            ways: only printable ASCII without spaces is taken.
    """
    if identity and not _FORM.fullmatch(identity):
        raise InputError(
            f"the identity {identity[:80]!r}",
            expected=f"1 to {MAX_IDENTITY} printable ASCII characters without a space",
            remedy="take a serial number or a short name, the same at both ends",
        )


def identity_digest(identity: str) -> bytes:
    """What stands for the name in what is signed, 32 bytes.

    Raises:
        InputError: as ``check_identity``.
    """
    check_identity(identity)
    return sha256(identity.encode("ascii"))
