"""The conformance suite: messages as files, and what a probe has to say of each.

The messages come one after the other to one probe, which begins as ``write_setup`` leaves it.  Some
are valid and change the tree; most are hostile, one of every kind that ``messages`` knows, and
change nothing.  An implementation in any language can be driven with them: only bytes go in, and
only telemetry comes out.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from probe.disk.filesystem import Filesystem
from probe.listen.dispatch import deal
from probe.listen.telemetry import Event
from probe.messages.apply import Regenerator
from probe.trees.onboard import open_probe
from probe.trees.setup import Setup, initialise
from shared.auth.keys import to_text, trusted
from shared.errors import InputError, words_of
from shared.files import replace_file
from shared.message.wire import Message
from shared.prompts.language_model.pinned import PinnedModel
from shared.regenerate import Regenerated, regenerate
from shared.tree import Tree, write_tree
from shared.untrusted import PARSING_FAULTS, json_value, read_at_most
from sims.hil.messages import HOSTILE, KEY, LIMITS, VALID, Item, first_tree, items
from sims.hil.tiny import tiny_pin

FORMAT: Final = "rehydration-conformance/1"
FOLDER: Final = Path(__file__).parent / "conformance"
SEED: Final = 1
VALID_CASES: Final = 8
_MAX_MANIFEST_BYTES: Final = 1 << 24


@dataclass(frozen=True)
class Case:
    """A message and what has to come of it.

    Attributes:
        name: number and kind.
        file: of its bytes, in the suite's folder.
        kind: ``valid``, or what is wrong with it.
        events: any of these may be said; a probe need not park what it may refuse.
        step, exit_code: of a refusal; 0 where none is due.
        digest: hexadecimal: of the tree that is in place then, or of the message; empty for one so
            long that a probe need not have read it.
    """

    name: str
    file: str
    kind: str
    events: tuple[str, ...]
    step: int
    exit_code: int
    digest: str

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return {**self.__dict__, "events": list(self.events)}


@dataclass(frozen=True)
class Suite:
    """Cases in their order, and where their files are."""

    folder: Path
    cases: tuple[Case, ...]

    def message(self, case: Case) -> bytes:
        """The bytes of a case.

        Raises:
            InputError: they cannot be read.
        """
        try:
            return (self.folder / case.file).read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {self.folder / case.file}: {error.strerror}") from error


def load_suite(folder: Path = FOLDER) -> Suite:
    """The suite in a folder.

    Raises:
        InputError: there is none.
    """
    path = folder / "manifest.json"
    try:
        value = json_value(read_at_most(path, _MAX_MANIFEST_BYTES))
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']!r}")
        cases = tuple(map(_case, value["cases"]))
    except (OSError, *PARSING_FAULTS) as error:
        raise InputError(
            f"{path} is no conformance suite: {words_of(error)}",
            expected=f"format {FORMAT}",
            remedy="leave --suite out to take the one that comes with this package",
        ) from error
    return Suite(folder, cases)


def _case(item: Mapping[str, Any]) -> Case:
    """A case of a manifest; its file must be one of the suite's folder."""
    case = Case(**{**item, "events": tuple(item["events"])})
    texts = (case.name, case.file, case.kind, case.digest, *case.events)
    if not all(isinstance(text, str) for text in texts) or Path(case.file).name != (
        case.file or None
    ):
        raise ValueError(f"the case {case.name!r} names the file {case.file!r}")
    if not type(case.step) is type(case.exit_code) is int:
        raise ValueError(f"the case {case.name!r} has step {case.step!r}")
    bytes.fromhex(case.digest)
    return case


def write_setup(folder: Path) -> PinnedModel:
    """What a probe has before the first message: root, pin, trust, limits.

    ``root`` is the tree on board, ``pin`` the folder of the model, ``trust.txt`` the one key as the
    probe's records have it, ``limits.json`` what may come.
    """
    pin = tiny_pin(folder / "pin")
    write_tree(first_tree(), folder / "root")
    _write(folder / "trust.txt", to_text(trusted(KEY)))
    limits = {
        "max_envelope_bytes": LIMITS.max_envelope_bytes,
        "max_counter_jump": LIMITS.max_counter_jump,
        "counter": 0,
        "tree": first_tree().digest.hex(),
        "pin": pin.digest.hex(),
    }
    _write(folder / "limits.json", json.dumps(limits, indent=2))
    return PinnedModel.open(pin)


def initialised(folder: Path) -> PinnedModel:
    """The same, and a state folder of this package's probe in ``state``."""
    model = write_setup(folder)
    keys = [KEY.public_key().public_bytes_raw()]
    setup = Setup(folder / "root", folder / "pin", model.digest, keys, 0, limits=LIMITS)
    initialise(folder / "state", setup, now_s=0.0, files=Filesystem())
    return model


def write_suite(folder: Path, scratch: Path) -> Suite:
    """Makes the suite's files anew; what is due is asked of this package's probe.

    Args:
        folder: of the suite; made if need be.
        scratch: empty, for that probe.
    """
    model = initialised(scratch)
    folder.mkdir(parents=True, exist_ok=True)
    todo = list(items(len(HOSTILE) + VALID_CASES, VALID_CASES, model, random.Random(SEED)))
    cases = []
    for number, item in enumerate(todo, 1):
        name = f"{number:02} {item.kind}"
        file = name.replace("'", "").replace(",", "").replace(" ", "-") + ".msg"
        replace_file(folder / file, item.data, durable=False)
        cases.append(_judged(name, file, item.kind, item.data, item.target, scratch, model))
    text = json.dumps(
        {"format": FORMAT, "cases": [case.as_dict() for case in cases]}, indent=1, ensure_ascii=True
    )
    _write(folder / "manifest.json", text)
    return Suite(folder, tuple(cases))


def _write(path: Path, text: str) -> None:
    replace_file(path, f"{text}\n".encode("ascii"), durable=False)


def _judged(
    name: str,
    file: str,
    kind: str,
    data: bytes,
    target: Tree | None,
    scratch: Path,
    model: PinnedModel,
) -> Case:
    with open_probe(scratch / "state") as probe:
        dealt = deal(probe, data, _regenerator(model), lambda: 0.0)
    said = dealt.telemetry
    if (kind == VALID) != (said.event is Event.APPLIED):
        raise ValueError(f"{name}: {said.event.name}, {said.reason}")
    # what is too long may be dropped where frames are put together, before it is a message
    long = len(data) > LIMITS.max_envelope_bytes
    events = [said.event.name.lower()] + ["parked"] * dealt.later + ["frames"] * long
    digest = target.digest[:8] if target is not None else Item(kind, data).digest
    digest = b"" if long else digest
    return Case(name, file, kind, tuple(events), said.step, said.exit_code, digest.hex())


def _regenerator(model: PinnedModel) -> Regenerator:
    def follow(message: Message, baseline: Tree) -> Regenerated:
        return regenerate(message, baseline, lambda: model)

    return follow


def check_complete(cases: Sequence[Case]) -> None:
    """Whether every kind has a case.

    Raises:
        InputError: one has none.
    """
    missing = set(HOSTILE) - {case.kind for case in cases}
    if missing:
        raise InputError(f"the suite has no case of: {', '.join(sorted(missing))}")
