"""The ground's message counter: a file beside the signing key, so that no number is used twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer

from shared.errors import InputError, words_of
from shared.files import replace_file
from shared.message.wire import MAX_COUNTER


def counter_path(key: Path) -> Path:
    """Where the last counter signed with a key is kept."""
    return key.with_name(key.name + ".counter")


def next_counter(key: Path) -> int:
    """One more than the last counter; 1 before the first message.

    Raises:
        InputError: the file does not hold a counter, or the last one was used.
    """
    path = counter_path(key)
    try:
        text = path.read_text("ascii").strip()
    except FileNotFoundError:
        return 1
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the counter {path}: {words_of(error)}") from error
    digits = len(str(MAX_COUNTER))
    if not text.isdigit() or len(text) > digits or int(text) >= MAX_COUNTER:
        raise InputError(
            f"{path} holds {text[:40]!r}",
            expected=f"the last counter used, a number below {MAX_COUNTER}",
            remedy="write the probe's counter (`probe status`) into it",
        )
    return int(text) + 1


def message_counter(
    key: Path, wanted: int | None, tell: Callable[[str], None] | None = None
) -> int:
    """The counter of the next message: the one wanted, or one more than the key's last.

    A number that was used before is not refused: one key may sign for several probes, each with a
    counter of its own.  But it is never taken without a word.

    Args:
        key: file of the signing key.
        wanted: what the user asked for, if he did.
        tell: told of a number that is not above the last; else standard error is.

    Raises:
        InputError: as ``next_counter``.
    """
    following = next_counter(key)
    if wanted is None:
        return following
    if wanted < following and counter_path(key).exists():
        say = tell or (lambda text: typer.echo(text, err=True))
        say(
            f"counter {wanted} is not above {following - 1}, the last one signed with this key "
            f"({counter_path(key)}): a probe that has taken that message refuses this one"
        )
    return wanted


def keep_counter(key: Path, counter: int) -> None:
    """Records a counter before its message leaves; a smaller one never replaces a larger one.

    Raises:
        InputError: the file cannot be written.
    """
    path = counter_path(key)
    if counter >= next_counter(key) or not path.exists():
        replace_file(path, f"{counter}\n".encode("ascii"), durable=True)
