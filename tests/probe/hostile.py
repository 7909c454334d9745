"""Every parser that sees bytes from outside, valid samples of what it reads, and mutations of them.

The tests run a few hundred mutations of each.  For as many as wanted:

    PYTHONPATH=.:tests python tests/probe/hostile.py --executions 2000000

A finding is an exception that is not of ``shared.errors``; it is written to ``tests/probe/corpus``,
whose files are tests from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from mutations import Parser, attempt, mutate
from tinypin import tiny_pin
from world import BASE, KEY, PIN, TARGET, classical, envelope

from probe.listen.telemetry import Event, Telemetry, packet, read_packet
from probe.reception.framing import Ccsds, Piece, Slip, slip
from probe.reception.reassembly import Assembly, Kept, take
from probe.state.records import Config, Journal, Ledger, decode
from shared.auth.keys import SharedKey
from shared.auth.profiles import Profile
from shared.auth.rotation import decode_rotation, encode_rotation
from shared.auth.tesla import decode_disclosure
from shared.ccsds.link import build_frame, data_fields, send
from shared.ccsds.segmentation import decode_segment
from shared.ccsds.space_packet import decode_packet
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import FrameType, decode_frame
from shared.diff import apply_patch, unified_diff, zstd_delta
from shared.exact.manifest import Manifest
from shared.exact.pin import Pin, load_pin
from shared.message.checks import Record, authenticate
from shared.message.envelope import Limits, parse_envelope
from shared.message.wire import decode_message, encode_message
from shared.prompts.language_model.pinned import PinnedModel
from shared.regenerate import Budget, regenerate

CORPUS = Path(__file__).parent / "corpus"
STACK = Stack(type=FrameType.AD, max_frame_bytes=40)
OLD = b"the old file, of which a delta takes what stays\n" * 9
MESSAGE = encode_message(classical(BASE, TARGET), 7)
BUDGET = Budget(max_tokens=200, max_seconds=5.0)


class Hostile:
    """The parsers; holds a small pin in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.pin: Pin = tiny_pin(folder / "pin")
        self.model = PinnedModel.open(self.pin)
        self.broken = folder / "broken"
        self.broken.mkdir()
        record = Record(
            keys=(KEY.public_key(), SharedKey(Profile.CMAC8, bytes(range(32)))),
            limits=Limits(),
            counter=3,
            pin=PIN,
            tree=BASE.digest,
        )
        frames = send(envelope(classical(BASE, TARGET), 7), STACK)
        fields = data_fields(MESSAGE, STACK)
        manifest = (self.pin.folder / "manifest.json").read_bytes()
        tensors = (self.pin.folder / "model.safetensors").read_bytes()
        tokenizer = (self.pin.folder / "tokenizer.json").read_bytes()
        signed = envelope(classical(BASE, TARGET), 7)
        patch = unified_diff(BASE, TARGET)
        self.parsers: Mapping[str, Parser] = {
            "authenticate": Parser(lambda data: authenticate(data, record), (signed,)),
            "envelope": Parser(parse_envelope, (signed,)),
            "message": Parser(decode_message, (MESSAGE,)),
            "recipe": Parser(self._regenerate, (MESSAGE,)),
            "rotation": Parser(decode_rotation, (encode_rotation((KEY.public_key(),), 5, KEY),)),
            "disclosure": Parser(decode_disclosure, (bytes(range(19)),)),
            "frame": Parser(decode_frame, (build_frame(fields[0], STACK),)),
            "cltu": Parser(lambda data: Ccsds(STACK).feed(data), (b"".join(frames), frames[0])),
            "slip": Parser(lambda data: Slip(99).feed(data), (slip(MESSAGE),)),
            "packet": Parser(decode_packet, (fields[0][1:], packet(Telemetry(Event.READY), 1, 2))),
            "telemetry": Parser(read_packet, (packet(Telemetry(Event.APPLIED), 3, 4),)),
            "segments": Parser(self._segments, (b"".join(f[:9] for f in fields), bytes(40))),
            "delta": Parser(
                lambda data: zstd_delta.decode(OLD, data), (zstd_delta.encode(OLD, OLD[9:]),)
            ),
            "patch": Parser(lambda data: apply_patch(BASE, data), (patch, *PATCHES)),
            "records": Parser(self._records, (b'{"body":{},"sha256":""}\n',)),
            "tokenizer": Parser(self._tokens, (patch, "é漢\U0001f680 <x>".encode())),
            "manifest": Parser(Manifest.from_bytes, (manifest,)),
            "pin": Parser(lambda d: self._load("model.safetensors", d), (tensors[:4000], tensors)),
            "pin tokenizer": Parser(lambda d: self._load("tokenizer.json", d), (tokenizer,)),
        }

    def _regenerate(self, data: bytes) -> object:
        return regenerate(decode_message(data), BASE, lambda: self.model, BUDGET)

    def _segments(self, data: bytes) -> object:
        assembly = Assembly()
        for order in range(0, len(data), 9):
            some = data[order : order + 9]
            piece = Piece(decode_segment(some[1:]), some[0] if some[0] & 1 else None)
            assembly = take(assembly, Kept(order, piece), STACK).assembly
        return assembly

    def _records(self, data: bytes) -> object:
        for kind in (Config, Ledger, Journal):
            try:
                decode(data, kind)
            except ValueError:  # what it promises
                continue
        return None

    def _tokens(self, data: bytes) -> object:
        tokens = self.model.vocabulary.encode(data)
        assert tokens is None or self.model.vocabulary.spell(tokens) == data
        return tokens

    def _load(self, name: str, data: bytes) -> object:
        """Load the pin with one file replaced, its manifest made to agree with it."""
        for path in self.pin.folder.iterdir():
            shutil.copyfile(path, self.broken / path.name)
        (self.broken / name).write_bytes(data)
        old = hashlib.sha256((self.pin.folder / name).read_bytes()).hexdigest()
        manifest = (self.broken / "manifest.json").read_text()
        (self.broken / "manifest.json").write_text(
            manifest.replace(old, hashlib.sha256(data).hexdigest())
        )
        return PinnedModel.open(load_pin(self.broken))


PATCHES = (
    b"diff --git a/../../x b/../../x\nnew file mode 100644\n--- /dev/null\n+++ b/../../x\n"
    b"@@ -0,0 +1 @@\n+escaped\n",
    b"--- /dev/null\n+++ b//etc/passwd\n@@ -0,0 +1 @@\n+escaped\n",
    b"diff --git a/app/link/x b/app/link/x\nnew file mode 100644\n--- /dev/null\n"
    b"+++ b/app/link/x\n@@ -0,0 +1 @@\n+through a link\n",
    b"--- a/app/main.c\n+++ b/app/main.c\n@@ -1,99999999999999999999 +1,0 @@\n-x\n",
    b"--- a/app/main.c\n+++ b/app/main.c\n@@ -4294967295 +18446744073709551616 @@\n-x\n+y\n",
    b"diff --git a/CON b/CON\nnew file mode 020000\n",
    b"diff --git a/x b/x\nnew file mode 100644\nGIT binary patch\nliteral 99999999999\nzcmV\n\n",
)
"""Patches that try to leave the tree, write through a link, or count too far."""


def main() -> None:
    """Fuzz every parser in turn and tell how often."""
    options = argparse.ArgumentParser()
    options.add_argument("--executions", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parsers = Hostile(Path(folder)).parsers
        costs = dict.fromkeys(parsers, 1.0)
        counts = dict.fromkeys(parsers, 0)
        choose = random.Random(given.seed)
        findings = 0
        while sum(counts.values()) < given.executions:
            # Cheap parsers run more often, so that each gets about the same time.
            name = min(parsers, key=lambda each: costs[each])
            parser, began = parsers[name], time.perf_counter()
            for _ in range(50):
                one, other = choose.choice(parser.samples), choose.choice(parser.samples)
                data = mutate(one, other, choose)
                error = attempt(parser, data)
                counts[name] += 1
                if error is not None:
                    findings += 1
                    print(f"{name}: {type(error).__name__}: {error}")
                    (CORPUS / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
            costs[name] += time.perf_counter() - began
        for name, count in counts.items():
            print(f"{name:14} {count:9}")
        print(f"{sum(counts.values())} executions, {findings} findings")


if __name__ == "__main__":
    main()
