"""The commits of a repository as patches: which there are, and the two trees of each."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from groundstation.git.objects import GITLINK, RAW_CHANGES, GitObjects, Listing
from shared.diff.zstd_delta import MOST_FILE_BYTES
from shared.errors import InputError
from shared.tree import Entry, Mode, Tree

HUGE_TREE_BYTES = 256 << 20
"""Above this, files that a commit does not change are kept by name but not read."""

_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}


@dataclass(frozen=True)
class Commit:
    """A commit with one parent.

    Attributes:
        name: its hash.
        parent: its parent's hash.
        date: when it was committed, with its time zone.
        subject: the first paragraph of its message, in one line.
    """

    name: str
    parent: str
    date: datetime
    subject: str


@dataclass(frozen=True)
class CommitTrees:
    """A commit as a patch.

    Attributes:
        base: its parent's tree.
        target: its own.
        submodules: submodules that it changes, which the trees leave out.
        is_lean: whether unchanged files of ``base`` and ``target`` were not read.
        unread: unchanged files that the repository does not have, or not whole.
    """

    base: Tree
    target: Tree
    submodules: int
    is_lean: bool
    unread: int = 0


def parse_since(text: str, now: datetime) -> datetime:
    """The moment that ``--since`` names.

    Args:
        text: an ISO 8601 date or time (UTC where it has no offset), or "N days", "N weeks",
            "N months" or "N years" with or without "ago"; a month is 30 days, a year 365.
        now: with a time zone.

    Raises:
        InputError: it is neither.
    """
    words = re.fullmatch(r"\s*(\d{1,5})\s*(day|week|month|year)s?(\s+ago)?\s*", text, re.IGNORECASE)
    try:
        if words:
            return now - timedelta(days=int(words[1]) * _DAYS[words[2].lower()])
        moment = datetime.fromisoformat(text.strip())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"--since {text!r} is no date",
            expected='a date like 2025-11-30, or "6 weeks"',
            remedy="write the date as YYYY-MM-DD",
        ) from error


def find_commits(
    objects: GitObjects,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
    paths: Sequence[str] = (),
) -> tuple[Commit, ...]:
    """Commits with exactly one parent that HEAD goes back to, the newest first.

    Args:
        objects: the repository.
        since: none that were committed before.
        until: none that were committed after.
        limit: at most so many.
        paths: only those that change a file that one of these pathspecs matches.

    Raises:
        InputError: there is none, or git does not understand a pathspec.
    """
    try:
        objects.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    except InputError as error:
        if objects.borrows:
            raise objects.missing("HEAD") from error
        raise InputError(
            f"the repository {objects.folder} has no commits", remedy="name another with --repo"
        ) from error
    arguments = ["rev-list", "--min-parents=1", "--max-parents=1"]
    if since is not None:
        arguments.append(f"--max-age={max(0, int(since.timestamp()))}")
    if until is not None:
        arguments.append(f"--min-age={max(0, int(until.timestamp()))}")
    if limit is not None:
        arguments.append(f"--max-count={limit}")
    names = objects.run(*arguments, "HEAD", "--", *paths).decode().split()
    if not names:
        conditions = [f"since {since.isoformat()}"] if since is not None else []
        conditions += [f"until {until.isoformat()}"] if until is not None else []
        conditions += [f"in {path}" for path in paths]
        raise InputError(
            f"the repository {objects.folder} has no commit to survey"
            + "".join(f", {condition}" for condition in conditions),
            expected="at least one commit that is neither a merge nor the first",
            remedy="choose an earlier --since, or other --paths"
            if conditions
            else "name a repository with more history, or a clone that is not shallow",
        )
    return tuple(_commit(objects, name) for name in names)


@dataclass
class TreeReader:
    """Builds the trees of commit after commit and reads each file once.

    Attributes:
        objects: the repository.
        paths: pathspecs that the trees are restricted to; none for everything.
        huge_bytes: see ``HUGE_TREE_BYTES``.
    """

    objects: GitObjects
    paths: tuple[str, ...] = ()
    huge_bytes: int = HUGE_TREE_BYTES
    _entries: dict[tuple[Mode, str], Entry] = field(default_factory=dict, repr=False)
    _sizes: dict[str, int] = field(default_factory=dict, repr=False)

    def trees(self, commit: Commit) -> CommitTrees:
        """The two trees of a commit.

        Files that it does not change are part of its trees by name alone where the repository does
        not have them: a partial clone tells of the commits whose files it has.

        Raises:
            InputError: a changed file is missing or larger than a message can make, or a path
                cannot be one of a software tree.
        """
        old = self.objects.listing(commit.parent, self.paths)
        new = self.objects.listing(commit.name, self.paths)
        is_lean = self._total_bytes(old, new) > self.huge_bytes
        unchanged = set(old.files.items()) & set(new.files.items())
        changed = (set(old.files.items()) | set(new.files.items())) - unchanged
        self._refuse_large(changed)
        entries = {file: self._entry(file) for _, file in changed}
        unread = set(unchanged)
        if not is_lean:
            for path, file in unchanged:
                with contextlib.suppress(InputError):
                    if file not in entries:
                        entries[file] = self._entry(file)
                    unread.discard((path, file))
        self._entries = entries

        def tree(files: Mapping[str, tuple[Mode, str]]) -> Tree:
            return Tree(
                {
                    path: _name_only(file[0]) if (path, file) in unread else entries[file]
                    for path, file in files.items()
                }
            )

        submodules = self._changed_submodules(commit, old, new)
        missing = 0 if is_lean else len(unread)
        return CommitTrees(tree(old.files), tree(new.files), submodules, is_lean, missing)

    def _refuse_large(self, changed: Iterable[tuple[str, tuple[Mode, str]]]) -> None:
        """Before they are read: a repository may hold more than memory does."""
        for path, (_, name) in sorted(changed):
            size = self._sizes.get(name, 0)
            if size > MOST_FILE_BYTES:
                raise InputError(
                    f"{path} is a file of {size} bytes",
                    expected=f"at most {MOST_FILE_BYTES}, what a message can make of a file",
                    remedy="restrict the survey with --paths to other files",
                )

    def _entry(self, file: tuple[Mode, str]) -> Entry:
        known = self._entries.get(file)
        if known is not None:
            return known
        mode, name = file
        return Entry(mode, self.objects.read(name)[1])

    def _total_bytes(self, *listings: Listing) -> int:
        """Bytes of all files of the largest of these trees."""
        wanted = {name for listing in listings for _, name in listing.files.values()}
        unknown = sorted(wanted - self._sizes.keys())
        if unknown:
            self._sizes |= self.objects.sizes(unknown)
        return max(
            sum(self._sizes.get(name, 0) for _, name in listing.files.values())
            for listing in listings
        )

    def _changed_submodules(self, commit: Commit, old: Listing, new: Listing) -> int:
        if not old.submodules and not new.submodules:
            return 0
        raw = self.objects.run(*RAW_CHANGES, commit.parent, commit.name, "--", *self.paths)
        modes = (head[1:].split(b" ")[:2] for head in raw.split(b"\0")[0:-1:2])
        return sum(b"%o" % GITLINK in pair for pair in modes)


def _name_only(mode: Mode) -> Entry:
    """An entry whose contents were not read; a link must have some."""
    return Entry(mode, b"?" if mode is Mode.SYMLINK else b"")


def _commit(objects: GitObjects, name: str) -> Commit:
    """A commit read from its object: headers, an empty line, the message (git-commit-tree(1))."""
    head, _, message = objects.read(name)[1].partition(b"\n\n")
    # only the first: signatures and merged tags bring lines of their own
    headers: dict[bytes, bytes] = {}
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        headers.setdefault(key, value)
    subject = message.strip(b"\n").partition(b"\n\n")[0].replace(b"\n", b" ")
    return Commit(
        name=name,
        parent=headers[b"parent"].decode("ascii"),
        date=_moment(headers[b"committer"]),
        subject=subject.decode("utf-8", "replace").strip(),
    )


def _moment(signature: bytes) -> datetime:
    """The time at the end of ``name <address> seconds offset``."""
    try:
        seconds, offset = signature.split()[-2:]
        sign = -1 if offset.startswith(b"-") else 1
        digits = int(offset.lstrip(b"+-"))
        zone = timezone(sign * timedelta(hours=digits // 100, minutes=digits % 100))
        return datetime.fromtimestamp(int(seconds), zone)
    except (ValueError, OverflowError, OSError):
        # some histories have impossible times; what they cost is not less true
        return datetime.fromtimestamp(0, UTC)
