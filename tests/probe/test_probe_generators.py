"""Strangers' messages cost no reading of generators: these are digested when they come on board."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from powercut import Quick
from test_probe_draw import PROMPT, lamp, message
from typer.testing import CliRunner
from world import World

from probe.cli import app as probe
from probe.messages import generators as reading
from probe.messages import picture as drawing
from probe.messages.generators import RECORD, Digests, digests_of
from probe.messages.picture import Gallery, draw_by, hang
from probe.trees.onboard import open_probe
from shared.digest import sha256
from shared.errors import BadSignature, MalformedMessage, PinError, Refusal, UnknownKey
from shared.media.generator import Loaded, read_generator, write_generator
from shared.media.render import Renderer

STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RUNNER = CliRunner()


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return read_generator(write_generator(lamp()))


@pytest.fixture(scope="module")
def pixels(loaded: Loaded) -> NDArray[np.uint8]:
    return Renderer(loaded.generator)(PROMPT)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The paths of generators that were read, for a digest or to draw."""
    found: list[Path] = []
    real = reading.read_generator_file

    def counted(path: Path) -> bytes:
        found.append(path)
        return real(path)

    for module in (reading, drawing):
        monkeypatch.setattr(module, "read_generator_file", counted)
    yield found


@pytest.fixture
def lamps(tmp_path: Path) -> tuple[Path, ...]:
    """Three generators; the first is the one that messages name."""
    paths = tuple(tmp_path / f"lamp-{shift}.gen" for shift in range(3))
    for shift, path in enumerate(paths):
        path.write_bytes(write_generator(lamp(shift)))
    return paths


def test_forged_messages_read_no_generator(
    world: World,
    tmp_path: Path,
    lamps: tuple[Path, ...],
    loaded: Loaded,
    pixels: NDArray[np.uint8],
    reads: list[Path],
) -> None:
    gallery = Gallery(tmp_path, lamps, digests_of(world.state, Quick()))
    for path in lamps:
        gallery.digests.of(path)
    assert reads == list(lamps)
    reads.clear()
    good = message(loaded, pixels, 3)
    forged = good[:-1] + bytes([good[-1] ^ 1])
    strange = message(loaded, pixels, 3, key=STRANGER)
    with open_probe(world.state, Quick()) as opened:
        for bad in (forged, strange, good[:20]):
            for _ in range(4):
                with pytest.raises(Refusal):
                    hang(opened, bad, gallery, lambda: 2.5)
        assert reads == []
        hang(opened, good, gallery, lambda: 2.5)
    assert reads == [lamps[0]]


def test_a_later_run_knows_the_digests(
    world: World,
    tmp_path: Path,
    lamps: tuple[Path, ...],
    loaded: Loaded,
    pixels: NDArray[np.uint8],
    reads: list[Path],
) -> None:
    """``probe draw``: one message a process, and each used to hash the whole file."""
    good = message(loaded, pixels, 3)
    sent, out = tmp_path / "m.bin", tmp_path / "out.png"
    arguments = ["draw", str(sent), "--state", str(world.state), "--generator", str(lamps[0])]
    codes = []
    for data in (good[:-1] + b"\0", good[:10], good[:-2] + b"\0\0", good):
        sent.write_bytes(data)
        codes.append(RUNNER.invoke(probe, [*arguments, "--out", str(out)]).exit_code)
    assert codes == [BadSignature.exit_code, MalformedMessage.exit_code, 15, 0]
    assert reads == [lamps[0]] * 2  # once when it is first named, once to draw
    assert out.exists()


def test_what_cannot_be_for_this_probe_digests_nothing(
    world: World,
    tmp_path: Path,
    lamps: tuple[Path, ...],
    reads: list[Path],
) -> None:
    with open_probe(world.state, Quick()) as opened, pytest.raises((UnknownKey, MalformedMessage)):
        draw_by(opened, b"\x01none", lamps[0], Digests(), tmp_path / "x.png", lambda: 2.5)
    assert reads == []


def test_a_generator_that_is_replaced_is_digested_anew(
    lamps: tuple[Path, ...], tmp_path: Path, reads: list[Path]
) -> None:
    digests = digests_of(tmp_path, Quick())
    first, other = (path.read_bytes() for path in lamps[:2])
    assert digests.of(lamps[0]) == sha256(first)
    same_size = bytes(len(first))
    for write in (
        lambda: lamps[0].write_bytes(same_size),  # in place
        lambda: lamps[1].replace(lamps[0]),  # another file
    ):
        write()
        assert digests.of(lamps[0]) == sha256(lamps[0].read_bytes())
        assert digests_of(tmp_path, Quick()).of(lamps[0]) == sha256(lamps[0].read_bytes())
    assert lamps[0].read_bytes() == other
    assert len(reads) == 3


def test_the_file_that_draws_is_the_one_that_was_checked(
    world: World,
    tmp_path: Path,
    lamps: tuple[Path, ...],
    loaded: Loaded,
    pixels: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Replaced in the moment between; its mark was looked at before."""
    gallery = Gallery(tmp_path, lamps, Digests())
    real: Callable[..., object] = drawing.authentic

    def meanwhile(*arguments: object) -> object:
        found = real(*arguments)
        lamps[0].write_bytes(lamps[1].read_bytes())
        return found

    monkeypatch.setattr(drawing, "authentic", meanwhile)
    with open_probe(world.state, Quick()) as opened, pytest.raises(PinError, match="any more"):
        hang(opened, message(loaded, pixels, 3), gallery, lambda: 2.5)
    assert world.ledger().counter == -1


@given(st.binary(max_size=200) | st.text(max_size=80).map(str.encode))
def test_a_damaged_record_is_as_none(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("record")
    (folder / RECORD).write_bytes(data)
    (folder / "a.gen").write_bytes(b"generator")
    assert digests_of(folder, Quick()).of(folder / "a.gen") == sha256(b"generator")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_a_record_of_something_else_is_as_none(value: object) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / RECORD).write_text(json.dumps(value))
        (folder / "a.gen").write_bytes(b"generator")
        assert digests_of(folder, Quick()).of(folder / "a.gen") == sha256(b"generator")


def test_no_such_generator(tmp_path: Path) -> None:
    for name in ("none", "a\0b"):
        with pytest.raises(PinError, match="cannot be read"):
            Digests().of(tmp_path / name)
