"""The canonical patch written once more, plainly and slowly, from docs/canonical-patch.md alone."""

from __future__ import annotations

import hashlib
import zlib

from shared.tree import Entry, Mode, Tree

Edit = tuple[int, int, int, int]
BLANK = b" \t\r\n\f\v"


def raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def lines_of(data: bytes) -> list[bytes]:
    pieces = data.split(b"\n")
    return [piece + b"\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])


# --- section 2 ------------------------------------------------------------------------------------


def similarity(old: bytes, new: bytes) -> int:
    if old == new:
        return 100
    a, b = lines_of(old), lines_of(new)
    common = sum(len(line) * min(a.count(line), b.count(line)) for line in {*a, *b})
    return min(99, common * 100 // max(len(old), len(new)))


def renames(base: Tree, target: Tree) -> dict[str, str]:
    """Old path by new path."""
    gone = [p for p in base if p not in target and base[p].mode is not Mode.SYMLINK]
    come = [p for p in target if p not in base and target[p].mode is not Mode.SYMLINK]
    found: dict[str, str] = {}
    for same_name in (True, False):
        for path in [*come]:
            for old in gone:
                if base[old].data != target[path].data:
                    continue
                if same_name and old.split("/")[-1] != path.split("/")[-1]:
                    continue
                found[path] = old
                gone.remove(old)
                come.remove(path)
                break
    if len(gone) * len(come) > 65536:
        return found
    ranking = sorted(
        (-percent, old.split("/")[-1] != path.split("/")[-1], raw(path), raw(old), path, old)
        for path in come
        for old in gone
        if (percent := similarity(base[old].data, target[path].data)) >= 50
    )
    for *_, path, old in ranking:
        if path in come and old in gone:
            found[path] = old
            come.remove(path)
            gone.remove(old)
    return found


# --- section 3 ------------------------------------------------------------------------------------


def search(a: list[bytes], b: list[bytes]) -> list[tuple[int, int]]:
    """The kept pairs, from paths that are written out in full."""
    reach = {1: 0}
    paths: dict[int, list[tuple[int, int]]] = {1: []}
    steps = 0
    if not a or not b:
        return []
    for d in range(len(a) + len(b) + 1):
        longer = dict(paths)
        for k in range(-d, d + 1, 2):
            if k == -d or (k < d and reach[k - 1] < reach[k + 1]):
                x, kept = reach[k + 1], [*paths[k + 1]]
            else:
                x, kept = reach[k - 1] + 1, [*paths[k - 1]]
            steps += 1
            while x < len(a) and x - k < len(b) and a[x] == b[x - k]:
                kept.append((x, x - k))
                x += 1
                steps += 1
            reach[k], longer[k] = x, kept
            if x >= len(a) and x - k >= len(b):
                return kept
        paths = longer
        if steps > 8388608:
            return []
    raise AssertionError


def edits_of(old: list[bytes], new: list[bytes]) -> list[Edit]:
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-tail - 1] == new[-tail - 1]:
        tail += 1
    rest, rest_new = old[head : len(old) - tail], new[head : len(new) - tail]
    a = [head + i for i, line in enumerate(rest) if line in rest_new]
    b = [head + j for j, line in enumerate(rest_new) if line in rest]
    kept = [(a[x], b[y]) for x, y in search([old[i] for i in a], [new[j] for j in b])]
    edits, i, j = [], head, head
    for x, y in [*kept, (len(old) - tail, len(new) - tail)]:
        if (x, y) != (i, j):
            edits.append((i, x, j, y))
        i, j = x + 1, y + 1
    return settle(old, new, edits)


def settle(old: list[bytes], new: list[bytes], edits: list[Edit]) -> list[Edit]:
    at = 0
    while at < len(edits):
        a, b, c, d = edits[at]
        if a != b and c != d:
            at += 1
            continue
        side, first, last = (new, c, d) if a == b else (old, a, b)
        floor = edits[at - 1][1] if at else 0
        ceiling = edits[at + 1][0] - 1 if at + 1 < len(edits) else len(old)
        moves = [0]
        while a + moves[0] > floor and side[first + moves[0] - 1] == side[last + moves[0] - 1]:
            moves.insert(0, moves[0] - 1)
        if at and a + moves[0] == floor:
            before = edits[at - 1]
            edits[at - 1 : at + 1] = [(before[0], b + moves[0], before[2], d + moves[0])]
            at -= 1
            continue
        while b + moves[-1] < ceiling and side[first + moves[-1]] == side[last + moves[-1]]:
            moves.append(moves[-1] + 1)

        def rank(
            move: int, side: list[bytes] = side, first: int = first, last: int = last
        ) -> tuple[int, ...]:
            texts = [line for line in side[first + move : last + move] if line.strip(BLANK)]
            indent = len(texts[0]) - len(texts[0].lstrip(BLANK)) if texts else 1 << 60
            preceding = side[first + move - 1] if first + move else b""
            return indent, bool(preceding.strip(BLANK)), -move

        move = min(moves, key=rank)
        edits[at] = (a + move, b + move, c + move, d + move)
        at += 1
    return edits


# --- section 4 ------------------------------------------------------------------------------------


def quoted(word: bytes) -> bytes:
    escapes = dict(zip(b'\a\b\t\n\v\f\r"\\', b'abtnvfr"\\', strict=True))
    out = b""
    for byte in word:
        if byte in escapes:
            out += bytes([0x5C, escapes[byte]])
        elif byte < 0x20 or byte > 0x7E:
            out += b"\\" + oct(byte)[2:].zfill(3).encode()
        else:
            out += bytes([byte])
    return out if out == word else b'"' + out + b'"'


def hunks(old: list[bytes], new: list[bytes]) -> bytes:
    groups: list[list[Edit]] = []
    for edit in edits_of(old, new):
        if groups and edit[0] - groups[-1][-1][1] <= 6:
            groups[-1].append(edit)
        else:
            groups.append([edit])
    out = b""
    for group in groups:
        start, end = max(0, group[0][0] - 3), min(len(old), group[-1][1] + 3)
        new_start = group[0][2] - (group[0][0] - start)
        new_end = group[-1][3] + (end - group[-1][1])
        spans = []
        for first, last in ((start, end), (new_start, new_end)):
            count = last - first
            number = first + 1 if count else first
            spans.append(f"{number}" if count == 1 else f"{number},{count}")
        out += f"@@ -{spans[0]} +{spans[1]} @@\n".encode()
        body: list[bytes] = []
        at = start
        for a, b, c, d in [*group, (end, end, new_end, new_end)]:
            body += [b" " + line for line in old[at:a]]
            body += [b"-" + line for line in old[a:b]]
            body += [b"+" + line for line in new[c:d]]
            at = b
        for line in body:
            out += line
            if not line.endswith(b"\n"):
                out += b"\n\\ No newline at end of file\n"
    return out


DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"


def literal(data: bytes) -> bytes:
    stream = b"\x78\x01"
    blocks = [data[at : at + 65535] for at in range(0, len(data), 65535)] or [b""]
    for number, block in enumerate(blocks, 1):
        size = len(block).to_bytes(2, "little")
        stream += bytes([number == len(blocks)]) + size + bytes(255 - byte for byte in size) + block
    stream += zlib.adler32(data).to_bytes(4, "big")
    out = b"literal %d\n" % len(data)
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    while stream:
        line, stream = stream[:52], stream[52:]
        out += letters[len(line) - 1 : len(line)]
        while line:
            number = int.from_bytes(line[:4].ljust(4, b"\0"), "big")
            out += bytes(DIGITS[number // 85**power % 85] for power in (4, 3, 2, 1, 0))
            line = line[4:]
        out += b"\n"
    return out + b"\n"


def section(old_path: str, path: str, old: Entry | None, new: Entry | None) -> bytes:
    a, b = quoted(b"a/" + raw(old_path)), quoted(b"b/" + raw(path))
    out = b"diff --git " + a + b" " + b + b"\n"
    if not old and new:
        out += b"new file mode %o\n" % new.mode
    elif old and not new:
        out += b"deleted file mode %o\n" % old.mode
    elif old and new and old.mode != new.mode:
        out += b"old mode %o\nnew mode %o\n" % (old.mode, new.mode)
    if old and new and old_path != path:
        out += b"similarity index %d%%\n" % similarity(old.data, new.data)
        out += b"rename from " + quoted(raw(old_path)) + b"\n"
        out += b"rename to " + quoted(raw(path)) + b"\n"
    before, after = old.data if old else b"", new.data if new else b""
    if before == after:
        return out
    if 0 in before or 0 in after:
        ids = [
            hashlib.sha1(b"blob %d\0" % len(side.data) + side.data).hexdigest()
            if side
            else "0" * 40
            for side in (old, new)
        ]
        mode = f" {old.mode:o}" if old and new and old.mode == new.mode else ""
        out += f"index {ids[0]}..{ids[1]}{mode}\nGIT binary patch\n".encode()
        return out + literal(after) + literal(before)
    out += b"--- " + (a + b"\t" * (b" " in a) if old else b"/dev/null") + b"\n"
    out += b"+++ " + (b + b"\t" * (b" " in b) if new else b"/dev/null") + b"\n"
    return out + hunks(lines_of(before), lines_of(after))


def patch_by_the_page(base: Tree, target: Tree) -> bytes:
    renamed = renames(base, target)
    out = b""
    for path in sorted({*base, *target} - {*renamed.values()}, key=raw):
        old_path = renamed.get(path, path)
        old, new = base.get(old_path), target.get(path)
        if (old, path) == (new, old_path):
            continue
        if old and new and (old.mode is Mode.SYMLINK) != (new.mode is Mode.SYMLINK):
            out += section(path, path, old, None) + section(path, path, None, new)
        else:
            out += section(old_path, path, old, new)
    return out
