"""Books of prompts to edges: one signed batch, the same bytes for every edge that gets it.

Source: RFC 9457 (problem details), in which an edge says why it refuses.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import IO, Final
from urllib.parse import urlsplit

from groundstation.media.records.book import Book
from shared.auth.keys import SigningKey
from shared.errors import InputError, RehydrationError
from shared.media.batch import Batch, sign_batch
from shared.media.generator import Loaded
from shared.media.message import encode_record
from shared.media.names import normal_name
from shared.untrusted import json_value

TIMEOUT_S: Final = 300.0
_MAX_ANSWER: Final = 1 << 20


class EdgeRefused(RehydrationError):  # noqa: N818 - named for what happened
    """An edge did not take a batch, or could not be reached."""

    exit_code = 6
    kind = "edge"


@dataclass(frozen=True)
class EdgeStatus:
    """What an edge says of itself.

    Attributes:
        counter: of the last batch that it took.
        generators: digests of those that it has.
    """

    counter: int
    generators: frozenset[bytes]


def batch_of(
    books: Sequence[Book],
    loaded: Loaded,
    file: bytes,
    *,
    counter: int,
    prefix: str = "",
    removed: Sequence[str] = (),
) -> Batch:
    """The batch that publishes books of one generator.

    Args:
        books: whose pictures to publish.
        loaded: the generator that draws them.
        file: its bytes if they are to come along, else empty.
        counter: one that was not used before.
        prefix: put before every key to make its name, as ``shoes/``.
        removed: names to take away.

    Raises:
        InputError: a book is of another generator, a name is none, or there twice.
    """
    records: dict[str, bytes] = {normal_name(name): b"" for name in removed}
    for book in books:
        if book.generator != loaded.digest:
            raise InputError(
                f"the book of {book.family!r} is for generator {book.generator.hex()[:16]}...",
                expected=f"{loaded.digest.hex()[:16]}..., the one given",
                remedy="name the generator that it was encoded with",
            )
        for key, entry in book.entries.items():
            name = normal_name(prefix + key)
            if name in records:
                raise InputError(
                    f"the name {name!r} is there twice", remedy="publish it once, or not remove it"
                )
            records[name] = encode_record(entry.record)
    return Batch(loaded.digest, counter, records, file)


def signed(batch: Batch, site: str, key: SigningKey) -> bytes:
    """The bytes to push or to write to a file; raises as ``sign_batch``."""
    return sign_batch(batch, site, key)


def edge_status(edge: str) -> EdgeStatus:
    """Asks an edge what it has.

    Args:
        edge: its URL.

    Raises:
        InputError: the URL is none.
        EdgeRefused: it cannot be reached, or is no edge.
    """
    value = _asked(_request(edge, "status"), edge)
    try:
        digests = frozenset(bytes.fromhex(digest) for digest in value["generators"])  # type: ignore[attr-defined]
        return EdgeStatus(int(str(value["counter"])), digests)
    except (KeyError, TypeError, ValueError):
        raise EdgeRefused(
            f"{edge} does not answer as an edge does",
            expected="`probe edge serve`",
            remedy="check the URL",
        ) from None


def push(data: bytes, edge: str) -> Mapping[str, object]:
    """Sends a batch to an edge.

    Returns:
        What it says it did.

    Raises:
        InputError: the URL is none.
        EdgeRefused: it did not take the batch, and says why; or it is not known whether it did.
    """
    return _asked(_request(edge, "batches", data), edge)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A batch goes where it was sent, or nowhere."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        """None, so that the redirect is an error."""
        del req, fp, code, msg, headers, newurl


def _request(edge: str, path: str, data: bytes | None = None) -> urllib.request.Request:
    parts = urlsplit(edge)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise InputError(
            f"{edge!r} is no URL of an edge",
            expected="http or https, as http://edge.example:8080",
            remedy="correct --to",
        )
    fields = {"Content-Type": "application/octet-stream"} if data is not None else {}
    return urllib.request.Request(f"{edge.rstrip('/')}/{path}", data, fields)


def _asked(request: urllib.request.Request, edge: str) -> Mapping[str, object]:
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            value = json_value(answer.read(_MAX_ANSWER))
    except urllib.error.HTTPError as error:
        raise _refusal(error, edge) from None
    except (OSError, ValueError) as error:
        raise EdgeRefused(
            f"{edge} does not answer: {getattr(error, 'reason', error)}",
            expected="an edge that takes batches",
            remedy="check the URL; publish again, under the next counter, if it may have been "
            "on its way",
        ) from None
    if not isinstance(value, dict):
        raise EdgeRefused(f"{edge} does not answer as an edge does", remedy="check the URL")
    return value


def _refusal(error: urllib.error.HTTPError, edge: str) -> EdgeRefused:
    try:
        value = json_value(error.read(_MAX_ANSWER))
        found, expected, remedy = (value[key] for key in ("found", "expected", "remedy"))
        said = f"{edge} refuses ({value['title']}): {found}"
    except (OSError, ValueError, KeyError, TypeError):
        return EdgeRefused(
            f"{edge} answers {error.code}", expected="an edge", remedy="check the URL"
        )
    return EdgeRefused(said, expected=expected, remedy=remedy)
