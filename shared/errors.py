"""Every error this project raises on purpose: one root, families by cause.

Each error says what was expected, what was found and what to do, and carries the process exit
code that the command line documents.  Codes 0 (done), 1 (defect in this program) and 2 (usage)
are not used here.
"""

from __future__ import annotations

from typing import ClassVar


class RehydrationError(Exception):
    """Root of the families below.

    Args:
        found: what was found, in a sentence.
        expected: what was expected instead, or None where nothing sensible can be said.
        remedy: what the reader can do about it, or None.
    """

    exit_code: ClassVar[int] = 3
    kind: ClassVar[str] = "error"

    def __init__(
        self, found: str, *, expected: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(found)
        self.found = found
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        parts = [self.found]
        if self.expected:
            parts.append(f"expected: {self.expected}")
        if self.remedy:
            parts.append(f"to do: {self.remedy}")
        return "; ".join(parts)

    def as_dict(self) -> dict[str, object]:
        """The error for ``--json`` output."""
        return {
            "error": self.kind,
            "exit_code": self.exit_code,
            "found": self.found,
            "expected": self.expected,
            "remedy": self.remedy,
        }


def words_of(error: Exception) -> str:
    """Give what an error of the system or of a library says, as it belongs into a sentence.

    Of an ``OSError`` that is neither its number nor the path, which the sentence names already.
    """
    return (isinstance(error, OSError) and error.strerror) or str(error)


# --- the user's input -------------------------------------------------------------------------


class InputError(RehydrationError):
    """A file, folder, patch or option that the user named cannot be used."""

    exit_code = 4
    kind = "input"


class PatchError(InputError):
    """A patch is malformed or does not apply to the baseline."""

    exit_code = 5
    kind = "patch"


class DownloadError(RehydrationError):
    """A file could not be fetched, or is not the one that was asked for."""

    exit_code = 6
    kind = "download"


class PinError(RehydrationError):
    """A model cannot be pinned, or a pin is damaged or of another arithmetic version."""

    exit_code = 7
    kind = "pin"


# --- refusals of the probe, in the order in which it checks --------------------------------------


class Refusal(RehydrationError):
    """The probe refuses a message; its state and tree are as before."""

    exit_code = 10
    kind = "refused"


class MalformedMessage(Refusal):
    """The bytes are not an envelope: truncated, trailing bytes, a count out of range."""

    exit_code = 11
    kind = "malformed"


class OversizedMessage(Refusal):
    """The envelope is larger than the probe's limit."""

    exit_code = 12
    kind = "oversized"


class UnsupportedVersion(Refusal):
    """The message has a wire version or feature that this probe does not know."""

    exit_code = 13
    kind = "version"


class UnknownKey(Refusal):
    """The envelope names a key that the probe does not trust."""

    exit_code = 14
    kind = "unknown-key"


class BadSignature(Refusal):
    """The signature does not fit the bytes: damage or forgery."""

    exit_code = 15
    kind = "signature"


class Replayed(Refusal):
    """The counter is not above the last accepted one, or jumps too far."""

    exit_code = 16
    kind = "counter"


class WrongPin(Refusal):
    """The message was written for another pinned model or another codec version."""

    exit_code = 17
    kind = "wrong-pin"


class WrongBaseline(Refusal):
    """The message was written for another onboard tree."""

    exit_code = 18
    kind = "wrong-baseline"


class BudgetExceeded(Refusal):
    """Regeneration would need, or has used, more than the probe allows."""

    exit_code = 19
    kind = "budget"


class RegenerationError(Refusal):
    """The recipe cannot be followed to its end: it points outside the tree, the file or
    the text."""

    exit_code = 20
    kind = "regeneration"


class DigestMismatch(Refusal):
    """The regenerated patch does not have the digest that the message names."""

    exit_code = 21
    kind = "digest"


class UntimelyMessage(Refusal):
    """The message came when others could have known the key that closes it, or before its time."""

    exit_code = 22
    kind = "untimely"


class NotClosed(Refusal):
    """The message waits for a key that is not disclosed yet, or never came in time."""

    exit_code = 23
    kind = "not-closed"


class Unstageable(Refusal):
    """The message's tree cannot lie on this disk: a name is ignored, too long or not kept apart."""

    exit_code = 24
    kind = "unstageable"


# --- the machine's and this program's own -----------------------------------------------------


class OutOfMemory(RehydrationError):
    """The machine has too little memory for this now; the message is not to blame and may be tried
    again."""

    exit_code = 31
    kind = "memory"


class Defect(RehydrationError):
    """A part of this program failed in a way that nobody foresaw."""

    exit_code = 1
    kind = "defect"


# --- the probe's own state -----------------------------------------------------------------------


class StoreError(RehydrationError):
    """The probe's state folder is missing, damaged or in use."""

    exit_code = 30
    kind = "store"
