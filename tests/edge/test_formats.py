"""What a client gets, and the tag of it."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from edge_world import BROWSER, jars
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.edge.stack import environment
from probe.edge.formats import (
    Quality,
    choose,
    decoded,
    encoded,
    entity_tag,
    has_alpha,
    media_type_of,
    ranges,
    tag_matches,
)
from shared.errors import RegenerationError

FORMATS = Quality().formats()


@pytest.mark.parametrize(
    ("accept", "opaque", "with_alpha"),
    [
        (BROWSER, "AVIF", "AVIF"),
        ("image/webp,*/*;q=0.5", "WEBP", "WEBP"),
        ("image/webp;q=0.3,image/avif;q=0.2", "WEBP", "WEBP"),
        ("*/*", "JPEG", "PNG"),
        (None, "JPEG", "PNG"),
        ("", "JPEG", "PNG"),
        ("image/*", "JPEG", "PNG"),
        ("image/png", "PNG", "PNG"),
        ("IMAGE/AVIF ; Q=1", "AVIF", "AVIF"),
        ("image/jpeg", "JPEG", None),
        ("image/avif;q=0,image/webp;q=0,*/*", "JPEG", "PNG"),
        ("*/*;q=0.1,image/*;q=0,image/jpeg;q=0.4", "JPEG", None),
        ("text/html", None, None),
        ("*/*;q=0", None, None),
        ("image/avif;q=nan, image/webp;q=x, image/png;q=-1, image/jpeg;q=7", "JPEG", None),
    ],
)
def test_choice(accept: str | None, opaque: str | None, with_alpha: str | None) -> None:
    for alpha, name in ((False, opaque), (True, with_alpha)):
        found = choose(accept, FORMATS, alpha)
        assert (found and found.name) == name


@given(st.text(st.sampled_from("image/avifwebp*,;q=01.9 -"), max_size=60))
def test_any_field_gives_a_format_or_none(accept: str) -> None:
    assert all(0 <= weight <= 1 for weight in ranges(accept).values())
    found = choose(accept, FORMATS, alpha=False)
    assert found is None or found in FORMATS


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_files_show_the_picture(form: object, channels: int) -> None:
    form = next(one for one in FORMATS if one is form)
    if channels == 4 and not form.alpha:
        return
    y, x = np.mgrid[0:40, 0:48]
    ramps = [4 * x, 5 * y, 255 - 2 * x - 2 * y, np.where(x < 24, 255, 90)]
    pixels = np.stack(ramps[:channels], axis=2).clip(0, 255).astype(np.uint8)
    data = encoded(pixels, form)
    assert media_type_of(data) == form.media_type
    assert has_alpha(data) is (channels == 4)
    with Image.open(io.BytesIO(data)) as image:
        shown = np.asarray(image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels]))
    error = np.abs(shown.reshape(pixels.shape).astype(int) - pixels)
    assert error.mean() < 3
    if form.name == "PNG":
        assert error.max() == 0


def test_the_bytes_depend_on_nothing_but_pixels_and_options() -> None:
    """What the strong tag promises; another process here, other threads in the load test."""
    jar = jars()
    name, prompt = next(iter(jar.prompts.items()))
    pixels = jar.renderer(prompt)
    code = (
        "import hashlib; from benchmarks.edge.stack import catalogue, family; "
        "from probe.edge.formats import Quality, encoded; "
        f"jar = catalogue(family(40, 4), 60, 'jars/{{:02d}}.webp'); p = jar.prompts[{name!r}]; "
        "print([hashlib.sha256(encoded(jar.renderer(p), f)).hexdigest() "
        "for f in Quality().formats()])"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    import hashlib

    own = [hashlib.sha256(encoded(pixels, form)).hexdigest() for form in FORMATS]
    assert other.stdout.strip() == str(own)
    assert len(set(own)) == 4


def test_tags_differ_wherever_bytes_may() -> None:
    tags = {
        entity_tag(generator, record, form)
        for generator in (bytes(32), b"\1" * 32)
        for record in (b"\x10abcd", b"\x10abcd\1")
        for form in (None, *FORMATS, *Quality(81, 91, 93).formats()[:3])
    }
    assert len(tags) == 2 * 2 * 8
    assert all(tag[0] == tag[-1] == '"' and len(tag) == 34 for tag in tags)


@pytest.mark.parametrize(
    ("field", "matches"),
    [
        (None, False),
        ('"abc"', True),
        ('W/"abc"', True),
        ('"x", "abc"', True),
        ("*", True),
        ('"ab"', False),
        ("abc", False),
        ("", False),
    ],
)
def test_if_none_match(field: str | None, matches: bool) -> None:
    assert tag_matches(field, '"abc"') is matches


def test_files_that_are_no_pictures() -> None:
    assert media_type_of(b"") is None
    assert media_type_of(b"<svg>") is None
    assert has_alpha(b"junk") is False
    with pytest.raises(RegenerationError):
        decoded(b"\x89PNG\r\n\x1a\njunk")
