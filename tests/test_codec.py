"""The version of what streams mean, and how it is bound."""

from __future__ import annotations

import re

import pytest

from shared.message import codec_version
from shared.message.codec_version import CODEC, binding

PIN = bytes(range(0xA0, 0xC0))


def test_literal_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As sha256sum gives it for the line ``rehydration-codec/2`` and the 32 bytes after it."""
    monkeypatch.setattr(codec_version, "CODEC", "rehydration-codec/2")
    assert binding(PIN).hex() == (
        "8480ea2a081a6d86e946b7947725f35e0cc8d20dde06e511c520fafda57bfbec"
    )


def test_pin_and_codec_both_count(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = binding(PIN)
    assert binding(PIN[::-1]) != ours
    monkeypatch.setattr(codec_version, "CODEC", CODEC + "0")
    assert binding(PIN) != ours


def test_the_name_cannot_run_into_the_pin() -> None:
    """One line, ended by a line feed: no other codec and pin give the same bytes to the digest."""
    assert re.fullmatch(r"rehydration-codec/[1-9][0-9]*", CODEC)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_digests_are_whole(size: int) -> None:
    with pytest.raises(ValueError, match=f"of {size} bytes"):
        binding(bytes(size))
